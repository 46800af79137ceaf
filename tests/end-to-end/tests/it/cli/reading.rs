//! What is shown, and to whom.

use super::*;

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
