//! What arrived, and handling again what failed.

use end_to_end::browser::Console;
use end_to_end::{NORTHWIND, Setup, TOMAS, delivery, finished_entry};
use reqwest::StatusCode;
use serde_json::json;
use toggl_sandbox::NewEntry;
use toggl_sandbox::Scenario;

/// The console of a host that replays nothing by itself, and the address of a connection's deliveries.
async fn connected() -> (Console, String) {
    let mut scenario = Scenario::default();
    scenario.limits.hourly_quota = false;
    let setup = Setup::builder()
        .scenario(scenario)
        .configuration("[limits]\nreplay_attempts = 1\n")
        .start()
        .await;
    let console = Console::start_on(setup.unwrap()).await.unwrap();
    let connection = console.setup.connect(NORTHWIND).await.unwrap();
    let page = format!(
        "/connections/{}/deliveries",
        connection["id"].as_str().unwrap()
    );
    (console, page)
}

/// What the integration keeps, damaged so that no signature can be verified.
pub struct Damage {
    database: rusqlite::Connection,
    intact: Vec<(i64, Vec<u8>)>,
}

impl Damage {
    fn new(setup: &Setup) -> Self {
        let path = setup.options.data.join("host.sqlite");
        let database = rusqlite::Connection::open(path).unwrap();
        let intact = {
            let mut statement = database
                .prepare("SELECT number, value FROM storage_entries WHERE key LIKE 'integration/%'")
                .unwrap();
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
            rows.unwrap().collect::<Result<_, _>>().unwrap()
        };
        let damage = Self { database, intact };
        damage.store(|value| &value[..value.len() - 1]);
        damage
    }

    pub fn repair(&self) {
        self.store(|value| value);
    }

    fn store(&self, form: impl Fn(&[u8]) -> &[u8]) {
        assert!(!self.intact.is_empty());
        for (number, value) in &self.intact {
            let update = "UPDATE storage_entries SET value = ?2 WHERE number = ?1";
            self.database
                .execute(update, (number, form(value)))
                .unwrap();
        }
    }
}

