//! Every page at every width, with names as long as people have them and everything that can go wrong shown.

use end_to_end::browser::{Browser, Console, Screen};
use end_to_end::{NORTHWIND, Setup, TOMAS};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use toggl_sandbox::control::{CreateName, NameKind, SetToken, StartTimer};
use toggl_sandbox::{NewEntry, Scenario};

use crate::deliveries::fail;
use crate::timeline::{MARA, open_filters};

/// The narrowest phone, phones, tablets upright and across, both sides of where the layout changes, half a
/// window, a page at 200 %, and a large screen. In CSS pixels.
const WIDTHS: [u32; 14] = [
    320, 390, 480, 481, 600, 704, 705, 720, 768, 834, 900, 1024, 1280, 1920,
];

/// A person with a long name of short words, one with a name of long words, and one whose name is one word.
const LONG_NAMES: [&str; 3] = [
    "Maria del Pilar Teresa Fernández de la Vega Sanz y García-Mansilla",
    "Maximiliane Wolfeschlegelsteinhausenbergerdorff-Oberschmidtberger",
    "Donaudampfschifffahrtsgesellschaftskapitänswitwenverein",
];

/// A host whose workspace, people, projects, tags and descriptions have long names, with a failed delivery.
async fn long_names() -> (Console, String, TempDir) {
    let mut scenario = Scenario::default();
    scenario.limits.hourly_quota = false;
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users.csv");
    let mut lines = String::from("id,email,name\n");
    for (user, name) in scenario.users.iter_mut().zip(LONG_NAMES.iter().cycle()) {
        user.name = (*name).to_owned();
        let email = format!(
            "a.long.address.of.somebody.{}@subsidiary.example.com",
            user.id
        );
        if user.id % 3 > 0 {
            lines += &format!("u-{},{email},{name}\n", user.id);
        }
        user.email = Some(email);
    }
    std::fs::write(&users, lines).unwrap();
    let configuration = format!("directory = {users:?}\n[limits]\nreplay_attempts = 1\n");
    let setup = Setup::builder()
        .scenario(scenario)
        .configuration(configuration)
        .without_directory()
        .start()
        .await
        .unwrap();
    let console = Console::start_on(setup).await.unwrap();
    let setup = &console.setup;
    let connection = setup.connect(NORTHWIND).await.unwrap();
    let id = connection["id"].as_str().unwrap().to_owned();
    let name =
        "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz and whoever keeps to it";
    let path = format!("/connections/{id}");
    setup
        .host
        .call(Method::PATCH, &path, json!({ "name": name }))
        .await
        .unwrap();
    let toggl = setup.toggl();
    let create = |kind, client_id| {
        let name =
            format!("Grundstücksverkehrsgenehmigungszuständigkeitsübertragung {LONG_NAMES:?}");
        toggl.create_name(CreateName {
            kind,
            workspace_id: NORTHWIND,
            name,
            client_id,
            project_id: None,
            private: false,
        })
    };
    let client = create(NameKind::Client, None).unwrap();
    let project = create(NameKind::Project, Some(client)).unwrap();
    for user in members(&console) {
        let now = jiff::Timestamp::now();
        for hours in [2, 30, 55] {
            let start = now - jiff::SignedDuration::from_hours(hours);
            toggl
                .log_time(NewEntry {
                    workspace_id: NORTHWIND,
                    user_id: user,
                    project_id: Some(project),
                    description: Some(LONG_NAMES.join(", ")),
                    tags: vec![
                        "Unternehmenssteuerfortentwicklung".into(),
                        "a tag of many words and then some".into(),
                    ],
                    start: Some(start),
                    stop: Some(start + jiff::SignedDuration::from_mins(115)),
                    ..NewEntry::default()
                })
                .ok();
        }
    }
    toggl
        .start_timer(StartTimer {
            workspace_id: NORTHWIND,
            user_id: TOMAS,
            ..StartTimer::default()
        })
        .unwrap();
    setup.settle().await.unwrap();
    fail(setup, 500..503).await.repair();
    (console, id, folder)
}

