//! The http capability with real parts: real connections to a server on this machine.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod client;
mod fixture;
mod lending;
mod retrying;
mod server;
