//! Which ledger to use.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{ConfigError, DEFAULT_DATABASE, StorageChoice};
#[cfg(feature = "postgres")]
use integration_host_database::postgres::PostgresAddress;

/// What keeps the ledger. Whatever can keep both keeps the integrations' storage as well, unless another
/// place is chosen for one of them.
#[derive(Clone, PartialEq, Eq)]
pub enum LedgerChoice {
    /// An SQLite database in this file.
    Sqlite(PathBuf),
    /// Memory: everything is gone when the host stops.
    Memory,
    /// A database that speaks the Postgres protocol.
    #[cfg(feature = "postgres")]
    Postgres(PostgresAddress),
}

impl LedgerChoice {
    /// The place of the storage where that can hold a ledger, otherwise an SQLite database in the data
    /// directory.
    pub(super) fn beside(storage: &StorageChoice, data: &Path) -> Self {
        Self::in_place_of(storage.clone())
            .unwrap_or_else(|| Self::Sqlite(data.join(DEFAULT_DATABASE)))
    }

    fn in_place_of(storage: StorageChoice) -> Option<Self> {
        match storage {
            StorageChoice::Sqlite(path) => Some(Self::Sqlite(path)),
            StorageChoice::Memory => Some(Self::Memory),
            #[cfg(feature = "postgres")]
            StorageChoice::Postgres(url) => Some(Self::Postgres(url)),
            #[cfg(feature = "redis")]
            StorageChoice::Redis(_) => None,
            StorageChoice::Component(_) => None,
        }
    }

    /// The same place as a choice of storage.
    fn as_storage(&self) -> StorageChoice {
        match self {
            Self::Sqlite(path) => StorageChoice::Sqlite(path.clone()),
            Self::Memory => StorageChoice::Memory,
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => StorageChoice::Postgres(url.clone()),
        }
    }

    /// Reads paths relative to a directory.
    pub(super) fn relative_to(self, directory: &Path) -> Self {
        match self {
            Self::Sqlite(path) => Self::Sqlite(directory.join(path)),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => self,
            Self::Memory => self,
        }
    }
}

impl FromStr for LedgerChoice {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        const FORMS: &str = "sqlite:PATH, memory: or postgres://USER@HOST/DATABASE";
        let scheme = text.split(':').next().unwrap_or_default();
        if matches!(scheme, "redis" | "rediss" | "component") {
            return Err(ConfigError(format!(
                "`ledger` begins with “{scheme}:”, which can keep storage only; it must be one of {FORMS}"
            )));
        }
        StorageChoice::parse("ledger", FORMS, text).and_then(|storage| {
            Self::in_place_of(storage)
                .ok_or_else(|| ConfigError(format!("`ledger` must be one of {FORMS}")))
        })
    }
}

/// Without any password.
impl fmt::Display for LedgerChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_storage(), formatter)
    }
}

impl fmt::Debug for LedgerChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
