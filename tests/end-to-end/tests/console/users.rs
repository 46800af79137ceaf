//! The Users tab: who is in the team, and whom they are mapped to.

use end_to_end::browser::{Browser, Console, Key, Screen, Theme};
use end_to_end::{NORTHWIND, eventually};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use toggl_sandbox::NewEntry;
use toggl_sandbox::control::SetMember;
use toggl_sandbox::scenario::UserPlan;

/// A member whom no user's e-mail address matches, and the user who is the same person.
const JONAS: &str = "9500004";
const JONAS_USER: &str = "Jonas Weber jonas@elsewhere.example";

struct Team {
    console: Console,
    id: String,
}

impl Team {
    async fn open() -> Self {
        let console = Console::start().await.unwrap();
        let connection = console.setup.connect(NORTHWIND).await.unwrap();
        let id = connection["id"].as_str().unwrap().to_owned();
        let team = Self { console, id };
        team.browser().open(&team.path("")).await.unwrap();
        team
    }

    fn browser(&self) -> &Browser {
        &self.console.browser
    }

    fn path(&self, rest: &str) -> String {
        format!("/connections/{}/users{rest}", self.id)
    }

    async fn call(&self, method: Method, rest: &str, body: Value) -> Value {
        let host = &self.console.setup.host;
        let (status, answer) = host.call(method, &self.path(rest), body).await.unwrap();
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }

    /// Whom a member is mapped to and who decided, for everybody who asks the host.
    async fn mapping(&self, member: &str) -> (Value, Value) {
        let team = self.call(Method::GET, "", Value::Null).await;
        let members = team["users"].as_array().unwrap();
        let found = members
            .iter()
            .find(|found| found["remote_user"]["id"] == member)
            .unwrap();
        (found["user"]["id"].clone(), found["matched_by"].clone())
    }

    /// Chooses a user for Jonas from the list that opens in place.
    async fn map_jonas(&self, option: &str) {
        let browser = self.browser();
        browser.click_link("Map… Jonas Weber").await.unwrap();
        browser
            .fill("User for Jonas Weber", option.split(' ').next().unwrap())
            .await
            .unwrap();
        browser.click("option", option).await.unwrap();
    }

