//! Opening: is it ours, can it be written, is its schema known.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use thiserror::Error;

use super::Location;
use integration_host_contract::id::FeedLife;

/// Marks a file as this program's: "WSIH".
pub(super) const APPLICATION_ID: i32 = 0x5753_4948;

/// The steps from an empty database to the present schema. A released step never changes.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("schema/0001-storage.sql"),
    include_str!("schema/0002-ledger.sql"),
    include_str!("schema/0003-continuity.sql"),
    include_str!("schema/0004-deliveries.sql"),
    include_str!("schema/0005-console.sql"),
    include_str!("schema/0006-moving.sql"),
    include_str!("schema/0007-identity.sql"),
    include_str!("schema/0008-age.sql"),
    include_str!("schema/0009-notes.sql"),
    include_str!("schema/0010-upkeep.sql"),
    include_str!("schema/0011-repetitions.sql"),
    include_str!("schema/0012-sessions.sql"),
    include_str!("schema/0013-confirmation.sql"),
    include_str!("schema/0014-integrations.sql"),
    include_str!("schema/0015-spreading.sql"),
];

/// How long to wait for another program that holds the database. A delivery waits as long, twice if it
/// is then to be kept, and its sender does not wait for ever.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// Prepared statements kept per connection: more than there are.
const STATEMENTS: usize = 128;

/// Why a database could not be opened: a sentence that names the file and what helps.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory is not there.
    #[error(
        "the directory of the database {path} does not exist: create it, or choose another path"
    )]
    MissingDirectory {
        /// The database.
        path: String,
    },
    /// There is no database, and files beside its place belong to one.
    #[error(
        "the database {path} is missing, and {beside} holds what was committed to it last: put the database back beside it; if it is lost, move that file away and restore a backup"
    )]
    Lost {
        /// The database.
        path: String,
        /// What is beside its place.
        beside: String,
    },
    /// The file or its directory cannot be written.
    #[error(
        "the database {path} cannot be opened for writing ({cause}): make the file and its directory writable, or choose another path"
    )]
    NotWritable {
        /// The database.
        path: String,
        /// What the system says.
        cause: String,
    },
    /// The file is no SQLite database, or a damaged one.
    #[error(
        "{path} is not an SQLite database, or it is damaged: restore a backup, or choose another path"
    )]
    NotADatabase {
        /// The file.
        path: String,
    },
    /// The file is the database of another program.
    #[error("{path} is the database of another program: choose another path")]
    Foreign {
        /// The file.
        path: String,
    },
    /// The file was written by a newer version.
    #[error(
        "the database {path} was written by a newer version of this program (schema {found}, this one knows {known}): use that version, or restore a backup"
    )]
    Newer {
        /// The database.
        path: String,
        /// Its schema.
        found: i64,
        /// The newest schema this program knows.
        known: i64,
    },
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Opens the connection that writes, makes the file if it is not there, and brings the schema up to date.
pub(super) fn open_writer(location: &Location) -> Result<Connection, OpenError> {
    if let Location::File(path) = location {
        create_file(path)?;
    }
    open(location, true)
}

/// Opens the connection that writes once more, after an error. The file must still be there: a new one
/// in its place would be an empty ledger. It may be another one, such as a restored backup.
pub(super) fn reopen_writer(location: &Location) -> Result<Connection, OpenError> {
    open(location, false)
}

fn open(location: &Location, may_be_new: bool) -> Result<Connection, OpenError> {
    let path = match location {
        Location::File(path) => path.display().to_string(),
        Location::Memory => "in memory".to_owned(),
    };
    let describe = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            OpenError::NotADatabase { path: path.clone() }
        }
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            OpenError::NotWritable {
                path: path.clone(),
                cause: error.to_string(),
            }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Other(format!(
            "the database {path} is in use by another program: stop it, or choose another path"
        )),
        _ => OpenError::Other(format!("the database {path} cannot be opened: {error}")),
    };

    let mut connection = connect(location).map_err(describe)?;
    // Nothing may be written before this: it may be somebody else's.
    let application_id: i32 = connection
        .query_row("PRAGMA application_id", [], |row| row.get(0))
        .map_err(describe)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(describe)?;
    let is_new = application_id == 0 && tables == 0;
    if application_id != APPLICATION_ID && !(is_new && may_be_new) {
        return Err(OpenError::Foreign { path });
    }
    let known = MIGRATIONS.len() as i64;
    let found: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(describe)?;
    if found > known {
        return Err(OpenError::Newer { path, found, known });
    }
    if connection.is_readonly("main").map_err(describe)? {
        return Err(OpenError::NotWritable {
            path,
            cause: "it is read-only".to_owned(),
        });
    }
    configure_writer(&connection).map_err(describe)?;
    forget_counts(&connection).map_err(describe)?;
    if found < known {
        migrate(&mut connection).map_err(describe)?;
    }
    begin_life_of_copy(&connection).map_err(describe)?;
    Ok(connection)
}

