//! What a command prints: text for people, or JSON.

use std::io::{self, Write as _};

use serde::Serialize;

use super::failure::Failure;
use integration_host_contract::sentence;

/// Where a command prints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints an answer: as JSON if that was asked for, else the text made of it.
    pub(super) fn answer<T: Serialize>(
        self,
        answer: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        if self.json {
            let json = serde_json::to_string_pretty(answer)
                .map_err(|error| Failure::failed(format!("cannot make JSON: {error}")))?;
            self.line(&json)
        } else {
            self.line(&text(answer))
        }
    }

    /// Prints one thing of an endless list: as one line of JSON, or as text.
    pub(super) fn item<T: Serialize>(
        self,
        item: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        if self.json {
            let json = serde_json::to_string(item)
                .map_err(|error| Failure::failed(format!("cannot make JSON: {error}")))?;
            self.line(&json)
        } else {
            self.line(&text(item))
        }
    }

    fn line(self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.trim_end().as_bytes())?;
        stdout.write_all(b"\n")?;
        stdout.flush()?;
        Ok(())
    }

    /// Whether JSON was asked for.
    pub(super) fn is_json(self) -> bool {
        self.json
    }

    /// Tells how long work goes on, beside the output. Nobody needs it, so a failure is ignored.
    pub(super) fn progress(self, sentence: &str) {
        let _ = writeln!(io::stderr().lock(), "{sentence}");
    }
}

/// Text from elsewhere, without what could take over a terminal.
pub(super) fn printable(text: &str) -> String {
    sentence::printable(text).into_owned()
}
