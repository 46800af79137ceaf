//! The README's steps, word for word: its commands are run as they stand there, except for what a
//! reader replaces too.

use std::path::Path;
use std::process::Command;

use end_to_end::write_directory;
use toggl_sandbox::{Sandbox, Scenario};

/// The commands of "Connect a real Toggl account", in order.
fn commands() -> Vec<String> {
    let readme =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md"))
            .unwrap();
    let start = readme.find("## Connect a real Toggl account").unwrap();
    let section = &readme[start..];
    let section = &section[..section.find("## Develop").unwrap()];
    let mut commands = Vec::new();
    let mut inside = false;
    for line in section.lines().map(str::trim) {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            command if inside => commands.push(command.to_owned()),
            _ => {}
        }
    }
    commands
}

#[tokio::test(flavor = "multi_thread")]
async fn the_steps_work_as_they_are_written() {
    let sandbox = Sandbox::start(Scenario::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    write_directory(folder.path()).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let component = end_to_end::component().unwrap();
    let upstream = format!("--upstream api.track.toggl.com={}", sandbox.base_url());
    let mut script = String::from("set -euo pipefail\n");
    for command in commands() {
        let command = match command.as_str() {
            // `cargo xtask test` has built everything.
            "cargo xtask build" => continue,
            "export PATH=\"$PWD/target/release:$PATH\"" => continue,
            other => other
                .replace("target/dist/toggl.wasm", component.to_str().unwrap())
                .replace(
                    "https://time.example.com",
                    &format!("http://127.0.0.1:{port}"),
                )
                .replace(
                    "TOGGL_API_TOKEN=…",
                    &format!("TOGGL_API_TOKEN={}", sandbox.token()),
                )
                .replace("--workspace 1234567", "--workspace 7400001")
                .replace("My workspace", "Northwind Studio")
                .replace("9876543", "9500004")
                .replace("anna@example.com", "jonas@elsewhere.example")
                .replace("activities --follow", "activities"),
        };
        if command.contains("integration-host serve") {
            script.push_str(&format!(
                "{command} --listen 127.0.0.1:{port} {upstream} &\n"
            ));
            script.push_str("trap 'kill %1' EXIT\n");
            script.push_str(&format!(
                "for _ in $(seq 100); do (: > /dev/tcp/127.0.0.1/{port}) 2>/dev/null && break; sleep 0.1; done\n"
            ));
        } else {
            script.push_str(&command);
            script.push('\n');
        }
    }
    let programs = end_to_end::program_folder().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let running = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("INTEGRATION_HOST_URL", format!("http://127.0.0.1:{port}"))
        .output();
    let output = running.unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{script}\n{stdout}\n{stderr}");
    for expected in [
        "Mara Lindqvist",
        "Northwind Studio",
        "Tomás Herrera",
        "admin-token",
    ] {
        assert!(
            stdout.contains(expected),
            "{expected} is missing in\n{stdout}\n{stderr}"
        );
    }
    assert!(
        script.matches("integration-host").count() >= 6,
        "the README lost its commands"
    );
}

/// What stands in the README is what the example does, and the example works.
#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_host_is_the_example_and_finds_the_workspaces() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let example = std::fs::read_to_string(root.join("host/service/examples/minimal.rs")).unwrap();
    let lines = |text: &str| {
        let lines = text.lines().map(str::trim);
        lines
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
            .join("\n")
    };
    let section = &readme[readme.find("## Embed the host").unwrap()..];
    let block = section.split("```").nth(1).unwrap();
    let block = lines(block.strip_prefix("rust").unwrap());
    assert!(
        lines(&example).contains(&block),
        "not in the example:\n{block}"
    );

    let sandbox = Sandbox::start(Scenario::default()).await.unwrap();
    let program = end_to_end::program_folder()
        .unwrap()
        .join("examples/minimal");
    let running = tokio::process::Command::new(&program)
        .arg(end_to_end::component().unwrap())
        .env("TOGGL_API_TOKEN", sandbox.token())
        .env(
            "UPSTREAM",
            format!("api.track.toggl.com={}", sandbox.base_url()),
        )
        .output();
    let output = running.await.unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("Northwind Studio"), "{stdout}\n{stderr}");
}
