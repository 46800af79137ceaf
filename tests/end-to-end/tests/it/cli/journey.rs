//! What a person does who begins with a token.

use super::*;

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
            "already connected, as “Studio”",
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
        text.contains("running") && text.contains("Jonas Weber (unmapped)"),
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
    assert_eq!(gone, json!({ "disconnected": id, "stays": null }));
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
