//! Which failed deliveries are kept, and what counts as an attempt, is decided by what happened to them.

use std::time::Duration;

use end_to_end::Embedded;
use integration_host::ConnectRequest;
use integration_host_contract::id::ScopeId;
use integration_host_contract::limits::Limits;
use integration_host_contract::{ErrorCode, Header};
use integration_host_ledger::{Connection, Delivery, DeliveryStatus};

struct Host {
    embedded: Embedded,
    connection: Connection,
}

impl Host {
    /// A host whose integration fails as a delivery's header asks, one call at a time.
    async fn connected() -> Self {
        let component = end_to_end::misbehaving_component().unwrap();
        let limits = Limits {
            calls_per_connection: 1,
            waiting_calls_per_connection: 1,
            replay_delay: Duration::from_secs(3600),
            ..Limits::default()
        };
        let embedded = Embedded::builder(&component)
            .limits(limits)
            .start()
            .await
            .unwrap();
        let request = ConnectRequest {
            secrets: embedded.secrets(),
            scope_id: ScopeId::new("read"),
            name: None,
        };
        let connection = embedded.service.connect(request).await.unwrap();
        Self {
            embedded,
            connection,
        }
    }

    async fn deliver(&self, attempt: &str) -> u16 {
        let header = |name: &str, value: &str| Header {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let headers = vec![
            header("x-webhook-signature-256", "any"),
            header("x-attempt", attempt),
        ];
        let service = &self.embedded.service;
        let answer = service.handle_delivery(&self.connection.hook, headers, attempt.into());
        answer.await.response.status
    }

    async fn failed(&self) -> Vec<Delivery> {
        let failed = Some(DeliveryStatus::Failed);
        let page = self.embedded.service.deliveries(None, failed, None, 1000);
        page.await.unwrap().items
    }
}

#[tokio::test]
async fn what_failed_with_a_delay_is_kept_like_anything_else() {
    let host = Host::connected().await;
    for (count, attempt) in ["fail", "rate-limited", "quota-exhausted"]
        .iter()
        .enumerate()
    {
        assert_eq!(host.deliver(attempt).await, 503);
        let failed = host.failed().await;
        assert_eq!(failed.len(), count + 1, "what {attempt} is lost");
    }
}

#[tokio::test]
async fn a_replay_that_found_no_turn_is_no_attempt() {
    let host = Host::connected().await;
    host.deliver("rate-limited").await;
    let kept = host.failed().await.remove(0);
    let service = &host.embedded.service;
    let busy = async {
        // One runs into its limit while the other waits.
        tokio::join!(host.deliver("loop"), host.deliver("loop"))
    };
    let replays = async {
        let (mut tried, mut turned_away) = (0, 0);
        while turned_away == 0 && tried < 1_000 {
            let error = service.replay(&kept.record.id).await.unwrap_err();
            match error.code {
                ErrorCode::Unavailable => turned_away += 1,
                _ => tried += 1,
            }
            tokio::task::yield_now().await;
        }
        (tried, turned_away)
    };
    let (_, (tried, turned_away)) = tokio::join!(busy, replays);
    assert_eq!(turned_away, 1, "this shows nothing");
    let failed = host.failed().await;
    let now = failed.iter().find(|one| one.record.id == kept.record.id);
    assert_eq!(
        now.unwrap().attempts,
        kept.attempts + tried,
        "a replay that nobody looked at counts as a failed one"
    );
}
