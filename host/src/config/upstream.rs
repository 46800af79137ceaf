//! Sending a host's requests somewhere else.

use std::str::FromStr;

use url::Url;

use super::ConfigError;

/// Requests to `host` go to `url` instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// A host name the integration calls.
    pub host: String,
    /// Where its requests go: scheme, host and port.
    pub url: Url,
}

impl Upstream {
    /// Checks both halves.
    pub fn new(host: &str, url: &str) -> Result<Self, ConfigError> {
        let host = host.trim().to_ascii_lowercase();
        if host.is_empty() || host.contains(['/', ':', ' ']) {
            return Err(ConfigError(format!(
                "“{host}” is no host name; an upstream is HOST=URL, such as api.track.toggl.com=http://127.0.0.1:9000"
            )));
        }
        let wrong = || {
            ConfigError(format!(
                "the upstream of {host} must be an http or https URL without a path, such as http://127.0.0.1:9000"
            ))
        };
        let url = Url::parse(url.trim()).map_err(|_| wrong())?;
        let is_origin = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none();
        if is_origin {
            Ok(Self { host, url })
        } else {
            Err(wrong())
        }
    }
}

impl FromStr for Upstream {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let (host, url) = text.split_once('=').ok_or_else(|| {
            ConfigError(
                "an upstream is HOST=URL, such as api.track.toggl.com=http://127.0.0.1:9000"
                    .to_owned(),
            )
        })?;
        Self::new(host, url)
    }
}
