//! The `integration-host` program: its commands, its configuration, and how a host is put together from it.
#![deny(missing_docs)]

pub mod assembly;
pub mod cli;
pub mod config;
pub mod transfer;
