//! The demo: the first thing anybody runs.

use end_to_end::{component, host_program, sandbox_program};

#[tokio::test]
async fn the_demo_shows_time_arriving_and_ends_with_a_summary() {
    let folder = tempfile::tempdir().unwrap();
    let component = component().unwrap();
    let host = host_program().unwrap();
    let arguments = [
        "demo",
        "--exit-after",
        "12",
        "--per-second",
        "20",
        "--listen",
        "127.0.0.1:0",
        "--component",
        component.to_str().unwrap(),
        "--host",
        host.to_str().unwrap(),
    ];
    let output = tokio::process::Command::new(sandbox_program().unwrap())
        .args(arguments)
        .current_dir(folder.path())
        .output();
    let output = output.await.unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stdout}\n{stderr}");
    assert!(
        stdout.contains("0 lost, 0 doubled, 0 different"),
        "{stdout}"
    );
    assert!(
        stdout.contains("running"),
        "activities are shown as they arrive: {stdout}"
    );
    assert!(
        stderr.contains("admin-token")
            && stderr.contains("/api/v1")
            && stderr.contains("/sign-in?code="),
        "{stderr}"
    );
}
