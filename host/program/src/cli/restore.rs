//! Bringing a backup back, without a host.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::output::Output;
use super::restored::begin_again;
use crate::assembly;
use crate::assembly::presence::draft_of;
use crate::config::{DEFAULT_DATA, DEFAULT_DATABASE, DEFAULT_SEALING_KEY, two_sources};
use integration_host::SealedContents;
use integration_host_contract::clock::SystemClock;
use integration_host_contract::limits::Limits;
use integration_host_database::{
    DatabaseContents, SqliteDatabase, inspect_backup, is_missing, left_log,
};
use integration_host_ledger_sql::SqliteLedger;
use integration_host_seal::drafts::hold;
use integration_host_seal::{KeyRing, KeySource, SealingKeys, keep_in_file};
use integration_host_storage::SqliteStore;

pub(super) const EXAMPLES: &str = "\
Examples:
  integration-host restore monday.sqlite --data ./restored --sealing-key-file key-copy
  integration-host restore monday.sqlite --data ./restored

Given the sealing key, it makes sure that everything sealed opens, and puts the key into DIR/sealing-key.
INTEGRATION_HOST_SEALING_KEY may hold the key instead; then it stays where it is. Whatever interrupts a
restore: the same command begins it again, and no host starts before it is complete. Stop the original host
first if it still runs: two would answer for the same connections.";

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The backup
    file: PathBuf,
    /// The data directory to make; it must be empty, not exist or hold only the sealing key
    #[arg(long, value_name = "DIR", env = "INTEGRATION_HOST_DATA", default_value = DEFAULT_DATA)]
    data: PathBuf,
    /// A copy of the key that the backup's secrets are sealed with
    #[arg(long, value_name = "FILE", env = "INTEGRATION_HOST_SEALING_KEY_FILE")]
    sealing_key_file: Option<PathBuf>,
    #[arg(skip = KeySource::is_in_environment())]
    sealing_key_in_environment: bool,
}

/// What was restored.
#[derive(Serialize)]
struct Restored {
    database: String,
    connections: u64,
    sealing_key_ids: Vec<String>,
    /// Where the key is that opens the secrets; null: none was given.
    sealing_key: Option<String>,
    data: String,
}

/// `restore`
pub(super) async fn run(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    let keys = given_keys(&arguments).await?;
    let data = &arguments.data;
    if let Some(log) = left_log(&arguments.file) {
        return Err(Failure::usage(format!(
            "{} is a database that is in use or was not closed, and part of it is in {}: name what `integration-host backup` wrote",
            arguments.file.display(),
            log.display()
        )));
    }
    let existed = ensure_free(data)?;
    assembly::create_data_directory(data).map_err(|error| {
        Failure::usage(format!(
            "cannot make the directory {}: {error}; name one that can be written to with --data",
            data.display()
        ))
    })?;
    let key = data.join(DEFAULT_SEALING_KEY);
    let had_key = key.symlink_metadata().is_ok();
    let restored = restore(&arguments, keys, output).await;
    if restored.is_err() {
        if !had_key {
            let _ = fs::remove_file(key);
        }
        // Nothing is left behind, so that it can be tried again. What cannot be removed is removed by the next attempt.
        let _ = remove_draft(&draft_in(data));
        if !existed {
            let _ = fs::remove_dir(data);
        }
    }
    output.answer(&restored?, describe)
}

async fn given_keys(arguments: &Arguments) -> Result<Option<(KeyRing, KeySource)>, Failure> {
    let source = match (
        &arguments.sealing_key_file,
        arguments.sealing_key_in_environment,
    ) {
        (Some(path), true) => return Err(two_sources(path).into()),
        (Some(path), false) => KeySource::File(path.clone()),
        (None, true) => KeySource::Environment,
        (None, false) => return Ok(None),
    };
    let timeout = Limits::default().sealing_key_command;
    let ring = source
        .load_existing(timeout)
        .await
        .map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Some((ring, source)))
}

