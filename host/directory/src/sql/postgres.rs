//! Users in a Postgres database.

use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{Object, Pool};
use tokio_postgres::Row;

use super::statements::Dialect;
use super::{Database, Parameters, SqlError};
use crate::DirectoryError;
use crate::users::user;
use integration_host_contract::User;
use integration_host_database::postgres;
use integration_host_database::postgres::{
    PostgresAddress, PostgresError, Purpose, connect, row, rows,
};

/// What each connection runs first. The time-out ends what nobody waits for any more.
const SETUP: &str = "SET default_transaction_read_only = on; SET statement_timeout = '60s'";

/// A Postgres database that another program writes.
pub(super) struct PostgresUsers {
    pool: Pool,
    timeout: Duration,
}

/// Postgres with the collation that knows every letter, whatever those of database and columns know.
const BY_UNICODE: Dialect = Dialect {
    text: |value| format!("CAST({value} AS TEXT)"),
    lower: |text| format!("lower({text} COLLATE \"und-x-icu\")"),
    is_listed: |value| format!("{value} = ANY($1)"),
    position: |text| format!("strpos({text}, $1)"),
    is_odd: |text| {
        format!("(octet_length({text}) <> char_length({text}) OR {text} ~ '[[:space:][:cntrl:]]')")
    },
    parameters: ["$1", "$2"],
};

/// Postgres, or what speaks its protocol, without that collation.
const BY_DEFAULT: Dialect = Dialect {
    lower: |text| format!("lower({text})"),
    ..BY_UNICODE
};

impl PostgresUsers {
    /// Connects. A lookup takes `timeout` at most.
    pub(super) async fn open(
        address: &PostgresAddress,
        timeout: Duration,
    ) -> Result<Self, SqlError> {
        match connect(address, SETUP, Purpose::Reading).await {
            Ok(pool) => Ok(Self { pool, timeout }),
            Err(error) => Err(SqlError::Unreachable(error.to_string())),
        }
    }

    /// How statements are written here.
    pub(super) async fn dialect(&self) -> Dialect {
        let sql = format!("SELECT {} = 'ä'", (BY_UNICODE.lower)("'Ä'"));
        let found = self.run(async |client| row(client, &sql, &[]).await).await;
        let is_known = found.ok().flatten().and_then(|row| row.try_get(0).ok());
        match is_known {
            Some(true) => BY_UNICODE,
            _ => BY_DEFAULT,
        }
    }

    /// Asks the database, and leaves a connection that does not answer in time to itself.
    async fn run<T>(
        &self,
        ask: impl AsyncFnOnce(&Object) -> Result<T, PostgresError>,
    ) -> Result<T, String> {
        let client = self.pool.get().await.map_err(PostgresError::from);
        let client = client.map_err(|error| error.to_string())?;
        let Ok(answer) = tokio::time::timeout(self.timeout, ask(&client)).await else {
            drop(Object::take(client));
            let seconds = self.timeout.as_secs_f32();
            return Err(format!("the database took longer than {seconds} s"));
        };
        answer.map_err(|error| error.to_string())
    }
}

#[async_trait]
impl Database for PostgresUsers {
    async fn probe(&self, statement: &str) -> Result<(), String> {
        let found = self.run(async |client| rows(client, statement, &[]).await);
        found.await.map(|_| ())
    }

    async fn prepare(&self, statement: &str) -> Result<(), String> {
        let prepare = async |client: &Object| Ok(client.prepare(statement).await.map(|_| ())?);
        self.run(prepare).await
    }

    async fn users(
        &self,
        statement: &str,
        parameters: Parameters,
    ) -> Result<Vec<User>, DirectoryError> {
        let found = self.run(async |client| {
            let parameters: postgres::Parameters<'_> = match &parameters {
                Parameters::None => &[],
                Parameters::Text(text) => &[text],
                Parameters::Addresses(list) => &[list],
                Parameters::Search(query, limit) => &[query, limit],
            };
            rows(client, statement, parameters).await
        });
        let found = found.await.map_err(DirectoryError)?;
        found
            .iter()
            .filter_map(|row| read(row).transpose())
            .collect::<Result<_, _>>()
            .map_err(|error| DirectoryError(error.to_string()))
    }

    async fn number(&self, statement: &str) -> Result<u64, DirectoryError> {
        let found = self.run(async |client| row(client, statement, &[]).await);
        let number = found.await.map_err(DirectoryError)?;
        let number = number.and_then(|row| row.try_get::<_, i64>(0).ok());
        Ok(number
            .and_then(|number| number.try_into().ok())
            .unwrap_or(0))
    }
}

fn read(row: &Row) -> Result<Option<User>, PostgresError> {
    let column = |index: usize| row.try_get::<_, Option<String>>(index);
    let (id, email, name) = (column(0)?, column(1)?, column(2)?);
    let id = id.unwrap_or_default();
    Ok(user(&id, email.as_deref(), &name.unwrap_or_default()))
}