    async fn finish(self) {
        self.console.finish().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn the_list_follows_the_search_and_its_address_shows_the_same_again() {
    let team = Team::open().await;
    let browser = team.browser();
    browser.wait_for_text("12 members").await.unwrap();
    browser.fill("Search", "ELENA").await.unwrap();
    browser.wait_for_text("2 of 12 members").await.unwrap();
    let says = browser
        .evaluate("document.getElementById('team-live').textContent")
        .await;
    assert_eq!(
        says.unwrap(),
        "2 of 12 members",
        "a screen reader is not told"
    );
    assert_eq!(browser.value("Search").await.unwrap(), "ELENA");
    browser
        .wait_for_path(&team.path("?search=ELENA"))
        .await
        .unwrap();
    browser.reload().await.unwrap();
    browser.wait_for_text("2 of 12 members").await.unwrap();
    assert!(!browser.text().await.unwrap().contains("Jonas Weber"));

    browser.fill("Search", "").await.unwrap();
    browser.choose("Show", "Not mapped").await.unwrap();
    browser
        .wait_for_path(&team.path("?show=unmapped"))
        .await
        .unwrap();
    browser.wait_for_text("of 12 members").await.unwrap();
    browser.wait_until_gone("Mara Lindqvist").await.unwrap();
    browser.wait_for_text("Jonas Weber").await.unwrap();
    browser.fill("Search", "nobody is called so").await.unwrap();
    browser
        .wait_for_text("No member is like that")
        .await
        .unwrap();
    browser.click_link("Show everybody").await.unwrap();
    browser.wait_for_text("Mara Lindqvist").await.unwrap();
    browser.wait_for_text("12 members").await.unwrap();
    team.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_member_is_mapped_with_the_mouse_and_the_change_is_taken_back() {
    let team = Team::open().await;
    let browser = team.browser();
    team.map_jonas(JONAS_USER).await;
    browser
        .wait_for_text("Jonas Weber is mapped to Jonas Weber, by hand.")
        .await
        .unwrap();
    assert_eq!(
        team.mapping(JONAS).await,
        (json!("u-jonas"), json!("manual"))
    );
    let focus = browser.focus().await.unwrap().unwrap();
    assert_eq!(focus.name, "Change… Jonas Weber", "the focus was lost");
    browser.assert_accessible().await.unwrap();

    browser.click_button("Undo").await.unwrap();
    browser
        .wait_for_text("Undone: Jonas Weber is mapped to nobody.")
        .await
        .unwrap();
    assert_eq!(team.mapping(JONAS).await, (Value::Null, Value::Null));
    team.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn what_was_mapped_by_email_is_again_after_it_was_removed_and_taken_back() {
    let team = Team::open().await;
    let browser = team.browser();
    let mara = "9500001";
    browser
        .click_button("Remove the mapping of Mara Lindqvist")
        .await
        .unwrap();
    browser
        .wait_for_text("Mara Lindqvist is mapped to nobody, by hand.")
        .await
        .unwrap();
    browser.click_button("Import again").await.unwrap();
    browser
        .wait_for_text("The team was imported again")
        .await
        .unwrap();
    assert_eq!(team.mapping(mara).await, (Value::Null, json!("manual")));

    browser.driver().back().await.unwrap();
    browser.click_button("Undo").await.unwrap();
    browser
        .wait_for_text("Undone: Mara Lindqvist is mapped to Mara Lindqvist, by e-mail.")
        .await
        .unwrap();
    assert_eq!(team.mapping(mara).await, (json!("u-mara"), json!("email")));
    team.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn mappings_that_no_address_confirms_any_more_stay_and_are_decided_on() {
    let team = Team::open().await;
    let browser = team.browser();
    let setup = &team.console.setup;
    let directory = setup.options.directory.clone().unwrap();
    std::fs::write(
        directory,
        "id,email,name\nu-else,else@example.com,Somebody Else\n",
    )
    .unwrap();
    // The file is watched; until it was read again, imports find everybody.
    eventually("the file is not read again", async || {
        let users = setup.host.get("/users?query=mara").await.unwrap();
        users["users"].as_array().unwrap().is_empty()
    })
    .await
    .unwrap();
    browser.click_button("Import again").await.unwrap();
    browser
        .wait_for_text("mappings are no longer confirmed by e-mail. They stay")
        .await
        .unwrap();
    browser.assert_accessible().await.unwrap();
    browser.choose("Show", "To be looked at").await.unwrap();
    // The list of everybody says the same.
    browser
        .wait_for_path(&team.path("?show=doubt"))
        .await
        .unwrap();
    browser
        .wait_for_text("No user has the member's e-mail address any more.")
        .await
        .unwrap();
    let mara = "9500001";
    browser
        .click_button("Keep the mapping of Mara Lindqvist as it is")
        .await
        .unwrap();
    browser
        .wait_for_text("Mara Lindqvist is mapped to Mara Lindqvist, by hand.")
        .await
        .unwrap();
    assert_eq!(team.mapping(mara).await, (json!("u-mara"), json!("manual")));

    browser.open(&team.path("")).await.unwrap();
    browser.click_button("Import again").await.unwrap();
    browser.wait_for_text("They stay").await.unwrap();
    browser.click_button("Remove 4 mappings").await.unwrap();
    browser.wait_until_gone("They stay").await.unwrap();
    assert_eq!(team.mapping("9500005").await, (Value::Null, Value::Null));
    assert_eq!(team.mapping(mara).await, (json!("u-mara"), json!("manual")));
    team.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_member_is_mapped_with_the_keyboard_alone() {
    let team = Team::open().await;
    let browser = team.browser();
    let focused = async || {
        let focus = browser.focus().await.unwrap();
        focus.map(|focus| focus.name).unwrap_or_default()
    };
    eventually("the Tab key never gets there", async || {
        let is_there = focused().await == "Map… Jonas Weber";
        if !is_there {
            browser.press(Key::Tab).await.unwrap();
        }
        is_there
    })
    .await
    .unwrap();
    browser.press(Key::Enter).await.unwrap();
    browser.wait_for_text("1 user found").await.unwrap();
    assert_eq!(focused().await, "User for Jonas Weber");
    assert_eq!(
        browser.value("User for Jonas Weber").await.unwrap(),
        "Jonas Weber"
    );

    browser.press(Key::Escape).await.unwrap();
    assert_eq!(
        focused().await,
        "Map… Jonas Weber",
        "leaving the list loses the place"
    );
    browser.press(Key::Enter).await.unwrap();
    browser.wait_for_text("1 user found").await.unwrap();
    browser.type_text("okafor").await.unwrap();
    browser.wait_for_text("2 users found").await.unwrap();
    let active = "document.querySelector('[role=option][aria-selected=true]')?.innerText ?? ''";
    for (key, expected) in [
        (Key::Down, "Samuel Okafor\n"),
        (Key::Down, "Samuel Okafor (old)"),
        (Key::Down, "Samuel Okafor\n"),
        (Key::Up, "Samuel Okafor (old)"),
    ] {
        browser.press(key).await.unwrap();
        let active = browser.evaluate(active).await.unwrap();
        assert!(
            active.as_str().unwrap().starts_with(expected),
            "{active} instead of {expected}"
        );
    }
    let told = "document.getElementById(document.activeElement.getAttribute('aria-activedescendant'))?.ariaSelected";
    assert_eq!(
        browser.evaluate(told).await.unwrap(),
        "true",
        "a screen reader is not told"
    );
    browser.press(Key::Enter).await.unwrap();
    browser
        .wait_for_text("Jonas Weber is mapped to Samuel Okafor (old), by hand.")
        .await
        .unwrap();
    assert_eq!(focused().await, "Change… Jonas Weber");
    assert_eq!(team.mapping(JONAS).await.0, "u-sam-2");
    team.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn everything_works_without_scripts() {
    let team = Team::open().await;
    let browser = team.browser();
    browser.turn_scripts_off().await.unwrap();
    browser.open(&team.path("?show=unmapped")).await.unwrap();
    browser.fill("Search", "jonas").await.unwrap();
    browser.click_button("Search").await.unwrap();
    browser.wait_for_text("1 of 12 members").await.unwrap();
    browser.click_link("Map… Jonas Weber").await.unwrap();
    browser.wait_for_text("1 user found").await.unwrap();
    browser.assert_fits_width().await.unwrap();
    browser.fill("Find a user", "aiko").await.unwrap();
    browser.click_button("Find").await.unwrap();
    browser
        .click_button("Aiko Tanaka aiko.tanaka@example.com")
        .await
        .unwrap();
    browser
        .wait_for_text("Jonas Weber is mapped to Aiko Tanaka, by hand.")
        .await
        .unwrap();
    browser.wait_for_text("0 of 12 members").await.unwrap();
    assert_eq!(team.mapping(JONAS).await.0, "u-aiko");
    browser.click_button("Undo").await.unwrap();
    browser
        .wait_for_text("Undone: Jonas Weber is mapped to nobody.")
        .await
        .unwrap();
    browser.wait_for_text("1 of 12 members").await.unwrap();
    team.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn whoever_comes_second_sees_what_the_first_decided_and_overwrites_nothing() {
    let team = Team::open().await;
    let browser = team.browser();
    let hugo = json!({ "user_id": "u-hugo" });
    browser.click_link("Map… Jonas Weber").await.unwrap();
    browser.wait_for_text("1 user found").await.unwrap();
    team.call(Method::PUT, &format!("/{JONAS}"), hugo).await;
    browser.click("option", JONAS_USER).await.unwrap();
    let told = "Changed meanwhile: Jonas Weber is mapped to Hugo Lefèvre, by hand.";
    browser.wait_for_text(told).await.unwrap();
    assert_eq!(
        team.mapping(JONAS).await.0,
        "u-hugo",
        "the first decision was overwritten"
    );

    browser.click_link("Change… Jonas Weber").await.unwrap();
    browser.click("option", JONAS_USER).await.unwrap();
    browser
        .wait_for_text("Jonas Weber is mapped to Jonas Weber, by hand.")
        .await
        .unwrap();
    browser
        .wait_for_text("Before: Hugo Lefèvre, by hand.")
        .await
        .unwrap();
    team.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn importing_again_brings_who_is_new_and_keeps_what_was_decided() {
    let team = Team::open().await;
    let browser = team.browser();
    team.map_jonas(JONAS_USER).await;
    browser
        .wait_for_text("Jonas Weber is mapped to Jonas Weber")
        .await
        .unwrap();
    let toggl = team.console.setup.toggl();
    let new = UserPlan {
        id: 9_500_099,
        name: "New Here".into(),
        email: Some("new@example.com".into()),
        token: None,
    };
    toggl.set_user(new).unwrap();
    toggl
        .set_member(SetMember {
            workspace_id: NORTHWIND,
            user_id: 9_500_099,
            joined: Some(true),
            ..SetMember::default()
        })
        .unwrap();
    browser.click_button("Import again").await.unwrap();
    browser.wait_for_text("1 joined, 0 left").await.unwrap();
    browser.wait_for_text("New Here").await.unwrap();
    assert_eq!(
        team.mapping(JONAS).await,
        (json!("u-jonas"), json!("manual"))
    );
    team.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn mapping_somebody_shows_what_they_logged_before() {
    let team = Team::open().await;
    let setup = &team.console.setup;
    let logged = setup
        .toggl()
        .log_time(NewEntry {
            workspace_id: NORTHWIND,
            user_id: JONAS.parse().unwrap(),
            description: Some("Before the mapping".into()),
            duration: Some(3600),
            ..NewEntry::default()
        })
        .unwrap();
    setup.settle().await.unwrap();
    let listed = async || setup.host.get("/activities").await.unwrap().to_string();
    assert!(!listed().await.contains("Before the mapping"), "{logged:?}");
    team.map_jonas(JONAS_USER).await;
    let browser = team.browser();
    browser
        .wait_for_text("Time they logged before counts too")
        .await
        .unwrap();
    assert!(listed().await.contains("Before the mapping"));
    browser.click_link("see it in the timeline").await.unwrap();
    browser
        .wait_for_path("/timeline?person=u-jonas")
        .await
        .unwrap();
    let list = "/timeline?view=list&person=u-jonas";
    browser.open(list).await.unwrap();
    browser.wait_for_text("Before the mapping").await.unwrap();
    team.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn names_are_only_names_however_they_are_written() {
    let team = Team::open().await;
    let (browser, setup) = (team.browser(), &team.console.setup);
    let script = "<img src=x onerror=alert(1)></script><b>";
    let long = "Donaudampfschifffahrtsgesellschaft".repeat(7);
    for (id, name) in [(9_500_004, script), (9_500_009, long.as_str())] {
        let user = UserPlan {
            id,
            name: name.into(),
            email: Some(format!("{}@example.com", "long".repeat(20))),
            token: None,
        };
        setup.toggl().set_user(user).unwrap();
    }
    browser.click_button("Import again").await.unwrap();
    browser.wait_for_text(script).await.unwrap();
    browser.wait_for_text(&long).await.unwrap();
    for screen in [Screen::NARROW, Screen::DESKTOP] {
        browser.show_on(screen).await.unwrap();
        browser.assert_fits_width().await.unwrap();
    }
    browser.fill("Search", script).await.unwrap();
    browser.wait_for_text("1 of 12 members").await.unwrap();
    browser.click_link(&format!("Map… {script}")).await.unwrap();
    browser
        .fill(&format!("User for {script}"), "mara")
        .await
        .unwrap();
    browser.show_on(Screen::NARROW).await.unwrap();
    browser
        .click("option", "Mara Lindqvist mara.lindqvist@example.com")
        .await
        .unwrap();
    browser
        .wait_for_text(&format!("{script} is mapped to Mara Lindqvist"))
        .await
        .unwrap();
    browser.assert_fits_width().await.unwrap();
    team.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn the_open_list_of_users_is_accessible_and_fits_a_phone() {
    let team = Team::open().await;
    let browser = team.browser();
    for screen in [Screen::DESKTOP, Screen::NARROW] {
        browser.show_on(screen).await.unwrap();
        browser.open(&team.path("?search=jonas")).await.unwrap();
        browser.click_link("Map… Jonas Weber").await.unwrap();
        browser.fill("User for Jonas Weber", "e").await.unwrap();
        browser.wait_for_text("Elena Rossi").await.unwrap();
        browser.press(Key::Down).await.unwrap();
        for theme in [Theme::Light, Theme::Dark] {
            browser.prefer(theme).await.unwrap();
            browser.assert_accessible().await.unwrap();
        }
        browser.assert_fits_width().await.unwrap();
        browser.assert_touchable().await.unwrap();
    }
    team.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_failing_import_says_why_and_leaves_the_team_as_it_is() {
    let team = Team::open().await;
    let browser = team.browser();
    let token = toggl_sandbox::control::SetToken {
        user_id: 9_500_001,
        token: "f".repeat(32),
    };
    team.console.setup.toggl().set_token(token).unwrap();
    browser.expect_complaint("status of 403").await;
    browser.click_button("Import again").await.unwrap();
    browser
        .wait_until("the reason", "document.querySelector('[role=alert]')")
        .await
        .unwrap();
    browser.wait_for_text("12 members").await.unwrap();
    browser.assert_accessible().await.unwrap();
    team.finish().await;
}
