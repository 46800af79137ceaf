//! What is known of things that arrive in any order and repeatedly: the greatest of all their states. It
//! is the same for every provider.

pub mod activity;
pub mod subject;
