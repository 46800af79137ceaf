//! Reference host for `worksights:integration` components.
#![deny(missing_docs)]

pub mod api;
pub mod assembly;
pub mod capability;
pub mod cli;
pub mod config;
pub mod contract;
pub mod id;
pub mod ledger;
pub mod limits;
pub mod secret;
pub mod server;
pub mod service;
