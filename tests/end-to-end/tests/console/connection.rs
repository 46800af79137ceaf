//! The pages of a connection: how it is, what can be changed, and its end.

use end_to_end::browser::{Browser, Console, Screen};
use end_to_end::{NORTHWIND, Setup};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use toggl_sandbox::CallFault;
use toggl_sandbox::NewEntry;
use toggl_sandbox::control::{SetSubscription, SetToken, SetWorkspace};

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
    let text = browser.text().await.unwrap();
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
        assert!(text.contains(fact), "“{fact}” is not in: {text}");
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
    let lost = SetToken {
        user_id: MARA,
        token: token.clone(),
    };
    setup.toggl().set_token(lost).unwrap();
    browser.open(&page).await.unwrap();
    browser.expect_complaint(UNFIT).await;
    browser.click_button("Check now").await.unwrap();
    browser.wait_for_text("Something needs you").await.unwrap();
    browser.wait_for_text("Needs attention").await.unwrap();
    browser.assert_accessible().await.unwrap();
    browser.open("/").await.unwrap();
    browser.wait_for_text("Needs attention").await.unwrap();

    browser.open(&page).await.unwrap();
    browser.click_link("Give a new token").await.unwrap();
    browser.fill("API token", &token).await.unwrap();
    browser.click_button("Replace").await.unwrap();
    browser.wait_for_path_below(&page).await.unwrap();
    browser.wait_until_gone("Needs attention").await.unwrap();
    assert_eq!(connection(setup, &page).await["attention"], Value::Null);
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn days_are_read_again_and_the_log_says_what_was_found() {
    let (console, page) = connected().await;
    let browser = &console.browser;
    browser.open(&page).await.unwrap();
    let choose = |from: &str, to: &str| {
        format!(
            "(() => {{ document.getElementById('from').value = '{from}'; \
             document.getElementById('to').value = '{to}' }})()"
        )
    };
    browser.expect_complaint(UNFIT).await;
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
    browser.wait_for_text("was read on request").await.unwrap();
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
    browser
        .fill("Name of the connection", "Rome office")
        .await
        .unwrap();
    browser.click_button("Disconnect").await.unwrap();
    browser.wait_for_text("not its name").await.unwrap();
    browser.assert_accessible().await.unwrap();
    assert_eq!(
        setup.toggl().subscriptions().len(),
        1,
        "it was disconnected"
    );

    // As the page shows it: a run of spaces as one.
    browser
        .fill("Name of the connection", "Paris office")
        .await
        .unwrap();
    browser.click_button("Disconnect").await.unwrap();
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
