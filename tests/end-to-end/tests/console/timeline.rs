//! The timeline: what arrives while somebody looks, and what an address shows again.

use end_to_end::browser::{Browser, Console, Screen, Theme};
use end_to_end::{NORTHWIND, Setup, TOMAS};
use serde_json::Value;
use thirtyfour::By;
use toggl_sandbox::NewEntry;
use toggl_sandbox::control::{
    CreateName, DeleteEntry, NameKind, Rename, SetMember, StartTimer, StopTimer,
};
use toggl_sandbox::scenario::{Scenario, UserPlan};

const MARA: i64 = 9_500_001;
/// A member whom no user's e-mail address matches.
const JONAS: i64 = 9_500_004;

/// What a page says while it follows the feed.
const LIVE: &str = "Live: new entries appear by themselves.";

struct Timeline {
    console: Console,
    id: String,
}

/// Opens the filters, whose summary has no role of its own in Chromium.
async fn open_filters(browser: &Browser) {
    let summary = By::Css("details.filters summary");
    let summary = browser.driver().find(summary).await.unwrap();
    summary.click().await.unwrap();
}

impl Timeline {
    async fn start() -> Self {
        Self::start_configured("").await
    }

    async fn start_configured(configuration: &str) -> Self {
        let setup = Setup::start_configured(Scenario::default(), configuration);
        let console = Console::start_on(setup.await.unwrap()).await.unwrap();
        let connection = console.setup.connect(NORTHWIND).await.unwrap();
        let id = connection["id"].as_str().unwrap().to_owned();
        Self { console, id }
    }

    fn browser(&self) -> &Browser {
        &self.console.browser
    }

    /// Opens a page and waits until it follows the feed. A page that is loaded again forgets the mark.
    async fn open(&self, query: &str) {
        let browser = self.browser();
        browser.open(&format!("/timeline{query}")).await.unwrap();
        browser.wait_for_text(LIVE).await.unwrap();
        browser.evaluate("(window.marked = true)").await.unwrap();
    }

    async fn assert_not_loaded_again(&self) {
        let marked = self.browser().evaluate("window.marked === true").await;
        assert_eq!(marked.unwrap(), true, "the page was loaded again");
    }

    fn project(&self, name: &str) -> i64 {
        let state = self.console.setup.toggl().state();
        let found = state.projects.iter().find(|project| project.name == name);
        found.unwrap().id
    }

    /// Logs time and waits until it was delivered.
    async fn log(&self, new: NewEntry) -> i64 {
        let setup = &self.console.setup;
        let entry = setup.toggl().log_time(new).unwrap();
        setup.settle().await.unwrap();
        entry.id
    }

    /// What a page of the console answers to whoever is signed in in the browser.
    async fn fetch(&self, path: &str) -> String {
        let script = format!(
            "(() => {{ const request = new XMLHttpRequest(); request.open('GET', {}, false);
                request.send(); return request.responseText; }})()",
            Value::from(path)
        );
        let answer = self.browser().evaluate(&script).await.unwrap();
        answer.as_str().unwrap().to_owned()
    }

    async fn finish(self) {
        self.console.finish().await.unwrap();
    }
}

