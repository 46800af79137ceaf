//! Whether a page is whole, and what it says if it is not.

use end_to_end::Setup;
use end_to_end::browser::Console;
use reqwest::Method;
use serde_json::{Value, json};
use toggl_sandbox::CallFault;
use toggl_sandbox::control::{SetSubscription, SetToken};

use super::{JONAS, LIVE, MARA, Timeline, entry};

/// How the mark beside the words is drawn.
async fn mark(timeline: &Timeline) -> Value {
    let state = "document.querySelector('.live').dataset.state";
    timeline.browser().evaluate(state).await.unwrap()
}

async fn check(timeline: &Timeline) {
    let path = format!("/connections/{}/check", timeline.id);
    let host = &timeline.console.setup.host;
    host.call(Method::POST, &path, Value::Null).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn nothing_is_live_where_nothing_is_connected() {
    let setup = Setup::builder().unlimited().start().await.unwrap();
    let console = Console::start_on(setup).await.unwrap();
    let browser = &console.browser;
    browser.open("/timeline").await.unwrap();
    let nothing = "Nothing is connected here, so no new entries arrive.";
    browser.wait_for_text(nothing).await.unwrap();
    assert!(!browser.text().await.unwrap().contains("Live"));
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_refused_token_is_told_on_the_open_page_and_after_the_end_nothing_is_live() {
    let timeline = Timeline::start().await;
    let (browser, setup) = (timeline.browser(), &timeline.console.setup);
    timeline.open("").await;
    assert_eq!(mark(&timeline).await, "live");
    let lost = SetToken {
        user_id: MARA,
        token: "f".repeat(32),
    };
    setup.toggl().set_token(lost).unwrap();
    check(&timeline).await;
    // Whatever arrives brings the page up to date; without that it looks once a minute.
    timeline
        .log(entry(MARA, "Later", "03T09:00", "03T10:00"))
        .await;
    setup
        .toggl()
        .start_timer(toggl_sandbox::control::StartTimer {
            workspace_id: end_to_end::NORTHWIND,
            user_id: MARA,
            ..Default::default()
        })
        .unwrap();
    browser
        .wait_for_text("needs somebody, and entries may be missing")
        .await
        .unwrap();
    browser
        .wait_for_text("Live, but some entries may be missing")
        .await
        .unwrap();
    assert_eq!(
        mark(&timeline).await,
        "partial",
        "it looks as if all were well"
    );
    timeline.assert_not_loaded_again().await;
    browser.assert_accessible().await.unwrap();
    browser.click_link("Give a new token").await.unwrap();
    browser
        .wait_for_path(&format!("/connections/{}/token", timeline.id))
        .await
        .unwrap();

    let path = format!("/connections/{}", timeline.id);
    setup
        .host
        .call(Method::DELETE, &path, Value::Null)
        .await
        .unwrap();
    browser.open("/timeline?view=list").await.unwrap();
    browser
        .wait_for_text("Nothing is connected any more")
        .await
        .unwrap();
    browser
        .wait_for_text("Nothing is connected here")
        .await
        .unwrap();
    assert_eq!(mark(&timeline).await, "nothing");
    timeline.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_gap_is_told_until_it_was_read() {
    let timeline = Timeline::start().await;
    let (browser, toggl) = (timeline.browser(), timeline.console.setup.toggl());
    let fault = json!({ "path": "/reports/api/v3/*", "status": 503, "count": 100 });
    toggl.fail_calls(serde_json::from_value::<CallFault>(fault).unwrap());
    let subscription = toggl.subscriptions().remove(0);
    let off = SetSubscription {
        subscription_id: subscription.id,
        enabled: Some(false),
        ..SetSubscription::default()
    };
    toggl.set_subscription(off).unwrap();
    check(&timeline).await;
    browser.open("/timeline").await.unwrap();
    browser
        .wait_for_text("may be missing. They are being read.")
        .await
        .unwrap();
    browser
        .wait_for_text("Live, but some entries may be missing")
        .await
        .unwrap();
    browser.click_link("See how far that is").await.unwrap();
    browser.wait_for_text("Catching up").await.unwrap();
    timeline.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn entries_that_are_not_shown_are_spoken_of() {
    let timeline = Timeline::start().await;
    let browser = timeline.browser();
    timeline
        .log(entry(MARA, "Mapped", "03T09:00", "03T10:00"))
        .await;
    let said = "Entries of people who are mapped to no user are not shown.";
    timeline.open("?date=2026-03-03").await;
    assert!(
        !browser.text().await.unwrap().contains(said),
        "nobody is hidden"
    );
    timeline
        .log(entry(JONAS, "Hidden", "03T09:00", "03T10:00"))
        .await;
    for view in ["week", "day", "list"] {
        timeline
            .open(&format!("?view={view}&date=2026-03-03"))
            .await;
        browser.wait_for_text(said).await.unwrap();
    }
    // Of another week, and of somebody alone, nothing is hidden.
    for query in ["?date=2026-03-17", "?date=2026-03-03&person=u-mara"] {
        timeline.open(query).await;
        assert!(!browser.text().await.unwrap().contains(said), "{query}");
    }
    timeline.open("?date=2026-03-03").await;
    browser.click_link("Show them too").await.unwrap();
    browser
        .wait_until("their time", "location.search.includes('unmapped=show')")
        .await
        .unwrap();
    browser.wait_for_text("Hidden").await.unwrap();
    browser.wait_for_text(LIVE).await.unwrap();
    assert!(!browser.text().await.unwrap().contains(said));
    timeline.finish().await;
}
