//! Activities: applied, listed, summed up.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::SqlLedger;
use crate::backend::{Backend, SqlDatabase, connection_number, first, row, rows};
use crate::failure::Result;
use crate::values::{Columns, Value, values};
use integration_host_contract::Changes;
use integration_host_contract::id::{ConnectionId, UserId};
use integration_host_ledger::activity_list::{cursor_after, parse_cursor};
use integration_host_ledger::merge::activity::{ActivityState, Content, Deletion};
use integration_host_ledger::merge::subject::{Hint, Named, SubjectState};
use integration_host_ledger::stored;
use integration_host_ledger::summary::milliseconds;
use integration_host_ledger::titles::Paths;
use integration_host_ledger::{
    Activities, ActivityFilter, Applied, DeliveryRecord, LedgerActivity, LedgerError, MAX_EXAMINED,
    MAX_PAGE, MAX_SUMMARIZED, Page, StoredActivity, Summary, in_page,
};

#[async_trait]
impl<D: SqlDatabase> Activities for SqlLedger<D> {
    async fn apply(
        &self,
        id: &ConnectionId,
        changes: &Changes,
        delivery: Option<DeliveryRecord>,
    ) -> Result<Applied, LedgerError> {
        (self.database)
            .apply(id, changes, delivery, &self.retention)
            .await
    }

