//! The http capability with real parts: real connections to a server on this machine.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod client;
mod fixture;
mod outbound;
mod retrying;
mod server;
