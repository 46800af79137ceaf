//! What an integration asks for, and whether it may.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::HttpError;
use integration_host_contract::sentence::{cut, printable};
use integration_host_seal::secret::{Secret, Secrets};

/// The longest URL an integration may ask for, in bytes.
const MAX_URL_BYTES: usize = 8 * 1024;

/// The largest header section an integration may send, in bytes.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Headers that an integration cannot set, beside `Authorization`, which has its own place.
///
/// Some belong to the connection, some would send the request elsewhere, and some would bring back
/// a secret in a form that is not recognised: compressed, in another character set, or in part.
const RESERVED_HEADERS: &[&str] = &[
    "accept-charset",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "if-range",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// A request as an integration makes it: the contract's `request`.
#[derive(Clone, Debug)]
pub struct GuestRequest {
    /// Method.
    pub method: http::Method,
    /// An absolute https URL.
    pub url: String,
    /// Headers beside `Authorization`.
    pub headers: Vec<(String, String)>,
    /// How the `Authorization` header is filled.
    pub authorization: Authorization,
    /// Body.
    pub body: Option<Vec<u8>>,
    /// Whether sending the request twice does no harm.
    pub idempotent: bool,
}

/// How the host fills the `Authorization` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// Not at all.
    Anonymous,
    /// HTTP Basic authentication.
    Basic {
        /// User name.
        username: Credential,
        /// Password.
        password: Credential,
    },
    /// A bearer token.
    Bearer(Credential),
}

/// A piece of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// This text.
    Literal(String),
    /// The secret with this name from the manifest.
    Secret(String),
}

/// An `Authorization` header, filled in.
#[derive(Debug)]
pub(super) struct FilledAuthorization {
    /// The header, marked sensitive.
    pub(super) value: HeaderValue,
    /// The credential as it is sent, without the name of the scheme.
    pub(super) credential: Secret,
    /// The names of the secrets in it.
    pub(super) secret_names: Vec<String>,
}

impl GuestRequest {
    /// The request's own headers, checked.
    pub(super) fn checked_headers(&self) -> Result<HeaderMap, HttpError> {
        if self.url.len() > MAX_URL_BYTES {
            return Err(refused(format!(
                "the integration's URL is longer than {MAX_URL_BYTES} bytes"
            )));
        }
        let size: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if size > MAX_HEADER_BYTES {
            return Err(refused(format!(
                "the integration's headers are larger than {MAX_HEADER_BYTES} bytes"
            )));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
                refused("the integration's request has a header whose name is not valid")
            })?;
            if name == header::AUTHORIZATION {
                return Err(refused(
                    "the integration set the header authorization itself; credentials belong into the request's authorization",
                ));
            }
            if RESERVED_HEADERS.contains(&name.as_str()) {
                return Err(refused(format!(
                    "the integration set the header {name}, which is the host's to set"
                )));
            }
            // Visible ASCII only: no line break can start a header of its own.
            let value = HeaderValue::from_str(value).map_err(|_| {
                refused(format!(
                    "the integration's header {name} has a value that is not valid"
                ))
            })?;
            headers
                .try_append(name, value)
                .map_err(|_| refused("the integration's request has too many headers"))?;
        }
        Ok(headers)
    }
}

impl Authorization {
    /// Fills in the secrets; `None` where there is nothing to fill in. Only secrets that the
    /// manifest declares can be named.
    pub(super) fn fill(
        &self,
        declared: &BTreeSet<String>,
        secrets: &Secrets,
    ) -> Result<Option<FilledAuthorization>, HttpError> {
        let text = |credential: &Credential| match credential {
            Credential::Literal(text) => Ok(Secret::new(text.as_str())),
            Credential::Secret(name) => secret(name, declared, secrets),
        };
        let (scheme, credential, parts) = match self {
            Self::Anonymous => return Ok(None),
            Self::Basic { username, password } => {
                let name = text(username)?;
                if name.expose().contains(':') {
                    return Err(refused(format!(
                        "{} contains a colon, which a user name cannot; check that it was copied correctly",
                        described(username)
                    )));
                }
                let pair = Secret::new(format!("{}:{}", name.expose(), text(password)?.expose()));
                (
                    "Basic",
                    Secret::new(STANDARD.encode(pair.expose())),
                    vec![username, password],
                )
            }
            Self::Bearer(token) => ("Bearer", text(token)?, vec![token]),
        };
        let line = Secret::new(format!("{scheme} {}", credential.expose()));
        let mut value = HeaderValue::from_str(line.expose()).map_err(|_| {
            let wrong = parts.first().map_or_else(String::new, |part| described(part));
            refused(format!(
                "{wrong} contains characters that cannot be sent; check that it was copied correctly"
            ))
        })?;
        value.set_sensitive(true);
        let secret_names = parts
            .into_iter()
            .filter_map(|part| match part {
                Credential::Literal(_) => None,
                Credential::Secret(name) => Some(name.clone()),
            })
            .collect();
        Ok(Some(FilledAuthorization {
            value,
            credential,
            secret_names,
        }))
    }
}

