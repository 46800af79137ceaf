//! Where a history's ledger and storage are kept, and how they are put back to an earlier state.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use integration_host_contract::clock::Clock;
use integration_host_database::SqliteDatabase;
use integration_host_database::postgres::PostgresDatabase;
use integration_host_ledger::{Ledger, Retention};
use integration_host_ledger_sql::{PostgresLedger, SqliteLedger};
use integration_host_storage::{KeyValueStore, PostgresStore, SqliteStore};
use tempfile::TempDir;
use test_services::TestDatabase;

use crate::process::run_cli;

/// What keeps ledger and storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One host, with SQLite files.
    Sqlite,
    /// Two hosts, with databases of a Postgres server.
    Postgres,
}

/// What is put back to an earlier state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Ledger,
    Storage,
}

/// The databases of one history.
pub(crate) enum Stores {
    Sqlite { folder: TempDir },
    Postgres { ledger: Kept, storage: Kept },
}

/// A database and its backup.
pub(crate) struct Kept {
    present: TestDatabase,
    backup: Option<TestDatabase>,
}

impl Stores {
    /// `None`: what it needs is not installed, which was said.
    pub(crate) fn new(kind: Kind) -> Result<Option<Self>> {
        let database = || -> Result<Option<Kept>> {
            Ok(TestDatabase::create()?.map(|present| Kept {
                present,
                backup: None,
            }))
        };
        Ok(match kind {
            Kind::Sqlite => Some(Self::Sqlite {
                folder: tempfile::tempdir()?,
            }),
            Kind::Postgres => match (database()?, database()?) {
                (Some(ledger), Some(storage)) => Some(Self::Postgres { ledger, storage }),
                _ => None,
            },
        })
    }

    /// How many hosts share it.
    pub(super) fn hosts(&self) -> usize {
        match self {
            Self::Sqlite { .. } => 1,
            Self::Postgres { .. } => 2,
        }
    }

    /// Where a host finds it.
    pub(crate) fn place(&self) -> Place {
        match self {
            Self::Sqlite { folder } => Place::Sqlite {
                ledger: file(folder.path(), Part::Ledger),
                storage: file(folder.path(), Part::Storage),
            },
            Self::Postgres { ledger, storage } => Place::Postgres {
                ledger: ledger.present.url(),
                storage: storage.present.url(),
            },
        }
    }

    /// Makes a backup of everything, in place of the one before. No host may run.
    pub(super) fn back_up(&mut self) -> Result<()> {
        match self {
            Self::Sqlite { folder } => {
                for part in [Part::Ledger, Part::Storage] {
                    let backup = backup(folder.path(), part);
                    if backup.exists() {
                        std::fs::remove_file(&backup)?;
                    }
                    let database = rusqlite::Connection::open(file(folder.path(), part))?;
                    let path = backup.to_str().context("a path that is no text")?;
                    database.execute("VACUUM INTO ?1", [path])?;
                }
            }
            Self::Postgres { ledger, storage } => {
                for kept in [ledger, storage] {
                    kept.backup = Some(kept.present.copy()?);
                }
            }
        }
        Ok(())
    }

    /// Puts a part back to the backup; `false`: there is none. No host may run.
    pub(super) fn restore(&mut self, part: Part) -> Result<bool> {
        match self {
            Self::Sqlite { folder } => {
                let backup = backup(folder.path(), part);
                if !backup.exists() {
                    return Ok(false);
                }
                let present = file(folder.path(), part);
                // Threads of a host that was killed may still be closing the files that were there: theirs are others.
                for left in ["", "-wal", "-shm"] {
                    let mut name = present.clone().into_os_string();
                    name.push(left);
                    let _ = std::fs::remove_file(name);
                }
                std::fs::copy(backup, present)?;
            }
            Self::Postgres { ledger, storage } => {
                let kept = match part {
                    Part::Ledger => ledger,
                    Part::Storage => storage,
                };
                let Some(backup) = &kept.backup else {
                    return Ok(false);
                };
                kept.present = backup.copy()?;
            }
        }
        Ok(true)
    }
}

fn file(folder: &Path, part: Part) -> PathBuf {
    folder.join(match part {
        Part::Ledger => "ledger.sqlite",
        Part::Storage => "storage.sqlite",
    })
}

fn backup(folder: &Path, part: Part) -> PathBuf {
    file(folder, part).with_extension("backup")
}

/// Where ledger and storage are.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Sqlite { ledger: PathBuf, storage: PathBuf },
    Postgres { ledger: String, storage: String },
}

impl Place {
    /// Does what the operator's guide says about a ledger that was put back.
    pub(super) async fn begin_a_new_life(&self) -> Result<()> {
        let (ledger, storage) = match self {
            Self::Sqlite { ledger, storage } => (
                format!("sqlite:{}", ledger.display()),
                format!("sqlite:{}", storage.display()),
            ),
            Self::Postgres { ledger, storage } => (ledger.clone(), storage.clone()),
        };
        let arguments = ["restored", "--ledger", &ledger, "--storage", &storage];
        let output = run_cli(&arguments, &[], &std::env::temp_dir()).await?;
        ensure!(
            output.status.success(),
            "`integration-host restored` failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// Opens both for a host.
    pub(crate) async fn open(
        &self,
        clock: &Arc<dyn Clock>,
    ) -> Result<(Arc<dyn Ledger>, Arc<dyn KeyValueStore>)> {
        Ok(match self {
            Self::Sqlite { ledger, storage } => {
                let storage = SqliteDatabase::open(storage)?;
                (
                    Arc::new(SqliteLedger::new(SqliteDatabase::open(ledger)?)),
                    Arc::new(SqliteStore::new(storage, Arc::clone(clock))),
                )
            }
            Self::Postgres { ledger, storage } => {
                let connect = async |url: &str| -> Result<PostgresDatabase> {
                    let address = format!("{url}?connections=4").parse()?;
                    Ok(PostgresDatabase::open(&address).await?)
                };
                (
                    Arc::new(PostgresLedger::new(
                        connect(ledger).await?,
                        Retention::default(),
                    )),
                    Arc::new(PostgresStore::new(
                        connect(storage).await?,
                        Arc::clone(clock),
                    )),
                )
            }
        })
    }
}
