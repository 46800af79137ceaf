//! A gap of more pages than a quota window has.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;
use toggl_sandbox::control::SetSubscription;
use toggl_sandbox::scenario::Plan;
use toggl_sandbox::{DeliveryFault, Scenario};

use super::support::{Connected, JONAS};

const PAGES: usize = 13;

#[tokio::test]
async fn a_gap_goes_on_in_the_next_quota_window_where_it_stopped() {
    let mut scenario = Scenario::default();
    scenario.limits.quota_window_seconds = 45;
    scenario.delivery.retry_delays_ms = Vec::new();
    for organization in &mut scenario.organizations {
        organization.plan = Plan::Free;
    }
    let mut connected = Connected::start(scenario, "start_delay_ms = 50").await;
    connected.setup.settle().await.unwrap();
    let toggl = connected.setup.toggl().clone();
    toggl.fail_deliveries(DeliveryFault::Drop { count: 1_000_000 });
    let mut entries = BTreeSet::new();
    for _ in 0..PAGES * 200 {
        entries.insert(connected.log_time(JONAS));
    }
    connected.setup.settle().await.unwrap();
    let subscription = toggl.state().subscriptions[0].id;
    toggl
        .set_subscription(SetSubscription {
            subscription_id: subscription,
            enabled: Some(false),
            ..SetSubscription::default()
        })
        .unwrap();
    toggl.clear_requests();
    let check = format!("/connections/{}/check", connected.id);
    let (_, health) = connected
        .setup
        .host
        .call(Method::POST, &check, Value::Null)
        .await
        .unwrap();
    assert_eq!(health["healthy"], true, "{health}");

    let pages = || {
        let requests = toggl.requests();
        let pages = requests.iter().filter(|request| {
            request.path.contains("/search/time_entries") && request.status == 200
        });
        pages.count()
    };
    connected
        .until("the gap is not read", async || pages() >= 4)
        .await;
    connected.setup.host.kill().await.unwrap();
    connected.setup.restart().await.unwrap();
    connected.until_logged("gap-reconciled", 1).await;

    let mut page = "/activities?include=unmapped&limit=1000".to_owned();
    loop {
        let list = connected.setup.host.get(&page).await.unwrap();
        for activity in list["activities"].as_array().unwrap() {
            let entry = activity["source"]["entry_id"].as_str().unwrap();
            entries.remove(&entry.parse().unwrap());
        }
        let Some(next) = list["next"].as_str() else {
            break;
        };
        page = format!("/activities?include=unmapped&limit=1000&cursor={next}");
    }
    assert_eq!(entries.len(), 0, "what the gap held is not all there");
    let refused = toggl
        .requests()
        .iter()
        .filter(|one| one.status == 402)
        .count();
    assert_eq!(
        refused, 0,
        "the quota was used up although a third is for people"
    );
    // A page may be read twice that was not kept when the host was killed, and what runs is looked up at the end.
    let read = pages();
    assert!(
        read <= PAGES + 6,
        "{read} pages were read of {PAGES}: it began again at the first one"
    );
}
