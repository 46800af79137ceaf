//! Activities: applying what arrives, in whatever order and however often, many at a time.

use std::collections::{BTreeSet, HashMap};

use deadpool_postgres::Transaction;

use super::feed;
use super::values::get;
use crate::activities::{REGISTERS, registers};
use crate::failure::Result;
use integration_host_contract::Activity;
use integration_host_database::postgres::{execute, rows};
use integration_host_ledger::Applied;
use integration_host_ledger::merge;
use integration_host_ledger::merge::activity::{ActivityState, Effect};

/// An activity of a connection.
type Key = (i64, String);

/// What becomes of an activity.
struct Change {
    known: ActivityState,
    /// When it was last changed visibly, among all changes of this transaction.
    seen: Option<usize>,
}

/// Activities as they were and as they become.
pub(super) struct Activities {
    before: HashMap<Key, ActivityState>,
    changes: HashMap<Key, Change>,
    seen: usize,
}

impl Activities {
    /// Reads the activities there are of those that arrived for connections. The connections are locked.
    pub(super) async fn read(
        transaction: &Transaction<'_>,
        arrived: &[(i64, &Activity)],
    ) -> Result<Self> {
        let (connections, ids): (Vec<i64>, Vec<&str>) = arrived
            .iter()
            .map(|(connection, activity)| (*connection, activity.id.as_str()))
            .unzip();
        let mut before = HashMap::new();
        if !ids.is_empty() {
            let found = rows(
                transaction,
                &format!(
                    "SELECT connection, entry_id, {REGISTERS} FROM activities
                     WHERE (connection, entry_id) IN (SELECT * FROM unnest($1::bigint[], $2::text[]))"
                ),
                &[&connections, &ids],
            )
            .await?;
            for row in &found {
                before.insert((get(row, 0)?, get(row, 1)?), registers(row, 2)?);
            }
        }
        Ok(Self {
            before,
            changes: HashMap::new(),
            seen: 0,
        })
    }

    /// Applies activities of a connection, in their order.
    pub(super) fn apply(&mut self, connection: i64, activities: &[Activity]) -> Applied {
        let mut applied = Applied::default();
        for activity in activities {
            self.apply_one(connection, activity).count(&mut applied);
        }
        applied
    }

    fn apply_one(&mut self, connection: i64, activity: &Activity) -> Effect {
        let key = (connection, activity.id.clone());
        let change = self.changes.get(&key);
        let before = change.map(|change| &change.known).or(self.before.get(&key));
        let Some((after, effect)) = merge::activity::apply(before, activity) else {
            return Effect::None;
        };
        let mut seen = change.and_then(|change| change.seen);
        if effect != Effect::None {
            self.seen += 1;
            seen = Some(self.seen);
        }
        self.changes.insert(key, Change { known: after, seen });
        effect
    }

    /// Stores what has changed; visible changes go to the end of the change feed.
    pub(super) async fn store(self, transaction: &Transaction<'_>) -> Result<()> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let mut changes: Vec<(Key, Change)> = self.changes.into_iter().collect();
        changes.sort_unstable_by_key(|(_, change)| change.seen);
        let known = (changes.iter()).map(|((connection, _), change)| (*connection, &change.known));
        let users = MappedUsers::read(transaction, known).await?;
        let seen = changes.iter().filter(|(_, change)| change.seen.is_some());
        let mut place = feed::take(transaction, seen.count()).await?;
        let mut table = Table::default();
        for ((connection, entry_id), change) in &changes {
            let content = change.known.content.as_ref();
            let user = content.and_then(|content| users.of(*connection, &content.remote_user));
            table.push(*connection, entry_id, &change.known, user);
            table.changes.push(change.seen.map(|_| place));
            place += i64::from(change.seen.is_some());
        }
        table.store(transaction).await
    }
}

/// The users that the remote users of activities are mapped to, by connection.
pub(super) struct MappedUsers(HashMap<i64, HashMap<String, i64>>);

impl MappedUsers {
    pub(super) async fn read(
        transaction: &Transaction<'_>,
        activities: impl Iterator<Item = (i64, &ActivityState)>,
    ) -> Result<Self> {
        let wanted: BTreeSet<(i64, &str)> = activities
            .filter_map(|(connection, known)| {
                let content = known.content.as_ref()?;
                Some((connection, content.remote_user.as_str()))
            })
            .collect();
        let (connections, remote_users): (Vec<i64>, Vec<&str>) = wanted.into_iter().unzip();
        let found = rows(
            transaction,
            "SELECT connection, remote_user, user_number FROM members
             WHERE user_number IS NOT NULL
                 AND (connection, remote_user) IN (SELECT * FROM unnest($1::bigint[], $2::text[]))",
            &[&connections, &remote_users],
        )
        .await?;
        let mut users: HashMap<i64, HashMap<String, i64>> = HashMap::new();
        for row in &found {
            let of_connection = users.entry(get(row, 0)?).or_default();
            of_connection.insert(get(row, 1)?, get(row, 2)?);
        }
        Ok(Self(users))
    }

