//! The page a browser shows, or a part of it.

use std::fmt::Display;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use thirtyfour::error::WebDriverResult;
use thirtyfour::session::scriptret::ScriptRet;
use thirtyfour::{WebDriver, WebElement};

use crate::eventually_within;

/// How long anything may take to appear on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// How much of a page's text stands in an error, in characters.
const TEXT_SHOWN: usize = 2_000;

/// The page a browser shows, or a part of it.
#[derive(Clone)]
pub struct Page {
    driver: WebDriver,
    host: String,
    part: Option<Part>,
}

/// A part of a page, as a person would say which.
#[derive(Clone)]
struct Part {
    role: String,
    text: String,
}

impl Page {
    pub(super) fn new(driver: WebDriver, host: &str) -> Self {
        Self {
            driver,
            host: host.to_owned(),
            part: None,
        }
    }

    /// Whatever drives the browser, for what has no function here.
    pub fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// The host whose pages these are.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub(super) async fn close(self) -> Result<()> {
        Ok(self.driver.quit().await?)
    }

    /// The innermost part with this role and this text or name, such as `("row", "Jonas Weber")`; it need
    /// not be there yet.
    pub fn within(&self, role: &str, text: &str) -> Self {
        Self {
            part: Some(Part {
                role: role.to_owned(),
                text: text.to_owned(),
            }),
            ..self.clone()
        }
    }

    /// The page's title.
    pub async fn title(&self) -> Result<String> {
        Ok(self.driver.title().await?)
    }

    /// Path and query of the page's address.
    pub async fn path(&self) -> Result<String> {
        Ok(path_of(
            self.driver.current_url().await?.as_str(),
            &self.host,
        ))
    }

    /// Waits for an address, such as `/connections/abc/users`.
    pub async fn wait_for_path(&self, path: &str) -> Result<()> {
        let what = format!("the address {path}");
        self.wait(
            what,
            async || Ok((self.here().await? == path).then_some(())),
        )
        .await
    }

    /// Waits for an address that begins so, and returns all of it.
    pub async fn wait_for_path_below(&self, prefix: &str) -> Result<String> {
        let what = format!("an address that begins with {prefix}");
        self.wait(what, async || {
            Ok(Some(self.here().await?).filter(|path| path.starts_with(prefix)))
        })
        .await
    }

    async fn here(&self) -> WebDriverResult<String> {
        Ok(path_of(
            self.driver.current_url().await?.as_str(),
            &self.host,
        ))
    }

    /// The text a person sees, each run of blanks as one.
    pub async fn text(&self) -> Result<String> {
        Ok(self.run("text", Value::Null).await?.convert()?)
    }

    /// Waits until a person sees this text.
    pub async fn wait_for_text(&self, text: &str) -> Result<()> {
        self.wait(format!("the text “{text}”"), async || {
            Ok(self.shows(text).await?.then_some(()))
        })
        .await
    }

    /// Waits until a person does not see this text any more.
    pub async fn wait_until_gone(&self, text: &str) -> Result<()> {
        self.wait(format!("“{text}” to go"), async || {
            Ok((!self.shows(text).await?).then_some(()))
        })
        .await
    }

    async fn shows(&self, text: &str) -> WebDriverResult<bool> {
        let shown: String = self.run("text", Value::Null).await?.convert()?;
        Ok(shown.contains(text))
    }

    /// Waits until an expression of JavaScript is true.
    pub async fn wait_until(&self, what: &str, expression: &str) -> Result<()> {
        let script = format!("return Boolean({expression})");
        self.wait(what, async || {
            let is_true: bool = self
                .driver
                .execute(script.as_str(), vec![])
                .await?
                .convert()?;
            Ok(is_true.then_some(()))
        })
        .await
    }

    /// The value of an expression of JavaScript.
    pub async fn evaluate(&self, expression: &str) -> Result<Value> {
        let script = format!("return {expression}");
        Ok(self.driver.execute(script, vec![]).await?.json().clone())
    }

    /// Calls a function of `page.js` for this part of the page.
    pub(super) async fn run(&self, function: &str, options: Value) -> WebDriverResult<ScriptRet> {
        let script = format!(
            "{}\nreturn {function}(part(arguments[0]), arguments[1]);",
            include_str!("page.js")
        );
        let part = match &self.part {
            Some(part) => json!({ "role": part.role, "text": part.text }),
            None => Value::Null,
        };
        self.driver.execute(script, vec![part, options]).await
    }

    /// Tries until there is an answer. What goes wrong meanwhile may be a page that is just being left.
    pub(super) async fn wait<T>(
        &self,
        what: impl Display,
        mut attempt: impl AsyncFnMut() -> WebDriverResult<Option<T>>,
    ) -> Result<T> {
        let failure = format!("waited in vain for {what}");
        let found = eventually_within(PATIENCE, failure, async || {
            attempt().await?.context("it is not there")
        });
        match found.await {
            Ok(found) => Ok(found),
            Err(error) => {
                let shown = self.describe().await;
                let shown = shown.unwrap_or_else(|error| error.to_string());
                bail!("{error} {shown}")
            }
        }
    }

    /// Where a person is and what they see, for an error.
    pub(super) async fn describe(&self) -> Result<String> {
        let text: String = self.text().await?.chars().take(TEXT_SHOWN).collect();
        Ok(format!("on {}, which shows: {text}", self.path().await?))
    }

    /// Elements a script returned.
    pub(super) fn elements(&self, answer: ScriptRet) -> Result<Vec<WebElement>> {
        answer.elements().context("not a list of elements")
    }
}

/// The address without the host's part.
fn path_of(url: &str, host: &str) -> String {
    url.strip_prefix(host).unwrap_or(url).to_owned()
}
