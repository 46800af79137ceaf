//! Who gets in, how, and for how long.

use end_to_end::Setup;
use end_to_end::browser::{Browser, Console, Key};
use reqwest::Method;
use serde_json::Value;

/// A page that only who is signed in sees, and that shows what its address asked for.
const WANTED: &str = "/?notice=renamed";
const WANTED_TEXT: &str = "The new name is saved.";

/// What a browser says when somebody is refused.
const REFUSED: &str = "status of 401";

async fn stranger() -> (Setup, Browser) {
    let setup = Setup::builder().start().await.unwrap();
    let browser = Browser::start(&setup.host.url).await.unwrap();
    (setup, browser)
}

fn admin_token(setup: &Setup) -> String {
    let path = setup.options.data.join("admin-token");
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

/// A link that signs in once, without the host.
async fn link(setup: &Setup) -> String {
    let made = setup
        .host
        .call(Method::POST, "/sign-in-links", Value::Null)
        .await
        .unwrap();
    made.1["path"].as_str().unwrap().to_owned()
}

/// Takes everything out of the browser that a session could be in.
async fn forget(browser: &Browser) {
    browser.driver().delete_all_cookies().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn the_admin_token_opens_the_console_and_a_wrong_one_does_not() {
    let (setup, browser) = stranger().await;
    browser.open(WANTED).await.unwrap();
    browser.wait_for_path_below("/sign-in").await.unwrap();
    browser.assert_accessible().await.unwrap();

    browser.expect_complaint(REFUSED).await;
    browser.fill("Admin token", "not the token").await.unwrap();
    browser.click_button("Sign in").await.unwrap();
    browser
        .wait_for_text("is not the one of this host")
        .await
        .unwrap();
    let alert = browser.names("alert").await.unwrap();
    assert_eq!(alert.len(), 1, "nobody is told what was wrong: {alert:?}");
    assert_eq!(browser.value("Admin token").await.unwrap(), "");
    browser.assert_accessible().await.unwrap();

    browser
        .fill("Admin token", &admin_token(&setup))
        .await
        .unwrap();
    browser.press(Key::Enter).await.unwrap();
    browser.wait_for_path(WANTED).await.unwrap();
    browser.wait_for_text(WANTED_TEXT).await.unwrap();
    browser.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_link_signs_in_once() {
    let (setup, browser) = stranger().await;
    let link = link(&setup).await;
    // As the scanner of a mailbox looks at it.
    for _ in 0..2 {
        browser.open(&link).await.unwrap();
        browser.wait_for_text("once").await.unwrap();
        browser.assert_accessible().await.unwrap();
    }
    browser.sign_in(&link).await.unwrap();
    browser.control("heading", "Services").await.unwrap();
    // Whoever finds the link in a history or a log.
    forget(&browser).await;
    browser.open(&link).await.unwrap();
    browser.click_button("Sign in").await.unwrap();
    browser.wait_for_text("was used already").await.unwrap();
    browser.open("/").await.unwrap();
    browser.wait_for_path_below("/sign-in").await.unwrap();
    // Whoever makes one up.
    browser.open("/sign-in?code=0123").await.unwrap();
    browser.click_button("Sign in").await.unwrap();
    browser.wait_for_text("was used already").await.unwrap();
    browser.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn signing_out_ends_the_session_for_whoever_copied_it() {
    let Console { setup, browser } = Console::start().await.unwrap();
    let cookies = browser.driver().get_all_cookies().await.unwrap();
    let session = cookies
        .iter()
        .find(|cookie| cookie.name.starts_with("session"));
    let copied = session.unwrap().clone();
    browser.click_button("Sign out").await.unwrap();
    browser.wait_for_path("/sign-in").await.unwrap();
    // Would be gone on any other page.
    browser.evaluate("(window.same = true)").await.unwrap();
    browser.driver().back().await.unwrap();
    browser
        .wait_until(
            "the page to sign in, asked for again",
            "!window.same && location.pathname === '/sign-in'",
        )
        .await
        .unwrap();
    browser.driver().add_cookie(copied).await.unwrap();
    browser.open("/").await.unwrap();
    browser.wait_for_path_below("/sign-in").await.unwrap();
    // The way back in is open.
    browser.sign_in(&link(&setup).await).await.unwrap();
    browser.click_button("Sign out everywhere").await.unwrap();
    browser.wait_for_path("/sign-in").await.unwrap();
    browser.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn no_script_gets_at_the_session() {
    let Console {
        browser,
        setup: _setup,
    } = Console::start().await.unwrap();
    let cookies = browser.evaluate("document.cookie").await.unwrap();
    assert!(!cookies.to_string().contains("session"), "{cookies}");
    browser.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn whoever_was_signed_out_meanwhile_comes_back_to_the_page_they_wanted() {
    let Console { setup, browser } = Console::start().await.unwrap();
    forget(&browser).await;
    browser.open(WANTED).await.unwrap();
    browser.wait_for_path_below("/sign-in").await.unwrap();
    browser
        .fill("Admin token", &admin_token(&setup))
        .await
        .unwrap();
    browser.click_button("Sign in").await.unwrap();
    browser.wait_for_text(WANTED_TEXT).await.unwrap();
    browser.wait_for_path(WANTED).await.unwrap();
    // A restart signs nobody out.
    let mut setup = setup;
    setup.host.kill().await.unwrap();
    setup.restart().await.unwrap();
    browser.reload().await.unwrap();
    browser.wait_for_text(WANTED_TEXT).await.unwrap();
    browser.finish().await.unwrap();
}

/// Browsers do not send a `SameSite=Strict` cookie along when another site's link is followed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_link_from_another_site_leads_to_the_page_without_signing_in_again() {
    let Console {
        browser,
        setup: _setup,
    } = Console::start().await.unwrap();
    let link = format!("<a href='{}{WANTED}'>Look at this</a>", browser.host());
    let elsewhere = super::the_checks::site_of(link)
        .await
        .replace("127.0.0.1", "localhost");
    browser.open_elsewhere(&elsewhere).await.unwrap();
    browser.click_link("Look at this").await.unwrap();
    browser.wait_for_text(WANTED_TEXT).await.unwrap();
    browser.wait_for_path(WANTED).await.unwrap();
    browser.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn signing_in_and_out_needs_no_scripts() {
    let (setup, browser) = stranger().await;
    browser.turn_scripts_off().await.unwrap();
    browser.sign_in(&link(&setup).await).await.unwrap();
    browser.click_button("Sign out").await.unwrap();
    browser.wait_for_path("/sign-in").await.unwrap();
    browser
        .fill("Admin token", &admin_token(&setup))
        .await
        .unwrap();
    browser.click_button("Sign in").await.unwrap();
    browser.wait_for_path("/").await.unwrap();
    browser.control("heading", "Services").await.unwrap();
    browser.finish().await.unwrap();
}
