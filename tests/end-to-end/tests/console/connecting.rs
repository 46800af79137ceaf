//! From Connect to a connection, in a browser.

use end_to_end::browser::{Browser, Console, Key, Screen, Theme};
use end_to_end::{NORTHWIND, Setup};
use serde_json::{Value, json};
use toggl_sandbox::{CallFault, Scenario};

/// What a browser says when a form is shown again because what was sent does not do.
const UNFIT: &str = "status of 422";

/// The admin's other workspace.
const SIDE_PROJECTS: i64 = 7_400_002;

/// Passes Test Connection, and returns the address of the choice.
async fn test_connection(console: &Console) -> String {
    let browser = &console.browser;
    browser.open("/connect").await.unwrap();
    let token = console.setup.sandbox.token();
    browser.fill("API token", token).await.unwrap();
    browser.click_button("Test Connection").await.unwrap();
    browser.wait_for_text("Passed").await.unwrap();
    browser.path().await.unwrap()
}

async fn choose(browser: &Browser, workspace: &str) {
    browser.click("radio", workspace).await.unwrap();
    browser.click_button("Connect").await.unwrap();
}

/// The names of what is connected.
async fn connected(setup: &Setup) -> Vec<String> {
    let list = setup.host.get("/connections").await.unwrap();
    let connections = list["connections"].as_array().unwrap();
    let name = |connection: &Value| connection["name"].as_str().unwrap().to_owned();
    connections.iter().map(name).collect()
}

fn fail_calls(setup: &Setup, fault: Value) {
    let fault: CallFault = serde_json::from_value(fault).unwrap();
    setup.toggl().fail_calls(fault);
}

