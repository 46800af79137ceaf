//! Where a Postgres database is, and how to connect to it.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use thiserror::Error;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use integration_host_seal::secret;

/// Connections one host keeps to the database, unless the address says otherwise.
const CONNECTIONS: usize = 16;
/// The most connections an address may ask for: a database serves a few hundred in all.
const MOST_CONNECTIONS: usize = 200;

/// An address such as `postgres://host:secret@db.example.com/worksights?sslmode=require`.
///
/// Several servers may be named, `postgres://host@one.example.com,two.example.com:5433/worksights`: whichever can be
/// written is used. A server's Unix socket is `postgres:///worksights?host=/run/postgresql`.
///
/// Options of its own: `sslmode` is `disable` or `require`, and without it `disable` on this machine and
/// `require` elsewhere; an encrypted connection is always verified. `sslrootcert` is a PEM file with the
/// authorities to trust instead of the system's. `connections` bounds the connections to the database.
/// Other options are those of [`tokio_postgres::Config`]. Without a password, `PGPASSWORD` is used.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresAddress {
    /// What the driver makes of the address, without what the environment adds.
    driver: Box<Config>,
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
    /// What a driver needs.
    pub(super) fn config(&self) -> Config {
        let mut config = Config::clone(&self.driver);
        if config.get_password().is_none()
            && let Some(password) = secret::in_environment("PGPASSWORD")
        {
            config.password(password.expose());
        }
        config.ssl_mode(match self.tls {
            Tls::Disabled => SslMode::Disable,
            Tls::System | Tls::Authorities(_) => SslMode::Require,
        });
        if config.get_application_name().is_none() {
            config.application_name("integration-host");
        }
        config
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
        self.driver.get_user().unwrap_or("without a name")
    }

    /// The name of the database; without one it is called like the login.
    pub(super) fn database(&self) -> &str {
        self.driver.get_dbname().unwrap_or_else(|| self.login())
    }

    /// How many servers it names.
    pub(super) fn servers(&self) -> usize {
        self.driver.get_hosts().len()
    }

    /// The server, as `host:port`; several with commas between them.
    pub(super) fn server(&self) -> String {
        let ports = self.driver.get_ports();
        let port = |index: usize| {
            let port = ports.get(index).or(ports.first());
            port.copied().unwrap_or(DEFAULT_PORT)
        };
        let hosts = self.driver.get_hosts().iter().enumerate();
        let servers: Vec<_> = hosts
            .map(|(index, host)| match host {
                Host::Tcp(name) => format!("{}:{}", bracketed(name), port(index)),
                #[cfg(unix)]
                Host::Unix(path) => path.display().to_string(),
            })
            .collect();
        servers.join(",")
    }
}

/// The port of a Postgres server, unless told otherwise.
const DEFAULT_PORT: u16 = 5432;

/// A host as it stands before a port.
fn bracketed(host: &str) -> String {
    match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    }
}