/// Deliveries of so many entries that fail, and what has to be repaired before they can be handled.
pub async fn fail(setup: &Setup, entries: std::ops::Range<u64>) -> Damage {
    let subscription = setup.toggl().subscriptions().remove(0);
    let damage = Damage::new(setup);
    for entry in entries {
        let (signature, body) = delivery(
            &subscription.secret,
            &finished_entry(&subscription, entry, entry),
        );
        let url = &subscription.url_callback;
        let status = setup.host.deliver(url, Some(&signature), body).await;
        assert_eq!(status.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
    }
    damage
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_failed_delivery_is_replayed() {
    let (console, page) = connected().await;
    let (setup, browser) = (&console.setup, &console.browser);
    let damage = fail(setup, 500..501).await;
    browser.open(&page).await.unwrap();
    browser.click_link("Failed").await.unwrap();
    browser
        .wait_for_text("They could not be handled")
        .await
        .unwrap();
    let button = browser.names("button").await.unwrap();
    let button = button
        .iter()
        .find(|name| name.starts_with("Replay delivery"))
        .unwrap_or_else(|| panic!("no failed delivery can be replayed: {button:?}"))
        .clone();
    browser.assert_accessible().await.unwrap();

    // While the reason is still there it stays, and the page says why.
    browser.expect_complaint("status of 422").await;
    browser.click_button(&button).await.unwrap();
    let told = "document.querySelector('[role=alert]')";
    browser
        .wait_until("somebody to be told", told)
        .await
        .unwrap();
    browser.wait_for_text("cannot be read").await.unwrap();
    damage.repair();
    browser.click_button(&button).await.unwrap();
    browser
        .wait_for_text("The delivery was handled.")
        .await
        .unwrap();
    browser
        .wait_for_text("No delivery with this outcome")
        .await
        .unwrap();
    assert_eq!(setup.activity(500).await.unwrap()["title"], json!(["Kept"]));
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn all_failed_deliveries_are_replayed_at_once() {
    let (console, page) = connected().await;
    let (setup, browser) = (&console.setup, &console.browser);
    let damage = fail(setup, 500..503).await;
    browser.open(&page).await.unwrap();
    browser
        .click_button("Replay all failed ones now")
        .await
        .unwrap();
    browser
        .wait_for_text("Some deliveries failed again.")
        .await
        .unwrap();
    damage.repair();
    browser
        .click_button("Replay all failed ones now")
        .await
        .unwrap();
    browser
        .wait_for_text("There are no failed deliveries left.")
        .await
        .unwrap();
    for entry in 500..503 {
        assert_eq!(
            setup.activity(entry).await.unwrap()["title"],
            json!(["Kept"])
        );
    }
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn what_arrives_appears_by_itself_unless_it_is_paused() {
    let (console, page) = connected().await;
    let (setup, browser) = (&console.setup, &console.browser);
    browser.open(&page).await.unwrap();
    browser.wait_for_text("Updates every").await.unwrap();
    // Would be gone if the page were loaded again.
    browser.evaluate("(window.same = true)").await.unwrap();
    let rows = "document.querySelectorAll('tbody tr').length";
    assert_eq!(
        browser.evaluate(rows).await.unwrap(),
        1,
        "only Toggl's ping has arrived"
    );
    let log = |description: &str| {
        let entry = NewEntry {
            workspace_id: NORTHWIND,
            user_id: TOMAS,
            description: Some(description.to_owned()),
            ..NewEntry::default()
        };
        setup.toggl().log_time(entry).unwrap();
    };
    log("First");
    browser
        .wait_until("the delivery", &format!("window.same && {rows} === 2"))
        .await
        .unwrap();

    browser.click_button("Pause").await.unwrap();
    browser.wait_for_text("Paused").await.unwrap();
    log("Second");
    setup.settle().await.unwrap();
    let asked = |requests: Vec<end_to_end::browser::PageRequest>| {
        let part = |url: &str| url.contains("part=true");
        requests.iter().filter(|one| part(&one.url)).count()
    };
    let before = asked(browser.requests().await.unwrap());
    // Brought forward rather than waited for: a paused page asks for nothing.
    browser
        .evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        .await
        .unwrap();
    assert_eq!(browser.evaluate(rows).await.unwrap(), 2, "it is not paused");
    assert_eq!(asked(browser.requests().await.unwrap()), before);
    browser.click_button("Pause").await.unwrap();
    browser
        .wait_until("the delivery", &format!("window.same && {rows} === 3"))
        .await
        .unwrap();
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_long_log_is_read_page_by_page() {
    let (console, page) = connected().await;
    let (setup, browser) = (&console.setup, &console.browser);
    let subscription = setup.toggl().subscriptions().remove(0);
    for entry in 1..=60 {
        let (signature, body) = delivery(
            &subscription.secret,
            &finished_entry(&subscription, entry, entry),
        );
        let url = &subscription.url_callback;
        let status = setup.host.deliver(url, Some(&signature), body).await;
        assert_eq!(status.unwrap(), StatusCode::OK);
    }
    let rows = "document.querySelectorAll('tbody tr').length";
    browser.open(&page).await.unwrap();
    browser.click_link("Accepted").await.unwrap();
    // The page of all deliveries has fifty rows as well.
    browser
        .wait_for_text("They are in the ledger.")
        .await
        .unwrap();
    browser
        .wait_until("fifty rows", &format!("{rows} === 50"))
        .await
        .unwrap();
    browser.click_link("Older").await.unwrap();
    browser
        .wait_until("the other ten", &format!("{rows} === 10"))
        .await
        .unwrap();
    assert!(
        !browser.has("button", "Pause").await.unwrap(),
        "what is old does not change"
    );
    browser.click_link("Newest").await.unwrap();
    browser
        .wait_until("fifty rows", &format!("{rows} === 50"))
        .await
        .unwrap();
    console.finish().await.unwrap();
}
