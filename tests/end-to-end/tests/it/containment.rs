//! A component that misbehaves is stopped within its limits, is named in the log, leaves nothing behind
//! and costs others nothing.

use std::sync::Arc;
use std::time::Duration;

use end_to_end::hostile::{self, Cage, Export, Log};
use end_to_end::{Embedded, delivery, eventually, finished_entry, isolation};
use integration_host_contract::limits::Limits;
use integration_host_engine::{CallContext, CallError, Engine, LimitKind};
use integration_host_ledger::DeliveryStatus;
use tracing::instrument::WithSubscriber as _;

#[tokio::test]
async fn every_hostile_case_is_contained() {
    let report = hostile::run().await.unwrap();
    println!(
        "hostile-component cases contained {}/{}",
        report.contained, report.total
    );
    assert!(
        report.escaped.is_empty(),
        "{} of {} got out:\n{}",
        report.escaped.len(),
        report.total,
        report.escaped.join("\n")
    );
}

#[tokio::test]
async fn keys_of_the_host_are_out_of_reach() {
    let cage = Cage::new(&Engine::new(Cage::limits(), None).unwrap())
        .await
        .unwrap();
    cage.store("secret/api-token", Some("sealed"))
        .await
        .unwrap();
    let found = cage.attempt(Export::Connect, "leave-scope").await.unwrap();
    assert!(
        !found.contains("secret") && !found.contains("api-token"),
        "it found {found}"
    );
}

#[tokio::test]
async fn who_is_stopped_all_the_time_does_not_fill_the_log() {
    let limits = Limits {
        log_lines_per_minute: 20,
        ..Cage::limits()
    };
    let cage = Cage::new(&Engine::new(limits, None).unwrap())
        .await
        .unwrap();
    let log = Log::default();
    let attacks = async {
        for attempt in ["trap", "flood-log", "other-host"].repeat(50) {
            let _ = cage.attempt(Export::HandleWebhook, attempt).await;
        }
    };
    attacks.with_subscriber(log.dispatch()).await;
    let logged = log.take();
    let lines = logged.lines().count();
    assert!((20..=60).contains(&lines), "{lines} lines:\n{logged}");
    assert!(
        logged.contains("too many lines"),
        "nobody is told that lines are missing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_would_pile_up_are_turned_away() {
    let limits = Limits {
        cpu: Duration::from_millis(50),
        delivery_timeout: Duration::from_secs(60),
        calls_per_connection: 2,
        waiting_calls_per_connection: 4,
        ..Cage::limits()
    };
    let cage = Cage::new(&Engine::new(limits, None).unwrap())
        .await
        .unwrap();
    let calls = (0..20).map(|_| async {
        let call = cage
            .integration
            .handle_webhook(&cage.context, hostile::delivery("loop"));
        call.await.unwrap_err()
    });
    let errors = futures_util::future::join_all(calls).await;
    let count = |limit| {
        errors
            .iter()
            .filter(|error| error.limit() == Some(limit))
            .count()
    };
    assert_eq!(count(LimitKind::Waiting), 14, "{errors:?}");
    assert_eq!(count(LimitKind::Cpu), 6, "{errors:?}");
    assert!(errors.iter().any(|error| matches!(error, CallError::Busy)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_too_many_is_asked_to_come_back() {
    let limits = Limits {
        cpu: Duration::from_secs(60),
        delivery_timeout: Duration::from_secs(60),
        calls_per_connection: 1,
        waiting_calls_per_connection: 1,
        ..Limits::default()
    };
    let engine = Engine::new(limits.clone(), None).unwrap();
    let component = end_to_end::component().unwrap();
    let host = Embedded::builder(&component)
        .limits(limits)
        .engine(&engine)
        .start()
        .await
        .unwrap();
    let (connection, subscription) = host.connect().await.unwrap();
    let post = |secret: &str| {
        let (signature, body) = delivery(secret, &finished_entry(&subscription, 7, 1));
        let request = reqwest::Client::new().post(&subscription.url_callback);
        request
            .header("x-webhook-signature-256", signature)
            .body(body)
            .send()
    };
    assert_eq!(post("a forger's").await.unwrap().status(), 401);

    // Two calls of the same connection that do not end.
    let cage = Cage::new(&engine).await.unwrap();
    let context = CallContext {
        connection: connection.id.clone(),
        ..cage.context
    };
    let integration = Arc::new(cage.integration);
    let calls = [(); 2].map(|()| {
        let (integration, context) = (Arc::clone(&integration), context.clone());
        tokio::spawn(async move {
            let _ = integration
                .handle_webhook(&context, hostile::delivery("loop"))
                .await;
        })
    });
    eventually("it never gets busy", async || {
        integration.is_busy(&connection.id)
    })
    .await
    .unwrap();
    let answer = post(&subscription.secret).await.unwrap();
    assert_eq!(answer.status(), 503, "deliveries would pile up in memory");
    assert!(answer.headers().contains_key("retry-after"));
    let kept = host
        .service
        .deliveries(None, Some(DeliveryStatus::Failed), None, 10)
        .await;
    assert!(
        kept.unwrap().items.is_empty(),
        "a flood of forged deliveries would push out failed genuine ones"
    );
    for call in calls {
        call.abort();
        let _ = call.await;
    }
    eventually("it stays busy for ever", async || {
        !integration.is_busy(&connection.id)
    })
    .await
    .unwrap();
    assert_eq!(
        post(&subscription.secret).await.unwrap().status(),
        200,
        "it stays busy for ever"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures"]
async fn latency_under_attack() {
    for measurement in isolation::measure(4, 150).await.unwrap() {
        println!("{measurement:?}: {:.2}×", measurement.p99_ratio());
    }
}

/// What it costs others is a figure of `cargo xtask chaos`; here, that no delivery of theirs fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_of_others_are_taken_while_one_connection_is_attacked() {
    for measurement in isolation::measure(1, 40).await.unwrap() {
        println!("{measurement:?}: {:.2}×", measurement.p99_ratio());
        assert!(
            measurement.attacks > 0,
            "{} was no attack",
            measurement.attack
        );
    }
}
