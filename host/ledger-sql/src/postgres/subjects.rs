//! Subjects: what time is spent on, and what is above it.
//!
//! How many there are above or below one, Postgres expects to be a great many, and would rather read whole tables than
//! look each up. `OFFSET 0` keeps a lookup one.

use std::collections::{BTreeMap, HashMap};

use deadpool_postgres::{GenericClient, Transaction};

use super::spreading::spread;
use super::values::get;
use crate::activities::{SUBJECT_REGISTERS, subject_registers};
use crate::failure::Result;
use integration_host_contract::Subject;
use integration_host_database::postgres::{execute, rows};
use integration_host_ledger::merge::subject::{MAX_DEPTH, SubjectState};
use integration_host_ledger::spreading::Shared;
use integration_host_ledger::titles::{Node, Paths};

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
    let shown = after
        .iter()
        .filter(|&(key, known)| !before.get(key).unwrap_or(&unknown).is_shown_as(known));
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
        &format!(
            "SELECT connection, id, {SUBJECT_REGISTERS} FROM subjects
             WHERE (connection, id) IN (SELECT * FROM unnest($1::bigint[], $2::text[]))"
        ),
        &[&connections, &ids],
    )
    .await?;
    found
        .iter()
        .map(|row| Ok(((get(row, 0)?, get(row, 1)?), subject_registers(row, 2)?)))
        .collect()
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

/// Reads subjects with everything above them at once, unless they were read before.
pub(super) async fn read(
    client: &impl GenericClient,
    paths: &mut Paths,
    subjects: &[(i64, String)],
) -> Result<()> {
    let missing = paths.to_be_read(subjects);
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
        paths.insert(get(row, 0)?, get(row, 1)?, node);
    }
    Ok(())
}

/// As the columns of a table.
fn columns<'a>(keys: impl Iterator<Item = (i64, &'a str)>) -> (Vec<i64>, Vec<&'a str>) {
    keys.unzip()
}
