//! What the demo prints: text for people, or JSON.

use std::io::{self, Write as _};

use serde::Serialize;

/// Where the demo prints.
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints an answer: as JSON if that was asked for, else the text made of it.
    pub(super) fn answer<T: Serialize>(
        &self,
        answer: &T,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        match self.json {
            true => line(&serde_json::to_string_pretty(answer)?),
            false => line(&text(answer)),
        }
    }

    /// Prints one thing of an endless list: as one line of JSON, or as text.
    pub(super) fn item<T: Serialize>(
        &self,
        item: &T,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        match self.json {
            true => line(&serde_json::to_string(item)?),
            false => line(&text(item)),
        }
    }

    /// Tells how far the demo is, beside the output. Nobody needs it, so a failure is ignored.
    pub(super) fn progress(&self, sentence: &str) {
        let _ = writeln!(io::stderr().lock(), "{sentence}");
    }
}

fn line(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", text.trim_end())?;
    Ok(stdout.flush()?)
}
