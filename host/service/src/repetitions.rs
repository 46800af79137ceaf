//! Deliveries that come again although they were handled.
//!
//! Whoever saw one delivery can send it as often as they like: its signature holds. What was handled in the last minute
//! and comes again, byte for byte, does not run the integration: what that told is applied once more, for all that
//! came within a moment, and counted in its row of the log. Only then are they answered, as the first one was.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::debug;

use super::Host;
use integration_host_contract::id::{ConnectionId, DeliveryId, HookId};
use integration_host_contract::recent::Recent;
use integration_host_contract::{Changes, WebhookResponse};
use integration_host_ledger::DeliveryRecord;

/// How many deliveries are remembered; the one that came last longest ago goes first.
const MOST: usize = 10_000;

/// For how long after it was handled a delivery does not run the integration.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How long repetitions are collected before the ledger is told.
const COLLECTED_FOR: Duration = Duration::from_millis(100);

/// What is remembered of one delivery: an answer of so many bytes, and so many changes. Others are handled each time.
const LONGEST_ANSWER: usize = 1024;
const MOST_CHANGES: usize = 16;

/// What identifies a delivery: its hook and the digest of its body.
type Key = (HookId, String);

/// Deliveries that were handled just now.
pub(super) struct Repetitions(Recent<Key, Handled>);

struct Handled {
    at: Instant,
    reported: Reported,
    response: WebhookResponse,
    /// Those that wait for the ledger.
    waiting: Option<Waiting>,
}

/// What the ledger was told.
#[derive(Clone)]
struct Reported {
    connection: ConnectionId,
    changes: Changes,
    record: DeliveryRecord,
}

struct Waiting {
    times: u32,
    /// Whether the ledger has it, when that is known.
    outcome: watch::Receiver<Option<bool>>,
}

/// A repetition that waits for the ledger.
struct Joined {
    response: WebhookResponse,
    outcome: watch::Receiver<Option<bool>>,
    /// For the first of those that wait: where it is said what became of them.
    begun: Option<watch::Sender<Option<bool>>>,
}

impl Default for Repetitions {
    fn default() -> Self {
        Self(Recent::new(MOST))
    }
}

