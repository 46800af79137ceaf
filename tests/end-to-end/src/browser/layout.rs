//! Whether a page fits a phone.

use anyhow::{Result, bail};
use serde_json::Value;

use super::Page;

/// The least a finger hits reliably, in CSS pixels: Apple's guidelines, and level AAA of WCAG.
const LEAST_TARGET: u32 = 44;

impl Page {
    /// Fails if a person would have to scroll sideways.
    pub async fn assert_fits_width(&self) -> Result<()> {
        let wide: Vec<String> = self.run("tooWide", Value::Null).await?.convert()?;
        if !wide.is_empty() {
            bail!("{} is wider than the screen: {wide:#?}", self.path().await?);
        }
        Ok(())
    }

    /// Fails if a control is too small to be touched.
    pub async fn assert_touchable(&self) -> Result<()> {
        let small: Vec<String> = self
            .run("tooSmall", Value::from(LEAST_TARGET))
            .await?
            .convert()?;
        if !small.is_empty() {
            bail!(
                "{} is hard to use with a finger: {small:#?}",
                self.path().await?
            );
        }
        Ok(())
    }
}
