//! What is wrong with a command is told.

use super::*;

#[tokio::test]
async fn what_is_wrong_with_a_command_is_told_in_a_sentence() {
    let terminal = Terminal::new().await;
    for (environment, input, arguments, exit_code, says) in [
        (&[][..], "", &["test"][..], 2, "TOGGL_API_TOKEN"),
        (
            &[("TOGGL_API_TOKEN", "")],
            "",
            &["test"],
            2,
            "there is no API token",
        ),
        (
            &[("TOGGL_API_TOKEN", " \n")],
            "",
            &["test"],
            2,
            "there is no API token",
        ),
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
        (&[], "", &["take-over", "none"], 1, "connections"),
        (&[], "", &["separate", "none"], 1, "connections"),
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
            &[("INTEGRATION_HOST_TOKEN", "two words")],
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
async fn no_proxy_reads_the_admin_token() {
    let terminal = Terminal::new().await;
    let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let environment = [
        ("http_proxy", address.as_str()),
        ("HTTP_PROXY", &address),
        ("ALL_PROXY", &address),
        ("all_proxy", &address),
    ];
    // An address that nobody has.
    let arguments = ["connections", "--host", "http://192.0.2.1:8080"];
    let output = terminal.run_with(&arguments, &environment, "").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let asked = tokio::time::timeout(std::time::Duration::ZERO, proxy.accept()).await;
    assert!(asked.is_err(), "the token went to the proxy in clear");
}
