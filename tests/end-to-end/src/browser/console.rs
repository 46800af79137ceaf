//! A host, its sandbox Toggl, and a browser that is signed in.

use anyhow::{Context as _, Result};

use super::Browser;
use crate::{Setup, unlimited_scenario};

/// A host, its sandbox Toggl, and a browser that is signed in to the host's console.
pub struct Console {
    /// Host and sandbox.
    pub setup: Setup,
    /// The browser.
    pub browser: Browser,
}

impl Console {
    /// Starts all with the built-in scenario, without Toggl's limits, and signs in.
    pub async fn start() -> Result<Self> {
        Self::start_on(Setup::start_with(unlimited_scenario(), &[]).await?).await
    }

    /// Starts a browser for a host, and signs in with the link the host printed.
    pub async fn start_on(setup: Setup) -> Result<Self> {
        let browser = Browser::start(&setup.host.url).await?;
        browser.open(&sign_in_path(&setup)?).await?;
        browser.wait_for_path("/").await?;
        Ok(Self { setup, browser })
    }

    /// Closes the browser; see [`Browser::finish`].
    pub async fn finish(self) -> Result<()> {
        self.browser.finish().await
    }
}

/// The one-time link the host printed when it started, without the host: `/sign-in?code=…`.
pub fn sign_in_path(setup: &Setup) -> Result<String> {
    let link = setup.host.summary["console"]
        .as_str()
        .context("the host printed no link to its console")?;
    Ok(link.trim_start_matches(&setup.host.url).to_owned())
}
