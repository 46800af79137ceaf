//! Where the platform's users are.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
#[cfg(feature = "scim")]
use url::Url;

use super::ConfigError;
use integration_host_contract::sentence::{is_address_instead_of_path, names_credential, shorten};
#[cfg(feature = "postgres")]
use integration_host_database::postgres::{AddressError, PostgresAddress};
#[cfg(feature = "scim")]
use integration_host_directory::scim::TokenSource;
use integration_host_directory::sql::{Identifier, Rows, Selection};
#[cfg(feature = "scim")]
use integration_host_http::address::is_loopback;

/// Whether the environment holds the directory's token.
pub(crate) fn is_token_in_environment() -> bool {
    #[cfg(feature = "scim")]
    return TokenSource::is_in_environment();
    #[cfg(not(feature = "scim"))]
    false
}

/// Where the platform's users are.
#[derive(Clone, Debug)]
pub enum DirectoryChoice {
    /// In a file, CSV or JSON.
    File(PathBuf),
    /// In an SQLite database in this file.
    Sqlite(PathBuf, Selection),
    /// In a database that speaks the Postgres protocol.
    #[cfg(feature = "postgres")]
    Postgres(PostgresAddress, Selection),
    /// At a SCIM service: the address before `/Users`, and where the token for it comes from.
    #[cfg(feature = "scim")]
    Scim(Url, TokenSource),
}

/// Without any password.
impl fmt::Display for DirectoryChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Sqlite(path, _) => write!(formatter, "sqlite:{}", path.display()),
            #[cfg(feature = "postgres")]
            Self::Postgres(address, _) => write!(formatter, "{address}"),
            #[cfg(feature = "scim")]
            Self::Scim(url, _) => write!(formatter, "scim:{url}"),
        }
    }
}

/// `directory` in `host.toml`: a place, or a section that names one as `from` and says more.
#[derive(Debug, Default)]
pub(super) struct DirectorySection(Keys);

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    from: Option<String>,
    table: Option<String>,
    query: Option<String>,
    id_column: Option<String>,
    email_column: Option<String>,
    name_column: Option<String>,
    token_file: Option<PathBuf>,
    token_command: Option<Vec<String>>,
    /// What paths are relative to.
    #[serde(skip)]
    base: PathBuf,
}

impl<'de> Deserialize<'de> for DirectorySection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PlaceOrSection;

        impl<'de> Visitor<'de> for PlaceOrSection {
            type Value = DirectorySection;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a file or an address, or a section with `from`")
            }

            fn visit_str<E>(self, from: &str) -> Result<Self::Value, E> {
                Ok(DirectorySection(Keys {
                    from: Some(from.to_owned()),
                    ..Keys::default()
                }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Keys::deserialize(MapAccessDeserializer::new(map)).map(DirectorySection)
            }
        }

        deserializer.deserialize_any(PlaceOrSection)
    }
}

const FORMS: &str = "a file, sqlite:PATH, postgres://USER@HOST/DATABASE or scim:https://HOST/PATH";

impl DirectorySection {
    /// Reads paths relative to a directory.
    pub(super) fn relative_to(mut self, directory: &Path) -> Self {
        self.0.base = directory.to_owned();
        self.0.token_file = self.0.token_file.map(|path| directory.join(path));
        self
    }

    /// The directory. A place from outside wins over the file's; what the file says more holds for it as
    /// far as it applies.
    #[cfg_attr(
        not(feature = "scim"),
        expect(unused_variables, reason = "no place has a token")
    )]
    pub(super) fn choose(
        self,
        override_from: Option<&str>,
        token_in_environment: bool,
    ) -> Result<Option<DirectoryChoice>, ConfigError> {
        let Self(keys) = self;
        let (from, base) = match (override_from, &keys.from) {
            (Some(from), _) => (from, Path::new("")),
            (None, Some(from)) => (from.as_str(), keys.base.as_path()),
            (None, None) if keys.is_empty() => return Ok(None),
            (None, None) => {
                return Err(ConfigError(format!(
                    "[directory] does not say where users come from; give `from` as {FORMS}"
                )));
            }
        };
        let from = from.trim();
        let unknown = || {
            ConfigError(format!(
                "`directory` has a form that is not known; it must be {FORMS}"
            ))
        };
        if names_credential(from.split('?').next().unwrap_or_default()) {
            return Err(unknown());
        }
        let choice = match from.split_once(':').unwrap_or(("", from)) {
            (scheme @ ("sqlite" | "file"), path) if is_address_instead_of_path(path) => {
                return Err(ConfigError(format!(
                    "`directory` says {scheme}: and then no path but what looks like an address; it must be {FORMS}"
                )));
            }
            (_, "") => {
                return Err(ConfigError(format!(
                    "`directory` names no place; it must be {FORMS}"
                )));
            }
            ("sqlite", path) => DirectoryChoice::Sqlite(base.join(path), keys.selection()?),
            #[cfg(not(feature = "postgres"))]
            ("postgres" | "postgresql", _) => {
                return Err(ConfigError::left_out("directory", "postgres"));
            }
            #[cfg(feature = "postgres")]
            ("postgres" | "postgresql", _) => {
                let address = from.parse().map_err(|error: AddressError| {
                    ConfigError(format!(
                        "the Postgres address in `directory` cannot be used: {error}"
                    ))
                })?;
                DirectoryChoice::Postgres(address, keys.selection()?)
            }
            #[cfg(not(feature = "scim"))]
            ("scim", _) => return Err(ConfigError::left_out("directory", "scim")),
            #[cfg(feature = "scim")]
            ("scim", url) => {
                DirectoryChoice::Scim(service(url)?, keys.token(token_in_environment)?)
            }
            ("file", path) => DirectoryChoice::File(base.join(path)),
            (scheme @ ("http" | "https"), _) => {
                return Err(ConfigError(format!(
                    "`directory` is a web address; if a SCIM service is there, say scim:{scheme}://…"
                )));
            }
            // The text may hold a password, so nothing of it is repeated.
            (_, rest) if rest.starts_with("//") || is_address_instead_of_path(from) => {
                return Err(unknown());
            }
            _ => DirectoryChoice::File(base.join(from)),
        };
        if override_from.is_none() {
            keys.refuse_unused(&choice)?;
        }
        Ok(Some(choice))
    }
}

