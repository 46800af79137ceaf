//! What operators do to keep the data safe: backups, and another sealing key.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use futures_util::StreamExt as _;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::client::Client;
use super::failure::Failure;
use super::output::Output;
use integration_host_database::inspect_backup;
use integration_host_seal::drafts::Draft;
use integration_host_server::api::{FormerKeysView, RotationView, SealingKeyView};

pub(super) const BACKUP_EXAMPLES: &str = "\
Examples:
  integration-host backup monday.sqlite
  integration-host backup /backups/host.sqlite --force

The host goes on working meanwhile. Secrets in the backup are sealed, and the sealing key is not in it:
keep a copy of the key elsewhere. A backup and its key bring everything back, see `restore`.";

pub(super) const ROTATE_EXAMPLES: &str = "\
Examples:
  integration-host rotate-key

The host goes on working meanwhile. If the key comes from a file, a new one is made there, and the former
one goes when nothing needs it any more. Otherwise put a new key before the present one at its source,
restart the host, run this, and then remove the former key. What was cut off goes on when run again.";

/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);

#[derive(Args, Debug)]
pub(super) struct BackupArguments {
    /// The file to write
    file: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

#[derive(Args, Debug)]
pub(super) struct RotateArguments {}

#[derive(Serialize)]
struct Written {
    file: String,
    size_bytes: u64,
    sha256: String,
    connections: u64,
    schema_version: i64,
    sealing_key_ids: Vec<String>,
}

/// `backup`
pub(super) async fn backup(
    arguments: BackupArguments,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let file = &arguments.file;
    let shown = file.display().to_string();
    // Asked first: the copy may take long.
    if !arguments.force && file.symlink_metadata().is_ok() {
        return Err(exists(&shown));
    }
    let cannot = |error: &dyn std::fmt::Display| {
        Failure::failed(format!(
            "cannot write {shown}: {error}; name a file in a directory that can be written and has room"
        ))
    };
    let mut draft = Draft::begin(file).map_err(|error| cannot(&error))?;
    output.progress("The host makes a copy …");
    let response = client.open(&["backup"], &[]).await?;
    let announced = response.content_length();
    let mut stream = response.bytes_stream();
    let mut digest = Sha256::new();
    let mut size_bytes = 0_u64;
    let mut told = tokio::time::Instant::now();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| cut_off())?;
        digest.update(&chunk);
        draft
            .file()
            .write_all(&chunk)
            .map_err(|error| cannot(&error))?;
        size_bytes += chunk.len() as u64;
        if told.elapsed() >= PROGRESS_INTERVAL {
            told = tokio::time::Instant::now();
            output.progress(&fetched(size_bytes, announced));
        }
    }
    if announced != Some(size_bytes) {
        return Err(cut_off());
    }
    output.progress("Checking it …");
    let path = draft.path().to_owned();
    let contents = tokio::task::spawn_blocking(move || inspect_backup(&path))
        .await
        .map_err(|error| cannot(&error))?
        .map_err(|error| Failure::failed(error.to_string()))?;
    let kept = draft.keep(arguments.force);
    kept.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(&shown),
        _ => cannot(&error),
    })?;
    let written = Written {
        file: shown,
        size_bytes,
        sha256: hex::encode(digest.finalize()),
        connections: contents.connections,
        schema_version: contents.schema_version,
        sealing_key_ids: contents.key_ids.into_iter().collect(),
    };
    output.answer(&written, describe_backup)
}

fn exists(file: &str) -> Failure {
    Failure::usage(format!(
        "{file} exists already; choose another file, or replace it with --force"
    ))
}

fn cut_off() -> Failure {
    Failure::failed(
        "the backup was cut off, so nothing was written; run it again, and look into the host's log if it happens again",
    )
}

fn fetched(bytes: u64, of: Option<u64>) -> String {
    let megabytes = |bytes: u64| bytes >> 20;
    match of {
        Some(of) => format!("{} of {} MB …", megabytes(bytes), megabytes(of)),
        None => format!("{} MB …", megabytes(bytes)),
    }
}

