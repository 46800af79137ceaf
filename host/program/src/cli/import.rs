//! Taking over what was exported from another place.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::export::list_counts;
use super::failure::Failure;
use super::output::Output;
use super::place::{Place, StoppedPlace, transfer};
use super::progress::ProgressReporter;
use crate::assembly;
use crate::assembly::presence;
use crate::assembly::presence::Beginning;
use crate::transfer::{Destination, Imported, import};
use integration_host_seal::{KeyRing, KeySource};

pub(super) const EXAMPLES: &str = "\
Examples:
  integration-host import everything.jsonl --storage postgres://host@db/time
  gunzip < everything.jsonl.gz | integration-host import - --data ./data --source-sealing-key-file key-copy

The place must be empty and no host may run on it. Whatever interrupts an import: the same command goes on
with it, and no host starts before it is complete. Connections keep their ids and webhooks, so keep the
public URL too, or the first check points the webhooks at the new one. Do not start the former hosts again.";

/// Read at once.
const BUFFER_BYTES: usize = 1 << 20;

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// What `export` wrote; - reads standard input
    file: PathBuf,
    /// A copy of the key of the place it comes from, if this place has another one
    #[arg(long, value_name = "FILE")]
    source_sealing_key_file: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

/// What is there now.
#[derive(Serialize)]
struct TakenOver {
    export: String,
    storage: String,
    ledger: String,
    sealing_key: String,
    /// Lines that were there before this command.
    lines_before: u64,
    /// What the export holds; null: all of it was there before.
    counts: Option<BTreeMap<String, u64>>,
    seconds: f64,
}

/// `import`
pub(super) async fn run(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    let place = arguments.place.resolve()?;
    let (input, bytes) = open_input(&arguments.file)?;
    let source_keys = match arguments.source_sealing_key_file {
        Some(path) => Some(load_source_keys(&place, path).await?),
        None => None,
    };
    assembly::create_data_directory(&place.settings.data).map_err(|error| {
        Failure::usage(format!(
            "cannot make the data directory {}: {error}; name one that can be written to with --data",
            place.settings.data.display()
        ))
    })?;
    presence::prepare(&place.settings, Beginning::Import)
        .await
        .map_err(|error| Failure::failed(format!("{error:#}")))?;
    let keys = assembly::open_keys(&place.settings)
        .await
        .map_err(|error| Failure::failed(format!("{error:#}")))?;
    let kept = place.open(Some(&keys), *output).await?;
    let ring = keys.ring();
    let destination = Destination {
        store: &*kept.store,
        ledger: transfer(&kept)?,
        keys: &ring,
        source_keys: source_keys.as_ref(),
    };
    let mut teller = ProgressReporter::start(*output, bytes);
    let imported = import(destination, input, &mut |progress| teller.tell(progress)).await;
    kept.ledger.close().await;
    let Imported {
        header,
        footer,
        lines_before,
    } = imported.map_err(|error| Failure::failed(error.to_string()))?;
    let taken_over = TakenOver {
        export: header.id,
        storage: place.settings.storage.to_string(),
        ledger: place.settings.ledger.to_string(),
        sealing_key: keys.source().to_string(),
        lines_before,
        counts: footer.map(|footer| footer.counts),
        seconds: teller.elapsed().as_secs_f64(),
    };
    output.answer(&taken_over, describe)
}

/// The export, and how large it is where that is known.
fn open_input(path: &Path) -> Result<(Box<dyn BufRead + Send>, Option<u64>), Failure> {
    if path == Path::new("-") {
        if io::stdin().is_terminal() {
            return Err(Failure::usage(
                "standard input is a terminal; name the file that `integration-host export` wrote",
            ));
        }
        let input = BufReader::with_capacity(BUFFER_BYTES, io::stdin());
        return Ok((Box::new(input), None));
    }
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (bytes, file) = opened.map_err(|error| {
        Failure::usage(format!(
            "cannot read {}: {error}; name a file that `integration-host export` wrote",
            path.display()
        ))
    })?;
    let input = BufReader::with_capacity(BUFFER_BYTES, file);
    Ok((Box::new(input), Some(bytes)))
}

async fn load_source_keys(place: &StoppedPlace, path: PathBuf) -> Result<KeyRing, Failure> {
    let timeout = place.settings.limits.sealing_key_command;
    KeySource::File(path)
        .load_existing(timeout)
        .await
        .map_err(|error| Failure::usage(error.to_string()))
}

fn describe(taken_over: &TakenOver) -> String {
    let Some(counts) = &taken_over.counts else {
        return format!(
            "This export is in {} already, as a whole. Nothing was changed.",
            taken_over.ledger
        );
    };
    let before = match taken_over.lines_before {
        0 => String::new(),
        lines => format!(", of which {lines} lines were there before"),
    };
    format!(
        "Imported in {:.1} seconds: {}{before}.\nEverything sealed opened, and is sealed with the key from {}.\n\nNext: integration-host serve with the same --data, --storage and --ledger. Do not start the former hosts again.",
        taken_over.seconds,
        list_counts(counts),
        taken_over.sealing_key
    )
}
