//! The schema: is it there, is it known, may it be changed.
//!
//! Hosts are replaced one after the other, so a step may be taken while older programs still run. Each
//! step says which is the oldest program that goes on working after it, and a program opens a schema
//! that is newer than itself as long as no step rules it out.

use deadpool_postgres::Pool;
use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;
use tracing::info;

use super::PostgresAddress;
use super::error::{PostgresError, PostgresOpenError};

/// One step from an empty database to the present schema. A released step never changes.
pub(super) struct Step {
    pub(super) sql: &'static str,
    /// The number of steps that the oldest program knows which works with this one.
    oldest_program: i32,
}

pub(super) const STEPS: [Step; 13] = [
    Step {
        sql: include_str!("schema/0001-storage.sql"),
        oldest_program: 1,
    },
    Step {
        sql: include_str!("schema/0002-ledger.sql"),
        oldest_program: 2,
    },
    Step {
        sql: include_str!("schema/0003-moving.sql"),
        oldest_program: 2,
    },
    Step {
        sql: include_str!("schema/0004-identity.sql"),
        oldest_program: 2,
    },
    Step {
        sql: include_str!("schema/0005-age.sql"),
        oldest_program: 2,
    },
    Step {
        sql: include_str!("schema/0006-notes.sql"),
        oldest_program: 2,
    },
    Step {
        sql: include_str!("schema/0007-upkeep.sql"),
        oldest_program: 2,
    },
    Step {
        sql: include_str!("schema/0008-repetitions.sql"),
        oldest_program: 2,
    },
    Step {
        sql: include_str!("schema/0009-sessions.sql"),
        oldest_program: 2,
    },
    Step {
        sql: include_str!("schema/0010-confirmation.sql"),
        oldest_program: 2,
    },
    Step {
        sql: include_str!("schema/0011-integrations.sql"),
        oldest_program: 2,
    },
    Step {
        sql: include_str!("schema/0012-spreading.sql"),
        oldest_program: 2,
    },
    Step {
        sql: include_str!("schema/0013-erasures.sql"),
        oldest_program: 2,
    },
];

/// Held while the schema is changed: "WSIH".
const LOCK: i64 = 0x5753_4948;

/// Takes the steps that are missing, each in a transaction of its own.
pub(super) async fn bring_up_to_date(
    pool: &Pool,
    address: &PostgresAddress,
) -> Result<(), PostgresOpenError> {
    let describe = |error: PostgresError| {
        PostgresOpenError(format!(
            "the database {address} cannot be prepared: {error}"
        ))
    };
    let mut client = pool.get().await.map_err(|error| describe(error.into()))?;
    loop {
        let transaction = client
            .transaction()
            .await
            .map_err(|error| describe(error.into()))?;
        let result = take_next_step(&transaction, &STEPS).await;
        match result {
            Ok(Progress::Took(step)) => {
                transaction
                    .commit()
                    .await
                    .map_err(|error| describe(error.into()))?;
                info!(step, "the database's schema was brought forward");
            }
            Ok(Progress::UpToDate) => return Ok(()),
            Ok(Progress::TooNew { found }) => {
                return Err(PostgresOpenError(format!(
                    "the database {address} was changed by a newer version of this program so that this one cannot use it (schema {found}, this one knows {}): use that version",
                    STEPS.len()
                )));
            }
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                return Err(PostgresOpenError(format!(
                    "the login {} may not prepare the database {address}: let it, with GRANT CREATE ON DATABASE {} TO {}, or start a host once as the owner of the schema integration_host",
                    address.login(),
                    address.database(),
                    address.login()
                )));
            }
            Err(error) => return Err(describe(error.into())),
        }
    }
}

enum Progress {
    Took(i32),
    UpToDate,
    TooNew { found: i32 },
}

async fn take_next_step(
    transaction: &Transaction<'_>,
    steps: &[Step],
) -> Result<Progress, tokio_postgres::Error> {
    // Whoever comes second waits here, and then finds the work done.
    transaction
        .execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await?;
    let exists: bool = transaction
        .query_one(
            "SELECT to_regclass('integration_host.schema_steps') IS NOT NULL",
            &[],
        )
        .await?
        .try_get(0)?;
    if !exists {
        transaction
            .batch_execute(
                "CREATE SCHEMA IF NOT EXISTS integration_host;
                 CREATE TABLE schema_steps (
                     number integer PRIMARY KEY,
                     oldest_program integer NOT NULL,
                     taken_at timestamptz NOT NULL DEFAULT now()
                 );",
            )
            .await?;
    }
    let row = transaction
        .query_one(
            "SELECT coalesce(max(number), 0), coalesce(max(oldest_program), 0) FROM schema_steps",
            &[],
        )
        .await?;
    let (found, oldest_program): (i32, i32) = (row.try_get(0)?, row.try_get(1)?);
    let known = i32::try_from(steps.len()).unwrap_or(i32::MAX);
    if oldest_program > known {
        return Ok(Progress::TooNew { found });
    }
    let next = usize::try_from(found).unwrap_or_default();
    let Some(step) = steps.get(next) else {
        return Ok(Progress::UpToDate);
    };
    transaction.batch_execute(step.sql).await?;
    let number = found.saturating_add(1);
    transaction
        .execute(
            "INSERT INTO schema_steps (number, oldest_program) VALUES ($1, $2)",
            &[&number, &step.oldest_program],
        )
        .await?;
    Ok(Progress::Took(number))
}
