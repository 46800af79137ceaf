//! What an integration may rely on when it is tested against the sandbox.

mod accounts;
mod answers;
mod control;
mod deliveries;
mod limits;
mod reports;
mod subscriptions;
mod support;
mod time_entries;
