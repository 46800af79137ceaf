//! The console in a real Chromium. Without one these tests are ignored; `cargo xtask test` runs them where
//! there is one.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod connecting;
mod connecting_without_scripts;
mod connection;
mod deliveries;
mod every_page;
mod signing_in;
mod the_checks;
mod timeline;
mod users;
mod widths;
