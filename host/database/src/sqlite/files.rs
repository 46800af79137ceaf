//! Whether the files of an open database are still the ones at their place.
//!
//! SQLite goes on writing to files that were moved or removed, and reports success: what is
//! acknowledged then would be gone with the process. So the writer looks before it tells a result.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// The files of a database, as they were when it was opened.
pub(super) struct Files {
    files: Vec<(PathBuf, Identity)>,
}

/// What tells a file from one that was put in its place.
type Identity = (u64, u64);

impl Files {
    /// The files of the database at `path`, which is open.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let mut log = OsString::from(path);
        log.push("-wal");
        let mut files = vec![(path.to_owned(), identity(path)?)];
        let log = PathBuf::from(log);
        if let Ok(identity) = identity(&log) {
            files.push((log, identity));
        }
        Ok(Self { files })
    }

    /// Errors with a sentence that names the first file that is not where it was.
    pub(super) fn ensure_in_place(&self) -> Result<(), String> {
        for (path, expected) in &self.files {
            let what = match identity(path) {
                Ok(found) if found == *expected => continue,
                Ok(_) => "was replaced".to_owned(),
                Err(error) => format!("is not there any more ({error})"),
            };
            return Err(format!(
                "{} {what} while the host runs: put it back",
                path.display()
            ));
        }
        Ok(())
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Elsewhere open files cannot be moved or removed.
#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<Identity> {
    std::fs::metadata(path).map(|_| (0, 0))
}
