//! The console's pages, as a browser and the network see them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use end_to_end::browser::{Browser, Console, PageRequest, sign_in_path};
use end_to_end::large_ledger::{Shape, fill_data};
use end_to_end::{NORTHWIND, Setup, TOMAS, delivery};
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use serde_json::{Value, json};
use toggl_sandbox::model::Subscription;

use super::{median, print};

/// Every page that has data; `{id}` stands for the connection.
const PAGES: [(&str, &str); 7] = [
    ("services", "/"),
    ("connect", "/connect"),
    ("overview", "/connections/{id}"),
    ("users", "/connections/{id}/users"),
    ("activity", "/connections/{id}/activity"),
    ("deliveries", "/connections/{id}/deliveries"),
    ("timeline", "/timeline"),
];

const VISITS: usize = 9;
const DELIVERIES: u64 = 50;
const ANSWERS: usize = 21;

/// Notes when each entry of this measurement is on the screen: in the frame that shows it.
const WATCH: &str = "
    globalThis.seen = {};
    const note = (text) => requestAnimationFrame(() => {
        for (const [, number] of text.matchAll(/Live entry (\\d+)\\./g))
            seen[number] ??= performance.timeOrigin + performance.now();
    });
    new MutationObserver((changes) => {
        for (const { target, addedNodes } of changes) {
            note(target.textContent);
            for (const node of addedNodes) note(node.textContent);
        }
    }).observe(document.body, { childList: true, subtree: true, characterData: true });";

pub async fn measure() -> Result<()> {
    let console = Console::start().await?;
    let connection = console.setup.connect(NORTHWIND).await?;
    let id = connection
        .get("id")
        .and_then(Value::as_str)
        .context("no connection")?
        .to_owned();
    for (name, path) in PAGES {
        visit(&console.browser, name, &path.replace("{id}", &id)).await?;
    }
    watch(&console).await?;
    let Console { mut setup, browser } = console;
    browser.finish().await?;
    answers(&mut setup, &id).await
}

/// How soon a page is painted, and what it costs whoever comes for the first time.
async fn visit(browser: &Browser, name: &str, path: &str) -> Result<()> {
    let painted = "performance.getEntriesByName('first-contentful-paint')[0]";
    let mut times = Vec::new();
    for _ in 0..VISITS {
        browser.open(path).await?;
        browser.wait_until("the first paint", painted).await?;
        let time = browser.evaluate(&format!("{painted}.startTime")).await?;
        times.push((time.as_f64().context("no time")? * 10.0) as u64);
    }
    let figure = format!("{:.1} ms", median(times) as f64 / 10.0);
    print(
        &format!("{name}, first contentful paint (median)"),
        figure,
        "≤ 100 ms",
    );
    browser.set_cache(false).await?;
    let before = browser.requests().await?.len();
    browser.open(path).await?;
    let loaded = "document.readyState === 'complete'";
    browser.wait_until("the whole page", loaded).await?;
    let requests = browser.requests().await?;
    let sent: Vec<&PageRequest> = requests.iter().skip(before).collect();
    ensure!(
        sent.iter().all(|request| request.status < 400),
        "{path} answers with an error: {sent:?}"
    );
    browser.set_cache(true).await?;
    let bytes: u64 = sent.iter().map(|request| request.bytes).sum();
    let figure = format!("{:.1} kB", bytes as f64 / 1000.0);
    print("  transferred, nothing cached", figure, "≤ 60 kB");
    Ok(())
}

