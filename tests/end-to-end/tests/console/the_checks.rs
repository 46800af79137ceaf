//! The checks that every test of the console relies on find what they look for.

use end_to_end::browser::{Browser, Focus, Key, Screen, Theme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A site with this one page, whose policy allows its own scripts and pictures only.
async fn site(page: &'static str) -> String {
    site_of(page.to_owned()).await
}

/// The same, for a page made at the time.
pub async fn site_of(page: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // Browsers open connections that they do not use.
            tokio::spawn(answer(stream, page.clone()));
        }
    });
    url
}

/// Answers one request.
async fn answer(mut stream: TcpStream, page: String) {
    let mut request = [0; 4096];
    let length = stream.read(&mut request).await.unwrap_or_default();
    let request = String::from_utf8_lossy(&request[..length]).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (kind, body) = match path {
        "/script.js" => ("text/javascript", SCRIPT),
        _ => ("text/html; charset=utf-8", page.as_str()),
    };
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\
         content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}

const SCRIPT: &str = "
    document.querySelector('h1').textContent = 'Ready';
    document.querySelector('button').addEventListener('click', () => {
        document.querySelector('[role=status]').textContent = document.querySelector('input').value;
    });";

const GOOD: &str = "<!doctype html><html lang=en><meta name=viewport content='width=device-width'>
    <title>Good</title><main><h1>Waiting</h1>
    <label>API token <input></label> <button>Test Connection</button> <button disabled>Connect</button>
    <label>Person <select><option>Nobody</option><option>Mara Lindqvist</option></select></label>
    <table cellpadding=12><tr><th scope=row>Tomás</th><td><a href='/tomas'>Map</a></td></tr>
    <tr><th scope=row>Priya</th><td><a href='/priya'>Map</a></td></tr></table>
    <p hidden>Secret</p><p role=status></p></main><script type=module src=/script.js></script></html>";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_page_is_used_as_a_person_would() {
    let browser = Browser::start(&site(GOOD).await).await.unwrap();
    browser.open("/").await.unwrap();
    browser.wait_for_text("Ready").await.unwrap();
    browser.fill("API token", "abc").await.unwrap();
    browser.fill("API token", "def").await.unwrap();
    browser.click_button("Test Connection").await.unwrap();
    browser
        .within("status", "def")
        .wait_for_text("def")
        .await
        .unwrap();
    assert_eq!(browser.value("API token").await.unwrap(), "def");
    browser.choose("Person", "Mara Lindqvist").await.unwrap();
    assert!(browser.has("button", "Connect").await.unwrap());
    assert!(!browser.text().await.unwrap().contains("Secret"));
    browser.assert_accessible().await.unwrap();

    browser.reload().await.unwrap();
    browser.wait_for_text("Ready").await.unwrap();
    let order = browser.focus_order().await.unwrap();
    let names: Vec<&str> = order.iter().map(|stop| stop.name.as_str()).collect();
    assert_eq!(
        names,
        ["API token", "Test Connection", "Person", "Map", "Map"],
        "{order:?}"
    );

    let row = browser.within("row", "Priya");
    row.click_link("Map").await.unwrap();
    browser.wait_for_path("/priya").await.unwrap();
    let sent: Vec<String> = browser
        .requests()
        .await
        .unwrap()
        .into_iter()
        .map(|request| request.url.replace(browser.host(), ""))
        .collect();
    assert_eq!(&sent[..2], ["/", "/script.js"], "{sent:?}");
    browser.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn whoever_looks_is_told_to_the_page() {
    let browser = Browser::start(&site(GOOD).await).await.unwrap();
    browser.show_on(Screen::NARROW).await.unwrap();
    browser.prefer(Theme::Dark).await.unwrap();
    browser.set_time_zone("Asia/Tokyo").await.unwrap();
    browser.stop_clock(1_772_811_600_000).await.unwrap();
    browser.open("/").await.unwrap();
    for (expression, expected) in [
        ("innerWidth", "360"),
        ("matchMedia('(prefers-color-scheme: dark)').matches", "true"),
        (
            "Intl.DateTimeFormat().resolvedOptions().timeZone",
            "\"Asia/Tokyo\"",
        ),
        ("new Date().toISOString()", "\"2026-03-06T15:40:00.000Z\""),
        ("'ontouchstart' in window", "true"),
    ] {
        let value = browser.evaluate(expression).await.unwrap();
        assert_eq!(value.to_string(), expected, "{expression}");
    }
    browser.turn_scripts_off().await.unwrap();
    browser.reload().await.unwrap();
    browser.fill("API token", "abc").await.unwrap();
    browser.press(Key::Enter).await.unwrap();
    let text = browser.text().await.unwrap();
    assert!(text.contains("Waiting"), "a script ran: {text}");
    browser.finish().await.unwrap();
}

