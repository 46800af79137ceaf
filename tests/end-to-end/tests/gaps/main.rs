//! What was missed is noticed, read and closed without anybody asking.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod attention;
mod outage;
mod quota;
mod repair;
mod silence;
mod support;
