//! One host for one SQLite database: two would answer for the same connections without knowing of each other.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use tracing::{debug, warn};

use crate::config::{LedgerChoice, Settings, StorageChoice};

/// How often a lock is tried that somebody has removed meanwhile.
const ATTEMPTS: usize = 10;

/// The most that is read of what another host wrote about itself, in bytes.
const MOST_READ: u64 = 20;

/// The databases in files that this host alone works with, until this is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct Locks {
    _locks: Vec<Lock>,
}

/// A locked file, which is removed with this.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // One that stays does no harm: it is not locked any more.
        if is_still(&self.path, &self.file) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Takes the databases of the settings.
///
/// # Errors
/// A sentence that names the database and the process that works with it.
pub(crate) fn take(settings: &Settings) -> Result<Locks> {
    let ledger = match &settings.ledger {
        LedgerChoice::Sqlite(path) => Some(path),
        _ => None,
    };
    let storage = match &settings.storage {
        StorageChoice::Sqlite(path) if !super::backends::is_ledger(settings, path) => Some(path),
        _ => None,
    };
    let mut locks = Vec::new();
    for database in ledger.into_iter().chain(storage) {
        locks.extend(take_one(database)?);
    }
    Ok(Locks { _locks: locks })
}

/// The lock on a database. `None`: there can be none, for a reason that opening the database tells, or that is no reason
/// not to start.
fn take_one(database: &Path) -> Result<Option<Lock>> {
    let path = lock_of(database);
    // Whoever ends removes the file, perhaps between opening and locking it here.
    for _ in 0..ATTEMPTS {
        match try_to_take(database, &path)? {
            Some(lock) if !is_still(&path, &lock.file) => {}
            lock => return Ok(lock),
        }
    }
    bail!(
        "other processes start and end with the database {} all the time: stop them first",
        database.display()
    )
}

fn try_to_take(database: &Path, path: &Path) -> Result<Option<Lock>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = match options.open(path) {
        Ok(file) => file,
        Err(error) => {
            debug!(%error, "a lock could not be made: {}", path.display());
            return Ok(None);
        }
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut process = String::new();
            // Whoever has just taken it may not have written who it is.
            let _ = (&mut file).take(MOST_READ).read_to_string(&mut process);
            let process = match process.trim().parse::<u32>() {
                Ok(process) => format!("the process {process}"),
                Err(_) => "another process".to_owned(),
            };
            bail!(
                "{process} runs a host with the database {}: stop it first, or give this host a directory of its own with --data; several hosts can share a Postgres database",
                database.display()
            );
        }
        Err(TryLockError::Error(error)) => {
            warn!(%error, "files cannot be locked here, so nothing prevents a second host with the same database: {}", database.display());
            return Ok(None);
        }
    }
    let written = (|| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    })();
    if let Err(error) = written {
        debug!(%error, "a lock does not say whose it is: {}", path.display());
    }
    Ok(Some(Lock {
        path: path.to_owned(),
        file,
    }))
}

/// Whether a file still has its name, and no other file has taken it.
#[cfg(unix)]
fn is_still(path: &Path, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let named = std::fs::metadata(path).map(identity);
    matches!((named, file.metadata().map(identity)), (Ok(named), Ok(file)) if named == file)
}

/// Elsewhere an open file keeps its name.
#[cfg(not(unix))]
fn is_still(_: &Path, _: &File) -> bool {
    true
}

/// The file that is locked. The database itself will not do: closing it would end SQLite's own locks.
fn lock_of(database: &Path) -> PathBuf {
    // Links may lead to one database by several names, and to one directory.
    let database = match database.canonicalize() {
        Ok(database) => database,
        Err(_) => {
            let directory = integration_host_seal::drafts::directory_of(database);
            let name = database.file_name().unwrap_or_default();
            directory.canonicalize().unwrap_or(directory).join(name)
        }
    };
    let mut name = database.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    database.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_has_one_host_which_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("host.sqlite");
        let held = take_one(&database).unwrap();
        assert!(held.is_some());
        let refused = take_one(&database).unwrap_err().to_string();
        let process = format!("the process {} runs a host", std::process::id());
        assert!(
            refused.contains(&process) && refused.contains("--data"),
            "{refused}"
        );
        assert!(
            take_one(&folder.path().join("other.sqlite"))
                .unwrap()
                .is_some()
        );
        #[cfg(unix)]
        {
            let elsewhere = tempfile::tempdir().unwrap();
            let link = elsewhere.path().join("host.sqlite");
            std::fs::write(&database, "").unwrap();
            std::os::unix::fs::symlink(&database, &link).unwrap();
            assert!(take_one(&link).is_err(), "two hosts by two names");
        }
        drop(held);
        assert!(!folder.path().join("host.sqlite.lock").exists());
        assert!(take_one(&database).unwrap().is_some());
        // Opening the database says what is wrong with its directory.
        assert!(
            take_one(Path::new("/nowhere/host.sqlite"))
                .unwrap()
                .is_none()
        );
    }
}
