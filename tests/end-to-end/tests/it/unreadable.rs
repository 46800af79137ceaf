//! Entries that cannot be taken as they are: as much as possible of them is there, nothing is lost in silence, and the
//! webhook stays on.

use end_to_end::{Embedded, delivery, finished_entry};
use integration_host_contract::Header;
use integration_host_contract::limits::Limits;
use integration_host_ledger::{
    ActivityFilter, Connection, DeliveryStatus, EventKind, LedgerActivity,
};
use serde_json::{Value, json};
use toggl_sandbox::model::Subscription;

struct Host {
    embedded: Embedded,
    connection: Connection,
    subscription: Subscription,
}

impl Host {
    async fn connected(limits: Limits) -> Self {
        let component = end_to_end::component().unwrap();
        let embedded = Embedded::builder(&component)
            .limits(limits)
            .start()
            .await
            .unwrap();
        let (connection, subscription) = embedded.connect().await.unwrap();
        Self {
            embedded,
            connection,
            subscription,
        }
    }

    fn entry(&self, entry: u64) -> Value {
        finished_entry(&self.subscription, entry, entry)
    }

    async fn deliver(&self, body: &Value) -> u16 {
        let (_, body) = delivery(&self.subscription.secret, body);
        self.deliver_raw(body).await
    }

    async fn deliver_raw(&self, body: Vec<u8>) -> u16 {
        let headers = vec![Header {
            name: "x-webhook-signature-256".to_owned(),
            value: toggl_sandbox::signature::sign(&self.subscription.secret, &body),
        }];
        let service = &self.embedded.service;
        let answer = service
            .handle_delivery(&self.connection.hook, headers, body)
            .await;
        answer.response.status
    }

    async fn activity(&self, entry: u64) -> Option<LedgerActivity> {
        let filter = ActivityFilter {
            include_unmapped: true,
            ..ActivityFilter::default()
        };
        let page = self.embedded.service.activities(&filter, None, 1000).await;
        let id = entry.to_string();
        let mut items = page.unwrap().items.into_iter();
        items.find(|activity| activity.entry_id == id)
    }

    async fn failed(&self) -> usize {
        let failed = Some(DeliveryStatus::Failed);
        let page = self.embedded.service.deliveries(None, failed, None, 1000);
        page.await.unwrap().items.len()
    }

    async fn attention(&self) -> Option<String> {
        let connection = self.embedded.service.connection(&self.connection.id).await;
        connection
            .unwrap()
            .attention
            .map(|attention| attention.code)
    }
}

#[tokio::test]
async fn an_entry_that_is_too_long_is_cut_acknowledged_and_said() {
    let host = Host::connected(Limits::default()).await;
    let mut long = host.entry(1);
    long["payload"]["description"] = "a".repeat(100_000).into();
    long["payload"]["tags"] = json!(vec!["tag"; 50_000]);
    assert_eq!(host.deliver(&long).await, 200);
    let activity = host.activity(1).await.expect("the entry is lost");
    assert!(activity.title.last().unwrap().ends_with("a…"));
    assert_eq!(activity.tags.last().unwrap(), "…");
    let service = &host.embedded.service;
    let events = service
        .events(&host.connection.id, None, 100)
        .await
        .unwrap();
    let said = |event: &&integration_host_ledger::ConnectionEvent| {
        event.kind == EventKind::NotTakenWhole && event.message.contains("time entry 1")
    };
    assert_eq!(events.items.iter().filter(said).count(), 1);
    assert_eq!(host.attention().await, None, "nobody needs to do anything");
}

#[tokio::test]
async fn what_cannot_be_understood_is_kept_acknowledged_and_calls_for_attention() {
    let host = Host::connected(Limits::default()).await;
    let mut without_start = host.entry(1);
    without_start["payload"]["start"] = "99999-01-01".into();
    assert_eq!(host.deliver(&without_start).await, 200);
    assert_eq!(host.deliver_raw(b"{\"event_id\":".to_vec()).await, 200);
    assert_eq!(host.failed().await, 2, "its body is lost");
    let unreadable = Some("unreadable-delivery".to_owned());
    assert_eq!(host.attention().await, unreadable);
    let service = &host.embedded.service;
    service.check(&host.connection.id).await.unwrap();
    assert_eq!(
        host.attention().await,
        unreadable,
        "it is forgotten at the next check"
    );
    let health = service.check(&host.connection.id).await.unwrap();
    assert!(health.problem.is_none());
}

#[tokio::test]
async fn what_the_integration_fails_at_every_time_is_acknowledged_a_hundred_times() {
    let limits = Limits {
        result_text_bytes: 2_000,
        ..Limits::default()
    };
    let host = Host::connected(limits).await;
    for entry in 1..=101 {
        let mut body = host.entry(entry);
        body["payload"]["description"] = "b".repeat(3_000).into();
        let expected = if entry <= 100 { 200 } else { 503 };
        assert_eq!(host.deliver(&body).await, expected, "at delivery {entry}");
    }
    assert_eq!(host.failed().await, 101);
    assert!(host.attention().await.is_some());
    assert_eq!(host.deliver(&host.entry(500)).await, 200, "others suffer");
}

#[tokio::test]
async fn a_connection_that_may_store_nothing_more_loses_no_time() {
    let limits = Limits {
        storage_keys_per_connection: 30,
        ..Limits::default()
    };
    let host = Host::connected(limits).await;
    for entry in 1..=100 {
        let mut body = host.entry(entry);
        body["payload"]["project_id"] = (1_000_000 + entry).into();
        assert_eq!(host.deliver(&body).await, 200);
    }
    assert!(host.activity(100).await.is_some());
    let service = &host.embedded.service;
    let events = service
        .events(&host.connection.id, None, 100)
        .await
        .unwrap();
    let said = (events.items.iter()).any(|event| event.kind == EventKind::NotTakenWhole);
    assert!(said, "nobody is told why names stay unknown");
}
