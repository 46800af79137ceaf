//! The command line against a running host: every command, for people and as JSON, and its mistakes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::process::{Command, Output, Stdio};

use end_to_end::{NORTHWIND, Setup, TOMAS, host_program, run_cli_with_input, unlimited_scenario};
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
        let setup = Setup::start_with(unlimited_scenario(), &[]).await.unwrap();
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

#[tokio::test]
async fn a_person_goes_from_a_token_to_a_timeline() {
    let terminal = Terminal::new().await;
    let text = terminal.text(&["connections"]).await;
    assert!(text.contains("Nothing is connected yet"), "{text}");

    // The token, from the environment and from standard input.
    let text = terminal.text(&["test"]).await;
    assert!(text.contains("Mara Lindqvist"), "{text}");
    assert!(
        text.contains("Next: integration-host connect --workspace 7400001"),
        "{text}"
    );
    let input = format!("{}\n", terminal.token);
    let output = terminal
        .run_with(&["test", "--token-stdin", "--json"], &[], &input)
        .await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report, terminal.json(&["test"]).await);

    terminal.fails(&["connect"], 2, "7400002").await;
    terminal
        .fails(&["connect", "--workspace", "1"], 1, "workspace")
        .await;
    terminal
        .fails(&["connect", "--workspace", "7400004"], 1, "suspended")
        .await;
    let text = terminal
        .text(&["connect", "--workspace", "7400001", "--name", "Studio"])
        .await;
    assert!(
        text.contains("Connected.") && text.contains("Next: integration-host users"),
        "{text}"
    );
    terminal
        .fails(
            &["connect", "--workspace", "7400001"],
            1,
            "already connected",
        )
        .await;
    let lab = terminal.json(&["connect", "--workspace", "7400002"]).await;
    assert_eq!(lab["scope"]["id"], "7400002");

    let list = terminal.json(&["connections"]).await;
    assert_eq!(list["connections"].as_array().unwrap().len(), 2);
    let id = list["connections"][0]["id"].as_str().unwrap();
    let text = terminal.text(&["connections"]).await;
    assert!(text.contains(id) && text.contains("Studio"), "{text}");
    let shown = terminal.json(&["show", "studio"]).await;
    assert_eq!(shown["id"], id, "by name, whatever its case");
    assert_eq!(terminal.json(&["show", id]).await["name"], "Studio");
    let text = terminal.text(&["show", "Studio"]).await;
    assert!(
        text.contains("7400001") && text.contains("enabled"),
        "{text}"
    );
    assert!(
        text.contains("Complete until") && text.contains("was connected."),
        "{text}"
    );
    assert_eq!(shown["gap"], Value::Null);
    assert_eq!(shown["log"][0]["kind"], "connected", "{shown}");

    let renamed = terminal.json(&["rename", "Studio", "Atelier"]).await;
    assert_eq!(renamed["name"], "Atelier");
    terminal.fails(&["rename", "Atelier", ""], 1, "name").await;
    let text = terminal.text(&["rename", "Atelier", "Studio"]).await;
    assert!(text.contains("Atelier is now called Studio"), "{text}");

    // Users.
    let team = terminal.json(&["users", "Studio"]).await;
    let unmapped = terminal.json(&["users", "Studio", "--unmapped"]).await;
    assert!(unmapped["users"].as_array().unwrap().len() < team["users"].as_array().unwrap().len());
    let text = terminal.text(&["users", "Studio"]).await;
    assert!(text.contains("Tomás Herrera (u-tomas)"), "{text}");
    assert!(text.contains("members are mapped to users."), "{text}");
    let member = terminal
        .json(&["map", "Studio", "9500004", "u-jonas"])
        .await;
    assert_eq!(
        (&member["user"]["id"], &member["matched_by"]),
        (&json!("u-jonas"), &json!("manual"))
    );
    let member = terminal
        .json(&["map", "Studio", "9500004", "HUGO.lefevre@example.com"])
        .await;
    assert_eq!(
        member["user"]["id"], "u-hugo",
        "by e-mail, whatever its case"
    );
    terminal
        .fails(
            &["map", "Studio", "9500004", "samuel.okafor@example.com"],
            2,
            "2 users",
        )
        .await;
    terminal
        .fails(&["map", "Studio", "9500004", "nobody"], 1, "nobody")
        .await;
    terminal
        .fails(&["map", "Studio", "1", "u-hugo"], 1, "member")
        .await;
    terminal
        .fails(&["map", "Studio", "9500004"], 2, "--none")
        .await;
    terminal
        .fails(
            &["map", "Studio", "9500004", "u-hugo", "--none"],
            2,
            "--none",
        )
        .await;
    let text = terminal.text(&["map", "Studio", "9500004", "--none"]).await;
    assert!(text.contains("mapped to nobody"), "{text}");
    let refreshed = terminal.json(&["refresh-users", "Studio"]).await;
    let mut members = refreshed["users"].as_array().unwrap().iter();
    let jonas = members
        .find(|member| member["remote_user"]["id"] == "9500004")
        .unwrap();
    assert_eq!(
        (&jonas["user"], &jonas["matched_by"]),
        (&Value::Null, &json!("manual"))
    );

    // Activities.
    let text = terminal.text(&["activities"]).await;
    assert!(text.contains("No activities."), "{text}");
    let toggl = terminal.setup.toggl();
    let start = |user_id| StartTimer {
        workspace_id: NORTHWIND,
        user_id,
        ..StartTimer::default()
    };
    toggl.start_timer(start(TOMAS)).unwrap();
    toggl.start_timer(start(9_500_004)).unwrap();
    let gone = toggl.start_timer(start(TOMAS)).unwrap().id;
    toggl
        .delete_entry(DeleteEntry {
            entry_id: gone,
            ..DeleteEntry::default()
        })
        .unwrap();
    terminal.setup.settle().await.unwrap();
    let count = async |arguments: &[&str]| {
        let list = terminal.json(&[&["activities"], arguments].concat()).await;
        list["activities"].as_array().unwrap().len()
    };
    assert_eq!(count(&[]).await, 2);
    assert_eq!(count(&["--unmapped"]).await, 3);
    assert_eq!(count(&["--unmapped", "--deleted"]).await, 3);
    assert_eq!(count(&["--limit", "1"]).await, 1);
    assert_eq!(count(&["--connection", "Studio"]).await, 2);
    assert_eq!(
        count(&["--connection", lab["id"].as_str().unwrap()]).await,
        0
    );
    assert_eq!(count(&["--user", "u-tomas"]).await, 2);
    assert_eq!(count(&["--user", "mara.lindqvist@example.com"]).await, 0);
    let today = &jiff::Timestamp::now().to_string()[..10];
    assert_eq!(count(&["--to", "2026-03-01"]).await, 0);
    assert_eq!(
        count(&["--from", today, "--to", today, "--unmapped"]).await,
        3
    );
    let text = terminal.text(&["activities", "--unmapped"]).await;
    assert!(
        text.contains("running") && text.contains("member 9500004 (unmapped)"),
        "{text}"
    );
    terminal
        .fails(&["activities", "--from", "yesterday"], 2, "RFC 3339")
        .await;
    terminal
        .fails(&["activities", "--limit", "0"], 2, "--limit")
        .await;
    terminal
        .fails(&["activities", "--user", "nobody"], 1, "nobody")
        .await;
    terminal
        .fails(&["activities", "--follow", "--limit", "3"], 2, "--limit")
        .await;

    // Health and gaps.
    assert_eq!(terminal.json(&["check", "Studio"]).await["healthy"], true);
    let text = terminal.text(&["check", "Studio"]).await;
    assert!(text.contains("Everything works."), "{text}");
    let result = terminal
        .json(&["reconcile", "Studio", "--from", today, "--to", today])
        .await;
    assert!(
        result["applied"].is_u64() && result["unchanged"].is_u64(),
        "{result}"
    );
    let known = count(&["--unmapped"]).await;
    terminal
        .fails(
            &[
                "reconcile",
                "Studio",
                "--from",
                "2026-03-02",
                "--to",
                "2026-03-01",
            ],
            2,
            "before",
        )
        .await;

    // Deliveries.
    let deliveries = terminal.json(&["deliveries"]).await;
    let first = deliveries["deliveries"][0]["id"].as_str().unwrap();
    let failed = terminal
        .json(&["deliveries", "--status", "failed", "--connection", "Studio"])
        .await;
    assert_eq!(failed["deliveries"], json!([]));
    let text = terminal
        .text(&["deliveries", "--status", "accepted", "--limit", "2"])
        .await;
    assert_eq!(text.lines().count(), 3, "{text}");
    terminal
        .fails(&["deliveries", "--status", "lost"], 2, "failed")
        .await;
    terminal
        .fails(&["deliveries", "--limit", "1001"], 2, "1000")
        .await;
    terminal.fails(&["replay", first], 1, "was handled").await;
    terminal.fails(&["replay", "none"], 1, "none").await;

    // Another token, and the end.
    let token = terminal.setup.sandbox.token_of(TOMAS).unwrap();
    let environment = [("TOGGL_API_TOKEN", token.as_str())];
    let output = terminal
        .run_with(&["set-token", "Studio", "--json"], &environment, "")
        .await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!format!("{output:?}").contains(&token));
    let changed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(changed["owner"]["name"], "Tomás Herrera");
    let output = terminal
        .run_with(
            &["set-token", "Studio", "--token-stdin"],
            &[],
            "0123456789\n",
        )
        .await;
    assert_failure(&output, &["set-token"], 1, "token");
    let gone = terminal.json(&["disconnect", "Studio"]).await;
    assert_eq!(gone, json!({ "disconnected": id }));
    let text = terminal
        .text(&["disconnect", lab["id"].as_str().unwrap()])
        .await;
    assert!(text.contains("the webhook is removed"), "{text}");
    terminal.fails(&["disconnect", "Studio"], 1, "Studio").await;
    assert!(toggl.subscriptions().is_empty());
    assert_eq!(count(&["--unmapped"]).await, known, "activities are kept");
}

