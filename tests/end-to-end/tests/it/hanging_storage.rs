//! A storage provider that does not answer any more holds up only what needs it, and that for a bounded time. When it
//! answers again, everything goes on, although what it was asked meanwhile is never answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use end_to_end::{Embedded, PATIENCE, delivery, finished_entry};
use integration_host_contract::ErrorCode;
use integration_host_contract::id::ConnectionId;
use integration_host_contract::limits::Limits;
use integration_host_storage::{Commit, Entry, Expectation, KeyValueStore, StorageError, Write};
use reqwest::{Client, StatusCode};
use tokio::time::timeout;

/// A provider that hangs when it is told to.
struct Hanging {
    store: Arc<dyn KeyValueStore>,
    hangs: Arc<AtomicBool>,
}

impl Hanging {
    async fn answer(&self) {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl KeyValueStore for Hanging {
    async fn get(
        &self,
        connection: &ConnectionId,
        key: &str,
    ) -> Result<Option<Entry>, StorageError> {
        self.answer().await;
        self.store.get(connection, key).await
    }

    async fn list(
        &self,
        connection: &ConnectionId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        self.answer().await;
        self.store.list(connection, prefix, after, limit).await
    }

    async fn commit(
        &self,
        connection: &ConnectionId,
        expected: &[Expectation],
        writes: &[Write],
    ) -> Result<Commit, StorageError> {
        self.answer().await;
        self.store.commit(connection, expected, writes).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_provider_that_hung_answers_again_everything_goes_on() {
    let hangs = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&hangs);
    let limits = Limits {
        storage_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let component = end_to_end::component().unwrap();
    let host = Embedded::builder(&component)
        .limits(limits)
        .around_storage(|store| Arc::new(Hanging { store, hangs }))
        .start()
        .await
        .unwrap();
    let (connection, subscription) = host.connect().await.unwrap();
    let id = &connection.id;
    let client = Client::builder().no_proxy().build().unwrap();
    let get = |path: &str| client.get(format!("{}{path}", host.url)).send();
    let deliver = |entry: u64| {
        let body = finished_entry(&subscription, entry, entry);
        let (signature, body) = delivery(&subscription.secret, &body);
        client
            .post(&subscription.url_callback)
            .header("content-type", "application/json")
            .header("X-Webhook-Signature-256", signature)
            .body(body)
            .send()
    };

    switch.store(true, Ordering::SeqCst);
    let asked = Instant::now();
    let ready = timeout(PATIENCE, get("/readyz")).await.unwrap().unwrap();
    let took = asked.elapsed();
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        took < Duration::from_secs(2),
        "a balancer learns after {took:?} only that this host takes nothing"
    );
    let alive = timeout(PATIENCE, get("/healthz")).await.unwrap().unwrap();
    assert_eq!(alive.status(), StatusCode::OK, "a restart would not help");
    // Whoever asks for something of the connection gets an answer, one after the other and all at once.
    let service = &host.service;
    let asked = async {
        tokio::join!(
            service.check(id),
            service.check(id),
            service.disconnect(id),
            service.replace_secrets(id, host.secrets()),
        )
    };
    let (one, other, gone, replaced) = timeout(PATIENCE, asked).await.unwrap();
    let errors = [
        one.map(drop).unwrap_err(),
        other.map(drop).unwrap_err(),
        gone.map(drop).unwrap_err(),
        replaced.map(drop).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.code, ErrorCode::Unavailable, "{error}");
    }
    let refused = timeout(PATIENCE, deliver(70_000_001)).await.unwrap();
    assert_eq!(refused.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);

    switch.store(false, Ordering::SeqCst);
    let health = timeout(PATIENCE, service.check(id)).await;
    assert!(
        health.expect("the connection stays blocked").is_ok(),
        "a check does not work although the provider answers again"
    );
    let ready = timeout(PATIENCE, get("/readyz")).await.unwrap().unwrap();
    assert_eq!(ready.status(), StatusCode::OK);
    let taken = timeout(PATIENCE, deliver(70_000_001)).await.unwrap();
    assert_eq!(taken.unwrap().status(), StatusCode::OK);
    timeout(PATIENCE, service.disconnect(id))
        .await
        .expect("the connection cannot be disconnected")
        .unwrap();
}
