//! Capabilities: what the host lends an integration. Each has its WIT side in `host.rs`, a trait for
//! providers in `mod.rs`, and its providers beside them.

pub mod http;
pub(crate) mod keyvalue;
pub(crate) mod logging;
pub mod storage;
pub mod user_directory;
