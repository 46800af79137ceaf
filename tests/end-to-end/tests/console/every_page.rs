//! What holds for every page, whatever it shows. A new page is added to [`PAGES`] and is held to it all.

use end_to_end::NORTHWIND;
use end_to_end::browser::{Browser, Console, Screen, Theme};

/// Every page of the console; `{id}` stands for a connection.
pub const PAGES: &[&str] = &[
    "/",
    "/connect",
    "/timeline",
    "/timeline?view=day",
    "/timeline?view=list",
    "/connections/{id}",
    "/connections/{id}/users",
    "/connections/{id}/users/9500004",
    "/connections/{id}/activity",
    "/connections/{id}/deliveries",
    "/connections/{id}/disconnect",
    "/connections/{id}/token",
    "/sign-in?code=0123",
];

/// Every page, signed in, with a workspace connected and without.
async fn visit(look: impl AsyncFn(&Browser, &str)) {
    let console = Console::start().await.unwrap();
    let browser = &console.browser;
    for page in PAGES.iter().filter(|page| !page.contains("{id}")) {
        browser.open(page).await.unwrap();
        look(browser, page).await;
    }
    let connection = console.setup.connect(NORTHWIND).await.unwrap();
    let id = connection["id"].as_str().unwrap();
    for page in PAGES {
        let page = page.replace("{id}", id);
        browser.open(&page).await.unwrap();
        look(browser, &page).await;
    }
    browser.open("/no/such/page").await.unwrap();
    look(browser, "a page that is not there").await;
    browser.click_button("Sign out").await.ok();
    console.browser.expect_complaint("status of 404").await;
    console.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn everybody_can_use_it_in_light_and_in_dark() {
    visit(async |browser, page| {
        for theme in [Theme::Light, Theme::Dark] {
            browser.prefer(theme).await.unwrap();
            let accessible = browser.assert_accessible().await;
            accessible.unwrap_or_else(|error| panic!("{page} in {}: {error}", theme.name()));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn it_fits_a_narrow_phone_and_a_finger() {
    visit(async |browser, page| {
        for screen in [Screen::NARROW, Screen::PHONE] {
            browser.show_on(screen).await.unwrap();
            let fits = browser.assert_fits_width().await;
            fits.unwrap_or_else(|error| panic!("{page}: {error}"));
            let touchable = browser.assert_touchable().await;
            touchable.unwrap_or_else(|error| panic!("{page}: {error}"));
        }
        browser.assert_accessible().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn the_keyboard_reaches_every_control_in_the_order_of_the_page() {
    visit(async |browser, page| {
        browser.reload().await.unwrap();
        // A form may have taken the focus; a person who reads begins at the top.
        let to_top = "(document.body.tabIndex = -1, document.body.focus(), document.body.removeAttribute('tabindex'))";
        browser.evaluate(to_top).await.unwrap();
        let order = browser.focus_order().await.unwrap();
        let stops: Vec<String> = order.into_iter().map(|stop| stop.name).collect();
        assert_eq!(stops[0], "Skip to the content", "{page}: {stops:?}");
        for role in ["link", "button", "field"] {
            for name in browser.names(role).await.unwrap() {
                // Locked until the test has passed, which the page says.
                if page == "/connect" && name == "Connect" {
                    continue;
                }
                assert!(
                    stops.contains(&name),
                    "on {page} the keyboard does not reach the {role} “{name}”: {stops:?}"
                );
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn it_reads_the_same_without_scripts() {
    visit(async |browser, page| {
        let with = browser.names("heading").await.unwrap();
        browser.turn_scripts_off().await.unwrap();
        browser.reload().await.unwrap();
        let without = browser.names("heading").await.unwrap();
        assert_eq!(with, without, "{page} is not the same without scripts");
        assert!(!without.is_empty(), "{page} shows nothing");
        browser.turn_scripts_on().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn it_carries_a_policy_that_lets_nothing_of_others_in() {
    let console = Console::start().await.unwrap();
    let browser = &console.browser;
    // What a script that got in would try first.
    browser.expect_complaint("Content Security Policy").await;
    let attempts = "(() => {
        for (const [name, attributes] of Object.entries({
            script: { src: 'http://127.0.0.1:9/a.js' }, img: { src: 'http://127.0.0.1:9/a.png' },
            link: { rel: 'stylesheet', href: 'http://127.0.0.1:9/a.css' }, style: { textContent: 'h1 { color: red }' },
        })) document.head.append(Object.assign(document.createElement(name), attributes));
        const inline = document.createElement('script');
        inline.textContent = 'document.title = \"owned\"';
        document.head.append(inline);
        fetch('http://127.0.0.1:9/').catch(() => {});
    })()";
    browser.expect_complaint("asked another site").await;
    browser.evaluate(attempts).await.unwrap();
    browser
        .wait_until("an answer", "document.readyState === 'complete'")
        .await
        .unwrap();
    assert!(
        !browser.title().await.unwrap().contains("owned"),
        "an inline script ran"
    );
    let red = "getComputedStyle(document.querySelector('h1')).color === 'rgb(255, 0, 0)'";
    assert_eq!(
        browser.evaluate(red).await.unwrap(),
        false,
        "an inline style was taken"
    );
    let requests = browser.requests().await.unwrap();
    let answered = requests
        .iter()
        .find(|request| request.url.contains("127.0.0.1:9/") && request.status != 0);
    assert!(answered.is_none(), "{answered:?}");
    console.finish().await.unwrap();
}
