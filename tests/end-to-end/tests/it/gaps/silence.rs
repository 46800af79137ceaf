//! Toggl stops delivering and says that all is well.

use toggl_sandbox::DeliveryFault;
use toggl_sandbox::control::SetSubscription;

use super::support::{Connected, JONAS, forgetful};

#[tokio::test]
async fn deliveries_that_silently_stop_are_missed_and_the_subscription_renewed() {
    let connected = Connected::start(forgetful(), "silence_ms = 2000").await;
    let toggl = connected.setup.toggl();
    for _ in 0..12 {
        connected.log_time(JONAS);
    }
    connected.setup.settle().await.unwrap();
    toggl.fail_deliveries(DeliveryFault::Drop { count: 1_000 });
    toggl.clear_requests();
    let lost = connected.log_time(JONAS);
    connected.until_logged("silence-found", 1).await;
    assert!(
        connected.has(lost).await,
        "what was logged in the silence is lost"
    );
    let renewals = toggl
        .requests()
        .into_iter()
        .filter(|request| request.method == "PUT" && request.path.contains("/subscriptions/"))
        .count();
    assert_eq!(renewals, 1, "the silent subscription was left as it was");
    connected.until_logged("gap-reconciled", 1).await;
    toggl.clear_faults();
    connected.assert_live("after the silence").await;
}

#[tokio::test]
async fn a_team_that_rests_is_not_taken_for_silence() {
    let connected = Connected::start(forgetful(), "silence_ms = 500").await;
    let toggl = connected.setup.toggl();
    for _ in 0..12 {
        connected.log_time(JONAS);
    }
    connected.setup.settle().await.unwrap();
    connected
        .until("the silence was not looked into", async || {
            !connected.connection().await["last_reconciled_at"].is_null()
        })
        .await;
    assert_eq!(connected.kinds().await, ["connected"]);
    let renewed = toggl
        .requests()
        .into_iter()
        .any(|request| request.method == "PUT");
    assert!(!renewed, "a working subscription was disturbed");
}

#[tokio::test]
async fn what_a_daily_comparison_finds_renews_the_subscription_at_once() {
    // Too few deliveries to tell a silence by.
    let connected = Connected::start(forgetful(), "verify_ms = 1500\nsilence_ms = 1000").await;
    let toggl = connected.setup.toggl();
    toggl.fail_deliveries(DeliveryFault::Drop { count: 1_000 });
    toggl.clear_requests();
    let lost = connected.log_time(JONAS);
    connected.until_logged("difference-found", 1).await;
    assert!(connected.has(lost).await);
    let renewals = toggl
        .requests()
        .into_iter()
        .filter(|request| request.method == "PUT" && request.path.contains("/subscriptions/"))
        .count();
    assert!(renewals >= 1, "the dead subscription was left as it was");
    toggl.clear_faults();
    connected.assert_live("after the comparison").await;
}

#[tokio::test]
async fn a_secret_that_somebody_changed_is_set_again() {
    let connected = Connected::start(forgetful(), "silence_ms = 2000").await;
    let toggl = connected.setup.toggl();
    for _ in 0..12 {
        connected.log_time(JONAS);
    }
    connected.setup.settle().await.unwrap();
    toggl
        .set_subscription(SetSubscription {
            subscription_id: toggl.subscriptions()[0].id,
            secret: Some("somebody's".into()),
            ..SetSubscription::default()
        })
        .unwrap();
    let refused = connected.log_time(JONAS);
    connected.until_logged("silence-found", 1).await;
    assert!(connected.has(refused).await);
    connected.assert_live("after its secret was changed").await;
}
