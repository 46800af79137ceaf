//! A storage provider that fails costs nothing but time: what arrives meanwhile is kept and handled when
//! the provider is back, without anybody doing anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use end_to_end::{Embedded, NORTHWIND, delivery, eventually};
use integration_host_contract::Header;
use integration_host_contract::id::{ConnectionId, HookId};
use integration_host_contract::limits::Limits;
use integration_host_ledger::{ActivityFilter, Delivery, DeliveryStatus};
use integration_host_storage::{Commit, Entry, Expectation, KeyValueStore, StorageError, Write};
use serde_json::json;
use toggl_sandbox::model::Subscription;

/// A provider that fails when it is told to.
struct Fickle {
    store: Arc<dyn KeyValueStore>,
    fails: Arc<AtomicBool>,
}

impl Fickle {
    fn answer(&self) -> Result<(), StorageError> {
        match self.fails.load(Ordering::SeqCst) {
            true => Err(StorageError::Unavailable("it was told to fail".to_owned())),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl KeyValueStore for Fickle {
    async fn get(
        &self,
        connection: &ConnectionId,
        key: &str,
    ) -> Result<Option<Entry>, StorageError> {
        self.answer()?;
        self.store.get(connection, key).await
    }

    async fn list(
        &self,
        connection: &ConnectionId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        self.answer()?;
        self.store.list(connection, prefix, after, limit).await
    }

    async fn commit(
        &self,
        connection: &ConnectionId,
        expected: &[Expectation],
        writes: &[Write],
    ) -> Result<Commit, StorageError> {
        self.answer()?;
        self.store.commit(connection, expected, writes).await
    }
}

struct Host {
    embedded: Embedded,
    subscription: Subscription,
    hook: HookId,
    fails: Arc<AtomicBool>,
}

impl Host {
    async fn connected(limits: Limits) -> Self {
        let fails = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&fails);
        let component = end_to_end::component().unwrap();
        let embedded = Embedded::builder(&component)
            .limits(limits)
            .around_storage(|store| Arc::new(Fickle { store, fails }))
            .start()
            .await
            .unwrap();
        let (connection, subscription) = embedded.connect().await.unwrap();
        Self {
            embedded,
            subscription,
            hook: connection.hook,
            fails: switch,
        }
    }

    /// What a delivery of an entry is answered with, and after how many seconds it should come again.
    async fn deliver(&self, entry: u64) -> (u16, Option<u32>) {
        let body = json!({
            "event_id": entry, "created_at": "2026-03-02T11:43:32.827Z", "creator_id": 9_500_002,
            "metadata": { "action": "created", "model": "time_entry",
                "workspace_id": NORTHWIND.to_string(), "time_entry_id": entry.to_string() },
            "payload": {
                "at": "2026-03-02T11:43:32+00:00", "description": "Kept", "duration": 60,
                "id": entry, "start": "2026-03-02T11:42:32Z", "stop": "2026-03-02T11:43:32Z",
                "user_id": 9_500_002, "workspace_id": NORTHWIND
            },
            "subscription_id": self.subscription.id, "timestamp": "2026-03-02T11:43:33Z",
            "url_callback": self.subscription.url_callback
        });
        let (signature, body) = delivery(&self.subscription.secret, &body);
        self.post(signature, body).await
    }

    async fn post(&self, signature: String, body: Vec<u8>) -> (u16, Option<u32>) {
        let headers = vec![Header {
            name: "x-webhook-signature-256".to_owned(),
            value: signature,
        }];
        let answer = self
            .embedded
            .service
            .handle_delivery(&self.hook, headers, body)
            .await;
        (answer.response.status, answer.retry_after_seconds)
    }

    async fn log(&self, status: Option<DeliveryStatus>) -> Vec<Delivery> {
        let page = self.embedded.service.deliveries(None, status, None, 1000);
        page.await.unwrap().items
    }

    async fn activities(&self) -> usize {
        let filter = ActivityFilter {
            include_unmapped: true,
            include_deleted: true,
            ..ActivityFilter::default()
        };
        let page = self.embedded.service.activities(&filter, None, 1000).await;
        page.unwrap().items.len()
    }
}

fn quick() -> Limits {
    Limits {
        replay_delay: Duration::from_millis(20),
        ..Limits::default()
    }
}

#[tokio::test]
async fn what_arrives_while_storage_fails_is_handled_when_it_is_back() {
    let host = Host::connected(quick()).await;
    host.embedded.service.ready().await.unwrap();
    assert_eq!(host.deliver(1).await, (200, None));

    host.fails.store(true, Ordering::SeqCst);
    assert!(
        host.embedded.service.ready().await.is_err(),
        "the host says that it is ready"
    );
    for entry in 2..=9 {
        let (status, retry_after) = host.deliver(entry).await;
        assert_eq!(status, 503);
        assert!(retry_after.is_some());
    }
    // This may be signed with a secret that another host has stored meanwhile, or be forged: it is not kept, so that
    // forged ones push out nothing.
    for number in 0..20 {
        let (signature, body) = delivery("another secret", &json!({ "number": number }));
        let forged = host.post(signature, body).await;
        assert_eq!(forged.0, 503);
    }
    // What comes again is kept once.
    assert_eq!(host.deliver(3).await.0, 503);
    assert_eq!(host.log(Some(DeliveryStatus::Failed)).await.len(), 8);
    assert_eq!(host.activities().await, 1);

    host.fails.store(false, Ordering::SeqCst);
    host.embedded.service.ready().await.unwrap();
    // One of them comes again, as all of them would.
    assert_eq!(host.deliver(9).await, (200, None));
    eventually("nothing is replayed by itself", async || {
        let failed = host.log(Some(DeliveryStatus::Failed)).await;
        match failed.is_empty() {
            true => Ok(()),
            false => Err(format!("{failed:?}")),
        }
    })
    .await
    .unwrap();
    assert_eq!(host.activities().await, 9);
    for delivery in host.log(None).await {
        assert!(!delivery.replayable, "{delivery:?}");
        let record = delivery.record;
        assert!(record.handled_at >= record.received_at);
        match record.event_id.as_deref() {
            None => assert_eq!(record.status, DeliveryStatus::Ping, "{record:?}"),
            Some("1") => assert_eq!(delivery.attempts, 1),
            Some("9") if delivery.attempts > 1 => {
                assert!(
                    matches!(
                        record.status,
                        DeliveryStatus::Superseded | DeliveryStatus::Accepted
                    ),
                    "{record:?}"
                );
            }
            Some(_) => assert_eq!(record.status, DeliveryStatus::Accepted, "{record:?}"),
        }
    }
}

#[tokio::test]
async fn what_never_succeeds_is_not_tried_for_ever_and_holds_up_nothing() {
    let limits = Limits {
        replay_attempts: 4,
        replay_delay: Duration::from_millis(1),
        ..Limits::default()
    };
    let host = Host::connected(limits).await;
    host.fails.store(true, Ordering::SeqCst);
    for entry in 1..=3 {
        assert_eq!(host.deliver(entry).await.0, 503);
    }
    let exhausted = eventually("one of them keeps others from being tried", async || {
        let failed = host.log(Some(DeliveryStatus::Failed)).await;
        match failed.iter().all(|delivery| delivery.attempts >= 4) {
            true => Ok(failed),
            false => Err(format!("{failed:?}")),
        }
    });
    let exhausted = exhausted.await.unwrap();
    assert!(exhausted.iter().all(|delivery| delivery.attempts == 4));
    assert!(exhausted.iter().all(|delivery| delivery.replayable));
    host.fails.store(false, Ordering::SeqCst);
    for delivery in exhausted {
        let replayed = host.embedded.service.replay(&delivery.record.id).await;
        assert_eq!(replayed.unwrap().record.status, DeliveryStatus::Accepted);
    }
    assert_eq!(host.activities().await, 3);
}
