//! Configuration of a host: built-in values, then `host.toml`, then the environment, then flags.
//!
//! [`Settings::resolve`] does all of it and checks every value, so that a wrong one ends the start
//! with one sentence instead of surprising later.

mod directory;
mod file;
mod ledger;
mod overrides;
mod proxy;
mod storage;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use thiserror::Error;
use url::Url;

pub use self::directory::DirectoryChoice;
use self::directory::DirectorySection;
pub(crate) use self::directory::is_token_in_environment as is_directory_token_in_environment;
use self::file::SettingsFile;
pub use self::ledger::LedgerChoice;
pub use self::overrides::{LogFormat, Overrides};
pub use self::storage::StorageChoice;
pub use integration_host::DeletedEntries;
use integration_host::schedule::Schedule;
use integration_host_contract::limits::Limits;
use integration_host_contract::sentence::{
    is_credential_instead_of_path, names_credential, on_one_line, quoted,
};
use integration_host_http::address::is_loopback;
use integration_host_http::{EgressProxy, Upstream};
use integration_host_seal::KeySource;

/// Where a host keeps its data unless told otherwise.
pub const DEFAULT_DATA: &str = "./integration-host-data";
/// Where a host listens unless told otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8080";
/// Where the component is looked for unless told otherwise, in order.
pub const DEFAULT_COMPONENTS: [&str; 2] = ["./toggl.wasm", "target/dist/toggl.wasm"];
/// The database in the data directory, unless another storage is chosen.
pub(crate) const DEFAULT_DATABASE: &str = "host.sqlite";
/// The keys in the data directory, unless others are chosen.
pub(crate) const DEFAULT_SEALING_KEY: &str = "sealing-key";

/// What is wrong with the configuration, and what helps, in a sentence.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}", on_one_line(.0))]
pub struct ConfigError(pub String);

impl ConfigError {
    /// What a setting names is not part of this program.
    #[cfg(not(all(feature = "postgres", feature = "redis", feature = "scim")))]
    fn left_out(setting: &str, feature: &str) -> Self {
        Self(format!(
            "what `{setting}` names is not part of this program; build it with the feature `{feature}`, as `cargo xtask build` does"
        ))
    }
}

/// Everything a host needs to know before it starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The component.
    pub component: PathBuf,
    /// The directory for the database, the key, the admin token and caches.
    pub data: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Under which URL the remote service reaches this host; `None`: where it listens, which is loopback.
    pub public_url: Option<Url>,
    /// Reverse proxies in front of this host, whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What keeps the integrations' storage.
    pub storage: StorageChoice,
    /// What keeps the ledger.
    pub ledger: LedgerChoice,
    /// Where the platform's users are; `None`: there are none, so nobody is matched.
    pub directory: Option<DirectoryChoice>,
    /// Where the keys come from that secrets are sealed with.
    pub sealing_key: KeySource,
    /// Which hosts the integration may call.
    pub hosts: Hosts,
    /// How deleted activities are listed.
    pub deleted_entries: DeletedEntries,
    /// The form of log lines.
    pub log_format: LogFormat,
    /// Which log lines to write, such as `info` or `integration_host=debug`.
    pub log_level: String,
    /// Time-outs and limits.
    pub limits: Limits,
    /// When background work is done.
    pub schedule: Schedule,
}

/// Which hosts the integration may call, and where their requests go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Host names the operator approves; `None`: those the manifest names. A host must be in the
    /// manifest either way.
    pub approved: Option<Vec<String>>,
    /// Host names whose requests go somewhere else, such as a sandbox.
    pub upstream: Vec<Upstream>,
    /// What requests by https go through; `None`: nothing.
    pub proxy: Option<EgressProxy>,
}

impl Settings {
    /// Puts the layers together and checks them. `overrides` is what flags and environment say.
    pub fn resolve(overrides: Overrides) -> Result<Self, ConfigError> {
        Self::resolve_with(overrides, find_component)
    }

    /// The same for what runs no component, which then need not be there.
    pub fn resolve_without_component(overrides: Overrides) -> Result<Self, ConfigError> {
        Self::resolve_with(overrides, |chosen| Ok(chosen.unwrap_or_default()))
    }

