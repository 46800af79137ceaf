//! The platform's users from a database that is there already: a table, or what a query finds.
//!
//! Nothing is written. What is asked comes from `statements`; a `Database` runs it.

#[cfg(feature = "postgres")]
mod postgres;
mod selection;
#[cfg(feature = "sqlite")]
mod sqlite;
mod statements;

#[cfg(feature = "sqlite")]
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

#[cfg(feature = "postgres")]
use self::postgres::PostgresUsers;
pub use self::selection::{Columns, Identifier, IdentifierError, Rows, Selection};
#[cfg(feature = "sqlite")]
use self::sqlite::SqliteUsers;
use self::statements::Statements;
use super::users::{Users, normalise};
use super::{DirectoryError, UserDirectory};
use integration_host_contract::User;
use integration_host_contract::id::UserId;
#[cfg(feature = "postgres")]
use integration_host_database::postgres::PostgresAddress;

/// Addresses asked for with one statement.
const BATCH: usize = 10_000;
/// The most users one statement may find. More hold one address than anybody could choose from.
const MOST_ROWS: usize = 4 * BATCH;

/// Why a database cannot be a user directory: a sentence that goes on where one that names the directory
/// stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SqlError {
    /// It cannot be opened or reached.
    #[error("{0}")]
    Unreachable(String),
    /// The table is not there, or must not be read.
    #[error(
        "the table {table} cannot be read ({cause}); name the right one as `table` in [directory] of host.toml, and let the host read it"
    )]
    Table {
        /// The table.
        table: String,
        /// What the database says.
        cause: String,
    },
    /// The query is wrong.
    #[error("`query` in [directory] of host.toml cannot be run ({cause}); correct it")]
    Query {
        /// What the database says.
        cause: String,
    },
    /// A column is not there, or must not be read.
    #[error(
        "the column {column} cannot be read ({cause}); name the right one as `{setting}` in [directory] of host.toml, and let the host read it"
    )]
    Column {
        /// The column.
        column: String,
        /// The setting that names it.
        setting: &'static str,
        /// What the database says.
        cause: String,
    },
    /// The columns are there, but cannot be compared as text.
    #[error("users cannot be looked up ({0}); id, e-mail address and name must be text or numbers")]
    Unusable(String),
}

/// What a statement is about.
enum Parameters {
    None,
    Text(String),
    Addresses(Vec<String>),
    /// What to look for, and how many at most.
    Search(String, i64),
}

/// A database that is read.
#[async_trait]
trait Database: Send + Sync + 'static {
    /// Runs a statement that finds nothing: only then are permissions looked at. The error is what the database
    /// says.
    async fn probe(&self, statement: &str) -> Result<(), String>;

    /// Has a statement checked without running it. The error is what the database says.
    async fn prepare(&self, statement: &str) -> Result<(), String>;

    /// The users that a statement finds.
    async fn users(
        &self,
        statement: &str,
        parameters: Parameters,
    ) -> Result<Vec<User>, DirectoryError>;

    /// The number that a statement finds.
    async fn number(&self, statement: &str) -> Result<u64, DirectoryError>;
}

/// A user directory in a database.
///
/// E-mail addresses and searches do not distinguish upper and lower case. Rows without an id are left out.
pub struct SqlDirectory {
    database: Box<dyn Database>,
    statements: Statements,
}

impl SqlDirectory {
    /// Users in an SQLite file, which is only ever read. A lookup, waiting for other programs that write it
    /// included, takes `timeout` at most. A file that another one replaces is noticed.
    ///
    /// # Errors
    /// The file, a table or a column is missing or cannot be read, or the query is wrong.
    #[cfg(feature = "sqlite")]
    pub async fn sqlite(
        path: &Path,
        selection: &Selection,
        timeout: Duration,
    ) -> Result<Self, SqlError> {
        let users = SqliteUsers::open(path, timeout).await?;
        let statements = Statements::new(selection, SqliteUsers::DIALECT);
        Self::check(Box::new(users), statements, selection).await
    }