/// Whether another program has the database in this file open. What cannot be found out is no.
pub fn is_in_use(path: &Path) -> bool {
    let look = || {
        let connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        // The whole file is locked before the first look into it, which everybody's open connection prevents.
        connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE;")?;
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
    };
    matches!(
        look().map_err(|error: rusqlite::Error| error.sqlite_error_code()),
        Err(Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
    )
}

/// Opens a connection that only reads.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(&Location::File(path.to_owned()))?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -4000;")?;
    leave_files_alone(&connection)?;
    Ok(connection)
}

/// Opens a connection that copies the database.
pub(super) fn open_copier(path: &Path) -> rusqlite::Result<Connection> {
    connect(&Location::File(path.to_owned()))
}

/// Has a connection close without tidying up. The last one to close would remove the write-ahead log by
/// its name, and in a place where files were exchanged that may be another database's.
pub(super) fn leave_files_alone(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(())
}

fn connect(location: &Location) -> rusqlite::Result<Connection> {
    let connection = match location {
        // Without a mutex: a connection is used by one thread at a time.
        Location::File(path) => Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?,
        Location::Memory => Connection::open_in_memory()?,
    };
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Plans that do not look at parameters: otherwise every other `LIMIT ?` prepares its statement anew.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch(
        "PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;",
    )?;
    Ok(connection)
}

fn configure_writer(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA cache_size = -16000;")?;
    // What is erased is overwritten, not only marked as free.
    connection.query_row("PRAGMA secure_delete = ON", [], |_| Ok(()))?;
    // Pages that change often reach the main file once per 16 MiB of changes rather than per 4.
    connection.query_row("PRAGMA wal_autocheckpoint = 4000", [], |_| Ok(()))?;
    connection.query_row("PRAGMA journal_size_limit = 67108864", [], |_| Ok(()))
}

/// Forgets what `ANALYZE` has counted. Without counts SQLite takes every table to be large and goes by the indexes, which
/// are made for what is asked. With those of a time when a table was small it reads all of it, however large it is now.
fn forget_counts(connection: &Connection) -> rusqlite::Result<()> {
    let mut tables =
        connection.prepare("SELECT name FROM sqlite_schema WHERE name GLOB 'sqlite_stat*'")?;
    let tables: Vec<String> =
        (tables.query_map([], |row| row.get(0))?).collect::<Result<_, _>>()?;
    for table in &tables {
        connection.execute_batch(&format!("DROP TABLE {table}"))?;
    }
    if !tables.is_empty() {
        // This connection has read them already: it reads the schema again.
        connection.execute_batch("PRAGMA writable_schema = RESET")?;
    }
    Ok(())
}

/// Takes the steps that are missing, each in a transaction of its own.
fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    for (step, version) in MIGRATIONS.iter().zip(1_i64..) {
        let transaction =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        // Read again inside: another host may be doing the same.
        let done: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if done < version {
            transaction.execute_batch(step)?;
            transaction.execute_batch(&format!(
                "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version};"
            ))?;
        }
        transaction.commit()?;
    }
    Ok(())
}

/// Begins the life of a copy that was put in place, by `restore` or by hand.
fn begin_life_of_copy(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE ledger_identity SET life = ?1, is_first = 0 WHERE life IS NULL",
        [FeedLife::generate().as_str()],
    )?;
    Ok(())
}

/// Marks a copy, so that whoever opens it begins a life. One of an older version has no place for the mark.
pub(super) fn mark_as_copy(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE ledger_identity SET life = NULL", [])?;
    Ok(())
}

/// Whether there is no database at a place: no file, or an empty one, such as a kill leaves that came while it was made.
pub fn is_missing(path: &Path) -> bool {
    std::fs::metadata(path).map_or(true, |file| file.is_file() && file.len() == 0)
}

/// The write-ahead log beside the place of a database, if it holds anything. SQLite would destroy it if it made a database
/// there.
pub fn left_log(path: &Path) -> Option<PathBuf> {
    let mut log = OsString::from(path);
    log.push("-wal");
    let log = PathBuf::from(log);
    let holds_something = std::fs::metadata(&log).is_ok_and(|file| file.len() > 0);
    holds_something.then_some(log)
}

/// Makes the file, if it is not there, so that only its owner can read it. SQLite gives the files
/// beside it the same permissions.
fn create_file(path: &Path) -> Result<(), OpenError> {
    let shown = || path.display().to_string();
    let directory = match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    if !directory.is_dir() {
        return Err(OpenError::MissingDirectory { path: shown() });
    }
    if is_missing(path)
        && let Some(log) = left_log(path)
    {
        return Err(OpenError::Lost {
            path: shown(),
            beside: log.display().to_string(),
        });
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(OpenError::NotWritable {
            path: shown(),
            cause: error.to_string(),
        }),
    }
}