    fn resolve_with(
        overrides: Overrides,
        find_component: impl FnOnce(Option<PathBuf>) -> Result<PathBuf, ConfigError>,
    ) -> Result<Self, ConfigError> {
        for (name, path) in [
            ("config", &overrides.config),
            ("component", &overrides.component),
            ("data", &overrides.data),
            ("sealing_key_file", &overrides.sealing_key_file),
        ] {
            ensure_path(name, path.as_deref())?;
        }
        let file = match &overrides.config {
            Some(path) => SettingsFile::read(path)?,
            None => SettingsFile::default(),
        };
        let data = overrides
            .data
            .or(file.data)
            .unwrap_or_else(|| PathBuf::from(DEFAULT_DATA));
        let listen = match overrides.listen.or(file.listen) {
            Some(listen) => parse_listen(&listen)?,
            None => parse_listen(DEFAULT_LISTEN)?,
        };
        let public_url = overrides
            .public_url
            .or(file.public_url)
            .map(|url| parse_public_url(&url))
            .transpose()?;
        if public_url.is_none() && !listen.ip().is_loopback() {
            return Err(ConfigError(format!(
                "listening on {listen} is for requests from elsewhere, so say under which https address they arrive: --public-url https://host.example.com"
            )));
        }
        let trusted_proxies = match overrides.trusted_proxies {
            none if none.is_empty() => file.trusted_proxies.unwrap_or_default(),
            given => given,
        };
        let trusted_proxies = trusted_proxies
            .iter()
            .map(|proxy| parse_network(proxy))
            .collect::<Result<_, _>>()?;
        let storage = match overrides.storage {
            Some(storage) => storage.parse()?,
            None => file
                .storage
                .unwrap_or_else(|| StorageChoice::Sqlite(data.join(DEFAULT_DATABASE))),
        };
        let ledger = match overrides.ledger {
            Some(ledger) => ledger.parse()?,
            None => file
                .ledger
                .unwrap_or_else(|| LedgerChoice::beside(&storage, &data)),
        };
        let sealing_key = match (
            overrides.sealing_key_file,
            overrides.sealing_key_in_environment,
        ) {
            (Some(path), true) => return Err(two_sources(&path)),
            (Some(path), false) => KeySource::File(path),
            (None, true) => KeySource::Environment,
            (None, false) => file
                .sealing_key
                .unwrap_or_else(|| KeySource::File(data.join(DEFAULT_SEALING_KEY))),
        };
        let directory = file.directory.unwrap_or_default().choose(
            overrides.directory.as_deref(),
            overrides.directory_token_in_environment,
        )?;
        let (mut hosts, file_proxy) = (file.hosts, file.proxy);
        let flags = overrides
            .upstream
            .iter()
            .map(|upstream| upstream.parse())
            .collect::<Result<Vec<Upstream>, _>>()
            .map_err(|error| ConfigError(error.to_string()))?;
        // Flags come last and win.
        hosts
            .upstream
            .retain(|upstream| flags.iter().all(|flag| flag.host() != upstream.host()));
        hosts.upstream.extend(flags);
        hosts.proxy = file_proxy.choose(
            overrides.proxy,
            overrides.proxy_of_environment,
            overrides.no_proxy,
        )?;
        Ok(Self {
            component: find_component(overrides.component.or(file.component))?,
            data,
            listen,
            public_url,
            trusted_proxies,
            storage,
            ledger,
            directory,
            sealing_key,
            hosts,
            deleted_entries: overrides
                .deleted_entries
                .or(file.deleted_entries)
                .unwrap_or_default(),
            log_format: overrides.log_format.or(file.log_format).unwrap_or_default(),
            log_level: overrides
                .log_level
                .or(file.log_level)
                .unwrap_or_else(|| "info".to_owned()),
            limits: file.limits,
            schedule: file.schedule,
        })
    }

    /// The URL under which the remote service reaches this host, without a slash at its end. Callback
    /// URLs are this, `/hooks/` and the hook.
    pub fn callback_base(&self) -> String {
        match &self.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://{}", self.listen),
        }
    }

    /// Whether deliveries can arrive from this machine only.
    pub fn is_loopback(&self) -> bool {
        self.public_url.as_ref().is_none_or(is_loopback)
    }
}

/// Refuses what would be repeated as a path, and perhaps made, although it is an address with a password.
pub(crate) fn ensure_path(name: &str, path: Option<&Path>) -> Result<(), ConfigError> {
    let text = path.map(Path::to_string_lossy).unwrap_or_default();
    if is_credential_instead_of_path(&text) {
        return Err(ConfigError(format!(
            "`{name}` names no path but what looks like an address with a password, which is not repeated here; it must be a path"
        )));
    }
    Ok(())
}

/// Two sources of keys are named, and nothing says which one is meant.
pub(crate) fn two_sources(path: &Path) -> ConfigError {
    ConfigError(format!(
        "the sealing key is given twice, in {} and as the variable {}; keep one of them",
        path.display(),
        KeySource::VARIABLE
    ))
}

fn find_component(chosen: Option<PathBuf>) -> Result<PathBuf, ConfigError> {
    if let Some(path) = chosen {
        if path.is_file() {
            return Ok(path);
        }
        return Err(ConfigError(format!(
            "there is no component at {}; build it with `cargo xtask build`, or name the right file with --component",
            path.display()
        )));
    }
    DEFAULT_COMPONENTS
        .iter()
        .map(Path::new)
        .find(|path| path.is_file())
        .map(Path::to_owned)
        .ok_or_else(|| {
            ConfigError(format!(
                "found no component at {}; build it with `cargo xtask build`, or name one with --component",
                DEFAULT_COMPONENTS.join(" or ")
            ))
        })
}

fn parse_listen(text: &str) -> Result<SocketAddr, ConfigError> {
    let address = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    address.parse().map_err(|_| {
        ConfigError(format!(
            "`listen` is {}; it must be an address and a port, such as {DEFAULT_LISTEN} or [::1]:8080",
            quoted(text)
        ))
    })
}

fn parse_public_url(text: &str) -> Result<Url, ConfigError> {
    let wrong = |what: &str| {
        ConfigError(format!(
            "`public_url` is {}; {what}, such as https://host.example.com",
            quoted(text)
        ))
    };
    let url = Url::parse(text).map_err(|_| wrong("it must be a URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong("it must be an https URL"));
    }
    if !url.username().is_empty() || url.password().is_some() || names_credential(text) {
        return Err(ConfigError(
            "`public_url` contains a user name or password; it must be a plain https URL, such as https://host.example.com".to_owned(),
        ));
    }
    if url.query().is_some() || url.fragment().is_some() || url.path().contains('@') {
        return Err(wrong("it must be a URL without ?, # and @"));
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(wrong(
            "plain http is for this machine only, so it must be an https URL",
        ));
    }
    Ok(url)
}

fn parse_network(text: &str) -> Result<IpNet, ConfigError> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address.or_else(|_| text.parse()).map_err(|_| {
        ConfigError(format!(
            "`trusted_proxies` has {}; it must be an address or a network, such as 127.0.0.1 or 10.0.0.0/8",
            quoted(text)
        ))
    })
}

#[cfg(test)]
mod tests;
