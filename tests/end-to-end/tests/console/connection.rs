//! The pages of a connection: how it is, what can be changed, and its end.

use end_to_end::browser::{Browser, Console, Screen};
use end_to_end::{NORTHWIND, Setup, eventually, unlimited_scenario};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use toggl_sandbox::control::{DeleteEntry, SetSubscription, SetToken, SetWorkspace};
use toggl_sandbox::{CallFault, DeliveryFault, NewEntry};

/// What a browser says when a form is shown again because what was sent does not do.
const UNFIT: &str = "status of 422";

/// What it says when a page is not there.
const GONE: &str = "status of 404";

const MARA: i64 = 9_500_001;

/// The console with a connected workspace, and the address of its page.
async fn connected() -> (Console, String) {
    let console = Console::start().await.unwrap();
    let connection = console.setup.connect(NORTHWIND).await.unwrap();
    let page = format!("/connections/{}", connection["id"].as_str().unwrap());
    (console, page)
}

async fn rename(browser: &Browser, name: &str) {
    browser.fill("Name", name).await.unwrap();
    browser.click_button("Save the name").await.unwrap();
}

/// On the page that asks whether to disconnect.
async fn disconnect(browser: &Browser, name: &str) {
    browser.fill("Name of the connection", name).await.unwrap();
    browser.click_button("Disconnect").await.unwrap();
}

/// Has Toggl take this token of the connection's owner, and no other.
fn set_token(setup: &Setup, token: &str) {
    let token = SetToken {
        user_id: MARA,
        token: token.to_owned(),
    };
    setup.toggl().set_token(token).unwrap();
}

