//! A hostile network: whatever arrives at the port, real deliveries are taken and everything else costs
//! little and changes nothing.

mod connections;
mod forged;
mod fuzz;
mod hooks;
mod reverse_proxy;
mod support;
