//! A host, its sandbox Toggl, and a browser that is signed in.

use anyhow::{Context as _, Result};
use reqwest::Method;
use serde_json::Value;

use super::Browser;
use crate::Setup;

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
        Self::start_on(Setup::builder().unlimited().start().await?).await
    }

    /// Starts a browser for a host, and signs in with a link.
    pub async fn start_on(setup: Setup) -> Result<Self> {
        let browser = Browser::start(&setup.host.url).await?;
        browser.sign_in(&sign_in_path(&setup).await?).await?;
        Ok(Self { setup, browser })
    }

    /// Closes the browser; see [`Browser::finish`].
    pub async fn finish(self) -> Result<()> {
        self.browser.finish().await
    }
}

impl Browser {
    /// Follows a link that signs in once, and goes in.
    pub async fn sign_in(&self, path: &str) -> Result<()> {
        self.open(path).await?;
        self.click_button("Sign in").await?;
        self.wait_for_path("/").await
    }
}

/// A link that signs in once, without the host: `/sign-in?code=…`.
pub async fn sign_in_path(setup: &Setup) -> Result<String> {
    let (_, made) = setup
        .host
        .call(Method::POST, "/sign-in-links", Value::Null)
        .await?;
    let path = made["path"].as_str();
    Ok(path
        .context("the host made no link to its console")?
        .to_owned())
}