    async fn activities(
        &self,
        filter: &ActivityFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<LedgerActivity>, LedgerError> {
        let given = (filter.clone(), cursor.map(str::to_owned), limit);
        let page = self.database.read(given, |db, (filter, cursor, limit)| {
            Box::pin(page(db, filter, cursor.as_deref(), *limit, MAX_EXAMINED))
        });
        page.await
    }

    async fn activities_by_id(
        &self,
        id: &ConnectionId,
        entry_ids: &[String],
    ) -> Result<Vec<LedgerActivity>, LedgerError> {
        let entry_ids = entry_ids.get(..MAX_PAGE).unwrap_or(entry_ids);
        let given = (id.clone(), entry_ids.to_vec());
        let find = self.database.read(given, |db, (id, entry_ids)| {
            Box::pin(by_id(db, id, entry_ids))
        });
        find.await
    }

    async fn activity_ids(
        &self,
        id: &ConnectionId,
        from: Timestamp,
        to: Timestamp,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, LedgerError> {
        let given = (id.clone(), from, to, after.map(str::to_owned), limit);
        let ids = (self.database).read(given, |db, (id, from, to, after, limit)| {
            Box::pin(ids(db, id, *from, *to, after.as_deref(), *limit))
        });
        ids.await
    }

    async fn running_ids(
        &self,
        id: &ConnectionId,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<String>, LedgerError> {
        let given = (id.clone(), before, limit);
        let ids = self.database.read(given, |db, (id, before, limit)| {
            Box::pin(running_ids(db, id, *before, *limit))
        });
        ids.await
    }

    async fn summary(
        &self,
        filter: &ActivityFilter,
        boundaries: &[Timestamp],
        now: Timestamp,
    ) -> Result<Summary, LedgerError> {
        let given = (filter.clone(), milliseconds(boundaries)?, now);
        let summary = self.database.read(given, |db, (filter, times, now)| {
            db.summarize(filter, times, *now, MAX_SUMMARIZED)
        });
        summary.await
    }
}

/// One page, for which about so many activities are looked at.
pub async fn page(
    db: &dyn Backend,
    filter: &ActivityFilter,
    cursor: Option<&str>,
    limit: usize,
    most_examined: usize,
) -> Result<Page<LedgerActivity>> {
    let cursor = cursor.map(parse_cursor).transpose()?;
    let scanned = db
        .scan(filter, cursor, in_page(limit), most_examined)
        .await?;
    Ok(Page {
        next: scanned.next.map(cursor_after),
        items: numbered(db, &scanned.numbers, scanned.paths).await?,
    })
}

/// Activities by their numbers, in that order.
async fn numbered(db: &dyn Backend, numbers: &[i64], paths: Paths) -> Result<Vec<LedgerActivity>> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let which = format!("WHERE activities.number {}", db.dialect().is_one_of(1));
    let order: HashMap<i64, usize> = (numbers.iter().copied()).zip(0..).collect();
    let mut found = select(db, &which, values![numbers]).await?;
    found.sort_by_key(|(number, _)| order.get(number));
    describe(db, found, paths).await
}

/// Activities of a connection by their ids, those that are there.
async fn by_id(
    db: &dyn Backend,
    id: &ConnectionId,
    entry_ids: &[String],
) -> Result<Vec<LedgerActivity>> {
    let connection = connection_number(db, id).await?;
    let which = format!(
        "WHERE activities.connection = $1 AND entry_id {} ORDER BY entry_id",
        db.dialect().is_one_of(2)
    );
    shown(db, &which, values![connection, entry_ids], Paths::default()).await
}

async fn ids(
    db: &dyn Backend,
    id: &ConnectionId,
    from: Timestamp,
    to: Timestamp,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<String>> {
    let connection = connection_number(db, id).await?;
    let dialect = db.dialect();
    let (join, by) = (dialect.join, dialect.by("activities_by_connection"));
    let sql = format!(
        "WITH spans (span, width) AS (
             VALUES (0, 3600000), (1, 86400000), (2, 2764800000), (3, 1000000000000000), (4, 1000000000000000)
         )
         SELECT entry_id FROM spans {join} activities {by}
         ON connection = $1 AND visibility IN (0, 1) AND activities.span = spans.span
             AND place >= $2 - width AND place <= $3
         WHERE stop >= $2 AND start IS NOT NULL AND (CAST($4 AS text) IS NULL OR entry_id > $4)
         ORDER BY entry_id LIMIT $5"
    );
    let given = values![connection, from, to, after, in_page(limit)];
    rows(db, &sql, given, first).await
}

async fn running_ids(
    db: &dyn Backend,
    id: &ConnectionId,
    before: Timestamp,
    limit: usize,
) -> Result<Vec<String>> {
    let connection = connection_number(db, id).await?;
    let sql = format!(
        "SELECT entry_id FROM activities {}
         WHERE connection = $1 AND visibility IN (0, 1) AND span = 4 AND place < $2
         ORDER BY place DESC LIMIT $3",
        db.dialect().by("activities_by_connection")
    );
    let given = values![connection, before, in_page(limit)];
    rows(db, &sql, given, first).await
}

/// The number of a user that somebody was mapped to.
pub async fn user_number(db: &dyn Backend, user: &UserId) -> Result<Option<i64>> {
    let sql = "SELECT number FROM users WHERE id = $1";
    row(db, sql, values![user.as_str()], first).await
}

/// Activities as they are shown, in the order of their rows.
pub async fn shown(
    db: &dyn Backend,
    which: &str,
    values: &[Value<'_>],
    paths: Paths,
) -> Result<Vec<LedgerActivity>> {
    let found = select(db, which, values).await?;
    describe(db, found, paths).await
}

async fn select(
    db: &dyn Backend,
    which: &str,
    values: &[Value<'_>],
) -> Result<Vec<(i64, StoredActivity)>> {
    let dialect = db.dialect();
    let sql = format!(
        "SELECT activities.number, connections.number, connections.id, entry_id, content_event, deleted_event,
             activities.remote_user, users.id, users.name, users.email, subject, description, tags, billable, start,
             stop, visibility >= 2, content_revision, deleted_revision, change, members.name,
             connections.completed AND connections.state <> 'active'
         FROM activities {} connections ON connections.number = activities.connection
         LEFT JOIN users ON users.number = activities.{}
         LEFT JOIN members ON members.connection = activities.connection
             AND members.remote_user = activities.remote_user
         {which}",
        dialect.join, dialect.user
    );
    rows(db, &sql, values, activity).await
}

async fn describe(
    db: &dyn Backend,
    found: Vec<(i64, StoredActivity)>,
    mut paths: Paths,
) -> Result<Vec<LedgerActivity>> {
    let subjects: Vec<(i64, String)> = (found.iter())
        .filter_map(|(_, activity)| Some((activity.connection, activity.subject.clone()?)))
        .collect();
    db.read_subjects(&mut paths, &subjects).await?;
    let shown = found
        .into_iter()
        .map(|(_, activity)| activity.shown(&paths));
    Ok(shown.collect())
}

fn activity(row: &dyn Columns) -> Result<(i64, StoredActivity)> {
    let activity = StoredActivity {
        connection: row.get(1)?,
        connection_id: row.get(2)?,
        entry_id: row.get(3)?,
        content_event: row.get(4)?,
        deleted_event: row.get(5)?,
        remote_user: row.get(6)?,
        user: row.user(7)?,
        subject: row.get(10)?,
        description: row.get(11)?,
        tags: stored::texts(row.text(12)?).map_err(stored::damaged)?,
        billable: row.get(13)?,
        start: row.get(14)?,
        stop: row.get(15)?,
        deleted: row.get(16)?,
        content_revision: row.get(17)?,
        deleted_revision: row.get(18)?,
        change: row.get(19)?,
        remote_user_name: row.get(20)?,
        is_away: row.get(21)?,
    };
    Ok((row.get(0)?, activity))
}

/// The columns that [`registers`] reads.
pub const REGISTERS: &str =
    "content_revision, remote_user, subject, description, start, stop, billable, tags,
    content_event, deleted_revision, deleted_event";

/// What is known of an activity, from [`REGISTERS`] that begin at `first`.
pub fn registers(row: &dyn Columns, first: usize) -> Result<ActivityState> {
    let content = match row.get(first)? {
        Some(revision) => Some(Content {
            revision,
            remote_user: row.get(first + 1)?,
            subject: row.get(first + 2)?,
            description: row.get(first + 3)?,
            start: row.get(first + 4)?,
            stop: row.get(first + 5)?,
            billable: row.get(first + 6)?,
            tags: row.get(first + 7)?,
            event: row.get(first + 8)?,
        }),
        None => None,
    };
    let deletion = match row.get(first + 9)? {
        Some(revision) => Some(Deletion {
            revision,
            event: row.get(first + 10)?,
        }),
        None => None,
    };
    Ok(ActivityState { content, deletion })
}

/// The columns that [`subject_registers`] reads.
pub const SUBJECT_REGISTERS: &str =
    "named_revision, name, named_parent, hint_revision, hint_parent";

/// What is known of a subject, from [`SUBJECT_REGISTERS`] that begin at `first`.
pub fn subject_registers(row: &dyn Columns, first: usize) -> Result<SubjectState> {
    let named = match row.get(first)? {
        Some(revision) => Some(Named {
            revision,
            name: row.get(first + 1)?,
            parent: row.get(first + 2)?,
        }),
        None => None,
    };
    let hint = match row.get(first + 3)? {
        Some(revision) => Some(Hint {
            revision,
            parent: row.get(first + 4)?,
        }),
        None => None,
    };
    Ok(SubjectState { named, hint })
}
