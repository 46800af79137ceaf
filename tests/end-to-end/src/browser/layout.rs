//! Whether a page fits its screen.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::Page;

/// The least a finger hits reliably, in CSS pixels: Apple's guidelines, and level AAA of WCAG.
const LEAST_TARGET: u32 = 44;

/// The longest word that fits every screen, in letters: it is never broken.
const LONGEST_WHOLE_WORD: u32 = 18;

/// The least letters of a longer word that stand on a line.
const LEAST_OF_A_WORD: u32 = 8;

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

    /// Fails if something has to be scrolled sideways, hangs out of what it belongs to, or is broken within a
    /// word that would fit.
    pub async fn assert_laid_out(&self) -> Result<()> {
        self.assert_fits_width().await?;
        let overflowing: Vec<String> = self.run("overflowing", Value::Null).await?.convert()?;
        if !overflowing.is_empty() {
            let path = self.path().await?;
            bail!("parts of {path} are wider than their place: {overflowing:#?}");
        }
        let words = json!({ "whole": LONGEST_WHOLE_WORD, "least": LEAST_OF_A_WORD });
        let broken: Vec<String> = self.run("brokenWords", words).await?.convert()?;
        if !broken.is_empty() {
            bail!("{} breaks words: {broken:#?}", self.path().await?);
        }
        Ok(())
    }
}
