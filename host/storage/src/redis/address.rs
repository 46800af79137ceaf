//! Where a Redis server is, written as one URL.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ::redis::{Client, IntoConnectionInfo as _, ProtocolVersion, TlsCertificates};
use thiserror::Error;
use url::Url;

use super::connect::UnusableRedis;

/// What the names of all keys begin with, unless told otherwise.
const DEFAULT_PREFIX: &str = "integration-host";

/// The port of a Redis server, unless told otherwise.
const DEFAULT_PORT: u16 = 6379;

/// Where a Redis server is and how it is used:
/// `redis://USER:PASSWORD@HOST:PORT/DATABASE`, or `rediss://…` for TLS, and after a `?` options.
///
/// | option | means |
/// |---|---|
/// | `prefix=NAME` | what the names of all keys begin with; hosts that share a server without sharing data have different ones |
/// | `ca=FILE` | certificates, in PEM, of the authorities that are trusted instead of the operating system's |
/// | `durability=unchecked` | use the server even if it may lose what it has acknowledged |
#[derive(Clone, PartialEq, Eq)]
pub struct RedisAddress {
    /// Without options.
    url: Url,
    pub(super) prefix: String,
    authorities: Option<PathBuf>,
    pub(super) must_be_durable: bool,
}

/// An address cannot be read. The text does not repeat it, because it may hold a password.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct InvalidRedisAddress(&'static str);

impl RedisAddress {
    /// Reads paths relative to a directory.
    pub fn relative_to(mut self, directory: &Path) -> Self {
        self.authorities = self.authorities.map(|path| directory.join(path));
        self
    }

    /// The server, such as `127.0.0.1:6379`.
    pub(super) fn server(&self) -> String {
        format!(
            "{}:{}",
            self.url.host_str().unwrap_or_default(),
            self.url.port().unwrap_or(DEFAULT_PORT)
        )
    }

    pub(super) fn uses_tls(&self) -> bool {
        self.url.scheme() == "rediss"
    }

    pub(super) fn database(&self) -> &str {
        match self.url.path().trim_start_matches('/') {
            "" => "0",
            database => database,
        }
    }

    /// What connects to it.
    pub(super) fn client(&self) -> Result<Client, UnusableRedis> {
        let unusable = |error| UnusableRedis::new(self, &error);
        let info = self.url.clone().into_connection_info().map_err(unusable)?;
        let settings = info.redis_settings().clone();
        let info = info.set_redis_settings(settings.set_protocol(ProtocolVersion::RESP3));
        let Some(path) = &self.authorities else {
            return Client::open(info).map_err(unusable);
        };
        let root_cert = Some(std::fs::read(path).map_err(|error| {
            UnusableRedis::sentence(format!(
                "cannot read the certificates {} that `storage` names as `ca`: {error}",
                path.display()
            ))
        })?);
        let certificates = TlsCertificates {
            client_tls: None,
            root_cert,
        };
        Client::build_with_tls(info, certificates).map_err(unusable)
    }
}

impl FromStr for RedisAddress {
    type Err = InvalidRedisAddress;

    fn from_str(text: &str) -> Result<Self, InvalidRedisAddress> {
        const FORM: InvalidRedisAddress = InvalidRedisAddress(
            "the Redis address in `storage` cannot be read; it must look like redis://USER:PASSWORD@HOST:6379/0, or rediss://… for TLS",
        );
        let mut url = Url::parse(text).map_err(|_| FORM)?;
        let is_database = |path: &str| {
            let number = path.trim_start_matches('/');
            number.is_empty() || number.parse::<u16>().is_ok()
        };
        if !matches!(url.scheme(), "redis" | "rediss")
            || url.host_str().is_none_or(str::is_empty)
            || url.fragment().is_some()
            || !is_database(url.path())
        {
            return Err(FORM);
        }
        let mut address = Self {
            url: url.clone(),
            prefix: DEFAULT_PREFIX.to_owned(),
            authorities: None,
            must_be_durable: true,
        };
        for (option, value) in url.query_pairs() {
            match (option.as_ref(), value.as_ref()) {
                ("prefix", prefix) if is_prefix(prefix) => address.prefix = prefix.to_owned(),
                ("prefix", _) => {
                    return Err(InvalidRedisAddress(
                        "the `prefix` of the Redis address in `storage` must be 1 to 64 letters, digits, `-`, `_` and `.`",
                    ));
                }
                ("ca", path) if address.uses_tls() && !path.is_empty() => {
                    address.authorities = Some(path.into());
                }
                ("ca", _) => {
                    return Err(InvalidRedisAddress(
                        "the `ca` of the Redis address in `storage` must be a file, and makes sense only with rediss://",
                    ));
                }
                ("durability", "unchecked") => address.must_be_durable = false,
                _ => {
                    return Err(InvalidRedisAddress(
                        "the Redis address in `storage` has an option that is not known; there are prefix=NAME, ca=FILE and durability=unchecked",
                    ));
                }
            }
        }
        url.set_query(None);
        address.url = url;
        Ok(address)
    }
}

/// Nothing that separates the parts of a key's name.
fn is_prefix(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Without user and password.
impl fmt::Display for RedisAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.url.scheme();
        write!(
            formatter,
            "{scheme}://{}/{}",
            self.server(),
            self.database()
        )?;
        if self.prefix != DEFAULT_PREFIX {
            write!(formatter, "?prefix={}", self.prefix)?;
        }
        Ok(())
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        let address: RedisAddress = "rediss://host:s3cret@[::1]/3?prefix=a.b-c&ca=ca.pem"
            .parse()
            .unwrap();
        assert_eq!(address.to_string(), "rediss://[::1]:6379/3?prefix=a.b-c");
        assert_eq!(format!("{address:?}"), address.to_string());
        assert_eq!(address.authorities, Some("ca.pem".into()));
        let client = "redis://host:s3cret@localhost"
            .parse::<RedisAddress>()
            .unwrap()
            .client()
            .unwrap();
        assert!(!format!("{client:?}").contains("s3cret"));
    }

    #[test]
    fn a_wrong_address_is_refused_without_being_repeated() {
        for wrong in [
            "redis:s3cret",
            "redis://",
            "redis://:s3cret@",
            "redis://:s3cret@host/name",
            "redis://:s3cret@host/0#insecure",
            "redis://:s3cret@host/0?prefix=a:b",
            "redis://:s3cret@host/0?prefix=",
            "redis://:s3cret@host/0?ca=ca.pem",
            "redis://:pa?s3cret@host/0",
            "redis://:s3cret@host/0?durability=no",
        ] {
            let error = wrong.parse::<RedisAddress>().unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
