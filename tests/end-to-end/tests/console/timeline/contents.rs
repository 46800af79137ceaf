//! What a timeline consists of: anybody's text, nothing, much, and that without scripts.

use end_to_end::browser::{Console, Screen, Theme};
use end_to_end::{NORTHWIND, TOMAS};
use serde_json::Value;
use toggl_sandbox::NewEntry;
use toggl_sandbox::control::{CreateName, NameKind, SetMember};
use toggl_sandbox::scenario::UserPlan;

use super::{JONAS, MARA, Timeline, entry, open_filters};

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