async fn connection(setup: &Setup, page: &str) -> Value {
    setup.host.get(page).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn the_overview_says_how_a_connection_is() {
    let (console, page) = connected().await;
    let (setup, browser) = (&console.setup, &console.browser);
    let entry = NewEntry {
        workspace_id: NORTHWIND,
        user_id: MARA,
        ..NewEntry::default()
    };
    setup.toggl().log_time(entry).unwrap();
    setup.settle().await.unwrap();
    setup
        .ensure_healthy(page.trim_start_matches("/connections/"))
        .await
        .unwrap();
    browser.open("/").await.unwrap();
    browser.click_link("Northwind Studio").await.unwrap();
    browser.wait_for_path(&page).await.unwrap();
    let shown = connection(setup, &page).await;
    let mapped = format!(
        "{} of {} mapped",
        shown["users"]["mapped"], shown["users"]["total"]
    );
    for fact in [
        "Working",
        &mapped,
        "Mara Lindqvist",
        "Switched on, validated",
        // A ping and the entry.
        "2 deliveries in the last hour. Most arrived at",
        "(organization), full again",
    ] {
        browser.wait_for_text(fact).await.unwrap();
    }
    let picture = browser.names("image").await.unwrap();
    let picture = picture
        .iter()
        .find(|name| name.contains("2 deliveries in the last hour"));
    assert!(
        picture.is_some(),
        "the chart says nothing to who cannot see it"
    );
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_mark_that_something_is_missing_is_taken_back_with_a_button() {
    let mut scenario = unlimited_scenario();
    // A delivery that fails is lost.
    scenario.delivery.retry_delays_ms = Vec::new();
    let quick =
        "[background]\nupkeep_ms = 700\nretry_ms = 300\nsilence_ms = 1000\nverify_ms = 900\n";
    let setup = Setup::builder()
        .scenario(scenario)
        .configuration(quick)
        .start()
        .await
        .unwrap();
    let made = setup.connect(NORTHWIND).await.unwrap();
    let page = format!("/connections/{}", made["id"].as_str().unwrap());
    let console = Console::start_on(setup).await.unwrap();
    let (setup, browser) = (&console.setup, &console.browser);
    let start = Timestamp::now();
    let entry = NewEntry {
        workspace_id: NORTHWIND,
        user_id: MARA,
        start: Some(start),
        stop: Some(start + SignedDuration::from_mins(1)),
        ..NewEntry::default()
    };
    let entry = setup.toggl().log_time(entry).unwrap().id;
    setup.settle().await.unwrap();
    setup
        .toggl()
        .fail_deliveries(DeliveryFault::Drop { count: 1 });
    let delete = DeleteEntry {
        entry_id: entry,
        ..DeleteEntry::default()
    };
    setup.toggl().delete_entry(delete).unwrap();
    eventually("it is not found", async || {
        setup.activity(entry).await.unwrap()["missing"] == true
    })
    .await
    .unwrap();
    browser.open(&page).await.unwrap();
    browser
        .wait_for_text("One entry is marked as deleted")
        .await
        .unwrap();
    browser.assert_accessible().await.unwrap();
    browser.click_button("Take the marks back").await.unwrap();
    browser
        .wait_for_text("Nothing is marked as deleted any more")
        .await
        .unwrap();
    assert_eq!(setup.activity(entry).await.unwrap()["deleted"], false);
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn beside_a_copy_of_the_host_a_person_decides_with_a_button() {
    let (console, page) = connected().await;
    let (setup, browser) = (&console.setup, &console.browser);
    let own = setup.toggl().subscriptions()[0].clone();
    let (_, hook) = own.url_callback.rsplit_once('/').unwrap();
    let copys = format!("http://127.0.0.1:9/hooks/{hook}");
    // A copy repairs the webhook for itself each time.
    let repair = || {
        let change = SetSubscription {
            subscription_id: own.id,
            url_callback: Some(copys.clone()),
            ..SetSubscription::default()
        };
        setup.toggl().set_subscription(change).unwrap();
    };
    let called = || -> Vec<String> {
        let webhooks = setup.toggl().subscriptions();
        webhooks.into_iter().map(|one| one.url_callback).collect()
    };
    repair();
    let id = page.trim_start_matches("/connections/");
    setup.ensure_healthy(id).await.unwrap();
    repair();
    browser.open(&page).await.unwrap();
    browser.expect_complaint(UNFIT).await;
    browser.click_button("Check now").await.unwrap();
    browser.wait_for_text("Stop one of the two").await.unwrap();
    browser.click_button("Take the webhook over").await.unwrap();
    browser.wait_for_text("Checked just now").await.unwrap();
    assert_eq!(called(), std::slice::from_ref(&own.url_callback));

    repair();
    browser.open(&page).await.unwrap();
    browser.click_button("Check now").await.unwrap();
    browser.wait_for_text("Stop one of the two").await.unwrap();
    browser
        .click_button("Make it a separate connection")
        .await
        .unwrap();
    browser.wait_for_text("Checked just now").await.unwrap();
    let both = called();
    assert!(
        both.len() == 2 && both.contains(&copys) && !both.contains(&own.url_callback),
        "{both:?}"
    );
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_connection_gets_another_name() {
    let (console, page) = connected().await;
    let browser = &console.browser;
    browser.open(&page).await.unwrap();
    assert_eq!(browser.value("Name").await.unwrap(), "Northwind Studio");
    browser.expect_complaint(UNFIT).await;
    let long = "n".repeat(201);
    rename(browser, &long).await;
    browser.wait_for_text("longer than 200").await.unwrap();
    assert_eq!(
        browser.value("Name").await.unwrap(),
        long,
        "what was typed is lost"
    );
    browser.assert_accessible().await.unwrap();
    rename(browser, "Paris office").await;
    browser
        .wait_for_text("The new name is saved.")
        .await
        .unwrap();
    assert_eq!(
        browser.names("heading").await.unwrap()[0],
        "Paris office",
        "the page has the old name"
    );
    assert_eq!(
        connection(&console.setup, &page).await["name"],
        "Paris office"
    );
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_check_says_what_it_found() {
    let (console, page) = connected().await;
    let (setup, browser) = (&console.setup, &console.browser);
    browser.open(&page).await.unwrap();
    browser.click_button("Check now").await.unwrap();
    browser.wait_for_text("the connection works").await.unwrap();

    // What a check repairs needs nobody, and stands in the log.
    let subscription = setup.toggl().subscriptions().remove(0);
    let disabled = SetSubscription {
        subscription_id: subscription.id,
        enabled: Some(false),
        ..SetSubscription::default()
    };
    setup.toggl().set_subscription(disabled).unwrap();
    browser.open(&page).await.unwrap();
    browser.click_button("Check now").await.unwrap();
    browser.wait_for_text("the connection works").await.unwrap();
    browser.click_link("Activity").await.unwrap();
    browser.wait_for_text("Webhook repaired").await.unwrap();
    browser.assert_accessible().await.unwrap();

    // What lasts only a moment is said, and is no attention.
    let fault: CallFault = serde_json::from_value(json!({ "status": 402, "count": 20 })).unwrap();
    setup.toggl().fail_calls(fault);
    browser.open(&page).await.unwrap();
    browser.expect_complaint(UNFIT).await;
    browser.click_button("Check now").await.unwrap();
    browser
        .wait_for_text("The check found a problem.")
        .await
        .unwrap();
    setup.toggl().clear_faults();
    browser.reload().await.unwrap();
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_lost_token_is_noticed_and_a_new_one_puts_it_right() {
    let (console, page) = connected().await;
    let (setup, browser) = (&console.setup, &console.browser);
    let token = "f".repeat(32);
    set_token(setup, &token);
    browser.open(&page).await.unwrap();
    browser.expect_complaint(UNFIT).await;
    browser.click_button("Check now").await.unwrap();
    browser.wait_for_text("Something needs you").await.unwrap();
    browser.wait_for_text("Needs attention").await.unwrap();
    browser.assert_accessible().await.unwrap();
    browser.open("/").await.unwrap();
    browser.wait_for_text("Needs attention").await.unwrap();

    // Who is about to disconnect because of it is shown the better way.
    browser.open(&page).await.unwrap();
    browser.click_link("Disconnect…").await.unwrap();
    browser
        .wait_for_text("could not delete the webhook there")
        .await
        .unwrap();
    browser
        .click_link("Give a new token instead")
        .await
        .unwrap();
    browser.fill("API token", &token).await.unwrap();
    browser.click_button("Replace").await.unwrap();
    browser
        .wait_for_text("uses the new token from now on")
        .await
        .unwrap();
    browser.wait_until_gone("Needs attention").await.unwrap();
    assert_eq!(connection(setup, &page).await["attention"], Value::Null);
    // Where all is well a token may be about to be changed, too.
    browser.open(&page).await.unwrap();
    browser.click_link("Give a new token").await.unwrap();
    browser
        .wait_for_path(&format!("{page}/token"))
        .await
        .unwrap();
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn disconnecting_with_a_refused_token_says_what_stays_and_where() {
    let (console, page) = connected().await;
    let (setup, browser) = (&console.setup, &console.browser);
    let token = "f".repeat(32);
    set_token(setup, &token);
    let name = connection(setup, &page).await["name"].clone();
    let name = name.as_str().unwrap();
    browser.open(&format!("{page}/disconnect")).await.unwrap();
    disconnect(browser, name).await;
    let stays = "stays at Toggl";
    browser.wait_for_text(stays).await.unwrap();
    browser.wait_for_text("under Integrations").await.unwrap();
    browser.assert_accessible().await.unwrap();
    assert_eq!(setup.toggl().subscriptions().len(), 1);

    // The next connection takes it over, also where the plan has room for one alone.
    let body = json!({ "secrets": { "api-token": token }, "scope_id": NORTHWIND.to_string(), "name": null });
    let host = &setup.host;
    let (status, again) = host.call(Method::POST, "/connections", body).await.unwrap();
    assert_eq!(status, StatusCode::CREATED, "{again}");
    assert_eq!(
        setup.toggl().subscriptions().len(),
        1,
        "the webhook is doubled"
    );
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn days_are_read_again_and_the_log_says_what_was_found() {
    let (console, page) = connected().await;
    let browser = &console.browser;
    browser.set_time_zone("Asia/Tokyo").await.unwrap();
    browser.open(&page).await.unwrap();
    browser
        .wait_for_text("Times are in Asia/Tokyo")
        .await
        .unwrap();
    let choose = |from: &str, to: &str| {
        format!(
            "(() => {{ document.getElementById('from').value = '{from}'; \
             document.getElementById('to').value = '{to}' }})()"
        )
    };
    browser.expect_complaint(UNFIT).await;
    let tomorrow = Timestamp::now() + SignedDuration::from_hours(48);
    let tomorrow = tomorrow.strftime("%Y-%m-%d").to_string();
    browser
        .evaluate(&choose(&tomorrow, &tomorrow))
        .await
        .unwrap();
    browser.click_button("Read again").await.unwrap();
    browser
        .wait_for_text("The range is in the future")
        .await
        .unwrap();
    browser
        .evaluate(&choose("2026-03-05", "2026-03-04"))
        .await
        .unwrap();
    browser.click_button("Read again").await.unwrap();
    browser.wait_for_text("before the first").await.unwrap();
    let last_day = "document.getElementById('to').value";
    assert_eq!(
        browser.evaluate(last_day).await.unwrap(),
        "2026-03-04",
        "what was chosen is lost"
    );
    browser
        .evaluate(&choose("2026-03-02", "2026-03-04"))
        .await
        .unwrap();
    browser.click_button("Read again").await.unwrap();
    browser
        .wait_for_text("The days were read again.")
        .await
        .unwrap();
    let said = "From 2 Mar 2026, 00:00 to 5 Mar 2026, 00:00 was read on request";
    browser.wait_for_text(said).await.unwrap();
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn disconnecting_asks_for_the_name() {
    let (console, page) = connected().await;
    let (setup, browser) = (&console.setup, &console.browser);
    browser.open(&page).await.unwrap();
    rename(browser, "Paris   office").await;
    browser.wait_for_text("Paris office").await.unwrap();
    browser.click_link("Disconnect…").await.unwrap();
    browser.wait_for_text("What stays").await.unwrap();
    browser.assert_accessible().await.unwrap();

    browser.expect_complaint(UNFIT).await;
    disconnect(browser, "Rome office").await;
    browser.wait_for_text("not its name").await.unwrap();
    browser.assert_accessible().await.unwrap();
    assert_eq!(
        setup.toggl().subscriptions().len(),
        1,
        "it was disconnected"
    );

    // As the page shows it: a run of spaces as one.
    disconnect(browser, "Paris office").await;
    browser
        .wait_for_text("The connection was disconnected.")
        .await
        .unwrap();
    assert_eq!(setup.toggl().subscriptions().len(), 0, "the webhook stays");
    browser
        .wait_for_text("Nothing is connected yet")
        .await
        .unwrap();
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn disconnecting_with_a_dead_token_says_what_stays_and_the_time_in_between_is_offered() {
    let (console, page) = connected().await;
    let (setup, browser) = (&console.setup, &console.browser);
    set_token(setup, &"f".repeat(32));
    let name = connection(setup, &page).await["name"].clone();
    browser.open(&page).await.unwrap();
    assert!(browser.has("link", "Give a new token").await.unwrap());
    browser.click_link("Disconnect…").await.unwrap();
    disconnect(browser, name.as_str().unwrap()).await;
    browser.wait_for_text("stays at Toggl").await.unwrap();
    browser.wait_for_text("under Integrations").await.unwrap();
    browser.assert_accessible().await.unwrap();

    set_token(setup, setup.sandbox.token());
    setup.connect(NORTHWIND).await.unwrap();
    browser.open(&page).await.unwrap();
    browser
        .wait_for_text("What was logged then is not here.")
        .await
        .unwrap();
    browser.assert_accessible().await.unwrap();
    browser.click_button("Read that time").await.unwrap();
    browser.wait_for_text("was read on request").await.unwrap();
    browser.open(&page).await.unwrap();
    assert!(!browser.has("button", "Read that time").await.unwrap());
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_page_of_a_connection_that_is_gone_says_so() {
    let (console, page) = connected().await;
    let (setup, browser) = (&console.setup, &console.browser);
    browser.open(&page).await.unwrap();
    let gone = setup.host.call(Method::DELETE, &page, Value::Null).await;
    assert_eq!(gone.unwrap().0, StatusCode::NO_CONTENT);
    browser.expect_complaint(GONE).await;
    rename(browser, "Too late").await;
    browser
        .wait_for_text("This connection is gone")
        .await
        .unwrap();
    browser.assert_accessible().await.unwrap();
    for tab in [
        "",
        "/users",
        "/activity",
        "/deliveries",
        "/disconnect",
        "/token",
    ] {
        browser.open(&format!("{page}{tab}")).await.unwrap();
        browser
            .wait_for_text("This connection is gone")
            .await
            .unwrap();
    }
    browser.click_link("To the services").await.unwrap();
    browser.wait_for_path("/").await.unwrap();
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn names_are_text_however_long_and_whatever_they_say() {
    let (console, page) = connected().await;
    let (setup, browser) = (&console.setup, &console.browser);
    let script =
        "<script>document.title='owned'</script><img src=x onerror=document.title='owned'>";
    let workspace = SetWorkspace {
        workspace_id: NORTHWIND,
        name: Some(format!("{script}{}", "w".repeat(100))),
        ..SetWorkspace::default()
    };
    setup.toggl().set_workspace(workspace).unwrap();
    browser.show_on(Screen::NARROW).await.unwrap();
    browser.open(&page).await.unwrap();
    let name = format!("{script}{}", "n".repeat(200 - script.len()));
    rename(browser, &name).await;
    browser
        .wait_for_text("The new name is saved.")
        .await
        .unwrap();
    browser.click_button("Check now").await.unwrap();
    browser.wait_for_text("wwwwwwwwww").await.unwrap();
    for tab in ["", "/users", "/activity", "/deliveries", "/disconnect"] {
        browser.open(&format!("{page}{tab}")).await.unwrap();
        browser.wait_for_text("<script>document").await.unwrap();
        let title = browser.title().await.unwrap();
        assert!(
            !title.starts_with("owned"),
            "a script ran on {tab}: {title}"
        );
        browser.assert_fits_width().await.unwrap();
        browser.assert_touchable().await.unwrap();
    }
    console.finish().await.unwrap();
}