impl FromStr for PostgresAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = |what: &str| AddressError(what.to_owned());
        let text = text.trim();
        let (scheme, rest) = text
            .split_once("://")
            .filter(|(scheme, _)| matches!(*scheme, "postgres" | "postgresql"))
            .ok_or_else(|| wrong("it must look like postgres://USER:PASSWORD@HOST/DATABASE"))?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = place.split_once('/').map_or("", |(_, path)| path);
        let servers = place.rsplit_once('@').map_or(place, |(_, servers)| servers);
        let is_split = servers.contains(|character: char| {
            character.is_whitespace() || character.is_control() || character == '='
        });
        if path.contains(['@', '/']) || query.contains('@') || rest.contains('#') || is_split {
            return Err(wrong(
                "it has a character where none can be: in a password, write / as %2F, ? as %3F, # as %23 and @ as %40",
            ));
        }
        let mut mode = None;
        let mut authorities = None;
        let mut connections = CONNECTIONS;
        let mut others = Vec::new();
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let value = percent_decode_str(value).decode_utf8_lossy();
            match name {
                "sslmode" => mode = Some(value.into_owned()),
                "sslrootcert" => authorities = Some(PathBuf::from(value.as_ref())),
                "connections" => connections = number_of_connections(&value)?,
                _ => others.push(option),
            }
        }
        // The driver says which option it does not know. That may be a part of a password with a `?` in it, unless the
        // password ended before.
        let is_password_over = place.contains('@');
        let driver = format!("{scheme}://{place}?{}", others.join("&"));
        let driver: Config = driver.parse().map_err(|error: tokio_postgres::Error| {
            let cause = std::error::Error::source(&error).filter(|_| is_password_over);
            let cause = cause.map_or_else(String::new, |cause| format!(" ({cause})"));
            AddressError(format!(
                "it must look like postgres://USER:PASSWORD@HOST:PORT/DATABASE{cause}; several servers are HOST,HOST, and options after a ? are sslmode, sslrootcert, connections, and the driver's, such as application_name, host, options and target_session_attrs"
            ))
        })?;
        if driver.get_hosts().is_empty() {
            return Err(wrong(
                "it names no server: give its name, or the directory of its Unix socket as ?host=/run/postgresql",
            ));
        }
        let encrypted = match mode.as_deref() {
            Some("disable") => false,
            Some("require" | "verify-ca" | "verify-full") => true,
            None => authorities.is_some() || !driver.get_hosts().iter().all(is_this_machine),
            Some(_) => {
                return Err(wrong(
                    "its `sslmode` must be `disable` or `require`, which verifies the server's certificate",
                ));
            }
        };
        let tls = match (encrypted, authorities) {
            (false, None) => Tls::Disabled,
            (true, None) => Tls::System,
            (true, Some(file)) => Tls::Authorities(file),
            (false, Some(_)) => {
                return Err(wrong(
                    "it gives `sslrootcert` and turns encryption off; leave one of them out",
                ));
            }
        };
        Ok(Self {
            driver: Box::new(driver),
            tls,
            connections,
        })
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

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            let name = name.trim_start_matches('[').trim_end_matches(']');
            name == "localhost"
                || name
                    .parse()
                    .is_ok_and(|address: IpAddr| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

/// Without any password.
impl fmt::Display for PostgresAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.driver.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => bracketed(name),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        });
        let hosts: Vec<_> = hosts.collect();
        write!(formatter, "postgres://{}", hosts.join(","))?;
        match self.driver.get_dbname() {
            Some(name) => write!(formatter, "/{name}"),
            None => Ok(()),
        }
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
            "postgres://u:hush@/d",
            "postgres:///d",
            "postgres://u:pa/hush@localhost/d",
            "postgres://u:12/hush@localhost/d",
            "postgres://u:12?hush@localhost/d",
            "postgres://u:12?hush=1@localhost/d",
            "postgres://u:12?hush=1",
            "postgres://u:12#hush@localhost/d",
            "postgres://u:hush@localhost:port/d",
            "postgres://u:hush@a:1,b:x/d",
            "host=localhost password=hush",
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
        let config = address.config();
        assert_eq!(config.get_ports(), [6000]);
        assert_eq!(config.get_dbname(), Some("d"));
        assert_eq!(address.connections(), 4);
        assert_eq!((address.login(), address.database()), ("u", "d"));
    }

    #[test]
    fn options_arrive_as_they_were_written() {
        for (text, name) in [
            ("postgres://u@h/d?application_name=time%20host", "time host"),
            ("postgres://u@h/d?application_name=time host", "time host"),
            ("postgres://u@h/d?application_name=time+host", "time+host"),
        ] {
            let config = address(text).config();
            assert_eq!(config.get_application_name(), Some(name), "{text}");
        }
        let options = address("postgres://u@h/d?options=-c%20geqo%3Doff&connections=2").config();
        assert_eq!(options.get_options(), Some("-c geqo=off"));
        let password = address("postgres://u:a%2Fb%3Fc%23d%40e@h/d\n").config();
        assert_eq!(password.get_password(), Some(&b"a/b?c#d@e"[..]));
    }

    #[cfg(unix)]
    #[test]
    fn a_unix_socket_and_several_servers_are_named_as_elsewhere() {
        for (text, server, tls) in [
            (
                "postgres:///d?host=/run/postgresql",
                "/run/postgresql",
                Tls::Disabled,
            ),
            (
                "postgresql://u@%2Frun%2Fpostgresql/d",
                "/run/postgresql",
                Tls::Disabled,
            ),
            ("postgres://u:p@a:1,b:2/d", "a:1,b:2", Tls::System),
            ("postgres://u@a,b/d", "a:5432,b:5432", Tls::System),
            (
                "postgres://u@127.0.0.1:1,[::1]:2/d",
                "127.0.0.1:1,[::1]:2",
                Tls::Disabled,
            ),
            (
                "postgres://u@localhost,db.example.com/d",
                "localhost:5432,db.example.com:5432",
                Tls::System,
            ),
        ] {
            let address = address(text);
            assert_eq!(address.server(), server, "{text}");
            assert_eq!(*address.tls(), tls, "{text}");
            assert!(address.to_string().ends_with("/d"), "{address}");
        }
    }
}