async fn tab_to(browser: &Browser, role: &str, name: &str) {
    let mut stops = Vec::new();
    for _ in 0..40 {
        browser.press(Key::Tab).await.unwrap();
        let focus = browser.focus().await.unwrap();
        if let Some(focus) = focus {
            if focus.role == role && focus.name == name {
                assert!(focus.visible, "nobody sees that the focus is at {name}");
                return;
            }
            stops.push(focus.name);
        }
    }
    panic!("the Tab key never gets to the {role} “{name}”, only to {stops:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_workspace_is_connected_with_the_keyboard_alone() {
    let console = Console::start().await.unwrap();
    let browser = &console.browser;
    tab_to(browser, "link", "Connect").await;
    browser.press(Key::Enter).await.unwrap();
    browser.wait_for_path("/connect").await.unwrap();
    browser
        .wait_until(
            "the focus to be somewhere",
            "document.activeElement !== document.body",
        )
        .await
        .unwrap();
    let focus = browser.focus().await.unwrap().unwrap();
    assert_eq!(focus.name, "API token", "nobody can paste right away");
    let connect = browser.control("button", "Connect").await.unwrap();
    assert!(
        !connect.is_enabled().await.unwrap(),
        "something can be connected before the test"
    );

    let token = console.setup.sandbox.token();
    browser.type_text(token).await.unwrap();
    browser.press(Key::Enter).await.unwrap();
    browser.wait_for_text("Passed").await.unwrap();
    let text = browser.text().await.unwrap();
    for said in [
        "Mara Lindqvist",
        "Northwind Studio",
        "Premium plan",
        "your role: admin",
    ] {
        assert!(text.contains(said), "“{said}” is not said: {text}");
    }
    tab_to(browser, "radio", "Northwind Studio").await;
    browser.press(Key::Space).await.unwrap();
    tab_to(browser, "button", "Connect").await;
    browser.press(Key::Enter).await.unwrap();

    browser.wait_for_text("is connected").await.unwrap();
    let list = console.setup.host.get("/connections").await.unwrap();
    let users = &list["connections"][0]["users"];
    let matched = format!("{} of {} mapped", users["mapped"], users["total"]);
    browser.wait_for_text(&matched).await.unwrap();
    // It says so by itself, without a reload.
    browser.wait_for_text("All names are loaded").await.unwrap();
    tab_to(browser, "link", "Review users").await;
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_token_that_does_not_do_is_explained_in_place() {
    let console = Console::start().await.unwrap();
    let browser = &console.browser;
    browser.expect_complaint(UNFIT).await;
    browser.open("/connect").await.unwrap();
    let long = "a".repeat(2_000);
    for (token, said) in [
        ("ffffffffffffffffffffffffffffffff", "rejected the API token"),
        ("toggl_sk_abcdef", "Toggl Focus"),
        (long.as_str(), "too long"),
        ("   ", "is missing"),
    ] {
        browser.fill("API token", token).await.unwrap();
        browser.click_button("Test Connection").await.unwrap();
        browser
            .within("alert", said)
            .wait_for_text(said)
            .await
            .unwrap();
        let field = browser.control("field", "API token").await.unwrap();
        assert_eq!(
            field.attr("aria-invalid").await.unwrap().as_deref(),
            Some("true")
        );
        assert_eq!(
            browser.value("API token").await.unwrap(),
            "",
            "a token stands in a page"
        );
        browser.assert_accessible().await.unwrap();
    }
    // What is blanks around a token comes from copying.
    let token = format!("  {} ", console.setup.sandbox.token());
    browser.fill("API token", &token).await.unwrap();
    browser.click_button("Test Connection").await.unwrap();
    browser.wait_for_text("Passed").await.unwrap();
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn what_cannot_be_connected_says_why_and_what_is_left_is_chosen_already() {
    let console = Console::start().await.unwrap();
    let browser = &console.browser;
    console.setup.connect(NORTHWIND).await.unwrap();
    test_connection(&console).await;
    for (workspace, reason) in [
        ("Northwind Studio", "Connected already"),
        ("Fjord suppliers", "is no admin of the workspace"),
        ("Old Mill", "is suspended"),
    ] {
        let card = browser.within("listitem", workspace);
        let text = card.text().await.unwrap();
        assert!(text.contains(reason), "{text}");
        let radio = card.control("radio", workspace).await.unwrap();
        assert!(
            !radio.is_enabled().await.unwrap(),
            "{workspace} can be chosen"
        );
    }
    let left = browser.control("radio", "Side projects").await.unwrap();
    assert!(
        left.is_selected().await.unwrap(),
        "the only one is to be chosen by hand"
    );
    browser.assert_accessible().await.unwrap();

    console.setup.connect(SIDE_PROJECTS).await.unwrap();
    browser.reload().await.unwrap();
    browser
        .wait_for_text("There is nothing left to connect")
        .await
        .unwrap();
    browser.assert_accessible().await.unwrap();
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn the_same_token_connects_the_next_workspace() {
    let console = Console::start().await.unwrap();
    let browser = &console.browser;
    test_connection(&console).await;
    browser
        .fill("Name here (optional)", "Studio")
        .await
        .unwrap();
    choose(browser, "Northwind Studio").await;
    browser
        .wait_for_text("“Studio” is connected")
        .await
        .unwrap();
    let next = "Connect another workspace with this API token";
    browser.click_link(next).await.unwrap();
    browser.wait_for_text("Connected already").await.unwrap();
    browser.click_button("Connect").await.unwrap();
    browser
        .wait_for_text("“Side projects” is connected")
        .await
        .unwrap();
    assert!(
        !browser.has("link", next).await.unwrap(),
        "it leads to where nothing can be connected"
    );
    assert_eq!(connected(&console.setup).await, ["Studio", "Side projects"]);
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn whoever_clicks_twice_connects_once() {
    let console = Console::start().await.unwrap();
    let browser = &console.browser;
    let choice = test_connection(&console).await;
    browser.click("radio", "Northwind Studio").await.unwrap();
    let connect = browser.control("button", "Connect").await.unwrap();
    let clicks = browser
        .driver()
        .action_chain()
        .double_click_element(&connect);
    clicks.perform().await.unwrap();
    // The script sends a form once; a host must not rely on that.
    let again = format!(
        "Promise.all([1, 2, 3].map(() => fetch('{choice}', {{ method: 'POST', \
         body: new URLSearchParams({{ scope: '{NORTHWIND}' }}) }}).then((answer) => answer.status)))"
    );
    let statuses = browser.evaluate(&again).await.unwrap();
    assert_eq!(
        statuses,
        json!([200, 200, 200]),
        "somebody who is impatient sees an error"
    );
    browser.wait_for_text("is connected").await.unwrap();
    let statuses = browser.evaluate(&again).await.unwrap();
    assert_eq!(statuses, json!([200, 200, 200]));
    assert_eq!(connected(&console.setup).await.len(), 1);
    assert_eq!(
        console.setup.toggl().subscriptions().len(),
        1,
        "Toggl reports twice"
    );
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_failure_says_what_helps_leaves_nothing_and_can_be_tried_again() {
    let mut scenario = Scenario::default();
    scenario.limits.hourly_quota = false;
    scenario.organizations[0].max_webhooks = Some(0);
    let setup = Setup::builder().scenario(scenario).start().await.unwrap();
    let console = Console::start_on(setup).await.unwrap();
    let browser = &console.browser;
    test_connection(&console).await;
    choose(browser, "Northwind Studio").await;
    browser.wait_for_text("is not connected").await.unwrap();
    let said = browser.within("alert", "plan allows");
    said.wait_for_text("Delete or disable one at Toggl")
        .await
        .unwrap();
    let failed = browser.within("listitem", "Subscribing to the webhook");
    assert!(failed.text().await.unwrap().ends_with("Failed"));
    browser.assert_accessible().await.unwrap();
    assert!(connected(&console.setup).await.is_empty());
    assert!(console.setup.toggl().subscriptions().is_empty());

    let fault =
        json!({ "count": 20, "method": "POST", "path": "*/subscriptions/*", "status": 500 });
    fail_calls(&console.setup, fault);
    browser
        .click_link("Choose another workspace")
        .await
        .unwrap();
    browser
        .fill("Name here (optional)", "Evenings")
        .await
        .unwrap();
    choose(browser, "Side projects").await;
    browser
        .wait_for_text("Toggl has a problem of its own")
        .await
        .unwrap();
    assert!(connected(&console.setup).await.is_empty());
    console.setup.toggl().clear_faults();
    browser.click_button("Try again").await.unwrap();
    // The name that was given is not lost.
    browser
        .wait_for_text("“Evenings” is connected")
        .await
        .unwrap();
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn names_are_shown_as_they_are_written_however_long() {
    let script =
        "<script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">";
    let long = "W".repeat(4_000);
    let mut scenario = Scenario::default();
    scenario.limits.hourly_quota = false;
    scenario.organizations[0].name = format!("{script} & “Söhne”");
    scenario.organizations[0].workspaces[0].name = script.into();
    scenario.organizations[1].workspaces[0].name = long.clone();
    scenario.organizations[2].workspaces[0].name = format!("Fjord {long}");
    scenario.users[0].name = script.into();
    let setup = Setup::builder().scenario(scenario).start().await.unwrap();
    let console = Console::start_on(setup).await.unwrap();
    let browser = &console.browser;
    browser.show_on(Screen::NARROW).await.unwrap();
    test_connection(&console).await;
    browser.wait_for_text(script).await.unwrap();
    browser.assert_fits_width().await.unwrap();
    choose(browser, script).await;
    browser
        .wait_for_text(&format!("“{script}” is connected"))
        .await
        .unwrap();
    browser.assert_fits_width().await.unwrap();
    assert_ne!(
        browser.title().await.unwrap(),
        "run",
        "a name ran as a script"
    );
    browser
        .click_link("Connect another workspace with this API token")
        .await
        .unwrap();
    browser.wait_for_text("Connected already").await.unwrap();
    browser.click_button("Connect").await.unwrap();
    browser.wait_for_text("is connected").await.unwrap();
    browser.assert_fits_width().await.unwrap();
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn connecting_is_usable_on_a_phone_in_light_and_dark() {
    let console = Console::start().await.unwrap();
    let browser = &console.browser;
    let choice = test_connection(&console).await;
    let connection = console.setup.connect(SIDE_PROJECTS).await.unwrap();
    let token = format!("/connections/{}/token", connection["id"].as_str().unwrap());
    // Subscribing is slow enough for somebody to look at the steps.
    let slow =
        json!({ "count": 1, "method": "POST", "path": "*/subscriptions/*", "delay_ms": 8_000 });
    fail_calls(&console.setup, slow);
    browser.open(&choice).await.unwrap();
    browser.click_button("Connect").await.unwrap();
    let steps = browser
        .wait_for_path_below(&format!("{choice}/"))
        .await
        .unwrap();
    browser
        .wait_for_text("Subscribing to the webhook…")
        .await
        .unwrap();
    check_on_screens(browser).await;
    browser.wait_for_text("is connected").await.unwrap();
    browser.expect_complaint("status of 410").await;
    for page in ["/connect", &choice, &steps, &token, "/connect/gone"] {
        browser.open(page).await.unwrap();
        check_on_screens(browser).await;
    }
    console.finish().await.unwrap();
}

async fn check_on_screens(browser: &Browser) {
    for (screen, theme) in [
        (Screen::NARROW, Theme::Light),
        (Screen::PHONE, Theme::Dark),
        (Screen::DESKTOP, Theme::Dark),
    ] {
        browser.show_on(screen).await.unwrap();
        browser.prefer(theme).await.unwrap();
        browser.assert_accessible().await.unwrap();
        browser.assert_fits_width().await.unwrap();
        if screen.is_phone {
            browser.assert_touchable().await.unwrap();
        }
    }
}
