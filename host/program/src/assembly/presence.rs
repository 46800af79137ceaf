//! Whether a place is new, or was there and something of it is gone. An empty ledger in the place of a lost one would look
//! as if nothing had ever been.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::config::{DEFAULT_DATABASE, DEFAULT_SEALING_KEY, LedgerChoice, Settings, StorageChoice};
use integration_host_database::{SqliteDatabase, is_missing, left_log};
use integration_host_ledger::transfer::{ImportProgress, Transfer as _};
use integration_host_ledger_sql::SqliteLedger;
use integration_host_seal::drafts::{Draft, directory_of};
use integration_host_server::AdminToken;

/// The directory of compiled components.
const CACHE: &str = "cache";
/// Names the ledger that was last used from a data directory, if it is on a server.
const LEDGER_ID: &str = "ledger-id";

/// What is about to begin at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// A host, which makes a ledger where there never was one.
    Host,
    /// A host, which a person told to make one.
    NewHost,
    /// An import. The keys it is to use may be there before it.
    Import,
}

/// The files of a place, as far as they tell what was there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Found {
    /// The ledger's database, if it is to be in a file.
    ledger: Option<Database>,
    /// The storage's, if it is to be in another file.
    storage: Option<Database>,
    /// What a host made in the data directory, the strongest sign first.
    traces: Vec<PathBuf>,
    /// What names another ledger, if that of a server is empty.
    note_of_another: Option<PathBuf>,
}

/// The place of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Database {
    path: PathBuf,
    is_missing: bool,
    /// Whether the directory is there that it is to be in.
    has_directory: bool,
    /// A write-ahead log that holds something.
    log: Option<PathBuf>,
    /// What a restore left that was killed.
    draft: Option<PathBuf>,
}

/// Makes sure that nothing is lost where a host or an import is to begin, and makes the databases that are to be new.
/// They are made before everything else, so that whatever else is there without them shows that they are gone.
///
/// # Errors
/// A sentence that names what is missing or unfinished, and what helps.
pub(crate) async fn prepare(settings: &Settings, beginning: Beginning) -> Result<()> {
    #[cfg_attr(
        not(feature = "postgres"),
        expect(unused_mut, reason = "no ledger is on a server")
    )]
    let mut found = Found::of(settings);
    let on_server: Option<String> = match settings.ledger {
        LedgerChoice::Sqlite(_) | LedgerChoice::Memory => None,
        #[cfg(feature = "postgres")]
        LedgerChoice::Postgres(_) => Some(find_on_server(settings, &mut found).await?),
    };
    if let Some(ledger) = to_make(&found, beginning)? {
        let opened = SqliteDatabase::open(ledger);
        let database = match directory_of(ledger) == settings.data {
            true => opened.with_context(|| {
                let data = settings.data.display();
                format!("a host cannot begin in {data}, which --data names")
            })?,
            false => opened?,
        };
        if beginning == Beginning::Import {
            // Of an import that is killed now no host takes this for its ledger.
            let nothing = ImportProgress {
                export: String::new(),
                lines: 0,
                is_complete: false,
            };
            let ledger = SqliteLedger::new(database.clone());
            ledger.import_batch(Vec::new(), 0, &nothing).await?;
        }
        database.close().await;
    } else if let Some(storage) = found.storage.filter(|storage| storage.is_missing)
        && beginning == Beginning::Host
    {
        ensure_nothing_was_stored(settings, &storage.path).await?;
    }
    if let Some(id) = on_server {
        let file = settings.data.join(LEDGER_ID);
        if let Err(error) = note(&file, &id) {
            tracing::warn!(file = %file.display(), %error, "which ledger this host uses could not be noted: that it was lost would not be noticed");
        }
    }
    Ok(())
}

/// A server may have lost its data, and then has an empty ledger made as if there never had been one.
#[cfg(feature = "postgres")]
async fn find_on_server(settings: &Settings, found: &mut Found) -> Result<String> {
    let ledger = super::open_ledger(settings).await?;
    let identity = ledger.identity().await;
    let connections = ledger.scan_connections(None, 1).await;
    ledger.close().await;
    let id = identity?.id.to_string();
    let is_empty = connections?.is_empty();
    let file = settings.data.join(LEDGER_ID);
    let last = std::fs::read_to_string(&file).ok();
    let is_another = last.is_some_and(|last| last.trim() != id);
    found.note_of_another = (is_empty && is_another).then_some(file);
    Ok(id)
}