fn describe_backup(written: &Written) -> String {
    let mut text = format!(
        "{} holds everything as it was a moment ago: {} bytes, {} connections.\nSHA-256: {}\n",
        written.file, written.size_bytes, written.connections, written.sha256
    );
    if !written.sealing_key_ids.is_empty() {
        text.push_str(&format!(
            "Secrets in it are sealed with the key {}, which is not in it: keep a copy of the key elsewhere.\n",
            written.sealing_key_ids.join(" and the key ")
        ));
    }
    text
}

/// `rotate-key`
pub(super) async fn rotate_key(
    _: RotateArguments,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let path = ["sealing-key", "rotate"];
    let rotating = client.post::<RotationView>(&path);
    tokio::pin!(rotating);
    let rotation = loop {
        tokio::select! {
            rotation = &mut rotating => break rotation?,
            () = tokio::time::sleep(PROGRESS_INTERVAL) => {
                // Progress only; whether it works shows in the answer.
                let status = client.get::<SealingKeyView>(&["sealing-key"], &[]).await;
                if let Some(progress) = status.ok().and_then(|status| status.rotation) {
                    output.progress(&format!(
                        "{} of {} connections, {} values …",
                        progress.connections_done, progress.connections_total, progress.values
                    ));
                }
            }
        }
    };
    output.answer(&rotation, describe_rotation)?;
    match rotation.former_keys {
        FormerKeysView::Kept => Err(Failure::Reported),
        FormerKeysView::Removed | FormerKeysView::Dispensable => Ok(()),
    }
}

fn describe_rotation(rotation: &RotationView) -> String {
    let key = if rotation.key_is_new {
        "the new key"
    } else {
        "the key"
    };
    let mut text = format!(
        "Everything is sealed with {key} {} from {} now; {} values were sealed again.\n",
        rotation.key_id, rotation.source, rotation.resealed
    );
    text.push_str(match rotation.former_keys {
        FormerKeysView::Removed => {
            "The former key is gone; backups made before need it, so keep your copy of it as long as those. Make a copy of the new key."
        }
        FormerKeysView::Dispensable => {
            "Nothing needs the former key any more: remove it where it is kept, except for backups made before."
        }
        FormerKeysView::Kept => {
            "Some values do not open and were sealed with a former key, so that stays. `integration-host check` says what helps; then rotate again."
        }
    });
    if !rotation.unreadable_connections.is_empty() {
        text.push_str(&format!(
            "\nWith values that do not open: {}",
            rotation.unreadable_connections.join(", ")
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotation(former_keys: FormerKeysView) -> RotationView {
        RotationView {
            source: "the file data/sealing-key".into(),
            key_id: "0011223344556677".into(),
            key_is_new: true,
            resealed: 12,
            unreadable_connections: Vec::new(),
            former_keys,
        }
    }

    #[test]
    fn after_a_rotation_a_person_knows_what_to_do_with_the_former_key() {
        for (former, expected) in [
            (FormerKeysView::Removed, "backups made before need it"),
            (FormerKeysView::Dispensable, "remove it where it is kept"),
            (FormerKeysView::Kept, "rotate again"),
        ] {
            let text = describe_rotation(&rotation(former));
            assert!(text.contains(expected), "{text}");
        }
        let unreadable = RotationView {
            unreadable_connections: vec!["abc".into()],
            ..rotation(FormerKeysView::Kept)
        };
        assert!(describe_rotation(&unreadable).contains("abc"));
    }

    #[test]
    fn after_a_backup_a_person_knows_that_the_key_is_not_in_it() {
        let written = Written {
            file: "b.sqlite".into(),
            size_bytes: 4096,
            sha256: "00".into(),
            connections: 1,
            schema_version: 2,
            sealing_key_ids: vec!["0011".into()],
        };
        let text = describe_backup(&written);
        assert!(text.contains("the key 0011, which is not in it"), "{text}");
    }
}
