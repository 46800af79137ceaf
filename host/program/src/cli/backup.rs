//! `backup`: a copy of everything a host keeps.

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

pub(super) const BACKUP_EXAMPLES: &str = "\
Examples:
  integration-host backup monday.sqlite
  integration-host backup /backups/host.sqlite --force

The host goes on working meanwhile. Secrets in the backup are sealed, and the sealing key is not in it:
keep a copy of the key elsewhere. A backup and its key bring everything back, see `restore`.";

/// How often progress is told.
pub(super) const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);

#[derive(Args, Debug)]
pub(super) struct BackupArguments {
    /// The file to write
    file: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

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

#[cfg(test)]
mod tests {
    use super::*;

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
