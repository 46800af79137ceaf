//! Taking over what another ledger held, many records at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use deadpool_postgres::Transaction;

use super::Result;
use super::copy::{New, copy};
use crate::contract::User;
use crate::database::postgres::{execute, rows};
use crate::id::ConnectionId;
use crate::ledger::LedgerError;
use crate::ledger::known::activity::Known as KnownActivity;
use crate::ledger::known::subject::Known as KnownSubject;
use crate::ledger::postgres::members::{Mapping, Stored};
use crate::ledger::postgres::users::number_users;
use crate::ledger::postgres::values::{get, signed};
use crate::ledger::postgres::{Failure, connections, coverage, members, subjects};
use crate::ledger::transfer::registers::{known_activity, known_subject};
use crate::ledger::transfer::{
    MovedConnection, MovedDelivery, MovedEvent, MovedLedger, MovedMember, MovedRequest, Record,
};

/// Records, by kind, so that those of a kind are stored at once.
#[derive(Default)]
pub(super) struct Batch {
    connections: Vec<MovedConnection>,
    members: Vec<MovedMember>,
    subjects: Vec<(ConnectionId, String, KnownSubject)>,
    activities: Vec<(ConnectionId, String, KnownActivity, i64)>,
    deliveries: Vec<MovedDelivery>,
    requests: Vec<MovedRequest>,
    events: Vec<MovedEvent>,
    ledgers: Vec<MovedLedger>,
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
                        .push((moved.connection, moved.id, known, place));
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
        for connection in &self.connections {
            insert_connection(transaction, connection).await?;
        }
        let numbers = Numbers::read(transaction, self.mentioned()).await?;
        insert_members(transaction, &numbers, &self.members).await?;
        self.insert_subjects(transaction, &numbers).await?;
        self.copy_activities(transaction, &numbers).await?;
        insert_deliveries(transaction, &numbers, &self.deliveries).await?;
        for request in &self.requests {
            insert_request(transaction, &numbers, request).await?;
        }
        insert_events(transaction, &numbers, &self.events).await?;
        for ledger in &self.ledgers {
            take_over_places(transaction, ledger).await?;
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
            known.insert((numbers.of(connection)?, id.clone()), subject.clone());
        }
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
        let new = self.activities.iter();
        let new = new.map(|(connection, entry_id, known, place)| {
            Ok(New {
                connection: numbers.of(connection)?,
                entry_id,
                known,
                place: *place,
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

async fn insert_connection(transaction: &Transaction<'_>, moved: &MovedConnection) -> Result<()> {
    let connection = &moved.connection;
    let found = rows(
        transaction,
        "INSERT INTO connections (id, name, integration, scope_id, scope_name, owner_id, owner_name, hook, state,
             completed, created_at, updated_at, last_delivery_at)
         VALUES ($1, '', $2, $3, '', '', '', $4, $5, $6, $7, $7, $8) RETURNING number",
        &[
            &connection.id.as_str(),
            &connection.integration,
            &connection.scope_id.as_str(),
            &connection.hook.as_str(),
            &connection.state.as_str(),
            &moved.was_active,
            &connection.created_at.as_millisecond(),
            &connection.last_delivery_at.map(|at| at.as_millisecond()),
        ],
    )
    .await?;
    connections::store(transaction, connection).await?;
    for row in &found {
        coverage::store(transaction, get(row, 0)?, &connection.coverage).await?;
    }
    Ok(())
}

async fn insert_members(
    transaction: &Transaction<'_>,
    numbers: &Numbers,
    moved: &[MovedMember],
) -> Result<()> {
    let mapped = moved.iter().filter_map(|moved| moved.member.user.as_ref());
    let users = number_users(transaction, mapped).await?;
    let mut of_connections: BTreeMap<i64, Vec<Stored<'_>>> = BTreeMap::new();
    for moved in moved {
        let member = &moved.member;
        let user = |user: &User| users.number(&user.id);
        let row = Stored {
            remote_user: &member.remote_user,
            present: member.present,
            mapping: Mapping {
                user: member.user.as_ref().and_then(user),
                matched_by: member.matched_by,
            },
            note: member.note.as_deref(),
        };
        let connection = numbers.of(&moved.connection)?;
        of_connections.entry(connection).or_default().push(row);
    }
    for (connection, members) in of_connections {
        members::put(transaction, connection, &members).await?;
        members::count(transaction, connection).await?;
    }
    Ok(())
}

async fn insert_deliveries(
    transaction: &Transaction<'_>,
    numbers: &Numbers,
    moved: &[MovedDelivery],
) -> Result<()> {
    if moved.is_empty() {
        return Ok(());
    }
    let connections: Vec<i64> = moved
        .iter()
        .map(|moved| numbers.of(&moved.connection))
        .collect::<Result<_>>()?;
    let column = |of: fn(&MovedDelivery) -> i64| moved.iter().map(of).collect::<Vec<_>>();
    let texts = |of: fn(&MovedDelivery) -> &str| moved.iter().map(of).collect::<Vec<_>>();
    let events: Vec<Option<&str>> = moved
        .iter()
        .map(|moved| moved.record.event_id.as_deref())
        .collect();
    execute(
        transaction,
        "INSERT INTO deliveries (id, connection, received_at, handled_at, elapsed_us, event_id, status, detail,
             size_bytes, attempts)
         SELECT id, connection, received_at, handled_at, elapsed_us, event_id, status, detail, size_bytes, attempts
         FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[],
             $8::text[], $9::bigint[], $10::bigint[]) WITH ORDINALITY
             AS moved (id, connection, received_at, handled_at, elapsed_us, event_id, status, detail, size_bytes,
                 attempts, place)
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

async fn insert_request(
    transaction: &Transaction<'_>,
    numbers: &Numbers,
    moved: &MovedRequest,
) -> Result<()> {
    let connection = numbers.of(&moved.connection)?;
    let kept = execute(
        transaction,
        "INSERT INTO delivery_requests (delivery, sealed)
         SELECT number, $3 FROM deliveries WHERE id = $1 AND connection = $2",
        &[&moved.delivery.as_str(), &connection, &moved.sealed],
    )
    .await?;
    if kept == 0 {
        return Err(LedgerError::NotFound(format!(
            "there is no delivery {} of the connection {}",
            moved.delivery, moved.connection
        ))
        .into());
    }
    Ok(())
}

async fn insert_events(
    transaction: &Transaction<'_>,
    numbers: &Numbers,
    moved: &[MovedEvent],
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
    let texts = |of: fn(&MovedEvent) -> &str| moved.iter().map(of).collect::<Vec<_>>();
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

async fn take_over_places(transaction: &Transaction<'_>, moved: &MovedLedger) -> Result<()> {
    execute(
        transaction,
        "UPDATE ledger_changes SET last = greatest(last, $1)",
        &[&signed(moved.last_change)],
    )
    .await?;
    if let Some(at) = moved.heartbeat {
        coverage::heartbeat(transaction, at).await?;
    }
    Ok(())
}
