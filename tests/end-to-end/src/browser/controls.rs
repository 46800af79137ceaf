//! Using what is on a page.

use anyhow::{Result, bail};
use serde_json::{Value, json};
use thirtyfour::WebElement;
use thirtyfour::error::WebDriverResult;

use super::Page;

impl Page {
    /// Clicks a button.
    pub async fn click_button(&self, name: &str) -> Result<()> {
        self.click("button", name).await
    }

    /// Follows a link.
    pub async fn click_link(&self, name: &str) -> Result<()> {
        self.click("link", name).await
    }

    /// Clicks whatever has this role and this name, as soon as it can be used.
    pub async fn click(&self, role: &str, name: &str) -> Result<()> {
        self.use_control(role, name, async |control| control.click().await)
            .await
    }

    /// Replaces what is in a field, found by its label.
    pub async fn fill(&self, label: &str, text: &str) -> Result<()> {
        self.use_control("field", label, async |field| {
            field.clear().await?;
            field.send_keys(text).await
        })
        .await
    }

    /// Chooses an option of a list, found by its label, as a person reads it.
    pub async fn choose(&self, label: &str, option: &str) -> Result<()> {
        self.use_control("field", label, async |list| {
            list.send_keys(option).await?;
            Ok(())
        })
        .await?;
        let chosen = self.chosen(label).await?;
        if chosen != option {
            bail!("“{label}” offers no “{option}”; it is now at “{chosen}”");
        }
        Ok(())
    }

    /// The option a list is at.
    pub async fn chosen(&self, label: &str) -> Result<String> {
        let list = self.control("field", label).await?;
        let script = "return arguments[0].selectedOptions[0]?.label ?? ''";
        let answer = self.driver().execute(script, vec![list.to_json()?]).await?;
        Ok(answer.convert()?)
    }

    /// What is in a field.
    pub async fn value(&self, label: &str) -> Result<String> {
        let field = self.control("field", label).await?;
        Ok(field.value().await?.unwrap_or_default())
    }

    /// Waits for whatever has this role and this name. Roles are those of ARIA; `field` is any field.
    pub async fn control(&self, role: &str, name: &str) -> Result<WebElement> {
        self.use_control_of("find", role, name, async |control| Ok(control))
            .await
    }

    /// Whether there is something with this role and name right now.
    pub async fn has(&self, role: &str, name: &str) -> Result<bool> {
        let options = json!({ "role": role, "name": name });
        let found = self.run("find", options).await?;
        Ok(!self.elements(found)?.is_empty())
    }

    /// The names of everything with a role, in the page's order.
    pub async fn names(&self, role: &str) -> Result<Vec<String>> {
        Ok(self.run("names", Value::from(role)).await?.convert()?)
    }

    async fn use_control<T>(
        &self,
        role: &str,
        name: &str,
        action: impl AsyncFnMut(WebElement) -> WebDriverResult<T>,
    ) -> Result<T> {
        self.use_control_of("findUsable", role, name, action).await
    }

    /// Tries again if the page changes under it.
    async fn use_control_of<T>(
        &self,
        function: &str,
        role: &str,
        name: &str,
        mut action: impl AsyncFnMut(WebElement) -> WebDriverResult<T>,
    ) -> Result<T> {
        let options = json!({ "role": role, "name": name });
        let found = self.wait(format!("the {role} “{name}”"), async || {
            let found = self.run(function, options.clone()).await?.elements()?;
            match found.into_iter().next() {
                Some(control) => Ok(Some(action(control).await?)),
                None => Ok(None),
            }
        });
        match found.await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                let names = self.names(role).await.unwrap_or_default();
                bail!("{error}\nEvery {role} there: {names:?}")
            }
        }
    }
}
