//! Any user directory in JSON.

use crate::{directory, file};

/// Runs the target.
pub fn run(json: &[u8]) {
    directory::check(&file::write("users.json", json));
}
