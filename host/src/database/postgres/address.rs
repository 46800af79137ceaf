//! Where a Postgres database is, and how to connect to it.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;
use url::{Host, Url};

/// Connections one host keeps to the database, unless the address says otherwise.
const CONNECTIONS: usize = 16;
/// The most connections an address may ask for: a database serves a few hundred in all.
const MOST_CONNECTIONS: usize = 200;

/// An address such as `postgres://host:secret@db.example.com/worksights?sslmode=require`.
///
/// Options of its own: `sslmode` is `disable` or `require`, and without it `disable` on this machine and
/// `require` elsewhere; an encrypted connection is always verified. `sslrootcert` is a PEM file with the
/// authorities to trust instead of the system's. `connections` bounds the connections to the database.
/// Other options are those of [`tokio_postgres::Config`]. Without a password, `PGPASSWORD` is used.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresAddress {
    url: Url,
    tls: Tls,
    connections: usize,
}

/// How a connection is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    /// Not at all.
    Disabled,
    /// Encrypted, with a certificate for the server's name from an authority the system trusts.
    System,
    /// The same, from an authority in this file.
    Authorities(PathBuf),
}

/// An address that cannot be used: a sentence that repeats nothing of it, as it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct AddressError(String);

impl PostgresAddress {
    /// What a driver needs. The address was checked when it was read, but for what the environment adds.
    pub(super) fn config(&self) -> Result<Config, AddressError> {
        let mut config = Config::from_str(self.url.as_str()).map_err(unusable)?;
        if config.get_password().is_none()
            && let Ok(password) = std::env::var("PGPASSWORD")
        {
            config.password(password);
        }
        config.ssl_mode(match self.tls {
            Tls::Disabled => SslMode::Disable,
            Tls::System | Tls::Authorities(_) => SslMode::Require,
        });
        if config.get_application_name().is_none() {
            config.application_name("integration-host");
        }
        Ok(config)
    }

    pub(super) fn tls(&self) -> &Tls {
        &self.tls
    }

    /// How many connections to keep at most.
    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    /// The name that connects.
    pub(super) fn login(&self) -> &str {
        match self.url.username() {
            "" => "without a name",
            name => name,
        }
    }

    /// The name of the database; without one it is called like the login.
    pub(super) fn database(&self) -> &str {
        match self.url.path().trim_matches('/') {
            "" => self.login(),
            name => name,
        }
    }

    /// The server, as `host:port`.
    pub(super) fn server(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        format!("{host}:{}", self.url.port().unwrap_or(5432))
    }
}

impl FromStr for PostgresAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let mut url = Url::parse(text)
            .ok()
            .filter(Url::has_host)
            .filter(|url| matches!(url.scheme(), "postgres" | "postgresql"))
            .ok_or_else(|| {
                AddressError("it must look like postgres://USER:PASSWORD@HOST/DATABASE".to_owned())
            })?;
        let mut mode = None;
        let mut authorities = None;
        let mut connections = CONNECTIONS;
        let mut others = Vec::new();
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "sslmode" => mode = Some(value.into_owned()),
                "sslrootcert" => authorities = Some(PathBuf::from(value.as_ref())),
                "connections" => connections = number_of_connections(&value)?,
                _ => others.push((name.into_owned(), value.into_owned())),
            }
        }
        url.set_query(None);
        if !others.is_empty() {
            url.query_pairs_mut().extend_pairs(others);
        }
        let encrypted = match mode.as_deref() {
            Some("disable") => false,
            Some("require" | "verify-ca" | "verify-full") => true,
            None => authorities.is_some() || !is_this_machine(&url),
            Some(_) => {
                return Err(AddressError(
                    "its `sslmode` must be `disable` or `require`, which verifies the server's certificate"
                        .to_owned(),
                ));
            }
        };
        let tls = match (encrypted, authorities) {
            (false, None) => Tls::Disabled,
            (true, None) => Tls::System,
            (true, Some(file)) => Tls::Authorities(file),
            (false, Some(_)) => {
                return Err(AddressError(
                    "it gives `sslrootcert` and turns encryption off; leave one of them out"
                        .to_owned(),
                ));
            }
        };
        let address = Self {
            url,
            tls,
            connections,
        };
        address.config()?;
        Ok(address)
    }
}

fn number_of_connections(text: &str) -> Result<usize, AddressError> {
    text.parse()
        .ok()
        .filter(|number| (2..=MOST_CONNECTIONS).contains(number))
        .ok_or_else(|| {
            AddressError(format!(
                "its `connections` must be a number from 2 to {MOST_CONNECTIONS}"
            ))
        })
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        // The scheme is none for which addresses are told from names.
        Some(Host::Domain(name)) => {
            name == "localhost"
                || name
                    .parse()
                    .is_ok_and(|address: IpAddr| address.is_loopback())
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => true,
    }
}

fn unusable(error: tokio_postgres::Error) -> AddressError {
    // Which one, its cause tells. It names options, never their values.
    let cause = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
    AddressError(format!("{error}: {cause}"))
}

/// Without any password.
impl fmt::Display for PostgresAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "postgres://{}{}",
            self.url.host_str().unwrap_or_default(),
            self.url.path()
        )
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> PostgresAddress {
        text.parse().unwrap()
    }

    #[test]
    fn only_this_machine_is_talked_to_in_clear_unless_an_operator_says_so() {
        for text in [
            "postgres://u@localhost/d",
            "postgres://u@127.0.0.1/d",
            "postgres://u@[::1]:6000",
        ] {
            assert_eq!(*address(text).tls(), Tls::Disabled, "{text}");
        }
        assert_eq!(*address("postgres://u@db.example.com/d").tls(), Tls::System);
        assert_eq!(
            *address("postgres://u@db.example.com/d?sslmode=disable").tls(),
            Tls::Disabled
        );
        assert_eq!(
            *address("postgres://u@localhost/d?sslrootcert=/ca.pem").tls(),
            Tls::Authorities("/ca.pem".into())
        );
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_repeating_a_password() {
        for text in [
            "postgres:",
            "mysql://u:hush@localhost/d",
            "postgres://u:hush@localhost/d?sslmode=prefer",
            "postgres://u:hush@localhost/d?sslmode=disable&sslrootcert=/ca.pem",
            "postgres://u:hush@localhost/d?connections=1",
            "postgres://u:hush@localhost/d?connections=9999",
            "postgres://u:hush@localhost/d?colour=red",
        ] {
            let error = text.parse::<PostgresAddress>().unwrap_err().to_string();
            assert!(!error.contains("hush"), "{error}");
        }
        let shown = format!(
            "{0} {0:?}",
            address("postgres://u:hush@localhost/d?connections=4")
        );
        assert_eq!(shown, "postgres://localhost/d postgres://localhost/d");
    }

    #[test]
    fn the_rest_of_an_address_is_the_drivers() {
        let address = address("postgres://u:p@localhost:6000/d?connect_timeout=2&connections=4");
        let config = address.config().unwrap();
        assert_eq!(config.get_ports(), [6000]);
        assert_eq!(config.get_dbname(), Some("d"));
        assert_eq!(address.connections(), 4);
        assert_eq!((address.login(), address.database()), ("u", "d"));
    }
}
