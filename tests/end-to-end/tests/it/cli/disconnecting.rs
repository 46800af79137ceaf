//! Whoever ends a connection at a terminal is asked, and told what stays.

use end_to_end::run_cli_in_terminal;
use toggl_sandbox::control::SetToken;

use super::*;

#[tokio::test]
async fn a_terminal_asks_before_it_disconnects() {
    let terminal = Terminal::new().await;
    let toggl = terminal.setup.toggl();
    terminal
        .text(&["connect", "--workspace", "7400001", "--name", "Studio"])
        .await;
    let disconnect = async |more: &[&str], typed: &str| {
        let target = ["--host", &terminal.url, "--data", &terminal.data];
        let all = [&["disconnect", "Studio"], more, &target].concat();
        let folder = terminal.setup.folder.path();
        let output = run_cli_in_terminal(&all, &[], folder, typed).await.unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), shown)
    };
    for typed in ["n\n", "\n", "no, thanks\n", ""] {
        let (code, shown) = disconnect(&[], typed).await;
        assert!(shown.contains("Disconnect Studio?"), "{shown}");
        assert!(
            code != Some(0) && shown.contains("nothing was changed"),
            "{typed:?}: {shown}"
        );
        assert_eq!(toggl.subscriptions().len(), 1, "{typed:?} disconnected it");
    }
    let (code, shown) = disconnect(&[], "y\n").await;
    assert!(
        code == Some(0) && shown.contains("is disconnected"),
        "{shown}"
    );
    assert!(toggl.subscriptions().is_empty());

    terminal
        .text(&["connect", "--workspace", "7400001", "--name", "Studio"])
        .await;
    let (code, shown) = disconnect(&["--yes"], "").await;
    assert!(code == Some(0) && !shown.contains('?'), "{shown}");
    assert!(toggl.subscriptions().is_empty(), "--yes asked all the same");
}

#[tokio::test]
async fn a_refused_token_does_not_keep_from_disconnecting_and_what_stays_is_told() {
    let terminal = Terminal::new().await;
    terminal.text(&["connect", "--workspace", "7400001"]).await;
    let lost = SetToken {
        user_id: 9_500_001,
        token: "f".repeat(32),
    };
    terminal.setup.toggl().set_token(lost).unwrap();
    let gone = terminal.json(&["disconnect", "Northwind Studio"]).await;
    let stays = gone["stays"].as_str().unwrap();
    assert!(
        stays.contains("stays at Toggl") && stays.contains("Integrations"),
        "{stays}"
    );
}
