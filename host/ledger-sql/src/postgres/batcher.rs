//! Group commit: whatever waits to be applied is applied in one transaction.
//!
//! Each stands or falls alone all the same: when one of them makes a transaction fail, each is tried by
//! itself.

use std::collections::{BTreeMap, HashSet};
use std::mem;
use std::sync::Arc;

use deadpool_postgres::Transaction;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;

use super::activities::Activities;
use super::deliveries::Log;
use super::subjects;
use super::values::get;
use crate::failure::{Failure, Result};
use integration_host_contract::id::ConnectionId;
use integration_host_contract::supervision;
use integration_host_contract::{Activity, Changes, Subject};
use integration_host_database::postgres::{PostgresDatabase, rows};
use integration_host_ledger::{Applied, DeliveryRecord, LedgerError, Retention};

/// Changes that may wait before callers wait with them.
const QUEUE: usize = 1024;
/// The most arrivals in one transaction, and the most activities and subjects in it: little enough that
/// nobody waits long for it.
const MOST_ARRIVALS: usize = 256;
const MOST_ITEMS: usize = 4096;
/// Transactions at the same time: while one waits for the disk another is put together.
const WRITERS: usize = 2;

/// Changes that are to be applied to a connection.
pub(super) struct PendingApply {
    pub(super) connection: ConnectionId,
    pub(super) changes: Changes,
    pub(super) delivery: Option<DeliveryRecord>,
}

impl PendingApply {
    fn items(&self) -> usize {
        self.changes.activities.len() + self.changes.subjects.len()
    }
}

type Outcome = Result<Applied, LedgerError>;

struct Waiting {
    arrival: PendingApply,
    reply: oneshot::Sender<Outcome>,
}

/// Applies changes, many at a time.
pub(super) struct Batcher {
    queue: Mutex<Option<mpsc::Sender<Waiting>>>,
    writers: Mutex<JoinSet<()>>,
}

impl Batcher {
    pub(super) fn start(database: PostgresDatabase, retention: Retention) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let intake = Arc::new(Mutex::new(Intake {
            receiver,
            held_over: None,
        }));
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            let writer = Arc::new(Writer {
                database: database.clone(),
                retention: retention.clone(),
                intake: Arc::clone(&intake),
            });
            writers.spawn(supervision::task("ledger-writer", move || {
                Arc::clone(&writer).run()
            }));
        }
        Self {
            queue: Mutex::new(Some(sender)),
            writers: Mutex::new(writers),
        }
    }

    /// Applies changes; see [`Activities::apply`](integration_host_ledger::Activities::apply).
    pub(super) async fn apply(
        &self,
        connection: &ConnectionId,
        changes: &Changes,
        delivery: Option<DeliveryRecord>,
    ) -> Outcome {
        let arrival = PendingApply {
            connection: connection.clone(),
            changes: changes.clone(),
            delivery,
        };
        let queue = self.queue.lock().await.clone();
        let (reply, outcome) = oneshot::channel();
        let queue = queue.ok_or_else(closed)?;
        queue
            .send(Waiting { arrival, reply })
            .await
            .map_err(|_| closed())?;
        outcome.await.map_err(|_| ended_by_a_defect())?
    }

    /// Applies what waits and takes nothing more.
    pub(super) async fn finish(&self) {
        drop(self.queue.lock().await.take());
        while self.writers.lock().await.join_next().await.is_some() {}
    }
}

fn closed() -> LedgerError {
    LedgerError::Unavailable("the ledger is closed".to_owned())
}

fn ended_by_a_defect() -> LedgerError {
    let sentence = "a defect in this program ended the operation; its log has the details";
    LedgerError::Unavailable(sentence.to_owned())
}

/// Where writers take what waits.
struct Intake {
    receiver: mpsc::Receiver<Waiting>,
    /// What did not go with the ones before it.
    held_over: Option<Waiting>,
}

impl Intake {
    /// Everything that waits, within bounds; empty: there will be no more. The same delivery is recorded at
    /// most once in a transaction.
    async fn next(&mut self) -> Vec<Waiting> {
        let first = match self.held_over.take() {
            Some(waiting) => Some(waiting),
            None => self.receiver.recv().await,
        };
        let mut next: Vec<Waiting> = Vec::new();
        let mut deliveries = HashSet::new();
        let mut items = 0;
        let mut candidate = first;
        while let Some(waiting) = candidate {
            let arrival = &waiting.arrival;
            let delivery = arrival.delivery.as_ref().map(|record| record.id.clone());
            items += arrival.items();
            if !next.is_empty() && items > MOST_ITEMS
                || delivery.is_some_and(|delivery| !deliveries.insert(delivery))
            {
                self.held_over = Some(waiting);
                break;
            }
            next.push(waiting);
            if next.len() == MOST_ARRIVALS {
                break;
            }
            candidate = self.receiver.try_recv().ok();
        }
        next
    }
}