#[tokio::test]
async fn a_single_workspace_needs_no_choice() {
    let terminal = Terminal::new().await;
    let token = terminal.setup.sandbox.token_of(TOMAS).unwrap();
    let environment = [("TOGGL_API_TOKEN", token.as_str())];
    let output = terminal
        .run_with(&["connect", "--json"], &environment, "")
        .await;
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
    assert!(error.contains("Connecting workspace 7400001"), "{error}");
    let connection: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(connection["scope"]["id"], "7400001");

    // A problem that only a person can solve makes `check` fail, and shows in the list.
    let wrong = toggl_sandbox::control::SetToken {
        user_id: TOMAS,
        token: "another".into(),
    };
    terminal.setup.toggl().set_token(wrong).unwrap();
    let output = terminal
        .run_with(&["check", "Northwind Studio"], &[], "")
        .await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("token"),
        "{output:?}"
    );
    let text = terminal.text(&["connections"]).await;
    assert!(text.contains("attention"), "{text}");
}

#[tokio::test]
async fn what_is_wrong_with_a_command_is_told_in_a_sentence() {
    let terminal = Terminal::new().await;
    for (environment, input, arguments, exit_code, says) in [
        (&[][..], "", &["test"][..], 2, "TOGGL_API_TOKEN"),
        (&[("TOGGL_API_TOKEN", "")], "", &["test"], 2, "empty"),
        (&[("TOGGL_API_TOKEN", " \n")], "", &["test"], 2, "empty"),
        (&[], "", &["test", "--token-stdin"], 2, "empty"),
        (&[], "\n", &["connect", "--token-stdin"], 2, "empty"),
        (
            &[("TOGGL_API_TOKEN", "0123456789abcdef")],
            "",
            &["test"],
            1,
            "token",
        ),
        (
            &[("TOGGL_API_TOKEN", "0123456789abcdef")],
            "",
            &["connect"],
            1,
            "token",
        ),
        (
            &[],
            "0123456789abcdef",
            &["test", "--token-stdin"],
            1,
            "token",
        ),
        (&[], "", &["show", "none"], 1, "connections"),
        (&[], "", &["users", "none"], 1, "connections"),
        (&[], "", &["check", "none"], 1, "connections"),
        (&[], "", &["reconcile", "none"], 1, "connections"),
        (&[], "", &["rename", "none", "new"], 1, "connections"),
        (&[], "", &["disconnect", "none"], 1, "connections"),
        (
            &[],
            "",
            &["activities", "--connection", "none"],
            1,
            "connections",
        ),
        (&[], "", &["show", ""], 1, "connections"),
        (&[], "", &["show", "\u{1b}[2J"], 1, "connections"),
        (&[], "", &["show"], 2, "CONNECTION"),
        (&[], "", &["shwo", "x"], 2, "show"),
        (&[], "", &["show", "x", "y"], 2, "y"),
        (&[], "", &["show", "x", "--nonsense"], 2, "--nonsense"),
        (&[], "", &["show", "x", "--host", "nonsense"], 2, "--host"),
        (
            &[],
            "",
            &["show", "x", "--host", "ftp://127.0.0.1"],
            2,
            "--host",
        ),
        (
            &[],
            "",
            &["connections", "--host", "http://127.0.0.1:1"],
            1,
            "integration-host serve",
        ),
        (
            &[("INTEGRATION_HOST_TOKEN", "wrong")],
            "",
            &["connections"],
            1,
            "INTEGRATION_HOST_TOKEN",
        ),
        (
            &[("INTEGRATION_HOST_TOKEN", "")],
            "",
            &["connections"],
            2,
            "INTEGRATION_HOST_TOKEN",
        ),
    ] {
        let output = terminal.run_with(arguments, environment, input).await;
        assert_failure(&output, arguments, exit_code, says);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!error.contains('\u{1b}'), "{arguments:?}: {error:?}");
        assert!(
            !error.contains("0123456789abcdef"),
            "{arguments:?}: {error}"
        );
    }
    // Something else listens there.
    let upstream = terminal.setup.sandbox.base_url().to_owned();
    terminal
        .fails(
            &["connections", "--host", &upstream],
            1,
            "is it an integration host?",
        )
        .await;
    // No token is at hand.
    let folder = terminal.setup.folder.path();
    let arguments = [
        "connections",
        "--host",
        &terminal.url,
        "--data",
        "elsewhere",
    ];
    let output = run_cli_with_input(&arguments, &[], folder, "")
        .await
        .unwrap();
    assert_failure(&output, &arguments, 2, "--data");
    assert!(
        !folder.join("elsewhere").exists(),
        "a client makes no data directory"
    );
}

