//! The change feed, and changes that are told of many activities a few at a time.

use async_trait::async_trait;
use tokio::sync::watch;

use crate::SqlLedger;
use crate::activities::shown;
use crate::backend::{Backend, SqlDatabase, first, only, row, rows};
use crate::failure::Result;
use crate::values::{damaged, values};
use integration_host_ledger::spreading::{MOST_TOGETHER, Noted, Seen, Shared, Step, looked_at};
use integration_host_ledger::titles::Paths;
use integration_host_ledger::{Feed, LedgerActivity, LedgerError, in_page};

#[async_trait]
impl<D: SqlDatabase> Feed for SqlLedger<D> {
    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<LedgerActivity>, LedgerError> {
        let changes = (self.database).read((after, limit), |db, (after, limit)| {
            Box::pin(changes(db, *after, *limit))
        });
        changes.await
    }

    async fn last_change(&self) -> Result<u64, LedgerError> {
        self.database.read((), |db, ()| Box::pin(last(db))).await
    }

    async fn spread_changes(&self, most: usize) -> Result<bool, LedgerError> {
        // Nothing is written while there is nothing to do.
        let is_pending = self.database.read((), |db, ()| Box::pin(is_pending(db)));
        if !is_pending.await? {
            return Ok(false);
        }
        let step = (self.database).change_unfenced(most, |db, most| Box::pin(step(db, *most)));
        let more = step.await?;
        self.database.announce_changes();
        Ok(more)
    }

    fn watch_changes(&self) -> Option<watch::Receiver<u64>> {
        self.database.watch_changes()
    }
}

pub async fn changes(db: &dyn Backend, after: u64, limit: usize) -> Result<Vec<LedgerActivity>> {
    let which = "WHERE change > $1 ORDER BY change LIMIT $2";
    shown(db, which, values![after, in_page(limit)], Paths::default()).await
}

/// The last place.
pub async fn last(db: &dyn Backend) -> Result<u64> {
    only(db, "SELECT last FROM ledger_changes", &[], first).await
}

/// Whether there is something to tell.
async fn is_pending(db: &dyn Backend) -> Result<bool> {
    let found = row(
        db,
        "SELECT what FROM spreading_changes LIMIT 1",
        &[],
        first::<String>,
    );
    Ok(found.await?.is_some())
}

/// Goes on, and moves at most so many activities. False: there is nothing to do, or somebody else is at it.
async fn step(db: &dyn Backend, most: usize) -> Result<bool> {
    if !db.is_alone().await? {
        return Ok(false);
    }
    let before = noted(db).await?;
    let Some(step) = Step::next(&before) else {
        return Ok(false);
    };
    let sql = format!(
        "SELECT number, connection, remote_user, subject, {}, span = 4, change FROM activities
         WHERE number > $1 AND number <= $2 ORDER BY number LIMIT $3",
        db.dialect().user
    );
    let end = step.end.unwrap_or(i64::MAX);
    let given = values![step.passed, end, looked_at(most)];
    let seen = rows(db, &sql, given, |row| {
        Ok(Seen {
            number: row.get(0)?,
            connection: row.get(1)?,
            remote_user: row.get(2)?,
            subject: row.get(3)?,
            user: row.get(4)?,
            runs: row.get(5)?,
            change: row.get(6)?,
        })
    })
    .await?;
    let mut paths = Paths::default();
    if step.has_subjects() {
        let subjects: Vec<(i64, String)> = (seen.iter())
            .filter_map(|activity| Some((activity.connection, activity.subject.clone()?)))
            .collect();
        db.read_subjects(&mut paths, &subjects).await?;
    }
    let outcome = step.look::<LedgerError>(&seen, most, |connection, subject| {
        Ok(paths.path(connection, Some(subject)))
    })?;
    db.hold_feed().await?;
    // Whoever noted a change meanwhile did so before this transaction held the feed.
    if noted(db).await? != before {
        return Ok(true);
    }
    db.tell(&outcome.moved, &outcome.given).await?;
    let whats: Vec<String> = step.whats().map(|(what, _)| what).collect();
    let which = db.dialect().is_one_of(1);
    match outcome.passed {
        Some(passed) => {
            let sql = format!("UPDATE spreading_changes SET passed = $2 WHERE what {which}");
            db.execute(&sql, values![&whats, passed]).await?
        }
        None => {
            let sql = format!("DELETE FROM spreading_changes WHERE what {which}");
            db.execute(&sql, values![&whats]).await?
        }
    };
    Ok(true)
}

async fn noted(db: &dyn Backend) -> Result<Vec<Noted>> {
    let sql = format!(
        "SELECT connection, subject, remote_user, {}, until, passed, keeps_earlier FROM spreading_changes
         ORDER BY passed, what LIMIT $1",
        db.dialect().user
    );
    rows(db, &sql, values![MOST_TOGETHER], |row| {
        let shared = Shared::of(
            row.get(0)?,
            row.get(1)?,
            row.get(2)?,
            row.get(3)?,
            row.get(6)?,
        );
        Ok(Noted {
            shared: shared.ok_or_else(|| damaged("a change of nothing"))?,
            until: row.get(4)?,
            passed: row.get(5)?,
        })
    })
    .await
}
