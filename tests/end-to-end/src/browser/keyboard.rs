//! A person with a keyboard alone.

use anyhow::{Result, bail};
use serde_json::Value;
use thirtyfour::WebElement;

use super::Page;

pub use thirtyfour::Key;

/// More stops than any page has.
const MAX_STOPS: usize = 1_000;

/// A place the focus stops at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Focus {
    /// Its role.
    pub role: String,
    /// Its name.
    pub name: String,
    /// Whether a person sees that the focus is there.
    pub visible: bool,
}

impl Page {
    /// Presses a key where the focus is.
    pub async fn press(&self, key: Key) -> Result<()> {
        let keys = self.driver().action_chain().send_keys(key);
        Ok(keys.perform().await?)
    }

    /// Types where the focus is.
    pub async fn type_text(&self, text: &str) -> Result<()> {
        let keys = self.driver().action_chain().send_keys(text);
        Ok(keys.perform().await?)
    }

    /// Where the focus is; `None` if it is nowhere.
    pub async fn focus(&self) -> Result<Option<Focus>> {
        match self.focused().await? {
            Some(element) => Ok(Some(self.describe_focus(&element).await?)),
            None => Ok(None),
        }
    }

    /// Presses Tab from where the focus is (on a page just opened, from its top) until it has been
    /// everywhere, and returns the stops in order. A stop that cannot be seen is an error: a person would
    /// not know where they are.
    pub async fn focus_order(&self) -> Result<Vec<Focus>> {
        let mut first: Option<WebElement> = None;
        let mut stops = Vec::new();
        while stops.len() < MAX_STOPS {
            self.press(Key::Tab).await?;
            let Some(element) = self.focused().await? else {
                break;
            };
            match &first {
                Some(first) if first.element_id() == element.element_id() => break,
                Some(_) => {}
                None => first = Some(element.clone()),
            }
            stops.push(self.describe_focus(&element).await?);
        }
        let unseen: Vec<&Focus> = stops.iter().filter(|stop| !stop.visible).collect();
        if !unseen.is_empty() {
            bail!(
                "on {} the focus is not visible at {unseen:?}",
                self.path().await?
            );
        }
        Ok(stops)
    }

    async fn focused(&self) -> Result<Option<WebElement>> {
        let script = "const focused = document.activeElement;
            return focused && focused !== document.body ? [focused] : [];";
        let answer = self.driver().execute(script, vec![]).await?;
        Ok(self.elements(answer)?.into_iter().next())
    }

    async fn describe_focus(&self, element: &WebElement) -> Result<Focus> {
        let answer = self.run("focus", element.to_json()?).await?;
        let answer = answer.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Focus {
            role: text(&answer["role"]),
            name: text(&answer["name"]),
            visible: answer["visible"] == true,
        })
    }
}
