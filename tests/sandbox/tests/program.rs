//! The program: what it prints, and how it refuses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Output, Stdio},
};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_toggl-sandbox"))
}

fn output(arguments: &[&str]) -> Output {
    program()
        .args(arguments)
        .output()
        .expect("the program runs")
}

#[test]
fn it_prints_where_it_listens_and_answers_there() {
    let mut child = program()
        .args(["--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let first = lines.next().expect("a first line").expect("text");
    let token = lines.next().expect("a second line").expect("text");
    let address = first.rsplit("http://").next().expect("an address");
    let answers = TcpStream::connect(address)
        .and_then(|mut stream| stream.write_all(b"GET / HTTP/1.1\r\n\r\n"));
    child.kill().expect("it can be ended");
    child.wait().expect("it ends");
    assert!(answers.is_ok(), "{first}");
    assert!(
        token.ends_with("0123456789abcdef0123456789abcdef"),
        "{token}"
    );
}

#[test]
fn help_names_the_token_and_the_control_api() {
    let help = String::from_utf8(output(&["--help"]).stdout).expect("text");
    for word in [
        "0123456789abcdef0123456789abcdef",
        "/sandbox/faults/calls",
        "--scenario",
    ] {
        assert!(help.contains(word), "--help must mention {word}");
    }
}

#[test]
fn the_printed_scenario_can_be_started_from() {
    let text = String::from_utf8(output(&["--print-scenario"]).stdout).expect("text");
    assert!(toggl_sandbox::Scenario::parse(&text).is_ok());
}

#[test]
fn what_cannot_work_is_refused_with_one_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let unknown_key =
        std::env::temp_dir().join(format!("toggl-sandbox-{}.toml", std::process::id()));
    std::fs::write(&unknown_key, "users = []\norganizations = []\nquotas = 3\n").expect("a file");
    for (arguments, word) in [
        (vec!["--listen", address.as_str()], "cannot listen"),
        (vec!["--listen", "nowhere"], "nowhere"),
        (vec!["--scenario", "no-such-file.toml"], "cannot be read"),
        (
            vec!["--scenario", unknown_key.to_str().expect("a path")],
            "quotas",
        ),
    ] {
        let output = output(&arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            matches!(output.status.code(), Some(1 | 2)),
            "{arguments:?}: {:?}",
            output.status
        );
        assert!(
            text.contains(word) && text.starts_with("error:"),
            "{arguments:?}: {text}"
        );
    }
    std::fs::remove_file(unknown_key).expect("the file goes away");
}