const BAD: &str = "<!doctype html><html><meta name=viewport content='width=device-width'>
    <title>Bad</title><main><h1>Bad</h1>
    <input><a href='/a'><img src='http://127.0.0.1:9/pixel.png'></a>
    <table><tr><td><button>A_button_with_one_word_that_is_far_too_long_for_a_telephone_of_any_width</button>
    </table></main></html>";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_page_that_keeps_somebody_out_is_found() {
    let browser = Browser::start(&site(BAD).await).await.unwrap();
    browser.show_on(Screen::NARROW).await.unwrap();
    browser.open("/").await.unwrap();
    let found = browser.assert_accessible().await.unwrap_err().to_string();
    for rule in ["html-has-lang", "label", "image-alt"] {
        assert!(found.contains(rule), "{rule} is not in {found}");
    }
    let wide = browser.assert_fits_width().await.unwrap_err().to_string();
    assert!(wide.contains("A_button"), "{wide}");
    let small = browser.assert_touchable().await.unwrap_err().to_string();
    assert!(small.contains("A_button"), "{small}");
    let foreign = browser.finish().await.unwrap_err().to_string();
    assert!(foreign.contains("127.0.0.1:9"), "{foreign}");
    assert!(foreign.contains("Content Security Policy"), "{foreign}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_word_in_pieces_and_a_part_that_scrolls_are_found() {
    let page = "<!doctype html><html lang=en><meta name=viewport content='width=device-width'><title>T</title>
        <p>Tomás Wolfeschlegelsteinhausenbergerdorff</p></html>";
    let browser = Browser::start(&site(page).await).await.unwrap();
    browser.open("/").await.unwrap();
    browser.assert_laid_out().await.unwrap();
    let style = |name: &str, value: &str| {
        format!("document.querySelector('p').style.setProperty('{name}', '{value}')")
    };
    for (name, value) in [("overflow-wrap", "anywhere"), ("width", "2em")] {
        browser.evaluate(&style(name, value)).await.unwrap();
    }
    let broken = browser.assert_laid_out().await.unwrap_err().to_string();
    assert!(
        broken.contains("“Tomás”") && broken.contains("“Wolf"),
        "{broken}"
    );
    for (name, value) in [("overflow-wrap", "normal"), ("overflow-x", "auto")] {
        browser.evaluate(&style(name, value)).await.unwrap();
    }
    let wide = browser.assert_laid_out().await.unwrap_err().to_string();
    assert!(wide.contains("auto: <p"), "{wide}");
    browser.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium; `cargo xtask test` runs it"]
async fn a_focus_that_nobody_sees_is_found() {
    let page = "<!doctype html><html lang=en><title>T</title><h1>T</h1><a href='/a'>A</a>
        <a href='/b'>B</a></html>";
    let browser = Browser::start(&site(page).await).await.unwrap();
    browser.open("/").await.unwrap();
    browser
        .evaluate("document.querySelectorAll('a')[1].style.setProperty('outline', 'none')")
        .await
        .unwrap();
    let error = browser.focus_order().await.unwrap_err().to_string();
    assert!(
        error.contains("\"B\"") && !error.contains("\"A\""),
        "{error}"
    );
    let focus = browser.focus().await.unwrap();
    let unseen = Focus {
        role: "link".into(),
        name: "B".into(),
        visible: false,
    };
    assert!(focus.is_none() || focus == Some(unseen), "{focus:?}");
    browser.finish().await.unwrap();
}
