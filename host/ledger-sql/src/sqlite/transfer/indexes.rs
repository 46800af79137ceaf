//! The indexes of activities during an import. Adding to each of them with every activity takes most of the time, and the
//! more of it the larger they are; made from all activities at once they take little. Until an import is complete,
//! nobody asks what they answer.

use rusqlite::Connection as Database;

use crate::failure::Result;
use integration_host_database::{Index, SqliteDatabase};

fn of_activities() -> impl Iterator<Item = Index> {
    SqliteDatabase::indexes("activities")
}

/// Removes them, while there are no activities.
pub(super) fn set_aside(database: &Database) -> Result<()> {
    for index in of_activities() {
        database.execute_batch(&format!("DROP INDEX IF EXISTS {}", index.name))?;
    }
    Ok(())
}

/// Makes those that are missing, each in a transaction of its own, so that the write-ahead log stays small.
pub(super) async fn complete(database: &SqliteDatabase) -> Result<()> {
    for index in of_activities() {
        database.make_index(index).await?;
    }
    Ok(())
}
