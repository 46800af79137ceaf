//! The timeline.

mod addresses;
mod contents;
mod live;
mod standing;

use end_to_end::browser::{Browser, Console};
use end_to_end::{NORTHWIND, Setup};
use serde_json::Value;
use thirtyfour::By;
use toggl_sandbox::NewEntry;

pub const MARA: i64 = 9_500_001;
/// A member whom no user's e-mail address matches.
const JONAS: i64 = 9_500_004;

/// What a page says while it follows the feed.
const LIVE: &str = "Live: new entries appear by themselves.";

struct Timeline {
    console: Console,
    id: String,
}

/// Opens the filters, whose summary has no role of its own in Chromium.
pub async fn open_filters(browser: &Browser) {
    let summary = By::Css("details.filters summary");
    let summary = browser.driver().find(summary).await.unwrap();
    summary.click().await.unwrap();
}

impl Timeline {
    async fn start() -> Self {
        Self::start_configured("").await
    }

    async fn start_configured(configuration: &str) -> Self {
        let setup = Setup::builder().configuration(configuration).start();
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
