//! Users in an SQLite file.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, params};
use tokio::sync::Semaphore;

use super::statements::Dialect;
use super::{Database, Parameters, SqlError};
use crate::DirectoryError;
use crate::users::user;
use integration_host_contract::User;

/// Lookups that may run at once.
const MAX_LOOKUPS: usize = 4;
/// Steps of SQLite between two looks at the clock: well below a millisecond.
const STEPS: i32 = 10_000;

/// An SQLite file that another program writes.
///
/// It is opened for every lookup, which takes a fraction of a millisecond: so a file that a new one was
/// moved over is noticed, and no lock outlives a lookup.
pub(super) struct SqliteUsers {
    file: Arc<File>,
    permits: Arc<Semaphore>,
}

struct File {
    path: PathBuf,
    timeout: Duration,
}

impl SqliteUsers {
    pub(super) const DIALECT: Dialect = Dialect {
        text: |value| value.to_owned(),
        lower: |text| format!("lower_unicode({text})"),
        is_listed: |value| format!("{value} IN (SELECT value FROM json_each(?1))"),
        position: |text| format!("instr({text}, ?1)"),
        is_odd: |text| format!("{text} GLOB '*[^!-~]*'"),
        parameters: ["?1", "?2"],
    };

    /// The users in a file, which must be an SQLite database.
    pub(super) async fn open(path: &Path, timeout: Duration) -> Result<Self, SqlError> {
        let path = path.to_owned();
        let users = Self {
            file: Arc::new(File { path, timeout }),
            permits: Arc::new(Semaphore::new(MAX_LOOKUPS)),
        };
        let read = |connection: &Connection| {
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        };
        match users.run(read).await {
            Ok(()) => Ok(users),
            Err(Failure::NotADatabase) => Err(SqlError::Unreachable(
                "the file is not an SQLite database; name the right file with --directory"
                    .to_owned(),
            )),
            Err(failure) => Err(SqlError::Unreachable(format!(
                "{}; name a file that can be read with --directory",
                failure.text()
            ))),
        }
    }

    /// Runs something with the file where it may block.
    async fn run<T: Send + 'static>(
        &self,
        lookup: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let permit = Arc::clone(&self.permits).acquire_owned();
        let permit = tokio::time::timeout(self.file.timeout, permit).await;
        let Ok(Ok(permit)) = permit else {
            return Err(Failure::Other("too many lookups are waiting".to_owned()));
        };
        let file = Arc::clone(&self.file);
        let task = tokio::task::spawn_blocking(move || {
            let found = file.look_up(lookup);
            drop(permit);
            found
        });
        task.await.unwrap_or_else(|error| {
            Err(Failure::Other(format!("a defect ended a lookup: {error}")))
        })
    }
}

/// How a file is opened.
enum OpenMode {
    /// As one that other programs may write.
    Shared,
    /// As one that nobody writes meanwhile.
    Unshared,
}

/// What means something in a URI, and so cannot stand in its path.
const NOT_IN_PATHS: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#').add(b' ');

/// Why there was no answer.
enum Failure {
    NotADatabase,
    Other(String),
}

impl Failure {
    fn text(self) -> String {
        match self {
            Self::NotADatabase => "the file is not an SQLite database any more".to_owned(),
            Self::Other(text) => text,
        }
    }
}