#[tokio::test]
async fn a_component_is_shown_before_it_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let component = end_to_end::component().unwrap().display().to_string();
    let inspect = async |arguments: &[&str]| {
        let all = [&["inspect", &component], arguments].concat();
        let output = run_cli_with_input(&all, &[], folder.path(), "")
            .await
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let text = inspect(&[]).await;
    for expected in [
        "Toggl Track",
        "api.track.toggl.com",
        "worksights:integration/http",
        "wasi:random/random",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    let shown: Value = serde_json::from_str(&inspect(&["--json"]).await).unwrap();
    assert_eq!(shown["manifest"]["id"], "toggl");
    assert_eq!(shown["imports"].as_array().unwrap().len(), 6);
    let output = run_cli_with_input(&["inspect", "none.wasm"], &[], folder.path(), "")
        .await
        .unwrap();
    assert_failure(&output, &["inspect"], 1, "none.wasm");
}

#[tokio::test]
async fn a_reader_who_has_seen_enough_ends_a_command_quietly() {
    let terminal = Terminal::new().await;
    terminal.setup.connect(NORTHWIND).await.unwrap();
    let work = Activity {
        workspace_id: Some(NORTHWIND),
        per_second: 500.0,
        events: Some(30),
        ..Activity::default()
    };
    terminal.setup.toggl().activity(work).await.unwrap();
    terminal.setup.settle().await.unwrap();
    for arguments in [
        &["activities", "--unmapped"][..],
        &["activities", "--json"],
        &["deliveries"],
        &["--help"],
        &["serve", "--help"],
    ] {
        let mut command = Command::new(host_program().unwrap());
        command.args(arguments);
        if !arguments.contains(&"--help") {
            command.args(["--host", &terminal.url, "--data", &terminal.data]);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Gone before the first line.
        drop(child.stdout.take());
        let output = tokio::task::spawn_blocking(move || child.wait_with_output())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}: {output:?}");
    }
}
