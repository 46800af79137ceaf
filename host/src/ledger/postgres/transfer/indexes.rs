//! The indexes of activities during an import. Adding to each of them with every activity takes most of the time, and the
//! more of it the larger they are; made from all activities at once they take little. Until an import is complete,
//! nobody asks what they answer.

use deadpool_postgres::{Client, GenericClient, Transaction};

use super::Result;
use crate::database::Index;
use crate::database::postgres::{PostgresDatabase, row};
use crate::ledger::postgres::values::get;

/// Those that only questions need: telling what has arrived goes by the place in the change feed.
fn of_activities() -> impl Iterator<Item = Index> {
    PostgresDatabase::indexes("activities").filter(|index| index.name != "activities_by_change")
}

/// Removes them, while there are no activities, if this login may.
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
    }
    Ok(())
}

/// Makes those that are missing, without a time-out: of many activities it takes long.
pub(super) async fn complete(client: &mut Client) -> Result<()> {
    let mut made = false;
    for index in of_activities() {
        if is_there(client, index).await? {
            continue;
        }
        let transaction = client.transaction().await?;
        let make = format!("SET LOCAL statement_timeout TO 0; {}", index.statement());
        transaction.batch_execute(&make).await?;
        transaction.commit().await?;
        made = true;
    }
    if made {
        // Or the first questions are planned as if there were hardly any activities.
        client.batch_execute("ANALYZE activities").await?;
    }
    Ok(())
}

async fn is_there(client: &impl GenericClient, index: Index) -> Result<bool> {
    let found = row(client, "SELECT to_regclass($1) IS NOT NULL", &[&index.name]).await?;
    found.map_or(Ok(false), |row| get(&row, 0))
}
