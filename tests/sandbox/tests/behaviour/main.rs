//! What an integration may rely on when it is tested against the sandbox.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

mod accounts;
mod answers;
mod control;
mod deliveries;
mod lies;
mod limits;
mod reports;
mod subscriptions;
mod support;
mod time_entries;
