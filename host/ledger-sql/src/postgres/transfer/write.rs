//! Taking over what another ledger held, many records at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use deadpool_postgres::Transaction;

use super::copy::{New, copy};
use crate::failure::{Failure, Result};
use crate::postgres::connection::Postgres;
use crate::postgres::users::number_users;
use crate::postgres::values::get;
use crate::postgres::{members, subjects};
use crate::teams::recount;
use crate::transfer::write::{
    insert_connection, insert_request, mentioned, stored_member, take_over_places,
};
use crate::values::signed;
use integration_host_contract::User;
use integration_host_contract::id::ConnectionId;
use integration_host_database::postgres::{execute, rows};
use integration_host_ledger::matching::StoredMember;
use integration_host_ledger::merge::activity::ActivityState;
use integration_host_ledger::merge::subject::SubjectState;
use integration_host_ledger::transfer::registers::{known_activity, known_subject};
use integration_host_ledger::transfer::{
    ExportConnection, ExportDelivery, ExportEvent, ExportLedger, ExportMember, ExportRequest,
    Record, doubled,
};

/// Records, by kind, so that those of a kind are stored at once.
#[derive(Default)]
pub(super) struct Batch {
    connections: Vec<ExportConnection>,
    members: Vec<ExportMember>,
    subjects: Vec<(ConnectionId, String, SubjectState)>,
    activities: Vec<(ConnectionId, String, ActivityState, i64, Option<User>)>,
    deliveries: Vec<ExportDelivery>,
    requests: Vec<ExportRequest>,
    events: Vec<ExportEvent>,
    ledgers: Vec<ExportLedger>,
}

impl Batch {
    pub(super) fn sorted(records: Vec<Record>) -> Self {
        let mut batch = Self::default();
        for record in records {
            match record {
                Record::Connection(moved) => batch.connections.push(*moved),
                Record::Member(moved) => batch.members.push(*moved),
                Record::Subject(moved) => {
                    let known = known_subject(moved.named, moved.hint);
                    batch.subjects.push((moved.connection, moved.id, known));
                }
                Record::Activity(moved) => {
                    let known = known_activity(moved.content, moved.deletion);
                    let place = signed(moved.place);
                    batch
                        .activities
                        .push((moved.connection, moved.id, known, place, moved.user));
                }
                Record::Delivery(moved) => batch.deliveries.push(*moved),
                Record::Request(moved) => batch.requests.push(moved),
                Record::Event(moved) => batch.events.push(moved),
                Record::Ledger(moved) => batch.ledgers.push(moved),
            }
        }
        batch
    }

    pub(super) async fn store(&self, transaction: &Transaction<'_>) -> Result<()> {
        let db = Postgres(transaction);
        for connection in &self.connections {
            insert_connection(&db, connection).await?;
        }
        let numbers = Numbers::read(transaction, self.mentioned()).await?;
        insert_members(transaction, &numbers, &self.members).await?;
        self.insert_subjects(transaction, &numbers).await?;
        self.copy_activities(transaction, &numbers).await?;
        insert_deliveries(transaction, &numbers, &self.deliveries).await?;
        for request in &self.requests {
            let connection = numbers.of(&request.connection)?;
            insert_request(&db, connection, request).await?;
        }
        insert_events(transaction, &numbers, &self.events).await?;
        for ledger in &self.ledgers {
            take_over_places(&db, ledger).await?;
        }
        Ok(())
    }

    /// The connections that records mention.
    fn mentioned(&self) -> BTreeSet<&str> {
        let members = self.members.iter().map(|moved| &moved.connection);
        let subjects = self.subjects.iter().map(|(connection, ..)| connection);
        let activities = self.activities.iter().map(|(connection, ..)| connection);
        let deliveries = self.deliveries.iter().map(|moved| &moved.connection);
        let requests = self.requests.iter().map(|moved| &moved.connection);
        let events = self.events.iter().map(|moved| &moved.connection);
        members
            .chain(subjects)
            .chain(activities)
            .chain(deliveries)
            .chain(requests)
            .chain(events)
            .map(ConnectionId::as_str)
            .collect()
    }

    async fn insert_subjects(
        &self,
        transaction: &Transaction<'_>,
        numbers: &Numbers,
    ) -> Result<()> {
        let mut known = BTreeMap::new();
        for (connection, id, subject) in &self.subjects {
            let key = (numbers.of(connection)?, id.clone());
            if known.insert(key, subject.clone()).is_some() {
                return Err(doubled().into());
            }
        }
        let keys = known.keys().map(|(number, id)| (*number, id.as_str()));
        ensure_new(transaction, "subjects", "id", keys).await?;
        subjects::put(transaction, &known).await
    }

    async fn copy_activities(
        &self,
        transaction: &Transaction<'_>,
        numbers: &Numbers,
    ) -> Result<()> {
        if self.activities.is_empty() {
            return Ok(());
        }
        let others = (self.activities.iter()).filter_map(|(.., user)| user.as_ref());
        let others = others.map(|user| (user.id.as_str(), user)).collect();
        let users = number_users(transaction, &others).await?;
        let new = self.activities.iter();
        let new = new.map(|(connection, entry_id, known, place, user)| {
            Ok(New {
                connection: numbers.of(connection)?,
                entry_id,
                known,
                place: *place,
                user: user.as_ref().and_then(|user| users.number(user)),
            })
        });
        copy(transaction, &new.collect::<Result<Vec<_>>>()?).await
    }
}

/// The numbers of connections.
struct Numbers(HashMap<String, i64>);

