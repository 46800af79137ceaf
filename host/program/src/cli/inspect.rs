//! Looking at a component.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::failure::Failure;
use super::output::{Output, printable};
use super::table::facts;
use crate::assembly;
use crate::assembly::Inspection;
use integration_host_contract::Noun;

pub(super) const EXAMPLES: &str = "\
Example:
  integration-host inspect integration.wasm";

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The component's file
    component: PathBuf,
}

/// `inspect`
pub(super) async fn run(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    let inspection = assembly::inspect(&arguments.component)
        .await
        .map_err(|error| Failure::failed(format!("{error:#}")))?;
    let manifest = &inspection.manifest;
    let answer = json!({
        "manifest": {
            "id": manifest.id,
            "name": manifest.name,
            "version": manifest.version,
            "description": manifest.description,
            "scope_noun": noun(&manifest.scope_noun),
            "subject_kinds": manifest.subject_kinds.iter().map(|kind| json!({
                "id": kind.id,
                "noun": noun(&kind.noun),
            })).collect::<Vec<_>>(),
            "charted_kind": manifest.charted_kind,
            "secrets": manifest.secrets.iter().map(|secret| json!({
                "name": secret.name,
                "label": secret.label,
                "help": secret.help,
                "help_url": secret.help_url,
            })).collect::<Vec<_>>(),
            "hosts": manifest.hosts,
            "pacing": {
                "burst": manifest.pacing.burst,
                "requests_per_minute": manifest.pacing.requests_per_minute,
                "longest_quota_seconds": manifest.pacing.longest_wait_seconds(),
            },
            "public_https": manifest.public_https,
            "signature_header": manifest.signature_header,
            "signature": manifest.signature.as_ref().map(|scheme| json!({
                "prefix": scheme.prefix,
                "algorithm": scheme.algorithm.as_str(),
                "encoding": scheme.encoding.as_str(),
                "storage_key": scheme.storage_key,
                "secret_members": scheme.secret_members,
            })),
        },
        "imports": inspection.imports,
        "exports": inspection.exports,
        "size_bytes": inspection.size_bytes,
    });
    output.answer(&answer, |_| describe(&inspection))
}

fn noun(noun: &Noun) -> Value {
    json!({ "singular": noun.singular, "plural": noun.plural })
}

fn describe(inspection: &Inspection) -> String {
    let manifest = &inspection.manifest;
    let secrets: Vec<_> = manifest
        .secrets
        .iter()
        .map(|secret| format!("{} ({})", secret.label, secret.help_url))
        .collect();
    let mut text = format!(
        "{}\n\n{}",
        printable(&manifest.description),
        facts(&[
            (
                "Integration",
                format!("{} {} ({})", manifest.name, manifest.version, manifest.id)
            ),
            (
                "Size",
                format!("{} kB", inspection.size_bytes.div_ceil(1000))
            ),
            ("Asks for", secrets.join(", ")),
            ("Calls", manifest.hosts.join(", ")),
            (
                "Pacing",
                format!(
                    "{} requests at once, {} a minute",
                    manifest.pacing.burst, manifest.pacing.requests_per_minute
                ),
            ),
            (
                "Callback",
                if manifest.public_https {
                    "a public https address"
                } else {
                    "any address"
                }
                .to_owned(),
            ),
        ])
    );
    for (heading, names) in [
        (
            "It is lent nothing but these interfaces:",
            &inspection.imports,
        ),
        ("It offers:", &inspection.exports),
    ] {
        text.push_str(&format!("\n{heading}\n"));
        for name in names {
            text.push_str(&format!("  {}\n", printable(name)));
        }
    }
    text
}
