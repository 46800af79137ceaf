//! Whoever follows the change feed is told when the ledger went back in time, and begins anew.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use end_to_end::{Embedded, HostProcess, NORTHWIND, PATIENCE, Setup, TOMAS, eventually, run_cli};
use futures_util::StreamExt as _;
use integration_host::{FeedError, FeedPlace};
use integration_host_ledger::Ledger;
use integration_host_ledger_sql::SqliteLedger;
use integration_host_seal::{SealingKey, SealingKeys};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use toggl_sandbox::control::StartTimer;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

async fn work(setup: &Setup, entries: usize) {
    for _ in 0..entries {
        let timer = StartTimer {
            workspace_id: NORTHWIND,
            user_id: TOMAS,
            ..StartTimer::default()
        };
        setup.toggl().start_timer(timer).unwrap();
        setup.settle().await.unwrap();
    }
}

/// Everything after a place, and the place at the end.
async fn read(host: &HostProcess, after: &str) -> (Vec<Value>, String) {
    let path = format!("/activities/changes?limit=1000&after={after}");
    let page = host.get(&path).await.unwrap();
    let activities = page["activities"].as_array().unwrap().clone();
    (activities, page["next"].as_str().unwrap().to_owned())
}

async fn ensure_gone(host: &HostProcess, place: &str) {
    let path = format!("/activities/changes?after={place}");
    let (status, problem) = host.call(Method::GET, &path, json!(null)).await.unwrap();
    assert_eq!(
        status,
        StatusCode::GONE,
        "a reader at {place} is not told that it has to begin anew: {problem}"
    );
    assert_eq!(problem["code"], "feed-restarted", "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("from the beginning"), "{detail}");

    let stream = host
        .request(Method::GET, "/activities/stream?after=now")
        .header("Last-Event-ID", place);
    let stream = stream.send().await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    let text = timeout(PATIENCE, stream.text()).await.unwrap().unwrap();
    assert!(text.contains("event: feed-restarted\n"), "{text}");
    assert!(!text.contains("event: activity\n"), "{text}");
}

async fn cli(arguments: &[&str]) {
    let output = run_cli(arguments, &[], Path::new(".")).await.unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
}

#[tokio::test]
async fn after_a_restore_readers_begin_anew_wherever_they_were() {
    let mut setup = Setup::builder().start().await.unwrap();
    setup.connect(NORTHWIND).await.unwrap();
    work(&setup, 3).await;
    let (_, early) = read(&setup.host, "").await;
    let (life, number) = early.split_once('-').unwrap();
    // As places were given out before they named a life.
    let (rest, named) = read(&setup.host, number).await;
    assert_eq!((rest.len(), &named), (0, &early));
    ensure_gone(&setup.host, "1000000").await;
    ensure_gone(&setup.host, &format!("{life}-1000000")).await;

    let file = setup.folder.path().join("backup.sqlite");
    let file = file.display().to_string();
    let data = setup.options.data.display().to_string();
    let url = setup.host.url.clone();
    cli(&["backup", &file, "--host", &url, "--data", &data]).await;
    work(&setup, 3).await;
    let (_, late) = read(&setup.host, "").await;
    setup.host.kill().await.unwrap();

    let key = setup.options.data.join("sealing-key").display().to_string();
    let restored = setup.folder.path().join("restored");
    let data = restored.display().to_string();
    cli(&[
        "restore",
        &file,
        "--data",
        &data,
        "--sealing-key-file",
        &key,
    ])
    .await;
    setup.options.data = restored;
    setup.restart().await.unwrap();
    for place in [&early, &late, number] {
        ensure_gone(&setup.host, place).await;
    }
    // What the restored ledger grows to is beyond the places of before.
    work(&setup, 6).await;
    for place in [&early, &late, number] {
        ensure_gone(&setup.host, place).await;
    }
    let (all, next) = read(&setup.host, "").await;
    assert!(!all.is_empty());
    let (again, _) = read(&setup.host, "0").await;
    assert_eq!(again.len(), all.len(), "the beginning is always valid");
    work(&setup, 1).await;
    let (new, _) = read(&setup.host, &next).await;
    assert!(!new.is_empty() && new.len() < all.len());
}

#[tokio::test]
async fn a_ledger_that_is_restored_under_a_running_host_is_noticed_by_those_who_follow() {
    let setup = Setup::builder().start().await.unwrap();
    setup.connect(NORTHWIND).await.unwrap();
    work(&setup, 2).await;
    let (before, place) = read(&setup.host, "").await;
    let path = format!("/activities/stream?after={place}");
    let mut stream = setup.host.request(Method::GET, &path).send().await.unwrap();
    let data = setup.options.data.display().to_string();
    let mut follower = Command::new(end_to_end::host_program().unwrap())
        .args(["activities", "--follow", "--json", "--unmapped"])
        .args(["--host", &setup.host.url, "--data", &data])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut shown = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut told = BufReader::new(follower.stderr.take().unwrap()).lines();
    // It follows once it shows something.
    eventually("it never follows", async || {
        work(&setup, 1).await;
        let line = timeout(Duration::from_secs(2), shown.next_line())
            .await
            .ok()?;
        assert!(line.unwrap().is_some(), "the follower ended");
        Some(())
    })
    .await
    .unwrap();

    cli(&["restored", "--data", &data]).await;
    let text = timeout(PATIENCE, rest(&mut stream)).await.unwrap();
    assert!(text.contains("event: feed-restarted\n"), "{text}");
    let says = async {
        loop {
            let line = told.next_line().await.unwrap().unwrap();
            if line.contains("restored") {
                break;
            }
        }
    };
    timeout(PATIENCE, says)
        .await
        .expect("the follower says nothing");
    // It was there before the follower was, and did not change since.
    let first = before[0]["source"]["entry_id"].as_str().unwrap();
    let begins_anew = async { while !shown.next_line().await.unwrap().unwrap().contains(first) {} };
    (timeout(PATIENCE, begins_anew).await).expect("the follower does not begin anew");
    ensure_gone(&setup.host, &place).await;
}

/// What an embedding platform does, which takes activities into a table of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_pages_tells_each_change_from_any_place_until_the_feed_begins_anew() {
    let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::in_memory().unwrap());
    let keys = Arc::new(SealingKeys::new(SealingKey::generate()));
    let component = end_to_end::component().unwrap();
    let embedded = Embedded::builder(&component)
        .ledger(Arc::clone(&ledger), keys)
        .start();
    let embedded = embedded.await.unwrap();
    embedded.connect().await.unwrap();
    let toggl = embedded.sandbox.control();
    let start = || {
        let timer = StartTimer {
            workspace_id: NORTHWIND,
            user_id: TOMAS,
            ..StartTimer::default()
        };
        toggl.start_timer(timer).unwrap().id.to_string()
    };
    let follow = |place| Box::pin(embedded.service.follow(place));
    let mut told = follow(FeedPlace::BEGINNING);
    let mut places = Vec::new();
    for _ in 0..2 {
        let entry = start();
        // Starting a timer stops the one before, which is told as well.
        while places.last().is_none_or(|(last, _)| *last != entry) {
            let page = timeout(PATIENCE, told.next()).await.unwrap();
            let page = page.unwrap().unwrap();
            let last = page.activities.last().expect("a page is never empty");
            places.push((last.entry_id.clone(), page.next));
        }
    }
    // Another reader that comes back to the first place is told the rest again.
    let mut again = follow(places[0].1.clone());
    let page = timeout(PATIENCE, again.next()).await.unwrap();
    let page = page.unwrap().unwrap();
    let end = &places.last().unwrap().1;
    assert_eq!((&page.next, page.activities.is_empty()), (end, false));

    ledger.begin_life().await.unwrap();
    let last = timeout(PATIENCE, told.next()).await.unwrap();
    assert!(matches!(last, Some(Err(FeedError::Restarted))), "{last:?}");
    assert!(told.next().await.is_none(), "it goes on");
    drop((told, again));
    embedded.service.stop().await;
}

async fn rest(stream: &mut Response) -> String {
    let mut text = String::new();
    while let Some(chunk) = stream.chunk().await.unwrap() {
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    text
}
