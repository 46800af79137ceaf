//! `host.toml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{ConfigError, DeletedEntries, Hosts, LogFormat, StorageChoice};
use crate::capability::http::Upstream;
use crate::limits::Limits;

/// What the file says, its paths read relative to the file's directory.
#[derive(Debug, Default)]
pub(super) struct SettingsFile {
    pub component: Option<PathBuf>,
    pub data: Option<PathBuf>,
    pub listen: Option<String>,
    pub public_url: Option<String>,
    pub storage: Option<StorageChoice>,
    pub directory: Option<PathBuf>,
    pub deleted_entries: Option<DeletedEntries>,
    pub log_format: Option<LogFormat>,
    pub log_level: Option<String>,
    pub hosts: Hosts,
    pub limits: Limits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    component: Option<PathBuf>,
    data: Option<PathBuf>,
    listen: Option<String>,
    public_url: Option<String>,
    storage: Option<String>,
    directory: Option<PathBuf>,
    deleted_entries: Option<DeletedEntries>,
    log_format: Option<LogFormat>,
    log_level: Option<String>,
    #[serde(default)]
    hosts: HostsSection,
    #[serde(default)]
    limits: Limits,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HostsSection {
    approved: Option<Vec<String>>,
    upstream: BTreeMap<String, String>,
}

/// Limits that may be zero: the thing they count is optional.
const MAY_BE_ZERO: [&str; 4] = [
    "conflict_retries",
    "log_lines_per_call",
    "failed_deliveries",
    "replay_attempts",
];

impl SettingsFile {
    /// Reads and checks a file.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError(format!(
                "cannot read the configuration file {}: {error}; name a readable file with --config, or leave it out",
                path.display()
            ))
        })?;
        let directory = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, directory)
            .map_err(|ConfigError(what)| ConfigError(format!("{}{what}", path.display())))
    }

    /// Reads text that stands in a file of `directory`. Errors continue a sentence that begins with the
    /// file's name.
    pub(super) fn parse(text: &str, directory: &Path) -> Result<Self, ConfigError> {
        let document: Document = toml::from_str(text).map_err(|error| {
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map_or(1, |before| before.matches('\n').count() + 1);
            let message = error.message().replace('\n', " ");
            ConfigError(format!(", line {line}: {message}"))
        })?;
        check_limits(&document.limits)?;
        let in_section = |ConfigError(what)| ConfigError(format!(": {what}"));
        let storage = document
            .storage
            .map(|storage| storage.parse::<StorageChoice>())
            .transpose()
            .map_err(in_section)?
            .map(|storage| storage.relative_to(directory));
        Ok(Self {
            component: document.component.map(|path| directory.join(path)),
            data: document.data.map(|path| directory.join(path)),
            listen: document.listen,
            public_url: document.public_url,
            storage,
            directory: document.directory.map(|path| directory.join(path)),
            deleted_entries: document.deleted_entries,
            log_format: document.log_format,
            log_level: document.log_level,
            hosts: Hosts {
                approved: document.hosts.approved.map(|hosts| {
                    hosts
                        .into_iter()
                        .map(|host| host.to_ascii_lowercase())
                        .collect()
                }),
                upstream: document
                    .hosts
                    .upstream
                    .iter()
                    .map(|(host, url)| format!("{host}={url}").parse())
                    .collect::<Result<Vec<Upstream>, _>>()
                    .map_err(|error| in_section(ConfigError(error.to_string())))?,
            },
            limits: document.limits,
        })
    }
}

fn check_limits(limits: &Limits) -> Result<(), ConfigError> {
    let Ok(serde_json::Value::Object(values)) = serde_json::to_value(limits) else {
        return Ok(());
    };
    match values
        .iter()
        .find(|(key, value)| value.as_u64() == Some(0) && !MAY_BE_ZERO.contains(&key.as_str()))
    {
        Some((key, _)) => Err(ConfigError(format!(
            ": `{key}` in [limits] is 0, so nothing would work; give a larger number or leave it out"
        ))),
        None => Ok(()),
    }
}