    pub(super) fn of(&self, connection: i64, remote_user: &str) -> Option<i64> {
        self.0.get(&connection)?.get(remote_user).copied()
    }
}

/// Rows of activities, by column.
#[derive(Default)]
struct Table<'a> {
    connections: Vec<i64>,
    entry_ids: Vec<&'a str>,
    content_revisions: Vec<Option<&'a str>>,
    remote_users: Vec<Option<&'a str>>,
    subjects: Vec<Option<&'a str>>,
    descriptions: Vec<Option<&'a str>>,
    starts: Vec<Option<i64>>,
    stops: Vec<Option<i64>>,
    billable: Vec<bool>,
    tags: Vec<Option<&'a str>>,
    content_events: Vec<Option<&'a str>>,
    deleted_revisions: Vec<Option<&'a str>>,
    deleted_events: Vec<Option<&'a str>>,
    users: Vec<Option<i64>>,
    /// Places in the change feed; `None`: the one it has.
    changes: Vec<Option<i64>>,
}

impl<'a> Table<'a> {
    fn push(
        &mut self,
        connection: i64,
        entry_id: &'a str,
        known: &'a ActivityState,
        user: Option<i64>,
    ) {
        let (content, deletion) = (known.content.as_ref(), known.deletion.as_ref());
        let event = |event: &'a Option<String>| event.as_deref();
        self.connections.push(connection);
        self.entry_ids.push(entry_id);
        self.content_revisions
            .push(content.map(|content| content.revision.as_str()));
        self.remote_users
            .push(content.map(|content| content.remote_user.as_str()));
        self.subjects
            .push(content.and_then(|content| content.subject.as_deref()));
        self.descriptions
            .push(content.map(|content| content.description.as_str()));
        self.starts.push(content.map(|content| content.start));
        self.stops.push(content.and_then(|content| content.stop));
        self.billable
            .push(content.is_some_and(|content| content.billable));
        self.tags.push(content.map(|content| content.tags.as_str()));
        self.content_events
            .push(content.and_then(|content| event(&content.event)));
        self.deleted_revisions
            .push(deletion.map(|deletion| deletion.revision.as_str()));
        self.deleted_events
            .push(deletion.and_then(|deletion| event(&deletion.event)));
        self.users.push(user);
    }

    async fn store(&self, transaction: &Transaction<'_>) -> Result<()> {
        // What has no place in the feed has one already, or it would be new and seen. Whose it is stays as long as the
        // member does: a mapping may have left it with an earlier user.
        execute(
            transaction,
            "INSERT INTO activities AS stored (connection, entry_id, content_revision, remote_user, subject,
                 description, start, stop, billable, tags, content_event, deleted_revision, deleted_event,
                 user_number, change)
             SELECT connection, entry_id, content_revision, remote_user, subject, description, start, stop, billable,
                 tags, content_event, deleted_revision, deleted_event, user_number, coalesce(change, 0)
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
                 $8::bigint[], $9::boolean[], $10::text[], $11::text[], $12::text[], $13::text[], $14::bigint[],
                 $15::bigint[])
                 AS arrived (connection, entry_id, content_revision, remote_user, subject, description, start, stop,
                     billable, tags, content_event, deleted_revision, deleted_event, user_number, change)
             ON CONFLICT (connection, entry_id) DO UPDATE SET content_revision = excluded.content_revision,
                 remote_user = excluded.remote_user, subject = excluded.subject, description = excluded.description,
                 start = excluded.start, stop = excluded.stop, billable = excluded.billable, tags = excluded.tags,
                 content_event = excluded.content_event, deleted_revision = excluded.deleted_revision,
                 deleted_event = excluded.deleted_event,
                 user_number = CASE WHEN stored.remote_user IS NOT DISTINCT FROM excluded.remote_user
                     THEN stored.user_number ELSE excluded.user_number END,
                 change = CASE excluded.change WHEN 0 THEN stored.change ELSE excluded.change END",
            &[
                &self.connections,
                &self.entry_ids,
                &self.content_revisions,
                &self.remote_users,
                &self.subjects,
                &self.descriptions,
                &self.starts,
                &self.stops,
                &self.billable,
                &self.tags,
                &self.content_events,
                &self.deleted_revisions,
                &self.deleted_events,
                &self.users,
                &self.changes,
            ],
        )
        .await?;
        Ok(())
    }
}
