//! `host.toml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::proxy::ProxyKeys;
use super::{
    ConfigError, DeletedEntries, DirectorySection, Hosts, LedgerChoice, LogFormat, StorageChoice,
    ensure_path,
};
use integration_host::schedule::Schedule;
use integration_host_contract::limits::Limits;
use integration_host_contract::sentence::may_hold_credential;
use integration_host_http::Upstream;
use integration_host_seal::KeySource;

/// What the file says, its paths read relative to the file's directory.
#[derive(Debug, Default)]
pub(super) struct SettingsFile {
    pub component: Option<PathBuf>,
    pub data: Option<PathBuf>,
    pub listen: Option<String>,
    pub public_url: Option<String>,
    pub trusted_proxies: Option<Vec<String>>,
    pub storage: Option<StorageChoice>,
    pub ledger: Option<LedgerChoice>,
    pub directory: Option<DirectorySection>,
    pub sealing_key: Option<KeySource>,
    pub deleted_entries: Option<DeletedEntries>,
    pub log_format: Option<LogFormat>,
    pub log_level: Option<String>,
    pub hosts: Hosts,
    pub proxy: ProxyKeys,
    pub limits: Limits,
    pub schedule: Schedule,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    component: Option<PathBuf>,
    data: Option<PathBuf>,
    listen: Option<String>,
    public_url: Option<String>,
    trusted_proxies: Option<Vec<String>>,
    storage: Option<String>,
    ledger: Option<String>,
    directory: Option<DirectorySection>,
    sealing_key_file: Option<PathBuf>,
    sealing_key_command: Option<Vec<String>>,
    deleted_entries: Option<DeletedEntries>,
    log_format: Option<LogFormat>,
    log_level: Option<String>,
    #[serde(default)]
    hosts: HostsSection,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    background: Schedule,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HostsSection {
    approved: Option<Vec<String>>,
    upstream: BTreeMap<String, String>,
    proxy: Option<String>,
    without_proxy: Option<Vec<String>>,
}

/// Limits that may be zero: the thing they count is optional.
const MAY_BE_ZERO: [&str; 7] = [
    "conflict_retries",
    "failed_deliveries",
    "log_lines_per_call",
    "log_lines_per_minute",
    "refusal_delay_ms",
    "replay_attempts",
    "waiting_calls_per_connection",
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
            let message = without_values(&name_alike(&error.message().replace('\n', " ")));
            ConfigError(format!(", line {line}: {message}"))
        })?;
        for (name, path) in [
            ("component", &document.component),
            ("data", &document.data),
            ("sealing_key_file", &document.sealing_key_file),
        ] {
            ensure_path(name, path.as_deref())
                .map_err(|ConfigError(what)| ConfigError(format!(": {what}")))?;
        }
        check_numbers("limits", &document.limits)?;
        check_numbers("background", &document.background)?;
        let in_section = |ConfigError(what)| ConfigError(format!(": {what}"));
        let storage = document
            .storage
            .map(|storage| storage.parse::<StorageChoice>())
            .transpose()
            .map_err(in_section)?
            .map(|storage| storage.relative_to(directory));
        let ledger = document
            .ledger
            .map(|ledger| ledger.parse::<LedgerChoice>())
            .transpose()
            .map_err(in_section)?
            .map(|ledger| ledger.relative_to(directory));
        Ok(Self {
            component: document.component.map(|path| directory.join(path)),
            data: document.data.map(|path| directory.join(path)),
            listen: document.listen,
            public_url: document.public_url,
            trusted_proxies: document.trusted_proxies,
            storage,
            ledger,
            directory: document
                .directory
                .map(|section| section.relative_to(directory)),
            sealing_key: sealing_key(
                document.sealing_key_file.map(|path| directory.join(path)),
                document.sealing_key_command,
            )?,
            deleted_entries: document.deleted_entries,
            log_format: document.log_format,
            log_level: document.log_level,
            proxy: ProxyKeys {
                proxy: document.hosts.proxy,
                without_proxy: document.hosts.without_proxy,
            },
            hosts: Hosts {
                proxy: None,
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
            schedule: document.background,
        })
    }
}

fn sealing_key(
    file: Option<PathBuf>,
    command: Option<Vec<String>>,
) -> Result<Option<KeySource>, ConfigError> {
    match (file, command) {
        (Some(_), Some(_)) => Err(ConfigError(
            ": both `sealing_key_file` and `sealing_key_command` are given; keep one of them"
                .to_owned(),
        )),
        (Some(path), None) => Ok(Some(KeySource::File(path))),
        (None, Some(command)) if command.first().is_none_or(String::is_empty) => {
            Err(ConfigError(
                ": `sealing_key_command` names no program; it must be a program and its arguments, such as [\"vault\", \"read\", \"-field=key\", \"secret/host\"]".to_owned(),
            ))
        }
        (None, Some(command)) => Ok(Some(KeySource::Command(command))),
        (None, None) => Ok(None),
    }
}

/// An error of the reader, which repeats values of a wrong type and words that it does not know. They may be what holds a
/// password, written in the wrong place.
fn without_values(message: &str) -> String {
    const A_TEXT: &str = "string \"";
    let (before, value) = message.split_once(A_TEXT).unwrap_or((message, ""));
    // What was expected stands behind the value, in which anything may stand.
    let (value, after) = value.rsplit_once("\", expected").unwrap_or((value, ""));
    let message = match (value, after) {
        ("", "") => before.to_owned(),
        (_, "") => format!("{before}a text"),
        (_, after) => format!("{before}a text, expected{after}"),
    };
    if !may_hold_credential(&message) {
        return message;
    }
    match message.rsplit_once("`, expected ") {
        Some((_, expected)) if !may_hold_credential(expected) => {
            format!(
                "a word is not known, and is not repeated as it may hold a password; expected {expected}"
            )
        }
        _ => "this cannot be read, and is not repeated as it may hold a password".to_owned(),
    }
}

/// The most keys an error lists.
const MOST_LISTED: usize = 20;

/// An error about an unknown key, with the keys that are like it where all would be too many to read.
fn name_alike(message: &str) -> String {
    let Some((unknown, expected)) = message.split_once(", expected one of ") else {
        return message.to_owned();
    };
    let expected: Vec<_> = expected.split(", ").collect();
    if expected.len() <= MOST_LISTED {
        return message.to_owned();
    }
    let given = unknown.split('`').nth(1).unwrap_or_default();
    let is_alike = |key: &&&str| {
        let mut words = key.trim_matches('`').split('_');
        words.any(|word| word.len() > 2 && given.split('_').any(|part| part == word))
    };
    let alike: Vec<_> = expected.iter().filter(is_alike).copied().collect();
    if alike.is_empty() || alike.len() > MOST_LISTED {
        return format!("{unknown}; docs/operating.md says where the keys are listed");
    }
    format!("{unknown}; keys like it are {}", alike.join(", "))
}

fn check_numbers(section: &str, numbers: &impl Serialize) -> Result<(), ConfigError> {
    let Ok(serde_json::Value::Object(values)) = serde_json::to_value(numbers) else {
        return Ok(());
    };
    match values
        .iter()
        .find(|(key, value)| value.as_u64() == Some(0) && !MAY_BE_ZERO.contains(&key.as_str()))
    {
        Some((key, _)) => Err(ConfigError(format!(
            ": `{key}` in [{section}] is 0, so nothing would work; give a larger number or leave it out"
        ))),
        None => Ok(()),
    }
}
