//! Which storage to use.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

use super::ConfigError;
use crate::sentence::shorten;

/// What keeps the ledger and the integrations' storage.
#[derive(Clone, PartialEq, Eq)]
pub enum StorageChoice {
    /// An SQLite database in this file.
    Sqlite(PathBuf),
    /// Memory: everything is gone when the host stops.
    Memory,
    /// A database that speaks the Postgres protocol.
    Postgres(Url),
    /// A WebAssembly component that exports `storage`.
    Component(PathBuf),
}

impl StorageChoice {
    /// Refuses what this build cannot do.
    pub fn ensure_available(&self) -> Result<(), ConfigError> {
        match self {
            Self::Sqlite(_) | Self::Memory => Ok(()),
            Self::Postgres(_) | Self::Component(_) => Err(ConfigError(format!(
                "the storage {self} is not available in this build; use sqlite:PATH or memory:"
            ))),
        }
    }

    /// Reads paths relative to a directory.
    pub(super) fn relative_to(self, directory: &std::path::Path) -> Self {
        match self {
            Self::Sqlite(path) => Self::Sqlite(directory.join(path)),
            Self::Component(path) => Self::Component(directory.join(path)),
            Self::Memory | Self::Postgres(_) => self,
        }
    }
}

impl FromStr for StorageChoice {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        const FORMS: &str = "sqlite:PATH, memory:, postgres://USER@HOST/DATABASE or component:PATH";
        let (scheme, rest) = text.split_once(':').ok_or_else(|| {
            ConfigError(format!(
                "`storage` is “{}”; it must be one of {FORMS}",
                shorten(text)
            ))
        })?;
        match (scheme, rest) {
            ("memory", "") => Ok(Self::Memory),
            ("sqlite", "") => Err(ConfigError(
                "`storage` names no file; say sqlite:PATH, such as sqlite:./host.sqlite".to_owned(),
            )),
            ("sqlite", path) => Ok(Self::Sqlite(path.into())),
            ("component", "") => Err(ConfigError(
                "`storage` names no file; say component:PATH, such as component:./storage.wasm"
                    .to_owned(),
            )),
            ("component", path) => Ok(Self::Component(path.into())),
            ("postgres" | "postgresql", _) => Url::parse(text)
                .ok()
                .filter(Url::has_host)
                .map(Self::Postgres)
                // The text may hold a password, so it is not repeated.
                .ok_or_else(|| {
                    ConfigError(
                        "the Postgres address in `storage` cannot be read; it must look like postgres://USER:PASSWORD@HOST/DATABASE".to_owned(),
                    )
                }),
            // Whatever follows an unknown scheme may hold a password as well.
            _ => Err(ConfigError(format!(
                "`storage` begins with “{}:”, which is not known or not complete; it must be one of {FORMS}",
                shorten(scheme)
            ))),
        }
    }
}

/// Without any password.
impl fmt::Display for StorageChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(formatter, "sqlite:{}", path.display()),
            Self::Memory => formatter.write_str("memory:"),
            Self::Postgres(url) => write!(
                formatter,
                "postgres://{}{}",
                url.host_str().unwrap_or_default(),
                url.path()
            ),
            Self::Component(path) => write!(formatter, "component:{}", path.display()),
        }
    }
}

impl fmt::Debug for StorageChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