struct Writer {
    database: PostgresDatabase,
    retention: Retention,
    intake: Arc<Mutex<Intake>>,
}

impl Writer {
    async fn run(self: Arc<Self>) {
        loop {
            let waiting = self.intake.lock().await.next().await;
            if waiting.is_empty() {
                return;
            }
            let (pending, replies): (Vec<_>, Vec<_>) = waiting
                .into_iter()
                .map(|Waiting { arrival, reply }| (arrival, reply))
                .unzip();
            for (outcome, reply) in self.apply_all(pending).await.into_iter().zip(replies) {
                // Whoever does not wait any more does not need to know.
                let _ = reply.send(outcome);
            }
        }
    }

    async fn apply_all(&self, mut pending: Vec<PendingApply>) -> Vec<Outcome> {
        match self.apply_together(&pending).await {
            Ok(outcomes) => outcomes,
            Err(Failure::Unavailable(message)) => pending
                .iter()
                .map(|_| Err(LedgerError::Unavailable(message.clone())))
                .collect(),
            Err(failure) if pending.len() == 1 => vec![Err(failure.into())],
            // One of them is at fault, and the others must not suffer for it.
            Err(_) => {
                let mut outcomes = Vec::with_capacity(pending.len());
                for arrival in mem::take(&mut pending) {
                    let outcome = self.apply_together(&[arrival]).await;
                    outcomes.push(match outcome {
                        Ok(mut outcomes) => outcomes.pop().unwrap_or_else(|| Err(closed())),
                        Err(failure) => Err(failure.into()),
                    });
                }
                outcomes
            }
        }
    }

    async fn apply_together(&self, pending: &[PendingApply]) -> Result<Vec<Outcome>> {
        let given = (pending, &self.retention);
        let outcomes = self
            .database
            .change(&given, |transaction, (pending, retention)| {
                Box::pin(apply(transaction, pending, retention))
            })
            .await?;
        let has_changes = |arrival: &PendingApply| arrival.items() > 0;
        if pending.iter().any(has_changes) {
            self.database.announce_changes();
        }
        Ok(outcomes)
    }
}

/// Applies arrivals in their order, and tells what became of each.
async fn apply(
    transaction: &Transaction<'_>,
    pending: &[PendingApply],
    retention: &Retention,
) -> Result<Vec<Outcome>> {
    let connections = lock_connections(transaction, pending).await?;
    let mut log = Log::read(transaction, pending).await?;
    // Those that can be applied, with the numbers of their connections.
    let judged: Vec<Result<(i64, &PendingApply), LedgerError>> = pending
        .iter()
        .map(|arrival| {
            let id = arrival.connection.as_str();
            let number = connections.get(id).copied();
            let number = number.ok_or_else(|| Failure::no_connection(&arrival.connection))?;
            log.ensure_is_of(number, arrival.delivery.as_ref())?;
            Ok((number, arrival))
        })
        .collect();
    let accepted = || {
        judged
            .iter()
            .filter_map(|judged| judged.as_ref().ok().copied())
    };
    let subjects: Vec<(i64, &Subject)> = accepted()
        .flat_map(|(number, arrival)| {
            (arrival.changes.subjects.iter()).map(move |subject| (number, subject))
        })
        .collect();
    let arrived: Vec<(i64, &Activity)> = accepted()
        .flat_map(|(number, arrival)| {
            (arrival.changes.activities.iter()).map(move |activity| (number, activity))
        })
        .collect();
    subjects::apply(transaction, &subjects).await?;
    let mut activities = Activities::read(transaction, &arrived).await?;
    let outcomes = judged
        .into_iter()
        .map(|judged| {
            let (number, arrival) = judged?;
            if let Some(delivery) = &arrival.delivery {
                log.record(number, delivery);
            }
            Ok(activities.apply(number, &arrival.changes.activities))
        })
        .collect();
    // The log first: whoever holds the feed should not hold it for long.
    log.store(transaction, retention).await?;
    activities.store(transaction).await?;
    Ok(outcomes)
}

/// The numbers of the connections there are, which nobody else changes until the transaction ends.
async fn lock_connections(
    transaction: &Transaction<'_>,
    pending: &[PendingApply],
) -> Result<BTreeMap<String, i64>> {
    let mut ids: Vec<&str> = pending
        .iter()
        .map(|arrival| arrival.connection.as_str())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let found = rows(
        transaction,
        "SELECT id, number FROM connections WHERE id = ANY ($1) ORDER BY number FOR NO KEY UPDATE",
        &[&ids],
    )
    .await?;
    found
        .iter()
        .map(|row| Ok((get(row, 0)?, get(row, 1)?)))
        .collect()
}
