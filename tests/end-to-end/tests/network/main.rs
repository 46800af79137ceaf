//! A hostile network: whatever arrives at the port, real deliveries are taken and everything else costs
//! little and changes nothing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod connections;
mod forged;
mod fuzz;
mod hooks;
mod reverse_proxy;
mod support;