fn note(file: &Path, id: &str) -> io::Result<()> {
    let mut draft = Draft::begin(file)?;
    writeln!(draft.file(), "{id}")?;
    draft.keep(true)
}

/// What connections have stored would look as if it never had been.
async fn ensure_nothing_was_stored(settings: &Settings, storage: &Path) -> Result<()> {
    if settings.ledger == LedgerChoice::Memory {
        return Ok(());
    }
    let ledger = super::open_ledger(settings).await?;
    let connections = ledger.scan_connections(None, 1).await;
    ledger.close().await;
    if connections?.is_empty() {
        return Ok(());
    }
    bail!(
        "the database {} is missing, and the ledger {} has connections whose secrets were in it: put it back, or name the right one with --storage; if it is lost, say --new, and then give each connection its token again",
        storage.display(),
        settings.ledger
    )
}

/// The ledger's database, if it is to be made.
fn to_make(found: &Found, beginning: Beginning) -> Result<Option<&Path>> {
    for database in found.ledger.iter().chain(&found.storage) {
        if !database.is_missing {
            continue;
        }
        let path = database.path.display();
        if let Some(draft) = &database.draft {
            bail!(
                "{} is left of a restore that did not come to its end: run the same `integration-host restore` again, or remove that file if there is nothing to restore",
                draft.display()
            );
        }
        if let Some(log) = &database.log {
            bail!(
                "the database {path} is missing, and {} holds what was committed to it last: put the database back beside it; if it is lost, move that file away and restore a backup",
                log.display()
            );
        }
    }
    let is_missing = |database: &&Database| database.is_missing;
    let Some(ledger) = found.ledger.as_ref().filter(is_missing) else {
        let storage = found.storage.as_ref().filter(is_missing);
        if beginning == Beginning::NewHost && storage.is_none() && found.note_of_another.is_none() {
            bail!("there is a ledger already, or none that could be lost: leave out --new");
        }
        if let (Some(note), Beginning::Host) = (&found.note_of_another, beginning) {
            bail!(
                "the ledger is empty, and {} shows that this host used another one: name the right one with --ledger, or restore the server's backup; if an empty ledger is to begin here all the same, say --new",
                note.display()
            );
        }
        return Ok(None);
    };
    let storage = found.storage.as_ref().filter(|storage| !storage.is_missing);
    let mut traces = found.traces.iter();
    let trace = match beginning {
        // Keys and token may be brought along.
        Beginning::Import => traces.find(|trace| trace.ends_with(CACHE)),
        Beginning::Host | Beginning::NewHost => traces.next(),
    };
    let trace = storage.map(|storage| &storage.path).or(trace);
    match (trace, beginning) {
        // Where there is not even a directory, nothing is made, and opening it says so.
        (Some(trace), Beginning::Host | Beginning::Import) if ledger.has_directory => bail!(
            "the database {} is missing, and {} shows that a host was here before: put the database back, or restore a backup into another directory with `integration-host restore`{}",
            ledger.path.display(),
            trace.display(),
            match beginning {
                Beginning::Import => "",
                _ => "; if an empty ledger is to begin here all the same, say --new",
            }
        ),
        _ => Ok(Some(&ledger.path)),
    }
}

impl Found {
    fn of(settings: &Settings) -> Self {
        let ledger = match &settings.ledger {
            LedgerChoice::Sqlite(path) => Some(Database::at(path)),
            _ => None,
        };
        let storage = match &settings.storage {
            StorageChoice::Sqlite(path) if !super::backends::is_ledger(settings, path) => {
                Some(Database::at(path))
            }
            _ => None,
        };
        let is_trace = |path: &PathBuf| path.symlink_metadata().is_ok() && !is_empty(path);
        let names = [CACHE, DEFAULT_SEALING_KEY, AdminToken::FILE_NAME];
        let traces = names.map(|name| settings.data.join(name));
        Self {
            ledger,
            storage,
            traces: traces.into_iter().filter(is_trace).collect(),
            note_of_another: None,
        }
    }
}

impl Database {
    fn at(path: &Path) -> Self {
        let draft = draft_of(path);
        Self {
            path: path.to_owned(),
            is_missing: is_missing(path),
            has_directory: directory_of(path).is_dir(),
            log: left_log(path),
            draft: draft.symlink_metadata().is_ok().then_some(draft),
        }
    }
}