/// From the answer to a delivery until it is on a screen.
async fn watch(console: &Console) -> Result<()> {
    let (setup, browser) = (&console.setup, &console.browser);
    let subscriptions = setup.toggl().subscriptions();
    let subscription = subscriptions.first().context("nothing is subscribed")?;
    browser.open("/timeline?view=list").await?;
    browser.wait_for_text("Live: new entries").await?;
    browser.driver().execute(WATCH, vec![]).await?;
    let mut answered = Vec::new();
    for number in 0..DELIVERIES {
        let (signature, body) = delivery(&subscription.secret, &entry(number, subscription));
        let status = setup
            .host
            .deliver(&subscription.url_callback, Some(&signature), body)
            .await?;
        answered.push(SystemTime::now().duration_since(UNIX_EPOCH)?);
        ensure!(status.is_success(), "a delivery was answered with {status}");
        let shown = format!("seen[{number}]");
        browser.wait_until("a live entry", &shown).await?;
    }
    let seen = browser.evaluate("seen").await?;
    let mut delays = Vec::new();
    for (number, answered) in answered.iter().enumerate() {
        let seen = seen
            .get(number.to_string())
            .and_then(Value::as_f64)
            .context("an entry is missing")?;
        delays.push((seen - answered.as_secs_f64() * 1e3).max(0.0) as u64);
    }
    delays.sort_unstable();
    let slow = delays
        .get(delays.len() * 95 / 100)
        .copied()
        .unwrap_or_default();
    let figure = format!("{} ms", median(delays));
    print(
        "delivery, acknowledged to visible (median)",
        figure,
        "≤ 100 ms",
    );
    print("  95 of 100 within", format!("{slow} ms"), "≤ 100 ms");
    Ok(())
}

/// A finished entry, as Toggl delivers it.
fn entry(number: u64, subscription: &Subscription) -> Value {
    let stop = Timestamp::now();
    let start = stop - SignedDuration::from_mins(1);
    let id = 3_900_000_000 + number;
    json!({
        "event_id": 8_990_000_000_000_000 + number, "created_at": stop.to_string(), "creator_id": TOMAS,
        "metadata": { "action": "created", "model": "time_entry",
            "workspace_id": NORTHWIND.to_string(), "time_entry_id": id.to_string() },
        "payload": {
            "at": stop.to_string(), "billable": false, "description": format!("Live entry {number}."),
            "duration": 60, "id": id, "project_id": null, "start": start.to_string(),
            "stop": stop.to_string(), "tags": ["live"], "user_id": TOMAS, "workspace_id": NORTHWIND
        },
        "subscription_id": subscription.id, "timestamp": stop.to_string(),
        "url_callback": subscription.url_callback
    })
}

/// How soon the server answers with a large company in its ledger.
async fn answers(setup: &mut Setup, id: &str) -> Result<()> {
    setup.host.terminate().await?;
    let started = Instant::now();
    fill_data(&setup.options.data, &Shape::company(Timestamp::now())).await?;
    let figure = format!("{:.0} s", started.elapsed().as_secs_f64());
    print("a large company's ledger, filled in", figure, "");
    setup.restart().await?;
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let url = |path: &str| format!("{}{path}", setup.host.url);
    let link = sign_in_path(setup).await?;
    let (_, code) = link.split_once('?').context("a link without a code")?;
    let signed_in = client
        .post(url("/sign-in"))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(code.to_owned())
        .send()
        .await?;
    let cookie = signed_in
        .headers()
        .get(SET_COOKIE)
        .context("not signed in")?
        .to_str()?;
    let cookie = cookie.split(';').next().unwrap_or_default();
    let users = format!("/connections/{id}/users");
    for (what, path) in [
        ("users tab, 10,000 members", users.clone()),
        ("  searched", format!("{users}?search=son+01")),
        (
            "timeline, 1,000,000 activities, week",
            "/timeline?view=week".to_owned(),
        ),
        ("  day", "/timeline?view=day".to_owned()),
        ("  list", "/timeline?view=list".to_owned()),
    ] {
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..ANSWERS {
            let sent = Instant::now();
            let answer = client.get(url(&path)).header(COOKIE, cookie).send().await?;
            ensure!(answer.status().is_success(), "{path}: {}", answer.status());
            answer.bytes().await?;
            times.push(sent.elapsed());
        }
        let figure = format!("{:.1} ms", median(times).as_secs_f64() * 1e3);
        print(&format!("{what}, answered (median)"), figure, "≤ 50 ms");
    }
    Ok(())
}