/// Whether the directory exists; it may not hold anything but what a restore left that was killed, and the key.
fn ensure_free(data: &Path) -> Result<bool, Failure> {
    let is_key = |file: std::io::Result<fs::DirEntry>| {
        file.is_ok_and(|file| file.file_name() == DEFAULT_SEALING_KEY)
    };
    let is_empty = match fs::read_dir(data) {
        Ok(mut files) => files.all(is_key),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => {
            return Err(Failure::usage(format!(
                "cannot use the directory {}: {error}; name another one with --data",
                data.display()
            )));
        }
    };
    let draft = draft_in(data);
    if is_empty {
        return Ok(true);
    }
    if draft.is_file() && is_missing(&data.join(DEFAULT_DATABASE)) {
        remove_draft(&draft)?;
        return Ok(true);
    }
    Err(Failure::usage(format!(
        "the directory {} is not empty, and restoring must not mix with what is there; name another one with --data",
        data.display()
    )))
}

fn draft_in(data: &Path) -> PathBuf {
    draft_of(&data.join(DEFAULT_DATABASE))
}

/// Removes the draft of a restore that ended, its log first: a draft without one is whole, or no draft of a database.
fn remove_draft(draft: &Path) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| {
        Failure::failed(format!("cannot remove {}: {error}", draft.display()))
    };
    let file = match fs::File::open(draft) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(cannot(error)),
    };
    if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
        return Err(Failure::failed(format!(
            "another restore writes {} now: wait for it, or stop it",
            draft.display()
        )));
    }
    for suffix in ["-wal", "-shm", "-journal", ""] {
        let mut name = draft.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(cannot(error));
            }
            _ => {}
        }
    }
    Ok(())
}

async fn restore(
    arguments: &Arguments,
    keys: Option<(KeyRing, KeySource)>,
    output: &Output,
) -> Result<Restored, Failure> {
    let data = &arguments.data;
    let draft = draft_in(data);
    let database = data.join(DEFAULT_DATABASE);
    let cannot_write = |error: std::io::Error| {
        Failure::failed(format!(
            "cannot write to the directory {}: {error}; make room, or name another one with --data",
            data.display()
        ))
    };
    output.progress("Copying the backup …");
    // The lock on it ends with this, and with the process.
    let _held = copy(&arguments.file, &draft).await?;
    output.progress("Checking it …");
    let path = draft.clone();
    let contents = tokio::task::spawn_blocking(move || inspect_backup(&path))
        .await
        .map_err(|error| Failure::failed(error.to_string()))?
        // The draft is not what the person knows.
        .map_err(|error| {
            let shown = arguments.file.display().to_string();
            Failure::failed(
                error
                    .to_string()
                    .replace(&draft.display().to_string(), &shown),
            )
        })?;
    note_restore(&draft).await?;
    let mut sealing_key = None;
    if let Some((ring, source)) = keys {
        ensure_right_keys(&ring, &contents)?;
        open_everything(&draft, &ring).await?;
        sealing_key = Some(match source {
            KeySource::File(_) => {
                let kept = data.join(DEFAULT_SEALING_KEY);
                keep_key(&ring, &kept).await?;
                KeySource::File(kept).to_string()
            }
            elsewhere => elsewhere.to_string(),
        });
    }
    fs::rename(&draft, &database).map_err(cannot_write)?;
    fs::File::open(data)
        .and_then(|directory| directory.sync_all())
        .map_err(cannot_write)?;
    Ok(Restored {
        database: database.display().to_string(),
        connections: contents.connections,
        sealing_key_ids: contents.key_ids.into_iter().collect(),
        sealing_key,
        data: data.display().to_string(),
    })
}

/// Copies the backup into a file that only its owner can read.
async fn copy(from: &Path, to: &Path) -> Result<fs::File, Failure> {
    let shown = from.display().to_string();
    let (from, to) = (from.to_owned(), to.to_owned());
    let copied = tokio::task::spawn_blocking(move || {
        let mut source = fs::File::open(from)?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut copy = options.open(to)?;
        hold(&copy);
        std::io::copy(&mut source, &mut copy)?;
        copy.sync_all()?;
        Ok(copy)
    })
    .await
    .map_err(|error| Failure::failed(error.to_string()))?;
    copied.map_err(|error: std::io::Error| {
        Failure::failed(format!(
            "cannot copy {shown}: {error}; name a backup that can be read, and a directory with room"
        ))
    })
}

