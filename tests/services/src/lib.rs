//! Servers of other makers that tests need, as far as they can be had on this machine.
//!
//! `cargo xtask test` starts one of each for all tests and names it in `TEST_POSTGRES_URL` and so on, unless the
//! caller did. A test that wants to stop or kill a server starts one of its own.

mod database;
mod forwarder;
mod pooler;
mod postgres;
mod proxy;
mod redis;
mod scim;

use anyhow::{Result, bail};

pub use database::TestDatabase;
pub use forwarder::Forwarder;
pub use pooler::Pooler;
pub use postgres::{Durability, Ending, PostgresServer};
pub use proxy::Proxy;
pub use redis::{RedisServer, part_of_redis};
pub use scim::{ScimService, ScimTenant};

/// Says on standard error that a test is left out because something is missing, and how to include it.
///
/// # Errors
/// `SERVICE_TESTS=required` says that nothing may be left out.
pub fn leave_out(missing: &str, remedy: &str) -> Result<()> {
    let sentence = format!("NOT TESTED, because {missing} is missing: {remedy}");
    if std::env::var_os("SERVICE_TESTS").is_some_and(|value| value == "required") {
        bail!(sentence);
    }
    eprintln!("{sentence}");
    Ok(())
}
