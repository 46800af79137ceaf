//! Subjects: what time is spent on, and what is above it.
//!
//! How many there are above or below one, Postgres expects to be a great many, and would rather read whole tables than
//! look each up. `OFFSET 0` keeps a lookup one.

use std::collections::{BTreeMap, HashMap};

use deadpool_postgres::{GenericClient, Transaction};
use tokio_postgres::Row;

use super::Result;
use super::spreading::spread;
use super::values::get;
use integration_host_contract::Subject;
use integration_host_database::postgres::{execute, rows};
use integration_host_ledger::merge::subject::{Hint, MAX_DEPTH, Named, SubjectState};
use integration_host_ledger::spreading::Shared;
use integration_host_ledger::titles::{Node, path};
use integration_host_ledger::{LedgerError, SubjectName};

/// A subject of a connection.
pub(super) type Key = (i64, String);

/// Applies the subjects of connections, in their order.
pub(super) async fn apply(
    transaction: &Transaction<'_>,
    subjects: &[(i64, &Subject)],
) -> Result<()> {
    let wanted: Vec<(i64, &str)> = subjects
        .iter()
        .map(|(connection, subject)| (*connection, subject.id.as_str()))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let before = find(transaction, &wanted).await?;
    let mut after: BTreeMap<Key, SubjectState> = BTreeMap::new();
    for (connection, subject) in subjects {
        let key = (*connection, subject.id.clone());
        let known = after
            .remove(&key)
            .or_else(|| before.get(&key).cloned())
            .unwrap_or_default();
        after.insert(key, known.merge(SubjectState::of(subject)));
    }
    after.retain(|key, known| before.get(key) != Some(known));
    put(transaction, &after).await?;
    let unknown = SubjectState::default();
    let shown = after.iter().filter(|&(key, known)| {
        let before = before.get(key).unwrap_or(&unknown);
        (before.name(), before.parent()) != (known.name(), known.parent())
    });
    let changed: Vec<_> = shown
        .map(|((connection, id), _)| Shared::Subject {
            connection: *connection,
            id: id.clone(),
        })
        .collect();
    spread(transaction, &changed).await
}

async fn find(
    client: &impl GenericClient,
    wanted: &[(i64, &str)],
) -> Result<HashMap<Key, SubjectState>> {
    let (connections, ids) = columns(wanted.iter().copied());
    let found = rows(
        client,
        "SELECT connection, id, named_revision, name, named_parent, hint_revision, hint_parent
         FROM subjects WHERE (connection, id) IN (SELECT * FROM unnest($1::bigint[], $2::text[]))",
        &[&connections, &ids],
    )
    .await?;
    found
        .iter()
        .map(|row| Ok(((get(row, 0)?, get(row, 1)?), known(row)?)))
        .collect()
}

/// What is known of a subject, from the columns of its registers that begin at the third.
pub(super) fn known(row: &Row) -> Result<SubjectState> {
    let named = match get::<Option<String>>(row, 2)? {
        Some(revision) => Some(Named {
            revision,
            name: get(row, 3)?,
            parent: get(row, 4)?,
        }),
        None => None,
    };
    let hint = match get::<Option<String>>(row, 5)? {
        Some(revision) => Some(Hint {
            revision,
            parent: get(row, 6)?,
        }),
        None => None,
    };
    Ok(SubjectState { named, hint })
}

pub(super) async fn put(
    transaction: &Transaction<'_>,
    subjects: &BTreeMap<Key, SubjectState>,
) -> Result<()> {
    if subjects.is_empty() {
        return Ok(());
    }
    let (connections, ids) = columns(subjects.keys().map(|(number, id)| (*number, id.as_str())));
    let column =
        |of: fn(&SubjectState) -> Option<&str>| subjects.values().map(of).collect::<Vec<_>>();
    execute(
        transaction,
        "INSERT INTO subjects (connection, id, named_revision, name, named_parent, hint_revision, hint_parent, parent)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
             $8::text[])
         ON CONFLICT (connection, id) DO UPDATE SET named_revision = excluded.named_revision, name = excluded.name,
             named_parent = excluded.named_parent, hint_revision = excluded.hint_revision,
             hint_parent = excluded.hint_parent, parent = excluded.parent",
        &[
            &connections,
            &ids,
            &column(|known| known.named.as_ref().map(|named| named.revision.as_str())),
            &column(SubjectState::name),
            &column(|known| known.named.as_ref().and_then(|named| named.parent.as_deref())),
            &column(|known| known.hint.as_ref().map(|hint| hint.revision.as_str())),
            &column(|known| known.hint.as_ref().map(|hint| hint.parent.as_str())),
            &column(SubjectState::parent),
        ],
    )
    .await?;
    Ok(())
}

/// Subjects with everything above them, read at once.
#[derive(Default)]
pub(super) struct Paths(HashMap<i64, HashMap<String, Node>>);

impl Paths {
    /// Reads those of some subjects that were not read yet.
    pub(super) async fn read(
        &mut self,
        client: &impl GenericClient,
        mut missing: Vec<(i64, &str)>,
    ) -> Result<()> {
        missing.retain(|(connection, id)| !self.has(*connection, id));
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() {
            return Ok(());
        }
        let (connections, ids) = columns(missing.iter().copied());
        let found = rows(
            client,
            "WITH RECURSIVE above (connection, id, name, parent, depth) AS (
                 SELECT subject.*, 1 FROM unnest($1::bigint[], $2::text[]) AS wanted (connection, id)
                 CROSS JOIN LATERAL (
                     SELECT connection, id, name, parent FROM subjects
                     WHERE subjects.connection = wanted.connection AND subjects.id = wanted.id OFFSET 0
                 ) AS subject
                 UNION
                 SELECT subject.*, depth + 1 FROM above CROSS JOIN LATERAL (
                     SELECT connection, id, name, parent FROM subjects
                     WHERE subjects.connection = above.connection AND subjects.id = above.parent OFFSET 0
                 ) AS subject
                 WHERE depth < $3
             )
             SELECT DISTINCT connection, id, name, parent FROM above",
            &[&connections, &ids, &(MAX_DEPTH as i32)],
        )
        .await?;
        for row in &found {
            let node = Node::new(get(row, 2)?, get(row, 3)?);
            let subjects = self.0.entry(get(row, 0)?).or_default();
            subjects.insert(get(row, 1)?, node);
        }
        // What nothing is known of is not asked for again.
        for (connection, id) in missing {
            let subjects = self.0.entry(connection).or_default();
            subjects.entry(id.to_owned()).or_default();
        }
        Ok(())
    }

    /// A subject that was read, after what is above it, outermost first.
    pub(super) fn path(
        &self,
        connection: i64,
        subject: Option<&str>,
    ) -> Result<Vec<SubjectName>, LedgerError> {
        let subjects = self.0.get(&connection);
        path(subject, |id| {
            let node = subjects.and_then(|subjects| subjects.get(id));
            Ok(node.cloned().unwrap_or_default())
        })
    }

    fn has(&self, connection: i64, id: &str) -> bool {
        let subjects = self.0.get(&connection);
        subjects.is_some_and(|subjects| subjects.contains_key(id))
    }
}

/// As the columns of a table.
fn columns<'a>(keys: impl Iterator<Item = (i64, &'a str)>) -> (Vec<i64>, Vec<&'a str>) {
    keys.unzip()
}
