//! What went wrong with a Postgres database, in sentences.

use deadpool_postgres::PoolError;
use thiserror::Error;
use tokio_postgres::error::SqlState;

use super::PostgresAddress;
use integration_host_contract::certificate;

/// Why a Postgres database could not be opened: a sentence that names it, never a password, and what helps.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct PostgresOpenError(pub(super) String);

/// Why a Postgres database did not do what was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// Somebody else's change was in the way, again and again. Nothing happened; trying again may help.
    #[error("{0}")]
    Conflict(String),
    /// The database refused what was asked. Nothing happened, and trying again does not help.
    #[error("{0}")]
    Refused(String),
    /// There was no answer. Whether a change happened is unknown; trying again may help.
    #[error("{0}")]
    Unavailable(String),
}

impl PostgresError {
    /// Whether the same change may succeed if it is made again at once.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }
}

impl From<tokio_postgres::Error> for PostgresError {
    fn from(error: tokio_postgres::Error) -> Self {
        let message = described(&error);
        match error.code() {
            Some(code) if is_conflict(code) => Self::Conflict(message),
            Some(code) if *code == SqlState::UNIQUE_VIOLATION => {
                Self::Refused(format!("it is there already ({message})"))
            }
            Some(code) if is_refusal(code) => Self::Refused(message),
            _ => Self::Unavailable(message),
        }
    }
}

impl From<PoolError> for PostgresError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            PoolError::Timeout(_) => {
                Self::Unavailable("every connection to the database is in use".to_owned())
            }
            error => Self::Unavailable(error.to_string()),
        }
    }
}

fn is_conflict(code: &SqlState) -> bool {
    [
        &SqlState::T_R_SERIALIZATION_FAILURE,
        &SqlState::T_R_DEADLOCK_DETECTED,
    ]
    .contains(&code)
}

/// Classes 22 (data), 23 (constraints) and 42 (syntax, access).
fn is_refusal(code: &SqlState) -> bool {
    ["22", "23", "42"]
        .iter()
        .any(|class| code.code().starts_with(class))
}

/// The driver tells only where an error happened; what it was stands in its cause.
pub(super) fn described(error: &tokio_postgres::Error) -> String {
    if let Some(words) = certificate::cause(error) {
        return format!("the server's certificate cannot be trusted: {words}");
    }
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(error), _) => error.message().to_owned(),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}

/// Why a database could not be connected to.
pub(super) fn cannot_connect(address: &PostgresAddress, error: PoolError) -> PostgresOpenError {
    let (server, database, login) = (address.server(), address.database(), address.login());
    let error = match error {
        PoolError::Backend(error) => error,
        error => {
            return PostgresOpenError(format!(
                "the database server {server} cannot be reached ({}): start it, or correct its address",
                PostgresError::from(error)
            ));
        }
    };
    let refused_login = [
        SqlState::INVALID_PASSWORD,
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
    ];
    let sentence = match error.code() {
        Some(code) if refused_login.contains(code) => format!(
            "the database server {server} refuses the login {login}: correct the name and the password in the address, or give the password in PGPASSWORD"
        ),
        Some(code) if *code == SqlState::UNDEFINED_DATABASE => format!(
            "there is no database {database} on the server {server}: make it with CREATE DATABASE, or correct the address"
        ),
        Some(code) if *code == SqlState::TOO_MANY_CONNECTIONS => format!(
            "the database server {server} accepts no more connections: raise its max_connections, or ask for fewer with `connections` in the address"
        ),
        Some(_) => format!(
            "the database {address} cannot be used: {}",
            described(&error)
        ),
        // The driver has no code for this: it asked for a server that can be written.
        None if described(&error).contains("does not allow writes") => format!(
            "the database server {server} is a standby or read-only: name the one that can be written, or all of them with commas between them"
        ),
        None if described(&error).contains("does not support TLS") => format!(
            "the database server {server} does not encrypt connections: let it, or say sslmode=disable in its address if everybody on the way may read along"
        ),
        None => format!(
            "the database server {server} cannot be reached ({}): start it, or correct its address",
            described(&error)
        ),
    };
    PostgresOpenError(sentence)
}
