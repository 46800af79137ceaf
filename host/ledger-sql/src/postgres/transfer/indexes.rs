//! The indexes of activities during an import, and what keeps them from referring to what is not there. Adding to each
//! index with every activity takes most of the time, and the more of it the larger they are; so does looking up what
//! each activity refers to. Done for all activities at once both take little. Until an import is complete, nobody
//! asks what the indexes answer, and what is missing keeps it from being complete.

use deadpool_postgres::{Client, GenericClient, Transaction};

use crate::failure::Result;
use crate::postgres::values::get;
use integration_host_database::Index;
use integration_host_database::postgres::{PostgresDatabase, row};

/// The foreign keys of activities, by the names that Postgres gives them.
const FOREIGN_KEYS: [(&str, &str); 2] = [
    (
        "activities_connection_fkey",
        "FOREIGN KEY (connection) REFERENCES connections ON DELETE CASCADE",
    ),
    (
        "activities_user_number_fkey",
        "FOREIGN KEY (user_number) REFERENCES users",
    ),
];

/// The indexes that only questions need: telling what has arrived goes by the place in the change feed.
fn of_activities() -> impl Iterator<Item = Index> {
    PostgresDatabase::indexes("activities").filter(|index| index.name != "activities_by_change")
}

/// Removes both, while there are no activities, if this login may.
pub(super) async fn set_aside(transaction: &Transaction<'_>) -> Result<()> {
    let may =
        "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('activities')";
    let may = match row(transaction, may, &[]).await? {
        Some(row) => get(&row, 0)?,
        None => false,
    };
    if may {
        for index in of_activities() {
            let drop = format!("DROP INDEX IF EXISTS {}", index.name);
            transaction.batch_execute(&drop).await?;
        }
        for (name, _) in FOREIGN_KEYS {
            let drop = format!("ALTER TABLE activities DROP CONSTRAINT IF EXISTS {name}");
            transaction.batch_execute(&drop).await?;
        }
    }
    Ok(())
}

/// Makes those that are missing, without a time-out: of many activities it takes long.
pub(super) async fn complete(client: &mut Client) -> Result<()> {
    let mut made = false;
    for index in of_activities() {
        if !has_index(client, index).await? {
            make(client, &index.statement()).await?;
            made = true;
        }
    }
    for (name, definition) in FOREIGN_KEYS {
        if !has_foreign_key(client, name).await? {
            let add = format!("ALTER TABLE activities ADD CONSTRAINT {name} {definition}");
            make(client, &add).await?;
        }
    }
    if made {
        // Or the first questions are planned as if there were hardly any activities.
        client.batch_execute("ANALYZE activities").await?;
    }
    Ok(())
}

async fn make(client: &mut Client, statement: &str) -> Result<()> {
    let transaction = client.transaction().await?;
    let make = format!("SET LOCAL statement_timeout TO 0; {statement}");
    transaction.batch_execute(&make).await?;
    transaction.commit().await?;
    Ok(())
}

async fn has_index(client: &impl GenericClient, index: Index) -> Result<bool> {
    let found = row(client, "SELECT to_regclass($1) IS NOT NULL", &[&index.name]).await?;
    found.map_or(Ok(false), |row| get(&row, 0))
}

async fn has_foreign_key(client: &impl GenericClient, name: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass('activities') AND conname = $1)";
    let found = row(client, sql, &[&name]).await?;
    found.map_or(Ok(false), |row| get(&row, 0))
}
