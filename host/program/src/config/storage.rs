//! Which storage to use.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::ConfigError;
use integration_host_contract::sentence::{is_address_instead_of_path, names_credential};
#[cfg(feature = "postgres")]
use integration_host_database::postgres::{AddressError, PostgresAddress};
#[cfg(feature = "redis")]
use integration_host_storage::{InvalidRedisAddress, RedisAddress};

/// What keeps the integrations' storage.
#[derive(Clone, PartialEq, Eq)]
pub enum StorageChoice {
    /// An SQLite database in this file.
    Sqlite(PathBuf),
    /// Memory: everything is gone when the host stops.
    Memory,
    /// A database that speaks the Postgres protocol.
    #[cfg(feature = "postgres")]
    Postgres(PostgresAddress),
    /// A Redis server.
    #[cfg(feature = "redis")]
    Redis(RedisAddress),
    /// A WebAssembly component that exports `storage`.
    Component(PathBuf),
}

impl StorageChoice {
    /// Reads paths relative to a directory.
    pub(super) fn relative_to(self, directory: &std::path::Path) -> Self {
        match self {
            Self::Sqlite(path) => Self::Sqlite(directory.join(path)),
            Self::Component(path) => Self::Component(directory.join(path)),
            #[cfg(feature = "redis")]
            Self::Redis(address) => Self::Redis(address.relative_to(directory)),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => self,
            Self::Memory => self,
        }
    }
}

impl FromStr for StorageChoice {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        const FORMS: &str =
            "sqlite:PATH, memory:, postgres://USER@HOST/DATABASE, redis://HOST or component:PATH";
        Self::parse("storage", FORMS, text)
    }
}

impl StorageChoice {
    /// Reads the value of a setting, which can have these forms.
    pub(super) fn parse(setting: &str, forms: &str, text: &str) -> Result<Self, ConfigError> {
        // The text may hold a password wherever it is wrong, so nothing of it is repeated.
        let unknown = || {
            ConfigError(format!(
                "`{setting}` has a form that is not known; it must be one of {forms}"
            ))
        };
        let text = text.trim();
        let (scheme, rest) = text.split_once(':').ok_or_else(unknown)?;
        if names_credential(text.split('?').next().unwrap_or_default()) {
            return Err(unknown());
        }
        match (scheme, rest) {
            ("sqlite" | "component", path) if is_address_instead_of_path(path) => {
                Err(ConfigError(format!(
                    "`{setting}` says {scheme}: and then no path but what looks like an address; it must be one of {forms}"
                )))
            }
            ("memory", "") => Ok(Self::Memory),
            ("sqlite", "") => Err(ConfigError(format!(
                "`{setting}` names no file; say sqlite:PATH, such as sqlite:./host.sqlite"
            ))),
            ("sqlite", path) => Ok(Self::Sqlite(path.into())),
            ("component", "") => Err(ConfigError(format!(
                "`{setting}` names no file; say component:PATH, such as component:./storage.wasm"
            ))),
            ("component", path) => Ok(Self::Component(path.into())),
            #[cfg(feature = "postgres")]
            ("postgres" | "postgresql", _) => {
                text.parse()
                    .map(Self::Postgres)
                    .map_err(|error: AddressError| {
                        ConfigError(format!(
                            "the Postgres address in `{setting}` cannot be used: {error}"
                        ))
                    })
            }
            #[cfg(not(feature = "postgres"))]
            ("postgres" | "postgresql", _) => Err(ConfigError::left_out(setting, "postgres")),
            #[cfg(feature = "redis")]
            ("redis" | "rediss", _) => text
                .parse()
                .map(Self::Redis)
                .map_err(|error: InvalidRedisAddress| ConfigError(error.to_string())),
            #[cfg(not(feature = "redis"))]
            ("redis" | "rediss", _) => Err(ConfigError::left_out(setting, "redis")),
            _ => Err(unknown()),
        }
    }
}

/// Without any password.
impl fmt::Display for StorageChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(formatter, "sqlite:{}", path.display()),
            Self::Memory => formatter.write_str("memory:"),
            #[cfg(feature = "postgres")]
            Self::Postgres(address) => fmt::Display::fmt(address, formatter),
            #[cfg(feature = "redis")]
            Self::Redis(address) => fmt::Display::fmt(address, formatter),
            Self::Component(path) => write!(formatter, "component:{}", path.display()),
        }
    }
}

impl fmt::Debug for StorageChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
