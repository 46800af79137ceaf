//! Copies of the database while it is in use, and what is in a copy.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use rusqlite::{Connection, InterruptHandle, OpenFlags};
use thiserror::Error;

use super::open::{self, APPLICATION_ID, MIGRATIONS};
use super::{DatabaseError, SqliteDatabase};
use integration_host_seal::drafts::directory_of;

/// What a database file holds, as far as it matters before it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseContents {
    /// The version of its schema.
    pub schema_version: i64,
    /// Connections in it, in any state.
    pub connections: u64,
    /// The ids of the keys that something in it is sealed with.
    pub key_ids: BTreeSet<String>,
}

/// Why a file cannot be used as a backup: a sentence that says what helps.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackupError {
    /// It is no database of this program, or a damaged one.
    #[error("{path} is no whole backup ({cause}): choose another backup")]
    Unusable {
        /// The file.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
    /// It was made by a newer version.
    #[error(
        "{path} was made by a newer version of this program (schema {found}, this one knows {known}): use that version"
    )]
    Newer {
        /// The file.
        path: String,
        /// Its schema.
        found: i64,
        /// The newest schema this program knows.
        known: i64,
    },
}

impl SqliteDatabase {
    /// Copies the database as it is at one moment, without holding up who uses it, to a file that has no name any more and
    /// is gone when it is closed, and tells its size in bytes. `None`: it is in memory, where there is nothing worth a copy.
    /// Dropping the future ends the copying.
    ///
    /// # Errors
    /// There is no room for the copy, or the database cannot be read.
    pub async fn copy(&self) -> Result<Option<(File, u64)>, DatabaseError> {
        let Some(path) = self.path() else {
            return Ok(None);
        };
        let (source, connection) = blocking(move || {
            remove_unfinished(&path);
            let connection = open::open_copier(&path)?;
            Ok((path, connection))
        })
        .await?;
        let _interrupt = InterruptOnDrop(connection.get_interrupt_handle());
        blocking(move || vacuum(&source, &connection).map(Some)).await
    }

    /// Makes what was erased or sealed again disappear from the write-ahead log, where its former state
    /// would stay until the log is used again. Readers may prevent it; then this does nothing.
    pub async fn scrub(&self) {
        if let Err(error) = self.checkpoint().await {
            tracing::debug!(%error, "the write-ahead log could not be emptied");
        }
    }
}

/// Ends what a connection does when nobody waits for it any more.
struct InterruptOnDrop(InterruptHandle);

impl Drop for InterruptOnDrop {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DatabaseError> + Send + 'static,
) -> Result<T, DatabaseError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            tracing::error!(%error, "copying the database ended with a panic");
            Err(DatabaseError::defect())
        })
}

fn vacuum(source: &Path, connection: &Connection) -> Result<(File, u64), DatabaseError> {
    let cannot = |error: std::io::Error| DatabaseError(error.to_string());
    // Beside the database: there is room for a database, and only its owner reads it.
    let draft = tempfile::Builder::new()
        .prefix(&draft_prefix(source))
        .tempfile_in(directory_of(source))
        .map_err(cannot)?;
    let name = draft.path().to_str().ok_or_else(|| {
        DatabaseError("the name of the database's directory is no text".to_owned())
    })?;
    connection.execute("VACUUM INTO ?1", [name])?;
    open::mark_as_copy(&Connection::open(name)?)?;
    let file = draft.reopen().map_err(cannot)?;
    draft.close().map_err(cannot)?;
    let size_bytes = file.metadata().map_err(cannot)?.len();
    Ok((file, size_bytes))
}

/// Removes what a copy left behind that a kill interrupted.
pub(super) fn remove_unfinished(database: &Path) {
    let prefix = draft_prefix(database);
    let Ok(files) = std::fs::read_dir(directory_of(database)) else {
        return;
    };
    for file in files.flatten() {
        if file.file_name().to_string_lossy().starts_with(&prefix)
            && let Err(error) = std::fs::remove_file(file.path())
        {
            tracing::warn!(%error, "an unfinished copy of the database could not be removed");
        }
    }
}

fn draft_prefix(database: &Path) -> String {
    let name = database.file_name().unwrap_or_default().to_string_lossy();
    format!(".{name}.copy-")
}

/// Checks a database file that nobody uses from its first page to its last and says what is in it.
/// This may take long; the file is not changed.
///
/// # Errors
/// It is no database of this program, is damaged, or is of a newer version.
pub fn inspect_backup(path: &Path) -> Result<DatabaseContents, BackupError> {
    let shown = path.display().to_string();
    let unusable = |cause: String| BackupError::Unusable {
        path: shown.clone(),
        cause,
    };
    let failed = |error: rusqlite::Error| unusable(error.to_string());
    let connection = open_to_look(path).map_err(failed)?;
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let application_id = number("PRAGMA application_id").map_err(failed)?;
    if application_id != i64::from(APPLICATION_ID) {
        return Err(unusable("it is not a database of this program".to_owned()));
    }
    let found = number("PRAGMA user_version").map_err(failed)?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(BackupError::Newer {
            path: shown,
            found,
            known,
        });
    }
    let integrity: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(failed)?;
    if integrity != "ok" {
        return Err(unusable(integrity.replace('\n', " ")));
    }
    let connections = match found {
        ..2 => 0,
        _ => number("SELECT count(*) FROM connections").map_err(failed)?,
    };
    Ok(DatabaseContents {
        schema_version: found,
        connections: u64::try_from(connections).unwrap_or_default(),
        key_ids: key_ids(&connection, found).map_err(failed)?,
    })
}

/// The ids of the keys that something in a database is sealed with; none if there is no database.
///
/// # Errors
/// It cannot be read.
pub fn key_ids_in(path: &Path) -> Result<BTreeSet<String>, DatabaseError> {
    if !path.is_file() {
        return Ok(BTreeSet::new());
    }
    let connection = open_to_look(path)?;
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok(key_ids(&connection, version)?)
}

fn key_ids(connection: &Connection, schema_version: i64) -> rusqlite::Result<BTreeSet<String>> {
    let mut sources = Vec::new();
    if schema_version >= 1 {
        sources.push(("storage_entries", "value"));
    }
    if schema_version >= 2 {
        sources.push(("delivery_requests", "sealed"));
    }
    let mut ids = BTreeSet::new();
    for (table, column) in sources {
        // The id stands after the format.
        let sql = format!("SELECT DISTINCT lower(hex(substr({column}, 2, 8))) FROM {table}");
        let mut statement = connection.prepare(&sql)?;
        for id in statement.query_map([], |row| row.get(0))? {
            ids.insert(id?);
        }
    }
    Ok(ids)
}

fn open_to_look(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(open::BUSY_TIMEOUT)?;
    connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;")?;
    Ok(connection)
}
