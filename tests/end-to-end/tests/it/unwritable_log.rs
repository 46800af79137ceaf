//! A log that cannot be written costs its lines and nothing else.

use end_to_end::{NORTHWIND, Setup, delivery, eventually, finished_entry};
use reqwest::{Client, StatusCode};

/// Enough lines to fill a pipe.
const DELIVERIES: u64 = 600;

/// Gives a program a terminal that nobody reads from as its standard error: the program itself holds the other end.
const UNREAD_TERMINAL: &str = "
import os, pty, sys
reads, writes = pty.openpty()
os.set_inheritable(reads, True)
os.dup2(writes, 2)
os.execvp(sys.argv[1], sys.argv[1:])
";

/// Runs the program with its standard error redirected by a shell, and sees that it works.
async fn goes_on(redirection: &str) {
    let script = format!("exec \"$@\" {redirection}");
    goes_on_below(
        redirection,
        ["bash", "-c", &script, "bash"].map(str::to_owned).into(),
    )
    .await;
}

/// Runs the program as this command's arguments, and sees that it works.
async fn goes_on_below(redirection: &str, wrapper: Vec<String>) {
    let logs_a_lot = &["--log-level", "trace"];
    let mut setup = Setup::builder()
        .unlimited()
        .arguments(logs_a_lot)
        .start()
        .await
        .unwrap();
    let connection = setup.connect(NORTHWIND).await.unwrap();
    setup.host.kill().await.unwrap();
    setup.options.wrapper = wrapper;
    setup.restart().await.unwrap();

    let subscription = setup.toggl().subscriptions().remove(0);
    for number in 0..DELIVERIES {
        let entry = 70_000_000 + number;
        let body = finished_entry(&subscription, entry, entry);
        let (signature, body) = delivery(&subscription.secret, &body);
        let callback = &subscription.url_callback;
        let status = setup.host.deliver(callback, Some(&signature), body).await;
        assert_eq!(
            status.unwrap(),
            StatusCode::OK,
            "{redirection}: delivery {number} is not taken because the log cannot be written"
        );
    }
    let id = connection["id"].as_str().unwrap();
    setup.ensure_healthy(id).await.unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    for probe in ["healthz", "readyz"] {
        let answer = client.get(format!("{}/{probe}", setup.host.url)).send();
        let status = answer.await.unwrap().status();
        assert_eq!(status, StatusCode::OK, "{redirection}: /{probe}");
    }
    let metrics = setup.host.metrics().await.unwrap();
    let dropped = metrics
        .lines()
        .find_map(|line| line.strip_prefix("integration_log_lines_dropped_total "));
    let dropped: u64 = dropped.unwrap().parse().unwrap();
    assert!(
        dropped > 0,
        "{redirection}: nobody learns that lines are missing"
    );
    assert!(
        metrics.contains("integration_panics_total 0"),
        "{redirection}: {metrics}"
    );
    assert_eq!(setup.host.terminate().await.unwrap(), Some(0));
}

#[tokio::test]
async fn a_full_disk_of_the_log_ends_nothing() {
    goes_on("2>/dev/full").await;
}

#[tokio::test]
async fn a_reader_of_the_log_that_is_gone_ends_nothing() {
    goes_on("2> >(exec true)").await;
}

#[tokio::test]
async fn a_reader_of_the_log_that_reads_nothing_holds_up_nothing() {
    goes_on("2> >(exec sleep 60 >/dev/null)").await;
}

#[tokio::test]
async fn a_terminal_that_nobody_reads_holds_up_nothing() {
    let wrapper = ["python3", "-c", UNREAD_TERMINAL].map(str::to_owned).into();
    goes_on_below("an unread terminal", wrapper).await;
}

#[tokio::test]
async fn a_host_that_cannot_say_where_it_listens_works_all_the_same() {
    let mut setup = Setup::builder().start().await.unwrap();
    setup.host.kill().await.unwrap();
    setup.keep_address();
    // The first line of the pipe is not the host's.
    let script = r#"echo "{\"listening\":\"http://$LISTENS\"}"; exec "$@" >/dev/full"#;
    setup.options.wrapper = ["bash", "-c", script, "bash"].map(str::to_owned).into();
    let listens = setup.options.listen.clone();
    setup.options.environment = vec![("LISTENS".to_owned(), listens)];
    setup.restart().await.unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/readyz", setup.host.url);
    eventually("it does not work", async || client.get(&url).send().await)
        .await
        .unwrap();
}
