//! Any user directory in CSV.

use crate::{directory, file};

/// Runs the target.
pub fn run(csv: &[u8]) {
    directory::check(&file::write("users.csv", csv));
}