/// An entry from one time of a day in March 2026 to another, in UTC.
fn entry(user_id: i64, description: &str, start: &str, stop: &str) -> NewEntry {
    let at = |time: &str| Some(format!("2026-03-{time}:00Z").parse().unwrap());
    NewEntry {
        workspace_id: NORTHWIND,
        user_id,
        description: Some(description.into()),
        start: at(start),
        stop: at(stop),
        ..NewEntry::default()
    }
}

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
        "id,connection,user_id,person,title,tags,billable,start,stop,duration_seconds,duration,running,deleted"
    );
    assert!(
        lines
            .next()
            .unwrap()
            .contains(",u-mara,Mara Lindqvist,'=1+1,,no,2026-03-03T13:00:00+01:00,")
    );
    assert!(csv.contains("\"Harbour Museum › Visitor app › Audio, \"\"guide\"\"\nüber\",design,yes,2026-03-03T10:00:00+01:00,2026-03-03T11:30:00+01:00,5400,1:30,no,no"), "{csv}");
    assert!(!csv.contains("Another week"));
    let json = timeline
        .fetch("/timeline/export.json?date=2026-03-03&person=u-tomas")
        .await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 1, "{json}");
    assert_eq!(json[0]["title"][2], "Audio, \"guide\"\nüber");
    assert_eq!(json[0]["duration_seconds"], 5400);
    timeline.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn script_in_whatever_somebody_wrote_is_shown_and_not_run() {
    let hostile = |name: &str| {
        format!(
            "{name} <img src=x onerror=\"document.title='owned'\"></script><script>document.title='owned'</script>'"
        )
    };
    let timeline = Timeline::start().await;
    let browser = timeline.browser();
    let toggl = timeline.console.setup.toggl();
    let name = |kind, name: &str, client_id| CreateName {
        kind,
        workspace_id: NORTHWIND,
        name: hostile(name),
        client_id,
        project_id: None,
        private: false,
    };
    let client = toggl
        .create_name(name(NameKind::Client, "Client", None))
        .unwrap();
    let project = toggl
        .create_name(name(NameKind::Project, "Project", Some(client)))
        .unwrap();
    let member = UserPlan {
        id: 9_500_099,
        name: hostile("Member"),
        email: None,
        token: None,
    };
    toggl.set_user(member).unwrap();
    toggl
        .set_member(SetMember {
            workspace_id: NORTHWIND,
            user_id: 9_500_099,
            joined: Some(true),
            ..SetMember::default()
        })
        .unwrap();
    let refresh = format!("/connections/{}/users/refresh", timeline.id);
    let host = &timeline.console.setup.host;
    host.call(reqwest::Method::POST, &refresh, Value::Null)
        .await
        .unwrap();
    let new = |start, stop| NewEntry {
        project_id: Some(project),
        tags: vec![hostile("Tag")],
        ..entry(9_500_099, &hostile("Description"), start, stop)
    };
    timeline.log(new("03T09:00", "03T10:00")).await;
    for view in ["list", "day", "week"] {
        timeline
            .open(&format!("?view={view}&date=2026-03-03&unmapped=show"))
            .await;
        timeline.log(new("03T10:00", "03T11:00")).await;
        for part in ["Client", "Project", "Description", "Tag", "Member"] {
            browser.wait_for_text(&hostile(part)).await.unwrap();
        }
        browser
            .open("/timeline?unmapped=show&date=2026-03-03")
            .await
            .unwrap();
    }
    let chosen = format!(
        "/timeline?unmapped=show&text={}",
        "%3Cscript%3Edocument.title%3D'owned'%3C/script%3E"
    );
    browser.open(&chosen).await.unwrap();
    browser
        .wait_for_text("Text: <script>document.title='owned'</script>")
        .await
        .unwrap();
    let injected = browser.evaluate("document.querySelectorAll('main img, main script').length");
    assert_eq!(
        injected.await.unwrap(),
        0,
        "what somebody wrote became markup"
    );
    assert!(
        !browser.title().await.unwrap().contains("owned"),
        "a script ran"
    );
    timeline.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn an_empty_timeline_says_the_next_step() {
    let console = Console::start().await.unwrap();
    console.browser.open("/timeline").await.unwrap();
    console
        .browser
        .wait_for_text("Nothing is connected yet")
        .await
        .unwrap();
    let connection = console.setup.connect(NORTHWIND).await.unwrap();
    let id = connection["id"].as_str().unwrap().to_owned();
    let timeline = Timeline { console, id };
    let browser = timeline.browser();
    timeline.open("?date=2026-03-03").await;
    browser
        .wait_for_text("Nothing was logged yet")
        .await
        .unwrap();
    timeline
        .log(entry(JONAS, "Whose?", "03T09:00", "03T10:00"))
        .await;
    timeline.open("?date=2026-03-03").await;
    browser
        .wait_for_text("Only people without a user logged time here")
        .await
        .unwrap();
    browser.click_link("Show them too").await.unwrap();
    browser
        .within("row", "Jonas Weber")
        .wait_for_text("1:00")
        .await
        .unwrap();
    // The first entry of somebody who is mapped fills the empty page.
    timeline.open("?date=2026-03-03").await;
    timeline
        .log(entry(TOMAS, "First", "03T10:00", "03T11:00"))
        .await;
    browser
        .within("row", "Tomás Herrera")
        .wait_for_text("1:00")
        .await
        .unwrap();
    timeline.assert_not_loaded_again().await;
    timeline.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn it_can_be_used_by_everybody_everywhere_when_it_is_full() {
    let timeline = Timeline::start().await;
    let browser = timeline.browser();
    for (user, day) in [(TOMAS, 2), (TOMAS, 3), (MARA, 3), (JONAS, 3), (MARA, 8)] {
        let new = NewEntry {
            project_id: Some(timeline.project("Exhibition website")),
            tags: vec![
                "design".into(),
                "an-unbroken-and-absurdly-long-tag-".repeat(20),
            ],
            billable: Some(true),
            ..entry(
                user,
                &"Donaudampfschifffahrtsgesellschaft".repeat(30),
                &format!("0{day}T09:00"),
                &format!("0{day}T17:30"),
            )
        };
        timeline.log(new).await;
    }
    for view in ["week", "day", "list"] {
        timeline
            .open(&format!(
                "?view={view}&date=2026-03-03&unmapped=show&deleted=show&tag=design"
            ))
            .await;
        open_filters(browser).await;
        for theme in [Theme::Light, Theme::Dark] {
            browser.prefer(theme).await.unwrap();
            for screen in [Screen::DESKTOP, Screen::NARROW] {
                browser.show_on(screen).await.unwrap();
                let looks = format!("{view}, {}, {} px wide", theme.name(), screen.width);
                let accessible = browser.assert_accessible().await;
                accessible.unwrap_or_else(|error| panic!("{looks}: {error}"));
                let fits = browser.assert_fits_width().await;
                fits.unwrap_or_else(|error| panic!("{looks}: {error}"));
            }
            let touchable = browser.assert_touchable().await;
            touchable.unwrap_or_else(|error| panic!("{view}: {error}"));
        }
        browser.show_on(Screen::DESKTOP).await.unwrap();
    }
    timeline.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn without_scripts_it_can_be_read_and_filtered() {
    let timeline = Timeline::start().await;
    let browser = timeline.browser();
    timeline
        .log(entry(TOMAS, "Sketches", "03T09:00", "03T10:30"))
        .await;
    timeline
        .log(entry(MARA, "Mail", "03T09:00", "03T09:30"))
        .await;
    browser.turn_scripts_off().await.unwrap();
    browser
        .open("/timeline?view=day&date=2026-03-03")
        .await
        .unwrap();
    browser
        .wait_for_text("Load the page again to see what is new.")
        .await
        .unwrap();
    open_filters(browser).await;
    browser.fill("Text", "sket").await.unwrap();
    browser.click_button("Show").await.unwrap();
    browser.wait_until_gone("Mail").await.unwrap();
    browser.wait_for_text("Sketches").await.unwrap();
    browser
        .click_link("Remove the filter Text: sket")
        .await
        .unwrap();
    browser.wait_for_text("Mail").await.unwrap();
    browser.turn_scripts_on().await.unwrap();
    timeline.finish().await;
}
