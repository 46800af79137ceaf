//! The command line against a running host: every command, for people and as JSON, and its mistakes.

mod disconnecting;
mod journey;
mod mistakes;
mod reading;

use std::process::{Command, Output, Stdio};

use end_to_end::{NORTHWIND, Setup, TOMAS, host_program, run_cli_with_input};
use serde_json::{Value, json};
use toggl_sandbox::Activity;
use toggl_sandbox::control::{DeleteEntry, StartTimer};

/// A host, and a person at a terminal beside it.
struct Terminal {
    setup: Setup,
    url: String,
    data: String,
    token: String,
}

impl Terminal {
    async fn new() -> Self {
        let setup = Setup::builder().unlimited().start().await.unwrap();
        Self {
            url: setup.host.url.clone(),
            data: setup.options.data.display().to_string(),
            token: setup.sandbox.token().to_owned(),
            setup,
        }
    }

    async fn run_with(
        &self,
        arguments: &[&str],
        environment: &[(&str, &str)],
        input: &str,
    ) -> Output {
        let target: &[&str] = if arguments.contains(&"--host") {
            &["--data", &self.data]
        } else {
            &["--host", &self.url, "--data", &self.data]
        };
        let all = [arguments, target].concat();
        let folder = self.setup.folder.path();
        let output = run_cli_with_input(&all, environment, folder, input)
            .await
            .unwrap();
        let shown = format!("{output:?}");
        assert!(!shown.contains(&self.token), "the token is shown: {shown}");
        assert!(!shown.contains("panicked"), "{shown}");
        output
    }

    /// What a command prints that must succeed.
    async fn text(&self, arguments: &[&str]) -> String {
        let environment = [("TOGGL_API_TOKEN", self.token.as_str())];
        let output = self.run_with(arguments, &environment, "").await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command prints as JSON.
    async fn json(&self, arguments: &[&str]) -> Value {
        let text = self.text(&[arguments, &["--json"]].concat()).await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }

    /// The sentence of a command that must fail.
    async fn fails(&self, arguments: &[&str], exit_code: i32, says: &str) {
        let environment = [("TOGGL_API_TOKEN", self.token.as_str())];
        let output = self.run_with(arguments, &environment, "").await;
        assert_failure(&output, arguments, exit_code, says);
    }
}

fn assert_failure(output: &Output, arguments: &[&str], exit_code: i32, says: &str) {
    let error = std::str::from_utf8(&output.stderr).unwrap();
    assert_eq!(
        output.status.code(),
        Some(exit_code),
        "{arguments:?}: {error}"
    );
    assert!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
    // Before it, there may be lines about what takes long.
    let sentences: Vec<_> = error
        .lines()
        .skip_while(|line| !line.starts_with("error: "))
        .collect();
    assert_eq!(sentences.len(), 1, "{arguments:?}: {error}");
    assert!(
        sentences[0].contains(says),
        "{arguments:?}: “{says}” is not in {error}"
    );
}