impl Numbers {
    async fn read(transaction: &Transaction<'_>, ids: BTreeSet<&str>) -> Result<Self> {
        let ids: Vec<&str> = ids.into_iter().collect();
        let found = rows(
            transaction,
            "SELECT id, number FROM connections WHERE id = ANY ($1)",
            &[&ids],
        )
        .await?;
        let numbers = found.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?)));
        Ok(Self(numbers.collect::<Result<_>>()?))
    }

    fn of(&self, connection: &ConnectionId) -> Result<i64> {
        let number = self.0.get(connection.as_str()).copied();
        number.ok_or_else(|| Failure::no_connection(connection))
    }
}

async fn insert_members(
    transaction: &Transaction<'_>,
    numbers: &Numbers,
    moved: &[ExportMember],
) -> Result<()> {
    let users = number_users(transaction, &mentioned(moved)).await?;
    let mut of_connections: BTreeMap<i64, Vec<StoredMember<'_>>> = BTreeMap::new();
    for moved in moved {
        let row = stored_member(&moved.member, &users);
        let connection = numbers.of(&moved.connection)?;
        of_connections.entry(connection).or_default().push(row);
    }
    for (connection, members) in of_connections {
        let ids = members.iter().map(|member| member.remote_user.id.as_str());
        let once: BTreeSet<&str> = ids.clone().collect();
        if once.len() < members.len() {
            return Err(doubled().into());
        }
        let keys = ids.map(|id| (connection, id));
        ensure_new(transaction, "members", "remote_user", keys).await?;
        members::put(transaction, connection, &members).await?;
        recount(&Postgres(transaction), connection).await?;
    }
    Ok(())
}

/// For what an import and everybody else store in one way, as changes of what may be there.
async fn ensure_new<'a>(
    transaction: &Transaction<'_>,
    table: &str,
    column: &str,
    keys: impl Iterator<Item = (i64, &'a str)>,
) -> Result<()> {
    let (connections, ids): (Vec<i64>, Vec<&str>) = keys.unzip();
    if ids.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "SELECT 1 FROM unnest($1::bigint[], $2::text[]) AS new (connection, id)
         WHERE EXISTS (
             SELECT 1 FROM {table} WHERE {table}.connection = new.connection AND {table}.{column} = new.id
         ) LIMIT 1"
    );
    match rows(transaction, &sql, &[&connections, &ids])
        .await?
        .is_empty()
    {
        true => Ok(()),
        false => Err(doubled().into()),
    }
}

async fn insert_deliveries(
    transaction: &Transaction<'_>,
    numbers: &Numbers,
    moved: &[ExportDelivery],
) -> Result<()> {
    if moved.is_empty() {
        return Ok(());
    }
    let connections: Vec<i64> = moved
        .iter()
        .map(|moved| numbers.of(&moved.connection))
        .collect::<Result<_>>()?;
    let column = |of: fn(&ExportDelivery) -> i64| moved.iter().map(of).collect::<Vec<_>>();
    let texts = |of: fn(&ExportDelivery) -> &str| moved.iter().map(of).collect::<Vec<_>>();
    let events: Vec<Option<&str>> = moved
        .iter()
        .map(|moved| moved.record.event_id.as_deref())
        .collect();
    let digests: Vec<Option<&str>> = moved.iter().map(|moved| moved.digest.as_deref()).collect();
    execute(
        transaction,
        "INSERT INTO deliveries (id, connection, received_at, handled_at, elapsed_us, event_id, status, detail,
             size_bytes, attempts, digest)
         SELECT id, connection, received_at, handled_at, elapsed_us, event_id, status, detail, size_bytes, attempts,
             digest
         FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[],
             $8::text[], $9::bigint[], $10::bigint[], $11::text[]) WITH ORDINALITY
             AS moved (id, connection, received_at, handled_at, elapsed_us, event_id, status, detail, size_bytes,
                 attempts, digest, place)
         ORDER BY place",
        &[
            &texts(|moved| moved.record.id.as_str()),
            &connections,
            &column(|moved| moved.record.received_at.as_millisecond()),
            &column(|moved| moved.record.handled_at.as_millisecond()),
            &column(|moved| signed(moved.record.elapsed_us)),
            &events,
            &texts(|moved| moved.record.status.as_str()),
            &texts(|moved| moved.record.detail.as_str()),
            &column(|moved| signed(moved.record.size_bytes)),
            &column(|moved| i64::from(moved.attempts)),
            &digests,
        ],
    )
    .await?;
    execute(
        transaction,
        "UPDATE connections SET deliveries = connections.deliveries + added.deliveries
         FROM (
             SELECT connection, count(*) AS deliveries FROM unnest($1::bigint[]) AS moved (connection)
             GROUP BY connection
         ) AS added
         WHERE connections.number = added.connection",
        &[&connections],
    )
    .await?;
    Ok(())
}

async fn insert_events(
    transaction: &Transaction<'_>,
    numbers: &Numbers,
    moved: &[ExportEvent],
) -> Result<()> {
    if moved.is_empty() {
        return Ok(());
    }
    let connections: Vec<i64> = moved
        .iter()
        .map(|moved| numbers.of(&moved.connection))
        .collect::<Result<_>>()?;
    let times: Vec<i64> = moved
        .iter()
        .map(|moved| moved.event.at.as_millisecond())
        .collect();
    let texts = |of: fn(&ExportEvent) -> &str| moved.iter().map(of).collect::<Vec<_>>();
    execute(
        transaction,
        "INSERT INTO connection_events (connection, at, kind, message)
         SELECT connection, at, kind, message
         FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[]) WITH ORDINALITY
             AS moved (connection, at, kind, message, place)
         ORDER BY place",
        &[
            &connections,
            &times,
            &texts(|moved| moved.event.kind.as_str()),
            &texts(|moved| moved.event.message.as_str()),
        ],
    )
    .await?;
    Ok(())
}