/// Puts the key in place, unless it is there already, as after a restore that was killed.
async fn keep_key(ring: &KeyRing, place: &Path) -> Result<(), Failure> {
    if place.symlink_metadata().is_err() {
        return keep_in_file(ring, place).map_err(|error| Failure::failed(error.to_string()));
    }
    let timeout = Limits::default().sealing_key_command;
    let there = KeySource::File(place.to_owned())
        .load_existing(timeout)
        .await;
    let there = there.map_err(|error| Failure::failed(error.to_string()))?;
    if there.id() == ring.id() && there.older_ids() == ring.older_ids() {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "{} holds another key than the one given: move it away",
        place.display()
    )))
}

fn ensure_right_keys(ring: &KeyRing, contents: &DatabaseContents) -> Result<(), Failure> {
    match contents.key_ids.iter().find(|id| !ring.has_key(id)) {
        None => Ok(()),
        Some(id) => Err(Failure::failed(format!(
            "the backup is sealed with the key {id}, and the key given is {}; give that one, or leave it out and put it in place later",
            ring.id()
        ))),
    }
}

/// Brings the database up to date and opens everything sealed in it.
async fn open_everything(path: &Path, ring: &KeyRing) -> Result<(), Failure> {
    let database =
        SqliteDatabase::open(path).map_err(|error| Failure::failed(error.to_string()))?;
    let store = SqliteStore::new(database.clone(), Arc::new(SystemClock));
    let ledger = SqliteLedger::new(database.clone());
    let keys = SealingKeys::from_ring(ring.clone(), KeySource::Given);
    let verified = SealedContents {
        store: &store,
        ledger: &ledger,
        keys: &keys,
    }
    .verify()
    .await;
    database.close().await;
    let found = verified.map_err(|error| Failure::failed(error.to_string()))?;
    match found.unreadable {
        0 => Ok(()),
        values => Err(Failure::failed(format!(
            "{values} of {} sealed values in the backup were changed after they were sealed, or are in another's place; choose another backup",
            found.seen
        ))),
    }
}

/// Has the host read what was delivered after the backup, and those who follow the change feed begin anew.
async fn note_restore(path: &Path) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::failed(error.to_string());
    let database = SqliteDatabase::open(path).map_err(|error| failed(&error))?;
    let ledger = SqliteLedger::new(database.clone());
    let noted = begin_again(&ledger).await;
    database.close().await;
    noted.map(|_| ()).map_err(|error| failed(&error))
}

fn describe(restored: &Restored) -> String {
    let ids = restored.sealing_key_ids.join(" and the key ");
    let key = match &restored.sealing_key {
        Some(place) => format!("Everything sealed opens with the key from {place}."),
        None if ids.is_empty() => "Nothing in it is sealed.".to_owned(),
        None => format!(
            "Its secrets are sealed with the key {ids}: before you start the host, put that key into {}, readable by you only, or name it with --sealing-key-file.",
            Path::new(&restored.data)
                .join(DEFAULT_SEALING_KEY)
                .display()
        ),
    };
    format!(
        "{} holds the backup: {} connections.\n{key}\nIf the original host still runs, stop it first: two would answer for the same connections.\n\nNext: integration-host serve --data {}",
        restored.database, restored.connections, restored.data
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_restore_a_person_knows_which_key_goes_where() {
        let restored = |sealing_key: Option<&str>| Restored {
            database: "d/host.sqlite".into(),
            connections: 1,
            sealing_key_ids: vec!["0011".into()],
            sealing_key: sealing_key.map(str::to_owned),
            data: "d".into(),
        };
        let text = describe(&restored(None));
        assert!(
            text.contains("the key 0011") && text.contains("d/sealing-key"),
            "{text}"
        );
        let text = describe(&restored(Some("the file d/sealing-key")));
        assert!(
            text.contains("opens with the key from the file d/sealing-key"),
            "{text}"
        );
        assert!(text.contains("stop it first"));
    }
}
