//! Reference host for `worksights:integration` components: a library to embed, and the
//! `integration-host` program.
//!
//! [`service::Service`] holds the use cases. It is made of a loaded [`engine::Integration`] and of
//! providers: a [`capability::storage::KeyValueStore`], a [`ledger::Ledger`], a
//! [`capability::user_directory::UserDirectory`] and a [`capability::http::HttpClient`].
//! [`assembly::assemble`] builds the reference host from its configuration and shows how; [`server`]
//! and [`cli`] are two ways to use it.
#![deny(missing_docs)]

pub mod api;
pub mod assembly;
mod bindings;
pub mod capability;
pub mod cli;
pub mod clock;
pub mod config;
pub mod contract;
pub mod database;
pub mod engine;
pub mod id;
pub mod ledger;
pub mod limits;
mod log_budget;
pub mod schedule;
pub mod seal;
pub mod secret;
mod sentence;
pub mod server;
pub mod service;
pub mod transfer;
