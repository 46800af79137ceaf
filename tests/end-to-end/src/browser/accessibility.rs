//! Accessibility as a program can check it: with axe-core.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::Page;
use crate::built;

/// WCAG 2.1 and 2.2, levels A and AA, and what axe-core recommends beyond.
const RULES: [&str; 6] = [
    "wcag2a",
    "wcag2aa",
    "wcag21a",
    "wcag21aa",
    "wcag22aa",
    "best-practice",
];

const RUN: &str = "
    const [rules, done] = arguments;
    axe.run(document, { runOnly: { type: 'tag', values: rules }, resultTypes: ['violations'] })
        .then(({ violations }) => done({ violations }), (error) => done({ error: String(error) }));";

impl Page {
    /// Fails with everything axe-core finds wrong on the page as it is now. Its script reaches the page the
    /// way every question of a test does, which the page's content security policy has no say in: the policy
    /// stays what it is for a person.
    pub async fn assert_accessible(&self) -> Result<()> {
        let driver = self.driver();
        driver.execute(built::axe_core()?, vec![]).await?;
        let answer = driver.execute_async(RUN, vec![json!(RULES)]).await?;
        let answer = answer.json();
        if let Some(error) = answer["error"].as_str() {
            bail!("axe-core does not work: {error}");
        }
        let violations = answer["violations"].as_array().cloned().unwrap_or_default();
        if violations.is_empty() {
            return Ok(());
        }
        bail!(
            "{} is not accessible:{}",
            self.path().await?,
            list(&violations)?
        )
    }
}

fn list(violations: &[Value]) -> Result<String> {
    let mut text = String::new();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for violation in violations {
        let (rule, impact) = (word(&violation["id"]), word(&violation["impact"]));
        write!(text, "\n{rule} ({impact}): {}", word(&violation["help"]))?;
        for node in violation["nodes"].as_array().into_iter().flatten() {
            let why = word(&node["failureSummary"]).replace('\n', "\n      ");
            write!(text, "\n    {}\n      {why}", word(&node["html"]))?;
        }
    }
    Ok(text)
}