fn members(console: &Console) -> Vec<i64> {
    let state = console.setup.toggl().state();
    let members = state
        .members
        .iter()
        .filter(|member| member.workspace_id == NORTHWIND);
    members.map(|member| member.user_id).collect()
}

async fn look(browser: &Browser, problems: &mut Vec<String>) {
    for width in WIDTHS {
        browser.show_on(Screen::window(width)).await.unwrap();
        if let Err(error) = browser.assert_laid_out().await {
            let few: Vec<String> = error
                .to_string()
                .lines()
                .take(4)
                .map(str::to_owned)
                .collect();
            problems.push(format!("{width} pixels wide: {}", few.join("\n")));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn nothing_scrolls_sideways_and_no_word_breaks_by_letters() {
    let (console, id, _folder) = long_names().await;
    let browser = &console.browser;
    let mut problems = Vec::new();
    for page in crate::every_page::PAGES {
        let page = page.replace("{id}", &id);
        browser.open(&page).await.unwrap();
        look(browser, &mut problems).await;
    }
    for query in [
        "?unmapped=show",
        "?unmapped=show&view=day",
        "?unmapped=show&view=list&text=a",
    ] {
        let page = format!("/timeline{query}");
        browser.show_on(Screen::DESKTOP).await.unwrap();
        browser.open(&page).await.unwrap();
        open_filters(browser).await;
        look(browser, &mut problems).await;
    }
    // A search for a user, in the row of somebody.
    browser.show_on(Screen::DESKTOP).await.unwrap();
    browser
        .open(&format!("/connections/{id}/users"))
        .await
        .unwrap();
    browser
        .evaluate("document.querySelector('[data-choose]').click()")
        .await
        .unwrap();
    look(browser, &mut problems).await;
    // What is said of a connection that needs somebody.
    let token = "f".repeat(32);
    let lost = SetToken {
        user_id: MARA,
        token,
    };
    console.setup.toggl().set_token(lost).unwrap();
    let check = format!("/connections/{id}/check");
    let host = &console.setup.host;
    host.call(Method::POST, &check, Value::Null).await.unwrap();
    for page in ["/", "/timeline", "/connections/{id}"] {
        let page = page.replace("{id}", &id);
        browser.show_on(Screen::DESKTOP).await.unwrap();
        browser.open(&page).await.unwrap();
        look(browser, &mut problems).await;
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn what_is_chosen_and_what_is_live_is_seen_in_colours_of_ones_own() {
    let (console, id, _folder) = long_names().await;
    let browser = &console.browser;
    browser.force_colours().await.unwrap();
    let is_marked = "(() => {
        const line = (element) => {
            const { outlineStyle, textDecorationLine, borderBottomWidth, borderBottomStyle } = getComputedStyle(element);
            return [outlineStyle, textDecorationLine, borderBottomStyle, borderBottomWidth].join();
        };
        const others = (chosen) => [...chosen.parentElement.children].filter((other) => other !== chosen);
        return [...document.querySelectorAll('nav [aria-current]')]
            .filter((chosen) => others(chosen).some((other) => line(other) === line(chosen)))
            .map((chosen) => chosen.outerHTML);
    })()";
    for page in [
        "/",
        "/timeline",
        "/connections/{id}",
        "/connections/{id}/deliveries",
    ] {
        let page = page.replace("{id}", &id);
        browser.open(&page).await.unwrap();
        let unmarked = browser.evaluate(is_marked).await.unwrap();
        assert_eq!(unmarked, json!([]), "on {page} nobody sees what is chosen");
    }
    browser.open("/timeline").await.unwrap();
    browser
        .wait_for_text("Live: new entries appear by themselves.")
        .await
        .unwrap();
    let differs = "(() => {
        const mark = document.querySelector('.live-mark');
        const colour = () => getComputedStyle(mark).backgroundColor;
        const live = colour();
        mark.parentElement.dataset.state = 'ended';
        return live !== colour() && getComputedStyle(mark).borderTopStyle === 'solid';
    })()";
    let differs = browser.evaluate(differs).await.unwrap();
    assert_eq!(
        differs, true,
        "the mark of a live page looks like that of any other"
    );
    console.finish().await.unwrap();
}
