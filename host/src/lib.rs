//! Reference host for `worksights:integration` components.
#![deny(missing_docs)]

pub mod capability;
pub mod clock;
pub mod contract;
pub mod database;
pub mod id;
pub mod ledger;
pub mod seal;
pub mod secret;
