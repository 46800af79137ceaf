//! What arrives while somebody looks.

use end_to_end::{NORTHWIND, TOMAS};
use toggl_sandbox::NewEntry;
use toggl_sandbox::control::{DeleteEntry, NameKind, Rename, StartTimer, StopTimer};

use super::{LIVE, Timeline, entry};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_timer_appears_as_it_starts_ticks_and_stops() {
    let timeline = Timeline::start().await;
    let browser = timeline.browser();
    for (place, query) in ["?view=list", "?view=day", ""].into_iter().enumerate() {
        timeline.open(query).await;
        let description = format!("Sketches {place}");
        let timer = StartTimer {
            workspace_id: NORTHWIND,
            user_id: TOMAS,
            description: Some(description.clone()),
            project_id: Some(timeline.project("Exhibition website")),
            ..StartTimer::default()
        };
        timeline.console.setup.toggl().start_timer(timer).unwrap();
        let row = browser.within("listitem", &description);
        row.wait_for_text("Running").await.unwrap();
        row.wait_for_text("Harbour Museum › Exhibition website")
            .await
            .unwrap();
        let time =
            "[...document.querySelectorAll('[data-since]')].map((time) => time.textContent).join()";
        let before = browser.evaluate(time).await.unwrap();
        let ticked = format!("{time} !== {before}");
        browser
            .wait_until("a running timer to tick", &ticked)
            .await
            .unwrap();
        let stop = StopTimer {
            user_id: Some(TOMAS),
            ..StopTimer::default()
        };
        timeline.console.setup.toggl().stop_timer(stop).unwrap();
        row.wait_until_gone("Running").await.unwrap();
        browser
            .wait_until(
                "no timer to tick",
                "!document.querySelector('[data-since]')",
            )
            .await
            .unwrap();
        timeline.assert_not_loaded_again().await;
    }
    timeline.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_new_name_and_a_deletion_reach_the_open_page_and_its_sums() {
    let timeline = Timeline::start().await;
    let browser = timeline.browser();
    let project = timeline.project("Web shop");
    let website = NewEntry {
        project_id: Some(project),
        ..entry(TOMAS, "Checkout", "03T09:00", "03T10:30")
    };
    let gone = timeline.log(website).await;
    timeline
        .log(entry(TOMAS, "Mail", "03T11:00", "03T11:15"))
        .await;
    timeline.open("?view=day&date=2026-03-03").await;
    browser
        .wait_for_text("Bluebird Bikes › Web shop")
        .await
        .unwrap();
    browser.wait_for_text("Total 1:45").await.unwrap();
    let toggl = timeline.console.setup.toggl();
    toggl
        .rename(Rename {
            kind: NameKind::Project,
            id: project,
            name: "Bike shop".into(),
        })
        .unwrap();
    browser
        .wait_for_text("Bluebird Bikes › Bike shop")
        .await
        .unwrap();
    let delete = DeleteEntry {
        entry_id: gone,
        ..DeleteEntry::default()
    };
    toggl.delete_entry(delete).unwrap();
    let row = browser.within("listitem", "Checkout");
    row.wait_for_text("Deleted").await.unwrap();
    browser.wait_for_text("Total 0:15").await.unwrap();
    let struck = browser
        .evaluate("document.querySelector('del').innerText")
        .await;
    assert!(struck.unwrap().as_str().unwrap().contains("Checkout"));
    timeline.assert_not_loaded_again().await;
    timeline.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_page_that_lost_its_stream_goes_on_and_misses_nothing() {
    let mut timeline = Timeline::start().await;
    timeline
        .log(entry(TOMAS, "Before", "03T09:00", "03T10:00"))
        .await;
    timeline.open("?view=list").await;
    timeline.browser().expect_complaint("ERR_").await;
    timeline.console.setup.host.kill().await.unwrap();
    timeline
        .browser()
        .wait_for_text("Reconnecting…")
        .await
        .unwrap();
    timeline.console.setup.restart().await.unwrap();
    // Delivered before the page is back, as likely as not.
    timeline
        .log(entry(TOMAS, "Meanwhile", "03T10:00", "03T11:00"))
        .await;
    timeline.browser().wait_for_text("Meanwhile").await.unwrap();
    timeline.browser().wait_for_text(LIVE).await.unwrap();
    timeline
        .log(entry(TOMAS, "Afterwards", "03T11:00", "03T12:00"))
        .await;
    timeline
        .browser()
        .wait_for_text("Afterwards")
        .await
        .unwrap();
    timeline.assert_not_loaded_again().await;
    let rows = "[...document.querySelectorAll('.entry-text')].map((row) => row.textContent).join()";
    let rows = timeline.browser().evaluate(rows).await.unwrap();
    assert_eq!(
        rows, "Afterwards,Meanwhile,Before",
        "an entry is missing or there twice"
    );
    timeline.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_page_without_a_stream_says_so_and_looks_by_itself() {
    let limits = "[limits]\nconnections_per_source = 400\n";
    let timeline = Timeline::start_configured(limits).await;
    let browser = timeline.browser();
    timeline
        .log(entry(TOMAS, "Before", "03T09:00", "03T10:00"))
        .await;
    let mut streams = Vec::new();
    let host = &timeline.console.setup.host;
    while let Ok(stream) = host
        .request(reqwest::Method::GET, "/activities/stream?after=now")
        .send()
        .await
        .unwrap()
        .error_for_status()
    {
        streams.push(stream);
    }
    browser.expect_complaint("503").await;
    browser.open("/timeline?view=list").await.unwrap();
    browser.wait_for_text("No live updates now").await.unwrap();
    timeline
        .log(entry(TOMAS, "Later", "03T10:00", "03T11:00"))
        .await;
    browser.wait_for_text("Later").await.unwrap();
    drop(streams);
    browser.wait_for_text(LIVE).await.unwrap();
    timeline.finish().await;
}
