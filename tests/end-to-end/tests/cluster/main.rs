//! Several hosts, hosts on Postgres and Redis, and what moves between them. A test without the server it needs says so
//! and is left out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod between;
mod clocks;
mod kills;
mod moving;
mod redis;
mod refusals;
mod sharing;
mod standing_still;
mod waking;
mod world;