impl Keys {
    fn is_empty(&self) -> bool {
        self.sql_key().is_none() && self.token_key().is_none()
    }

    /// A key that is given and is for databases only.
    fn sql_key(&self) -> Option<&'static str> {
        [
            ("table", self.table.is_some()),
            ("query", self.query.is_some()),
            ("id_column", self.id_column.is_some()),
            ("email_column", self.email_column.is_some()),
            ("name_column", self.name_column.is_some()),
        ]
        .into_iter()
        .find_map(|(key, is_given)| is_given.then_some(key))
    }

    /// A key that is given and is for SCIM only.
    fn token_key(&self) -> Option<&'static str> {
        [
            ("token_file", self.token_file.is_some()),
            ("token_command", self.token_command.is_some()),
        ]
        .into_iter()
        .find_map(|(key, is_given)| is_given.then_some(key))
    }

    fn refuse_unused(&self, choice: &DirectoryChoice) -> Result<(), ConfigError> {
        let (key, purpose) = match choice {
            DirectoryChoice::File(_) => (self.sql_key().or(self.token_key()), "files"),
            DirectoryChoice::Sqlite(..) => (self.token_key(), "databases"),
            #[cfg(feature = "postgres")]
            DirectoryChoice::Postgres(..) => (self.token_key(), "databases"),
            #[cfg(feature = "scim")]
            DirectoryChoice::Scim(..) => (self.sql_key(), "SCIM services"),
        };
        match key {
            Some(key) => Err(ConfigError(format!(
                "`{key}` in [directory] is not for {purpose}; leave it out"
            ))),
            None => Ok(()),
        }
    }

    fn selection(&self) -> Result<Selection, ConfigError> {
        let wrong = |key: &str, name: &str, error: &dyn fmt::Display| {
            ConfigError(format!(
                "`{key}` in [directory] is “{}”; {error}",
                shorten(name)
            ))
        };
        let mut selection = Selection::default();
        match (&self.table, &self.query) {
            (Some(_), Some(_)) => {
                return Err(ConfigError(
                    "both `table` and `query` are given in [directory]; keep one of them"
                        .to_owned(),
                ));
            }
            (Some(name), None) => {
                selection.rows = Rows::table(name).map_err(|error| wrong("table", name, &error))?;
            }
            (None, Some(query)) => selection.rows = Rows::query(query),
            (None, None) => {}
        }
        let columns = &mut selection.columns;
        for (key, column, name) in [
            ("id_column", &mut columns.id, &self.id_column),
            ("email_column", &mut columns.email, &self.email_column),
            ("name_column", &mut columns.name, &self.name_column),
        ] {
            if let Some(name) = name {
                *column = name
                    .parse::<Identifier>()
                    .map_err(|error| wrong(key, name, &error))?;
            }
        }
        Ok(selection)
    }

    #[cfg(feature = "scim")]
    fn token(&self, in_environment: bool) -> Result<TokenSource, ConfigError> {
        let variable = TokenSource::VARIABLE;
        match (&self.token_file, &self.token_command, in_environment) {
            (Some(path), None, false) => Ok(TokenSource::File(path.clone())),
            (None, Some(line), false) if line.first().is_none_or(String::is_empty) => {
                Err(ConfigError(
                    "`token_command` in [directory] names no program; it must be a program and its arguments, such as [\"vault\", \"read\", \"-field=token\", \"secret/scim\"]".to_owned(),
                ))
            }
            (None, Some(line), false) => Ok(TokenSource::Command(line.clone())),
            (None, None, true) => Ok(TokenSource::Environment),
            (None, None, false) => Err(ConfigError(format!(
                "a SCIM service needs a token; name a file with it as `token_file` in [directory] of host.toml, or set {variable}"
            ))),
            _ => Err(ConfigError(format!(
                "the directory's token has several sources; keep one of `token_file`, `token_command` and {variable}"
            ))),
        }
    }
}

/// The address of a SCIM service.
#[cfg(feature = "scim")]
fn service(text: &str) -> Result<Url, ConfigError> {
    // The text may hold a token, so it is not repeated.
    let wrong = |what: &str| {
        ConfigError(format!(
            "the address in `directory` {what}; it must be like scim:https://idp.example.com/scim/v2"
        ))
    };
    let url = Url::parse(text).map_err(|_| wrong("cannot be read"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong("is no https address"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("contains a user name or password"));
    }
    if url.query().is_some() || url.fragment().is_some() || url.path().contains('@') {
        return Err(wrong("contains ?, # or @"));
    }
    if names_credential(text) {
        return Err(wrong("contains a password"));
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(wrong("would send the token in clear"));
    }
    Ok(url)
}