/// Where a restore prepares a database.
pub(crate) fn draft_of(database: &Path) -> PathBuf {
    let mut name = database
        .file_name()
        .unwrap_or(DEFAULT_DATABASE.as_ref())
        .to_owned();
    name.push(".draft");
    database.with_file_name(name)
}

/// Whether it is a directory without anything in it.
fn is_empty(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(path: &str) -> Option<Database> {
        Some(Database {
            path: path.into(),
            is_missing: true,
            has_directory: true,
            ..Database::default()
        })
    }

    fn there(path: &str) -> Option<Database> {
        Some(Database {
            path: path.into(),
            ..Database::default()
        })
    }

    fn refusal(found: &Found, beginning: Beginning) -> String {
        to_make(found, beginning).unwrap_err().to_string()
    }

    #[test]
    fn a_ledger_is_made_where_there_never_was_one() {
        let new = Found {
            ledger: missing("d/host.sqlite"),
            ..Found::default()
        };
        for beginning in [Beginning::Host, Beginning::NewHost, Beginning::Import] {
            let made = to_make(&new, beginning).unwrap();
            assert_eq!(made, Some(Path::new("d/host.sqlite")));
        }
        let old = Found {
            ledger: there("d/host.sqlite"),
            traces: vec!["d/cache".into()],
            ..Found::default()
        };
        assert_eq!(to_make(&old, Beginning::Host).unwrap(), None);
        assert!(refusal(&old, Beginning::NewHost).contains("leave out --new"));
    }

    #[test]
    fn an_empty_ledger_of_a_server_does_not_take_the_place_of_another() {
        let lost = Found {
            note_of_another: Some("d/ledger-id".into()),
            ..Found::default()
        };
        let sentence = refusal(&lost, Beginning::Host);
        assert!(sentence.contains("d/ledger-id shows"), "{sentence}");
        assert_eq!(to_make(&lost, Beginning::NewHost).unwrap(), None);
        assert_eq!(to_make(&lost, Beginning::Import).unwrap(), None);
        let new = Found::default();
        assert_eq!(to_make(&new, Beginning::Host).unwrap(), None);
        assert!(refusal(&new, Beginning::NewHost).contains("leave out --new"));
    }

    #[test]
    fn a_ledger_that_is_gone_is_not_replaced_by_an_empty_one() {
        let lost = Found {
            ledger: missing("d/host.sqlite"),
            traces: vec!["d/sealing-key".into()],
            ..Found::default()
        };
        let sentence = refusal(&lost, Beginning::Host);
        for part in [
            "d/host.sqlite is missing",
            "d/sealing-key",
            "restore",
            "--new",
        ] {
            assert!(sentence.contains(part), "{sentence}");
        }
        assert!(to_make(&lost, Beginning::NewHost).unwrap().is_some());
        let other_half = Found {
            ledger: missing("ledger"),
            storage: there("storage"),
            ..Found::default()
        };
        assert!(refusal(&other_half, Beginning::Host).contains("and storage shows"));
        assert!(to_make(&other_half, Beginning::NewHost).unwrap().is_some());
    }

    #[test]
    fn what_was_committed_last_is_never_destroyed() {
        let with_log = |path: &str| {
            let log = Some(PathBuf::from(format!("{path}-wal")));
            missing(path).map(|database| Database { log, ..database })
        };
        for found in [
            Found {
                ledger: with_log("d/host.sqlite"),
                ..Found::default()
            },
            Found {
                ledger: there("ledger"),
                storage: with_log("d/host.sqlite"),
                ..Found::default()
            },
        ] {
            for beginning in [Beginning::Host, Beginning::NewHost, Beginning::Import] {
                let sentence = refusal(&found, beginning);
                assert!(sentence.contains("d/host.sqlite-wal holds"), "{sentence}");
            }
        }
    }

    #[test]
    fn a_restore_that_was_killed_is_to_be_run_again() {
        let draft = Some(PathBuf::from("d/host.sqlite.draft"));
        let found = Found {
            ledger: missing("d/host.sqlite").map(|database| Database { draft, ..database }),
            ..Found::default()
        };
        for beginning in [Beginning::Host, Beginning::NewHost, Beginning::Import] {
            assert!(refusal(&found, beginning).contains("restore` again"));
        }
    }
}
