//! What a host lends the integration, as traits.
//!
//! They mirror the interfaces in `wit/`; see there for what each promises. In the component they
//! are bound to the host's functions, in tests and benchmarks to whatever stands in for a host.

use crate::time::Timestamp;

use crate::model::User;

/// Everything at once, for one connection.
pub trait Capabilities: Http + Storage + UserDirectory + Clock + Random + Log {}

impl<T: Http + Storage + UserDirectory + Clock + Random + Log> Capabilities for T {}

/// Requests to Toggl.
pub trait Http {
    /// Sends one request and waits for the whole response. Any status is a response.
    ///
    /// # Errors
    /// When there is no response; see [`HttpError`].
    fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpError>;

    /// Remembers that a quota is used up, for all connections with the same secrets and even if this
    /// call fails.
    fn quota_used_up(&self, quota: &str, resets_in_seconds: u32);

    /// Seconds until a quota resets that is known to be used up.
    fn quota_resets_in(&self, quota: &str) -> Option<u32>;
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
}

/// A header name and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Case-insensitive; lower-case in responses.
    pub name: String,
    /// As sent.
    pub value: String,
}

/// A piece of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// This text.
    Literal(&'static str),
    /// The secret with this name from the manifest, which only the host knows.
    Secret(&'static str),
}

/// User name and password of HTTP Basic authentication, the only kind Toggl takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasicCredentials {
    /// The user name.
    pub username: Credential,
    /// The password.
    pub password: Credential,
}

/// A request to Toggl.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// An absolute https URL.
    pub url: String,
    /// Headers beside `Authorization`.
    pub headers: Vec<Header>,
    /// How the host fills `Authorization`.
    pub authorization: BasicCredentials,
    /// The body, if any.
    pub body: Option<Vec<u8>>,
    /// Whether sending it twice does no harm, so that the host may retry it.
    pub idempotent: bool,
}

/// A complete response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// Names are lower-case.
    pub headers: Vec<Header>,
    /// The body, decoded.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// The value of the header with this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| header.value.as_str())
    }
}

/// Why there is no response. Each carries a sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// The host does not allow the request.
    Refused(String),
    /// The request could not be completed.
    Unavailable(String),
    /// A limit of the call was reached.
    LimitExceeded(String),
}

/// Durable keys and values of the connection.
///
/// Writes belong to the call's unit of work: the host keeps them when the call succeeds.
pub trait Storage {
    /// The value under this key.
    ///
    /// # Errors
    /// When the provider does not answer.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError>;

    /// Up to `limit` entries whose key starts with `prefix`, in order, beginning after `after`.
    ///
    /// # Errors
    /// When the provider does not answer.
    fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Entry>, StorageError>;

    /// Applies all writes or none.
    ///
    /// # Errors
    /// When a write is out of bounds, loses a race, or the provider does not answer.
    fn write(&self, writes: Vec<Write>) -> Result<(), StorageError>;
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Vec<u8>,
}

/// A change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The key.
    pub key: String,
    /// The new value; `None` deletes the key.
    pub value: Option<Vec<u8>>,
    /// When the key ceases to exist; `None`: never.
    pub expires_at: Option<Timestamp>,
}

/// Why storage failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageError {
    /// A key or value is out of bounds.
    Invalid(String),
    /// The provider could not answer, or another call was faster.
    Unavailable(String),
}

/// The platform's users.
pub trait UserDirectory {
    /// For each e-mail address, in the order given, the users that have it.
    ///
    /// # Errors
    /// A sentence for a person when the directory does not answer.
    fn find_by_email(&self, emails: &[String]) -> Result<Vec<Vec<User>>, String>;
}

/// The time of day.
pub trait Clock {
    /// The current time.
    fn now(&self) -> Timestamp;
}

/// Secure random data.
pub trait Random {
    /// This many random bytes.
    fn random_bytes(&self, length: usize) -> Vec<u8>;
}

/// The host's log.
///
/// Nobody's e-mail address, no description and no secret belongs in it.
pub trait Log {
    /// Emits one message.
    fn log(&self, level: Level, message: &str);
}

/// How urgent a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For whoever looks for a fault.
    Debug,
    /// Worth knowing.
    Info,
    /// Something was left undone.
    Warn,
}
