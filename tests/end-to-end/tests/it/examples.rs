//! Providers of a platform's own, as the examples `custom_storage` and `custom_directory` have them, against the sandbox.

use end_to_end::{component, program_folder, unlimited_scenario};
use toggl_sandbox::Sandbox;
use tokio::process::Command;

/// Runs an example to its end against a new sandbox, and returns what it printed.
async fn run(example: &str, arguments: &[&str]) -> String {
    let sandbox = Sandbox::start(unlimited_scenario()).await.unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = free.local_addr().unwrap().to_string();
    drop(free);
    let upstream = format!("api.track.toggl.com={}", sandbox.base_url());
    let output = Command::new(program_folder().unwrap().join("examples").join(example))
        .arg(component().unwrap())
        .args(arguments)
        .env("TOGGL_API_TOKEN", sandbox.token())
        .env("PUBLIC_URL", format!("http://{listen}"))
        .env("LISTEN", listen)
        .env("UPSTREAM", upstream)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(
        sandbox.control().subscriptions().is_empty(),
        "a webhook is left"
    );
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integration_stores_in_a_table_of_the_platform_and_leaves_nothing_there() {
    let said = run("custom_storage", &[]).await;
    assert!(said.contains("Northwind Studio is connected"), "{said}");
    assert!(said.contains("bytes, sealed"), "{said}");
    assert!(said.contains("Disconnected, 0 rows left"), "{said}");
    assert!(!said.contains(" 0 bytes"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_is_recognised_among_the_accounts_of_the_platform() {
    let said = run(
        "custom_directory",
        &["Mara.Lindqvist@example.com", "somebody@example.com"],
    )
    .await;
    assert!(said.contains("The team of Northwind Studio"), "{said}");
    assert!(said.contains(" is Mara.Lindqvist@example.com"), "{said}");
    assert!(said.contains(" is nobody"), "{said}");
}