/// The digest of a body, by which it is recognised.
pub(super) fn digest(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

impl Repetitions {
    /// Remembers a delivery that was handled, and is in the ledger.
    pub(super) fn remember(
        &self,
        connection: &ConnectionId,
        hook: &HookId,
        digest: &str,
        response: &WebhookResponse,
        changes: &Changes,
        record: DeliveryRecord,
    ) {
        let size = changes.activities.len() + changes.subjects.len();
        if response.body.len() <= LONGEST_ANSWER && size <= MOST_CHANGES {
            let handled = Handled {
                at: Instant::now(),
                reported: Reported {
                    connection: connection.clone(),
                    changes: changes.clone(),
                    record,
                },
                response: response.clone(),
                waiting: None,
            };
            self.0.put((hook.clone(), digest.to_owned()), handled);
        }
    }

    /// Counts a delivery that was handled just now and comes again. `None`: it was not.
    fn join(&self, hook: &HookId, digest: &str, now: Instant) -> Option<Joined> {
        let key = (hook.clone(), digest.to_owned());
        self.0.change(&key, |handled| handled.join(now)).flatten()
    }

    /// What the ledger is to be told for all that wait. `None`: their hook is no more.
    fn take(&self, hook: &HookId, digest: &str) -> Option<Reported> {
        let key = (hook.clone(), digest.to_owned());
        self.0.change(&key, Handled::take).flatten()
    }

    /// Forgets what came by a hook that is no more.
    pub(super) fn forget(&self, hook: &HookId) {
        self.0.retain(|key, _| key.0 != *hook);
    }
}

impl Handled {
    fn join(&mut self, now: Instant) -> Option<Joined> {
        if now.saturating_duration_since(self.at) >= REMEMBERED {
            return None;
        }
        let mut begun = None;
        let waiting = self.waiting.get_or_insert_with(|| {
            let (sender, outcome) = watch::channel(None);
            begun = Some(sender);
            Waiting { times: 0, outcome }
        });
        waiting.times = waiting.times.saturating_add(1);
        Some(Joined {
            response: self.response.clone(),
            outcome: waiting.outcome.clone(),
            begun,
        })
    }

    fn take(&mut self) -> Option<Reported> {
        let times = self.waiting.take()?.times;
        let mut told = self.reported.clone();
        told.record.id = DeliveryId::generate();
        told.record.times = times;
        Some(told)
    }
}

impl Host {
    /// The answer to a genuine delivery that was handled just now and comes again, when the ledger has it.
    /// `None`: it was not handled just now. An error: the ledger does not take it.
    pub(super) async fn repetition(
        &self,
        hook: &HookId,
        digest: &str,
    ) -> Option<Result<WebhookResponse, ()>> {
        let mut joined = self.inner.repetitions.join(hook, digest, Instant::now())?;
        if let Some(begun) = joined.begun {
            let service = self.clone();
            let (hook, digest) = (hook.clone(), digest.to_owned());
            tokio::spawn(async move {
                tokio::time::sleep(COLLECTED_FOR).await;
                let is_taken = service.tell_again(&hook, &digest).await;
                begun.send_replace(Some(is_taken));
            });
        }
        let outcome = joined.outcome.wait_for(Option::is_some).await;
        let is_taken = outcome.is_ok_and(|outcome| *outcome == Some(true));
        Some(is_taken.then_some(joined.response).ok_or(()))
    }

    async fn tell_again(&self, hook: &HookId, digest: &str) -> bool {
        let Some(Reported {
            connection,
            changes,
            record,
        }) = self.inner.repetitions.take(hook, digest)
        else {
            return false;
        };
        let applied = self.apply(&connection, &changes, Some(record)).await;
        if let Err(error) = &applied {
            debug!(%connection, %error, "repetitions of a delivery could not be counted");
        }
        applied.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use integration_host_ledger::DeliveryStatus;

    fn record() -> DeliveryRecord {
        DeliveryRecord {
            id: DeliveryId::generate(),
            received_at: jiff::Timestamp::UNIX_EPOCH,
            handled_at: jiff::Timestamp::UNIX_EPOCH,
            elapsed_us: 1,
            event_id: Some("7".into()),
            status: DeliveryStatus::Accepted,
            detail: "A time entry was created.".into(),
            size_bytes: 2,
            sealed_request: None,
            digest: None,
            times: 1,
        }
    }

    fn answer(bytes: usize) -> WebhookResponse {
        WebhookResponse {
            status: 200,
            content_type: None,
            body: vec![b'a'; bytes],
        }
    }

    #[test]
    fn what_comes_again_is_told_once_for_all_that_wait() {
        let repetitions = Repetitions::default();
        let (hook, connection) = (HookId::new("a"), ConnectionId::new("c"));
        let now = Instant::now();
        let join = |digest: &str, now| repetitions.join(&hook, digest, now);
        assert!(join("one", now).is_none());
        let nothing = Changes::default();
        repetitions.remember(&connection, &hook, "one", &answer(2), &nothing, record());
        assert!(
            join("one", now).unwrap().begun.is_some(),
            "the ledger is not told"
        );
        assert!(
            join("one", now).unwrap().begun.is_none(),
            "it is told of each"
        );
        assert_eq!(repetitions.take(&hook, "one").unwrap().record.times, 2);
        assert!(join("one", now).unwrap().begun.is_some());
        assert!(join("another", now).is_none());
        assert!(join("one", now + REMEMBERED + Duration::from_secs(1)).is_none());
        repetitions.forget(&hook);
        assert!(join("one", now).is_none());
        assert!(repetitions.take(&hook, "one").is_none());
    }

    #[test]
    fn whatever_comes_memory_is_bounded() {
        let repetitions = Repetitions::default();
        let (hook, connection) = (HookId::new("a"), ConnectionId::new("c"));
        let remember = |digest: &str, bytes| {
            let nothing = Changes::default();
            repetitions.remember(
                &connection,
                &hook,
                digest,
                &answer(bytes),
                &nothing,
                record(),
            );
        };
        for number in 0..30_000 {
            remember(&number.to_string(), 2);
        }
        remember("long", LONGEST_ANSWER + 1);
        assert_eq!(repetitions.0.len(), MOST);
        assert!(repetitions.join(&hook, "long", Instant::now()).is_none());
    }
}
