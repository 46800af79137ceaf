//! What flags and environment say.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::DeletedEntries;
use super::directory::is_token_in_environment;
use integration_host_seal::KeySource;

/// The first of these variables that is set, and not empty.
fn in_environment<const N: usize>(variables: [&str; N]) -> Option<String> {
    variables
        .into_iter()
        .filter_map(|variable| std::env::var(variable).ok())
        .find(|value| !value.trim().is_empty())
}

/// Settings from flags, or else from the environment. They win over `host.toml`.
#[derive(Args, Clone, Debug, Default)]
pub struct Overrides {
    /// Configuration file; flags and environment win over it
    #[arg(long, value_name = "FILE", env = "INTEGRATION_HOST_CONFIG")]
    pub config: Option<PathBuf>,
    /// The integration to run [default: ./toggl.wasm, else target/dist/toggl.wasm]
    #[arg(long, value_name = "FILE", env = "INTEGRATION_HOST_COMPONENT")]
    pub component: Option<PathBuf>,
    /// Directory for the database, the key and the admin token [default: ./integration-host-data]
    #[arg(long, value_name = "DIR", env = "INTEGRATION_HOST_DATA")]
    pub data: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS", env = "INTEGRATION_HOST_LISTEN")]
    pub listen: Option<String>,
    /// Under which https URL the remote service reaches this host [default: http://LISTEN]
    #[arg(
        long,
        value_name = "URL",
        env = "INTEGRATION_HOST_PUBLIC_URL",
        hide_env_values = true
    )]
    pub public_url: Option<String>,
    /// Proxies whose X-Forwarded-For is believed: addresses or networks such as 10.0.0.0/8 [default: none]
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "INTEGRATION_HOST_TRUSTED_PROXIES",
        value_delimiter = ','
    )]
    pub trusted_proxies: Vec<String>,
    /// What keeps the integration's storage: sqlite:PATH, memory:, postgres://…, redis://… or component:PATH
    /// [default: sqlite:DIR/host.sqlite]
    #[arg(
        long,
        value_name = "STORAGE",
        env = "INTEGRATION_HOST_STORAGE",
        hide_env_values = true
    )]
    pub storage: Option<String>,
    /// What keeps the ledger: sqlite:PATH, memory: or postgres://… [default: the same place as storage, or
    /// sqlite:DIR/host.sqlite where that keeps storage only]
    #[arg(
        long,
        value_name = "LEDGER",
        env = "INTEGRATION_HOST_LEDGER",
        hide_env_values = true
    )]
    pub ledger: Option<String>,
    /// The platform's users: a CSV file with the header id,email,name, or JSON; sqlite:PATH, postgres://… or
    /// scim:https://…, whose token is in INTEGRATION_HOST_DIRECTORY_TOKEN
    #[arg(
        long,
        value_name = "DIRECTORY",
        env = "INTEGRATION_HOST_DIRECTORY",
        hide_env_values = true
    )]
    pub directory: Option<String>,
    /// Whether the environment holds the directory's token.
    #[arg(skip = is_token_in_environment())]
    pub directory_token_in_environment: bool,
    // Read as text: an error of clap's would repeat the whole value, and with it a password.
    /// Send the requests for a host somewhere else, such as to a sandbox; may be repeated
    #[arg(
        long,
        value_name = "HOST=URL",
        env = "INTEGRATION_HOST_UPSTREAM",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub upstream: Vec<String>,
    /// HTTP proxy for connections to the internet [default: HTTPS_PROXY, if that is set]; NO_PROXY names who is reached
    /// without it
    #[arg(
        long,
        value_name = "URL",
        env = "INTEGRATION_HOST_PROXY",
        hide_env_values = true
    )]
    pub proxy: Option<String>,
    /// The proxy that the environment names for all programs.
    #[arg(skip = in_environment(["HTTPS_PROXY", "https_proxy"]))]
    pub proxy_of_environment: Option<String>,
    /// Who is reached without a proxy.
    #[arg(skip = in_environment(["NO_PROXY", "no_proxy"]))]
    pub no_proxy: Option<String>,
    /// File of the keys that secrets are sealed with; INTEGRATION_HOST_SEALING_KEY holds keys itself
    /// [default: DIR/sealing-key]
    #[arg(long, value_name = "FILE", env = "INTEGRATION_HOST_SEALING_KEY_FILE")]
    pub sealing_key_file: Option<PathBuf>,
    /// Whether the environment holds the keys.
    #[arg(skip = KeySource::is_in_environment())]
    pub sealing_key_in_environment: bool,
    /// Whether deleted activities are listed without being asked for [default: keep]
    #[arg(long, value_name = "HOW", env = "INTEGRATION_HOST_DELETED_ENTRIES", value_parser = deleted_entries())]
    pub deleted_entries: Option<DeletedEntries>,
    /// Form of log lines, which go to standard error [default: text]
    #[arg(long, value_name = "FORM", env = "INTEGRATION_HOST_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Which log lines to write, such as warn or integration_host=debug [default: info]
    #[arg(long, value_name = "FILTER", env = "INTEGRATION_HOST_LOG_LEVEL")]
    pub log_level: Option<String>,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}

/// Reads how deleted activities are listed.
pub(super) fn deleted_entries() -> impl TypedValueParser<Value = DeletedEntries> {
    let values = [
        PossibleValue::new("keep").help("Like any other, marked as deleted"),
        PossibleValue::new("hide").help("Only when asked for"),
    ];
    PossibleValuesParser::new(values).map(|value| match value.as_str() {
        "hide" => DeletedEntries::Hide,
        _ => DeletedEntries::Keep,
    })
}
