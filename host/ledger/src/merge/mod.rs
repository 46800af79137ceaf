//! Merging states that arrive in any order and repeatedly: the greatest of all counts. That
//! is the same for every provider.

pub mod activity;
pub mod subject;