    /// Users in a Postgres database, where nothing is changed. A lookup takes `timeout` at most, beside what
    /// waiting for a connection takes.
    ///
    /// # Errors
    /// The database cannot be used, a table or a column is missing or cannot be read, or the query is wrong.
    #[cfg(feature = "postgres")]
    pub async fn postgres(
        address: &PostgresAddress,
        selection: &Selection,
        timeout: Duration,
    ) -> Result<Self, SqlError> {
        let users = PostgresUsers::open(address, timeout).await?;
        let statements = Statements::new(selection, users.dialect().await);
        Self::check(Box::new(users), statements, selection).await
    }

    /// Finds out whether users can be read, and if not, what is in the way.
    async fn check(
        database: Box<dyn Database>,
        statements: Statements,
        selection: &Selection,
    ) -> Result<Self, SqlError> {
        database
            .probe(&statements.nothing())
            .await
            .map_err(|cause| match &selection.rows {
                Rows::Table(table) => SqlError::Table {
                    table: selection::quote(table),
                    cause,
                },
                Rows::Query(_) => SqlError::Query { cause },
            })?;
        let columns = &selection.columns;
        for (setting, column) in [
            ("id_column", &columns.id),
            ("email_column", &columns.email),
            ("name_column", &columns.name),
        ] {
            database
                .probe(&statements.nothing_of(column))
                .await
                .map_err(|cause| SqlError::Column {
                    column: column.quoted(),
                    setting,
                    cause,
                })?;
        }
        for statement in statements.all() {
            database
                .prepare(statement)
                .await
                .map_err(SqlError::Unusable)?;
        }
        Ok(Self {
            database,
            statements,
        })
    }
}

/// Whether a text can be in a database: none holds a null character.
fn can_be_asked(text: &str) -> bool {
    !text.contains('\0')
}

#[async_trait]
impl UserDirectory for SqlDirectory {
    async fn find_by_email(&self, emails: &[String]) -> Result<Vec<Vec<User>>, DirectoryError> {
        let mut wanted: Vec<String> = emails.iter().map(|email| normalise(email)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted.retain(|email| !email.is_empty() && can_be_asked(email));
        // Databases know the case of ASCII letters everywhere, and have indexes for it.
        let (ascii, others): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|email| email.is_ascii());
        let mut found = Vec::new();
        for (statement, emails) in [
            (&self.statements.by_ascii_email, ascii),
            (&self.statements.by_email, others),
        ] {
            for batch in emails.chunks(BATCH) {
                let addresses = Parameters::Addresses(batch.to_vec());
                let users = self.database.users(statement, addresses).await?;
                if users.len() > MOST_ROWS {
                    return Err(DirectoryError(format!(
                        "more than {MOST_ROWS} users have {} addresses; every user should have one of their own",
                        batch.len()
                    )));
                }
                found.extend(users);
            }
        }
        // No index finds an address with something in it that does not count.
        let statement = &self.statements.with_odd_email;
        let odd = self.database.users(statement, Parameters::None).await?;
        if odd.len() > MOST_ROWS {
            tracing::debug!("too many addresses are not plain ASCII to look through them");
            return Ok(Users::new(found).find_by_email(emails));
        }
        let users = Users::new(found.clone());
        found.extend(
            odd.into_iter()
                .filter(|user| users.find_by_id(&user.id).is_none()),
        );
        Ok(Users::new(found).find_by_email(emails))
    }

    async fn find_by_id(&self, id: &UserId) -> Result<Option<User>, DirectoryError> {
        if !can_be_asked(id.as_str()) {
            return Ok(None);
        }
        let parameters = Parameters::Text(id.as_str().to_owned());
        let found = self.database.users(&self.statements.by_id, parameters);
        Ok(found.await?.into_iter().find(|user| user.id == *id))
    }

    async fn search(&self, query: &str, limit: usize) -> Result<Vec<User>, DirectoryError> {
        if !can_be_asked(query) {
            return Ok(Vec::new());
        }
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let parameters = Parameters::Search(query.trim().to_lowercase(), limit);
        self.database
            .users(&self.statements.search, parameters)
            .await
    }

    async fn count(&self) -> Result<u64, DirectoryError> {
        self.database.number(&self.statements.count).await
    }
}

#[cfg(feature = "sqlite")]
#[cfg(test)]
mod tests;
