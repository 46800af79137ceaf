//! What an address shows, and shows again.

use end_to_end::TOMAS;
use serde_json::{Value, json};
use toggl_sandbox::NewEntry;

use super::{LIVE, MARA, Timeline, entry, open_filters};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn filters_show_what_they_say_and_their_address_shows_it_again() {
    let timeline = Timeline::start().await;
    let browser = timeline.browser();
    let billable = NewEntry {
        project_id: Some(timeline.project("Visitor app")),
        tags: vec!["design".into(), "déjà vu & more".into()],
        billable: Some(true),
        ..entry(TOMAS, "Audio guide", "03T09:00", "03T10:30")
    };
    timeline.log(billable).await;
    timeline
        .log(entry(MARA, "Mail to the museum", "03T09:00", "03T09:20"))
        .await;
    timeline
        .log(entry(TOMAS, "Lunch", "03T12:00", "03T12:45"))
        .await;
    timeline.open("?view=list&date=2026-03-05").await;
    // Names come after the entries, as fast as the remote service is asked.
    browser.wait_for_text("Harbour Museum").await.unwrap();
    let choices = [
        ("Tag", "déjà vu & more (1)", "Tag: déjà vu & more"),
        ("Person", "Tomás Herrera (2)", "Person: Tomás Herrera"),
        (
            "Client, project or task",
            "Harbour Museum (1)",
            "Harbour Museum",
        ),
        ("Billable", "Billable", "Billable"),
    ];
    for (field, option, chip) in choices {
        browser
            .open("/timeline?view=list&date=2026-03-05")
            .await
            .unwrap();
        open_filters(browser).await;
        browser.choose(field, option).await.unwrap();
        browser.click_button("Show").await.unwrap();
        let chip = format!("Remove the filter {chip}");
        browser.control("link", &chip).await.unwrap();
        let shown = browser.within("main", "Timeline");
        shown.wait_for_text("Audio guide").await.unwrap();
        shown.wait_until_gone("Mail to the museum").await.unwrap();
        let path = browser.path().await.unwrap();
        assert!(
            !path.contains("=&") && !path.ends_with('='),
            "{path} names what was not chosen"
        );
        browser.reload().await.unwrap();
        shown.wait_for_text("Audio guide").await.unwrap();
        assert_eq!(browser.path().await.unwrap(), path);
        browser.click_link(&chip).await.unwrap();
        shown.wait_for_text("Mail to the museum").await.unwrap();
    }
    open_filters(browser).await;
    browser.fill("Text", "MUSEUM").await.unwrap();
    browser.click_button("Show").await.unwrap();
    let shown = browser.within("main", "Timeline");
    shown.wait_until_gone("Lunch").await.unwrap();
    // In the description of one and in the client of the other.
    let text = shown.text().await.unwrap();
    assert!(
        text.contains("Audio guide") && text.contains("Mail to the museum"),
        "{text}"
    );
    // What arrives and does not match stays out; what matches comes in.
    browser.wait_for_text(LIVE).await.unwrap();
    timeline
        .log(entry(TOMAS, "Elsewhere", "03T13:00", "03T14:00"))
        .await;
    timeline
        .log(entry(TOMAS, "To the museum", "03T14:00", "03T15:00"))
        .await;
    shown.wait_for_text("To the museum").await.unwrap();
    assert!(!shown.text().await.unwrap().contains("Elsewhere"));
    browser
        .open("/timeline?view=list&text=nowhere")
        .await
        .unwrap();
    browser.click_link("Clear the filters").await.unwrap();
    browser.wait_for_path("/timeline?view=list").await.unwrap();
    timeline.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn an_entry_is_on_the_day_of_whoever_looks() {
    let timeline = Timeline::start().await;
    let browser = timeline.browser();
    timeline
        .log(entry(TOMAS, "Late", "02T23:15", "02T23:45"))
        .await;
    browser.set_time_zone("UTC").await.unwrap();
    timeline.open("?view=day&date=2026-03-02").await;
    browser.wait_for_text("23:15 – 23:45").await.unwrap();
    browser.set_time_zone("Asia/Tokyo").await.unwrap();
    browser
        .open("/timeline?view=day&date=2026-03-02")
        .await
        .unwrap();
    browser
        .wait_for_text("Times are in Asia/Tokyo.")
        .await
        .unwrap();
    browser
        .wait_for_text("Nothing was logged in this day")
        .await
        .unwrap();
    browser.click_link("Go there").await.unwrap();
    browser
        .wait_for_path("/timeline?view=day&date=2026-03-03")
        .await
        .unwrap();
    browser.wait_for_text("08:15 – 08:45").await.unwrap();
    let csv = timeline
        .fetch("/timeline/export.csv?view=day&date=2026-03-03")
        .await;
    assert!(csv.contains("2026-03-03T08:15:00+09:00"), "{csv}");
    timeline.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_week_adds_up_and_leads_to_the_days() {
    let timeline = Timeline::start().await;
    let browser = timeline.browser();
    browser.set_time_zone("Europe/Berlin").await.unwrap();
    let project = Some(timeline.project("Visitor app"));
    // From Saturday 23:30 to Sunday 03:30 of the night in which the clock goes forward: three hours.
    let night = NewEntry {
        project_id: project,
        ..entry(TOMAS, "Night", "28T22:30", "29T01:30")
    };
    timeline.log(night).await;
    timeline
        .log(entry(MARA, "Monday", "23T09:00", "23T10:15"))
        .await;
    timeline.open("?date=2026-03-25").await;
    let week = browser.within("table", "Hours and minutes per person and day");
    week.wait_for_text(
        "Tomás Herrera – nothing – nothing – nothing – nothing – nothing 0:30 2:30 3:00",
    )
    .await
    .unwrap();
    let all = browser.within("row", "All");
    all.wait_for_text("1:15").await.unwrap();
    assert!(all.text().await.unwrap().ends_with("0:30 2:30 4:15"));
    let projects = browser.within("region", "Hours per project");
    projects
        .wait_for_text("Harbour Museum › Visitor app 3:00 Everything else 1:15")
        .await
        .unwrap();
    week.click_link("2:30").await.unwrap();
    browser
        .wait_for_path("/timeline?view=day&date=2026-03-29&person=u-tomas")
        .await
        .unwrap();
    browser
        .wait_for_text("2:30:00 of it on this day")
        .await
        .unwrap();
    browser.click_link("‹ Previous day").await.unwrap();
    browser
        .wait_for_text("0:30:00 of it on this day")
        .await
        .unwrap();
    browser.click_link("Week").await.unwrap();
    browser.wait_for_text("23 – 29 March 2026").await.unwrap();
    browser.wait_for_text(LIVE).await.unwrap();
    // And the sums follow what arrives.
    timeline
        .log(entry(TOMAS, "More", "24T09:00", "24T10:00"))
        .await;
    week.wait_for_text("1:00 – nothing – nothing – nothing 0:30 2:30 4:00")
        .await
        .unwrap();
    timeline.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn an_export_has_what_the_page_shows_and_no_formula() {
    let timeline = Timeline::start().await;
    let browser = timeline.browser();
    browser.set_time_zone("Europe/Berlin").await.unwrap();
    let new = NewEntry {
        project_id: Some(timeline.project("Visitor app")),
        tags: vec!["design".into()],
        billable: Some(true),
        ..entry(TOMAS, "Audio, \"guide\"\nüber", "03T09:00", "03T10:30")
    };
    timeline.log(new).await;
    timeline
        .log(entry(MARA, "=1+1", "03T12:00", "03T12:01"))
        .await;
    timeline
        .log(entry(MARA, "Another week", "12T12:00", "12T12:01"))
        .await;
    timeline.open("?date=2026-03-03").await;
    browser
        .wait_for_text("Harbour Museum › Visitor app")
        .await
        .unwrap();
    let csv = timeline.fetch("/timeline/export.csv?date=2026-03-03").await;
    let mut lines = csv.lines();
    assert_eq!(
        lines.next().unwrap(),
        "\"id\",\"connection\",\"user_id\",\"person\",\"title\",\"tags\",\"billable\",\"start\",\"stop\",\"duration_seconds\",\"duration\",\"running\",\"deleted\",\"client\",\"project\",\"task\",\"description\",\"email\",\"date\",\"start_time\",\"end_time\",\"hours\",\"workspace\",\"frozen\""
    );
    assert!(
        lines
            .next()
            .unwrap()
            .contains(r#","u-mara","Mara Lindqvist","'=1+1","","no","2026-03-03T13:00:00+01:00","#)
    );
    let entry = [
        "\"Harbour Museum › Visitor app › Audio, \"\"guide\"\"\nüber\"",
        r#""design","yes","2026-03-03T10:00:00+01:00","2026-03-03T11:30:00+01:00","5400","1:30","no","no""#,
    ];
    assert!(csv.contains(&entry.join(",")), "{csv}");
    assert!(!csv.contains("Another week"));
    let json = timeline
        .fetch("/timeline/export.json?date=2026-03-03&person=u-tomas")
        .await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 1, "{json}");
    assert_eq!(json[0]["title"][2], "Audio, \"guide\"\nüber");
    assert_eq!(json[0]["duration_seconds"], 5400);
    let own: Vec<&Value> = [
        "client",
        "project",
        "task",
        "description",
        "email",
        "date",
        "hours",
        "workspace",
    ]
    .iter()
    .map(|column| &json[0][column])
    .collect();
    let expected = json!([
        "Harbour Museum",
        "Visitor app",
        null,
        "Audio, \"guide\"\nüber",
        "TOMAS.HERRERA@example.com",
        "2026-03-03",
        1.5,
        "Northwind Studio"
    ]);
    assert_eq!(json!(own), expected);
    timeline.finish().await;
}