impl File {
    fn look_up<T>(
        &self,
        lookup: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        let failure = |error| self.failure(&error);
        let connection = self.open(OpenMode::Shared).map_err(failure)?;
        // The first look into the file is the one that needs what stands beside it.
        let looked = connection.query_row("PRAGMA schema_version", [], |_| Ok(()));
        match looked.map_err(|error| error.sqlite_error_code()) {
            Err(Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)) if self.is_in_wal_mode() => {
                self.look_up_unshared(lookup)
            }
            _ => lookup(&connection).map_err(failure),
        }
    }

    /// Looks into a file in WAL mode in a directory that cannot be written. SQLite shares such a file through another one
    /// beside it, which cannot be made there. Where no log holds anything the file is all there is, and is read for itself,
    /// provided that nobody writes it meanwhile.
    fn look_up_unshared<T>(
        &self,
        lookup: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        let Some(before) = self.stamp() else {
            let path = self.path.display();
            return Err(Failure::Other(format!(
                "the file is in WAL mode, its directory cannot be written, and {path}-wal holds what was written last; have the program that writes the file do so with `PRAGMA journal_mode = DELETE`, or let the host write the directory"
            )));
        };
        let found = self
            .open(OpenMode::Unshared)
            .and_then(|connection| lookup(&connection));
        if self.stamp() != Some(before) {
            return Err(Failure::Other(
                "another program wrote the file while it was read; try again".to_owned(),
            ));
        }
        found.map_err(|error| self.failure(&error))
    }

    /// Whether the file says that changes go to a log beside it: two bytes of its header are 2
    /// (<https://www.sqlite.org/fileformat2.html#file_format_version_numbers>).
    fn is_in_wal_mode(&self) -> bool {
        let mut header = [0; 20];
        let read =
            std::fs::File::open(&self.path).and_then(|mut file| file.read_exact(&mut header));
        read.is_ok() && header.ends_with(&[2, 2])
    }

    /// What changes when the file does; `None`: a log holds something that is not in the file.
    fn stamp(&self) -> Option<(Option<SystemTime>, u64)> {
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        if std::fs::metadata(log).is_ok_and(|log| log.len() > 0) {
            return None;
        }
        let file = std::fs::metadata(&self.path).ok()?;
        Some((file.modified().ok(), file.len()))
    }

    fn open(&self, mode: OpenMode) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = match mode {
            OpenMode::Shared => Connection::open_with_flags(&self.path, flags)?,
            OpenMode::Unshared => {
                let path = self.path.to_string_lossy();
                let path = utf8_percent_encode(&path, NOT_IN_PATHS);
                let uri = format!("file:{path}?immutable=1");
                Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)?
            }
        };
        let deadline = Instant::now() + self.timeout;
        connection.busy_timeout(self.timeout)?;
        connection.progress_handler(STEPS, Some(move || Instant::now() > deadline))?;
        // What stands in the file's schema is not trusted to do more than to read.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;")?;
        // SQLite's own `lower` knows ASCII letters only.
        connection.create_scalar_function(
            "lower_unicode",
            1,
            FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC,
            |context| Ok(text(context.get_raw(0)).map(|text| text.to_lowercase())),
        )?;
        Ok(connection)
    }

    fn failure(&self, error: &rusqlite::Error) -> Failure {
        Failure::Other(match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                return Failure::NotADatabase;
            }
            Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure) => {
                // The system knows better what is in the way.
                let cause = match std::fs::metadata(&self.path) {
                    Err(cause) => cause.to_string(),
                    Ok(metadata) if metadata.is_dir() => "it is a directory".to_owned(),
                    Ok(_) => error.to_string(),
                };
                format!("the file cannot be opened ({cause})")
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "another program keeps the file locked".to_owned()
            }
            Some(ErrorCode::OperationInterrupted) => {
                format!("it took longer than {} s", self.timeout.as_secs_f32())
            }
            _ => error.to_string(),
        })
    }
}

#[async_trait]
impl Database for SqliteUsers {
    async fn probe(&self, statement: &str) -> Result<(), String> {
        let statement = statement.to_owned();
        self.run(move |connection| connection.prepare(&statement)?.exists([]).map(|_| ()))
            .await
            .map_err(Failure::text)
    }

    async fn prepare(&self, statement: &str) -> Result<(), String> {
        let statement = statement.to_owned();
        self.run(move |connection| connection.prepare(&statement).map(|_| ()))
            .await
            .map_err(Failure::text)
    }

    async fn users(
        &self,
        statement: &str,
        parameters: Parameters,
    ) -> Result<Vec<User>, DirectoryError> {
        let statement = statement.to_owned();
        let found = self.run(move |connection| {
            let mut statement = connection.prepare(&statement)?;
            let mut rows = match parameters {
                Parameters::None => statement.query([])?,
                Parameters::Text(text) => statement.query([text])?,
                Parameters::Addresses(list) => {
                    statement.query([serde_json::Value::from(list).to_string()])?
                }
                Parameters::Search(query, limit) => statement.query(params![query, limit])?,
            };
            let mut users = Vec::new();
            while let Some(row) = rows.next()? {
                users.extend(read(row)?);
            }
            Ok(users)
        });
        found
            .await
            .map_err(|failure| DirectoryError(failure.text()))
    }

    async fn number(&self, statement: &str) -> Result<u64, DirectoryError> {
        let statement = statement.to_owned();
        let number = self.run(move |connection| {
            connection.query_row(&statement, [], |row| row.get::<_, i64>(0))
        });
        match number.await {
            Ok(number) => Ok(number.try_into().unwrap_or(0)),
            Err(failure) => Err(DirectoryError(failure.text())),
        }
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Option<User>> {
    let column = |index: usize| row.get_ref(index).map(text);
    let (id, email, name) = (column(0)?, column(1)?, column(2)?);
    let id = id.unwrap_or_default();
    Ok(user(&id, email.as_deref(), &name.unwrap_or_default()))
}

/// A value as text, whatever it is.
fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
    }
}