fn secret(name: &str, declared: &BTreeSet<String>, secrets: &Secrets) -> Result<Secret, HttpError> {
    if !declared.contains(name) {
        return Err(refused(format!(
            "the integration asked for the secret \"{}\", which its manifest does not declare",
            shortened(name)
        )));
    }
    match secrets.get(name) {
        Some(secret) => Ok(secret.clone()),
        None => Err(refused(format!(
            "the connection has no secret \"{name}\"; give it one by setting its secrets again"
        ))),
    }
}

fn described(credential: &Credential) -> String {
    match credential {
        Credential::Literal(_) => "the integration's credential".to_owned(),
        Credential::Secret(name) => format!("the secret \"{name}\""),
    }
}

/// Enough of a name an integration made up to recognise it.
fn shortened(name: &str) -> String {
    printable(&cut(name, 64)).into_owned()
}

fn refused(text: impl Into<String>) -> HttpError {
    HttpError::Refused(text.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use integration_host_seal::secret::Secret;

    fn with_header(name: &str, value: &str) -> GuestRequest {
        GuestRequest {
            method: http::Method::GET,
            url: "https://api.example/".to_owned(),
            headers: vec![(name.to_owned(), value.to_owned())],
            authorization: Authorization::Anonymous,
            body: None,
            idempotent: true,
        }
    }

    fn fill(authorization: &Authorization) -> Result<Option<FilledAuthorization>, HttpError> {
        let declared = ["api-token", "colon", "broken", "missing"]
            .map(str::to_owned)
            .into();
        let secrets = [
            ("api-token", "t0ken"),
            ("colon", "a:b"),
            ("broken", "a\r\nb"),
            ("undeclared", "x"),
        ];
        let secrets = secrets
            .map(|(name, value)| (name.to_owned(), Secret::new(value)))
            .into();
        authorization.fill(&declared, &secrets)
    }

    fn basic(username: Credential) -> Authorization {
        Authorization::Basic {
            username,
            password: Credential::Literal("api_token".to_owned()),
        }
    }

    fn named(name: &str) -> Credential {
        Credential::Secret(name.to_owned())
    }

    #[test]
    fn ordinary_headers_are_sent() {
        let headers = with_header("Content-Type", "application/json")
            .checked_headers()
            .unwrap();
        assert_eq!(headers.get("content-type").unwrap(), "application/json");
    }

    #[test]
    fn no_header_can_smuggle_in_another() {
        for (name, value) in [
            ("x-a", "1\r\nauthorization: Basic eA=="),
            ("x-a", "1\nhost: evil.example"),
            ("x-a", "1\rx"),
            ("x-a", "1\0x"),
            ("x-a\r\nhost", "evil.example"),
            ("x a", "1"),
            ("x-a:", "1"),
            ("", "1"),
            ("x-ä", "1"),
        ] {
            let error = with_header(name, value).checked_headers().unwrap_err();
            assert!(
                matches!(error, HttpError::Refused(_)),
                "{name:?}: {value:?}"
            );
            assert!(!error.to_string().contains(['\r', '\n']), "{error:?}");
        }
    }

    #[test]
    fn headers_that_are_the_hosts_to_set_are_refused() {
        for name in RESERVED_HEADERS
            .iter()
            .chain(&["authorization", "Authorization", "HOST"])
        {
            let error = with_header(name, "1")
                .checked_headers()
                .unwrap_err()
                .to_string();
            assert!(error.contains(&name.to_lowercase()), "{error}");
        }
    }

    #[test]
    fn requests_have_a_size() {
        assert!(
            with_header("x-a", &"x".repeat(MAX_HEADER_BYTES))
                .checked_headers()
                .is_err()
        );
        let mut long = with_header("x-a", "1");
        long.url.push_str(&"x".repeat(MAX_URL_BYTES));
        assert!(long.checked_headers().is_err());
        let mut many = with_header("x", "");
        many.headers = vec![("x".to_owned(), String::new()); MAX_HEADER_BYTES];
        assert!(many.checked_headers().is_ok());
        many.headers = (0..10_000)
            .map(|number| (format!("{number}"), String::new()))
            .collect();
        assert!(many.checked_headers().is_err());
    }

    #[test]
    fn a_declared_secret_is_filled_in_and_does_not_show() {
        let filled = fill(&basic(named("api-token"))).unwrap().unwrap();
        assert_eq!(filled.value.to_str().unwrap(), "Basic dDBrZW46YXBpX3Rva2Vu");
        assert_eq!(filled.secret_names, ["api-token"]);
        assert!(!format!("{filled:?}").contains("dDBr"));
        let filled = fill(&Authorization::Bearer(named("api-token")))
            .unwrap()
            .unwrap();
        assert_eq!(filled.value.to_str().unwrap(), "Bearer t0ken");
        assert!(fill(&Authorization::Anonymous).unwrap().is_none());
    }

    #[test]
    fn secrets_that_cannot_be_used_are_refused_by_name() {
        for (authorization, reason) in [
            (
                basic(named("undeclared")),
                "\"undeclared\", which its manifest does not declare",
            ),
            (basic(named("missing")), "no secret \"missing\""),
            (
                basic(named("colon")),
                "the secret \"colon\" contains a colon",
            ),
            (
                Authorization::Bearer(named("broken")),
                "the secret \"broken\" contains characters",
            ),
        ] {
            let error = fill(&authorization).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
            assert!(!error.contains("a:b"), "{error}");
        }
    }
}
