//! A real Chromium that looks at the console: what a person sees and does there, and what a page must
//! never do.
//!
//! Controls are found as a person or a screen reader finds them, by role and name, never by an id or a
//! class. Everything waits until it can be done, and says what the page showed instead if it cannot.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use end_to_end::browser::Console;
//!
//! let console = Console::start().await?;
//! let browser = &console.browser;
//! browser.open("/").await?;
//! browser.click_link("Connect").await?;
//! browser.fill("API token", console.setup.sandbox.token()).await?;
//! browser.click_button("Test Connection").await?;
//! browser.wait_for_text("Northwind Studio").await?;
//! browser.assert_accessible().await?;
//! console.finish().await
//! # }
//! ```

mod accessibility;
mod chromedriver;
mod console;
mod controls;
mod emulation;
mod keyboard;
mod layout;
mod page;
mod watch;

use std::ops::Deref;
use std::os::unix::fs::MetadataExt as _;

use anyhow::{Context as _, Result};
use serde_json::json;
use thirtyfour::common::capabilities::chromium::ChromiumLikeCapabilities as _;
use thirtyfour::{ChromeCapabilities, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver};
use tokio::sync::Mutex;

pub use console::{Console, sign_in_path};
pub use emulation::{Screen, Theme};
pub use keyboard::{Focus, Key};
pub use page::Page;
pub use watch::PageRequest;

use watch::Watch;

/// A Chromium with a profile of its own, that shows one page. What can be done with that page can be
/// done with the browser.
pub struct Browser {
    page: Page,
    watch: Mutex<Watch>,
}

impl Browser {
    /// Starts one for the pages of a host, such as `http://127.0.0.1:8080`. It is a desktop's size, and
    /// shows nothing yet.
    pub async fn start(host: &str) -> Result<Self> {
        // Fails when a provider is installed already, and then there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let driver = WebDriver::builder(chromedriver::url().await?, capabilities()?)
            .client(reqwest::Client::builder().no_proxy().build()?)
            .await
            .context("Chromium does not start")?;
        let browser = Self {
            page: Page::new(driver, host),
            watch: Mutex::new(Watch::new(host)),
        };
        browser.show_on(Screen::DESKTOP).await?;
        Ok(browser)
    }

    /// Goes to a page of the host, such as `/timeline`, and waits until it is loaded.
    pub async fn open(&self, path: &str) -> Result<()> {
        let url = format!("{}{path}", self.page.host());
        self.driver().goto(url.as_str()).await?;
        Ok(())
    }

    /// Goes to a page that is not the host's. That is the test's doing: asking this other site is allowed
    /// from here on.
    pub async fn open_elsewhere(&self, url: &str) -> Result<()> {
        self.watch.lock().await.allow(url);
        self.driver().goto(url).await?;
        Ok(())
    }

    /// Loads the page again.
    pub async fn reload(&self) -> Result<()> {
        Ok(self.driver().refresh().await?)
    }

    /// Whatever was sent for so far, in order, pages and what belongs to them.
    pub async fn requests(&self) -> Result<Vec<PageRequest>> {
        let mut watch = self.watch.lock().await;
        watch.look(self.driver()).await?;
        Ok(watch.requests())
    }

    /// What is about to happen makes the browser complain, in words that contain these: a wrong token
    /// answers 401, and a browser says so.
    pub async fn expect_complaint(&self, words: &str) {
        self.watch.lock().await.expect(words);
    }

    /// Closes the browser. Whatever it complained about unexpectedly while it was open is an error: of a
    /// script, of the content security policy, or because something was asked of another site.
    pub async fn finish(self) -> Result<()> {
        let mut watch = self.watch.into_inner();
        let looked = watch.look(self.page.driver()).await;
        self.page.close().await?;
        looked?;
        watch.assert_quiet()
    }
}

impl Deref for Browser {
    type Target = Page;

    fn deref(&self) -> &Page {
        &self.page
    }
}

fn capabilities() -> Result<ChromeCapabilities> {
    let mut capabilities = DesiredCapabilities::chrome();
    if let Ok(program) = std::env::var("CHROMIUM") {
        capabilities.set_binary(&program)?;
    }
    let arguments = [
        "--headless=new",
        "--no-first-run",
        "--no-proxy-server",
        "--disable-breakpad",
        // Roles and names of elements, as assistive technology is told them, can be asked for.
        "--enable-blink-features=ComputedAccessibilityInfo",
    ];
    for argument in arguments {
        capabilities.add_arg(argument)?;
    }
    // Chromium's own sandbox does not work for the administrator, who runs the tests in containers.
    if std::fs::metadata("/proc/self")?.uid() == 0 {
        capabilities.add_arg("--no-sandbox")?;
    }
    // Without these it begins with a page of its own, which sends for a hundred things.
    let preferences = json!({
        "session.restore_on_startup": 4,
        "session.startup_urls": ["about:blank"],
    });
    capabilities.add_experimental_option("prefs", preferences)?;
    for log in ["browser", "performance"] {
        capabilities.set_logging_prefs(log, LoggingPrefsLogLevel::All)?;
    }
    Ok(capabilities)
}
