//! The subscription was changed at Toggl behind the host's back.

use serde_json::Value;
use toggl_sandbox::control::SetSubscription;
use toggl_sandbox::model::EventFilter;
use toggl_sandbox::{CallFault, Lie, Lies};

use super::support::{Connected, JONAS, forgetful};

#[tokio::test]
async fn a_subscription_that_was_changed_is_repaired_and_its_gap_read() {
    let connected = Connected::start(forgetful(), "upkeep_ms = 1000\nretry_ms = 500").await;
    let toggl = connected.setup.toggl();
    let cases = [
        (
            "disabled",
            SetSubscription {
                enabled: Some(false),
                ..SetSubscription::default()
            },
        ),
        (
            "deleted",
            SetSubscription {
                deleted: true,
                ..SetSubscription::default()
            },
        ),
        (
            "unvalidated",
            SetSubscription {
                validated: Some(false),
                ..SetSubscription::default()
            },
        ),
        (
            "pointed elsewhere",
            SetSubscription {
                url_callback: Some("http://127.0.0.1:9/elsewhere".into()),
                ..SetSubscription::default()
            },
        ),
        (
            "told to report something else",
            SetSubscription {
                event_filters: Some(vec![EventFilter {
                    entity: "tag".into(),
                    action: "created".into(),
                }]),
                ..SetSubscription::default()
            },
        ),
        (
            "renamed",
            SetSubscription {
                description: Some("Somebody's".into()),
                ..SetSubscription::default()
            },
        ),
    ];
    let rounds = cases.len();
    let asked_for = toggl.subscriptions()[0].event_filters.clone();
    for (round, (what, change)) in (1..).zip(cases) {
        let subscription_id = toggl.subscriptions()[0].id;
        toggl
            .set_subscription(SetSubscription {
                subscription_id,
                ..change
            })
            .unwrap();
        let logged = connected.log_time(JONAS);
        connected.until_logged("subscription-repaired", round).await;
        connected.until_logged("gap-reconciled", round).await;
        assert!(
            connected.has(logged).await,
            "{what}: what was logged meanwhile is lost"
        );
        let subscription = &toggl.subscriptions()[0];
        assert!(
            subscription.enabled && subscription.validated_at.is_some(),
            "{what}: {subscription:?}"
        );
        assert_eq!(subscription.event_filters, asked_for, "{what}");
        connected.assert_live(what).await;
        let connection = connected.connection().await;
        assert_eq!(connection["attention"], Value::Null, "{what}");
        assert_eq!(connection["gap"], Value::Null, "{what}");
    }
    let kinds = connected.kinds().await;
    assert_eq!(
        kinds.len(),
        1 + rounds * 3,
        "nothing else was worth a line: {kinds:?}"
    );
    let metrics = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .get(format!("{}/metrics", connected.setup.host.url))
        .bearer_auth(
            std::fs::read_to_string(connected.setup.options.data.join("admin-token"))
                .unwrap()
                .trim(),
        )
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    for line in [
        format!("integration_gaps_total{{event=\"noticed\"}} {rounds}"),
        format!("integration_gaps_total{{event=\"closed\"}} {rounds}"),
        format!("integration_subscriptions_repaired_total {rounds}"),
    ] {
        assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn what_is_logged_while_toggl_cannot_reach_the_callback_is_read_all_the_same() {
    let connected = Connected::start(forgetful(), "upkeep_ms = 1000\nretry_ms = 500").await;
    let toggl = connected.setup.toggl();
    toggl.fail_calls(CallFault {
        count: 1_000,
        method: Some("PUT".into()),
        path: Some("*/subscriptions/*".into()),
        status: Some(400),
        body: Some(
            "\"URL endpoint https://host.example/hooks/1 request failed with error: i/o timeout\""
                .into(),
        ),
        ..CallFault::default()
    });
    toggl
        .set_subscription(SetSubscription {
            subscription_id: toggl.subscriptions()[0].id,
            url_callback: Some("http://127.0.0.1:9/elsewhere".into()),
            ..SetSubscription::default()
        })
        .unwrap();
    for _ in 0..2 {
        let logged = connected.log_time(JONAS);
        connected
            .until("what was logged is lost", async || {
                connected.has(logged).await
            })
            .await;
    }
    let connection = connected.connection().await;
    assert!(connection["gap"]["reason"].is_string(), "{connection}");
    assert_eq!(
        connection["attention"],
        Value::Null,
        "a proxy that restarts is no reason to call somebody"
    );
    toggl.clear_faults();
    connected.until_logged("subscription-repaired", 1).await;
    connected
        .until("the gap stays open", async || {
            connected.connection().await["gap"] == Value::Null
        })
        .await;
    connected
        .assert_live("after the callback was unreachable")
        .await;
}

#[tokio::test]
async fn a_list_that_is_empty_for_a_while_makes_no_second_webhook() {
    let connected = Connected::start(forgetful(), "upkeep_ms = 500\nretry_ms = 200").await;
    let toggl = connected.setup.toggl();
    toggl.tell_lies(Lies {
        kinds: vec![Lie::Empty],
        for_ms: 4_000,
        ..Lies::default()
    });
    connected.until_logged("gap-noticed", 1).await;
    toggl.tell_the_truth();
    connected
        .until("the gap stays open", async || {
            connected.connection().await["gap"] == Value::Null
        })
        .await;
    assert_eq!(toggl.subscriptions().len(), 1, "a second webhook was made");
    connected.assert_live("after an empty list").await;
}
