//! Writing everything of a host that is stopped.

use std::collections::BTreeMap;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::output::Output;
use super::place::{Place, StoppedPlace, no_database, transfer};
use super::progress::ProgressReporter;
use crate::assembly::Backends;
use crate::transfer as moving;
use crate::transfer::{FORMAT, FORMAT_VERSION, Footer, Header, Source};
use clap::Args;
use integration_host_contract::clock::{Clock as _, SystemClock};
use integration_host_contract::id::random_bytes;
use integration_host_database::is_missing;
use integration_host_seal::drafts::Draft;
use serde::Serialize;

pub(super) const EXAMPLES: &str = "\
Examples:
  integration-host export --data ./data --output everything.jsonl
  integration-host export --storage postgres://host@db/time | gzip > everything.jsonl.gz

Stop every host of the place first: what one does meanwhile would be missing. Where a host still runs is
noticed: a database file that is in use is refused, and a shared ledger is watched for a minute.

Secrets stay sealed with the key they have, which is not in the file: `import` needs a copy of the key, unless
the new place has the same one. To keep the present key to yourself, run `rotate-key` before and move the new one.";

/// Activities that are told at once of a change they share.
const SPREAD_AT_ONCE: usize = 1_000;

/// Written at once.
const BUFFER_BYTES: usize = 1 << 18;

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "output")]
    force: bool,
    #[command(flatten)]
    place: Place,
}

/// What was written.
#[derive(Serialize)]
struct Written {
    file: Option<String>,
    lines: u64,
    sha256: String,
    counts: BTreeMap<String, u64>,
    seconds: f64,
}

/// `export`
pub(super) async fn run(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    let place = arguments.place.resolve()?;
    if let Some(file) = place.files().into_iter().find(|file| is_missing(file)) {
        return Err(no_database(&file));
    }
    let Some(file) = arguments.output else {
        let kept = place.open(None, *output).await?;
        let written = write(&place, &kept, io::stdout(), *output).await;
        close(kept).await;
        let written = written?;
        if !output.is_json() {
            output.progress(&describe(&written));
        }
        return Ok(());
    };
    // Asked first: writing may take long.
    if !arguments.force && file.symlink_metadata().is_ok() {
        return Err(exists(&file));
    }
    let draft = Draft::begin(&file).map_err(|error| cannot_write(&file, &error))?;
    let handle = draft
        .reopen()
        .map_err(|error| cannot_write(&file, &error))?;
    let kept = place.open(None, *output).await?;
    let written = write(&place, &kept, handle, *output).await;
    close(kept).await;
    let mut written = written?;
    let kept = draft.keep(arguments.force);
    kept.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(&file),
        _ => cannot_write(&file, &error),
    })?;
    written.file = Some(file.display().to_string());
    output.answer(&written, describe)
}

async fn write(
    place: &StoppedPlace,
    kept: &Backends,
    to: impl io::Write + Send + 'static,
    output: Output,
) -> Result<Written, Failure> {
    let header = Header {
        format: FORMAT.to_owned(),
        version: FORMAT_VERSION,
        id: hex::encode(random_bytes::<16>()),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        created_at: SystemClock.now(),
        storage: place.settings.storage.to_string(),
        ledger: place.settings.ledger.to_string(),
    };
    // What is still to be told would not be told by the ledger that takes this over.
    let mut more = true;
    while more {
        let told = kept.ledger.spread_changes(SPREAD_AT_ONCE).await;
        more =
            told.map_err(|error| Failure::failed(format!("the ledger cannot be read: {error}")))?;
    }
    let source = Source {
        store: &*kept.store,
        ledger: transfer(kept)?,
        coverage: &*kept.ledger,
    };
    let mut teller = ProgressReporter::start(output, None);
    let to = BufWriter::with_capacity(BUFFER_BYTES, to);
    let exported = moving::export(source, header, to, &mut |progress| teller.tell(progress)).await;
    let Footer {
        lines,
        sha256,
        counts,
    } = exported.map_err(|error| Failure::failed(error.to_string()))?;
    Ok(Written {
        file: None,
        lines,
        sha256,
        counts,
        seconds: teller.elapsed().as_secs_f64(),
    })
}

async fn close(kept: Backends) {
    kept.ledger.close().await;
}

fn cannot_write(file: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!(
        "cannot write {}: {error}; name a file in a directory that can be written and has room",
        file.display()
    ))
}

fn exists(file: &Path) -> Failure {
    Failure::usage(format!(
        "{} exists already; choose another file, or replace it with --force",
        file.display()
    ))
}

/// The numbers of each kind, as in “2 connections, 60 members”.
pub(super) fn list_counts(counts: &BTreeMap<String, u64>) -> String {
    let counts: Vec<_> = counts
        .iter()
        // It is there once, always.
        .filter(|(kind, _)| *kind != "ledgers")
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    match counts.is_empty() {
        true => "nothing".to_owned(),
        false => counts.join(", "),
    }
}

fn describe(written: &Written) -> String {
    format!(
        "Exported in {:.1} seconds: {}.\nSecrets in it are sealed with the key of this place, which is not in it. Leave the hosts stopped: the webhooks\ngo with what was exported.\n\nNext: integration-host import {} with --data, --storage or --ledger of the new place",
        written.seconds,
        list_counts(&written.counts),
        written.file.as_deref().unwrap_or("FILE")
    )
}
