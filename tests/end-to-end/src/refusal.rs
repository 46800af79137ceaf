//! Hosts that must not start.

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::{component, run_cli, write_directory};

/// A password that no sentence may repeat.
pub const PASSWORD: &str = "hunter2";

/// What a host says that is started with this `host.toml` and further arguments. It must end with one sentence,
/// which repeats no password.
pub async fn refusal(configuration: &str, arguments: &[&str]) -> Result<String> {
    let folder = TempDir::new()?;
    write_directory(folder.path())?;
    refusal_in(&folder, configuration, arguments).await
}

/// The same, in a folder whose `data` is the host's.
pub async fn refusal_in(
    folder: &TempDir,
    configuration: &str,
    arguments: &[&str],
) -> Result<String> {
    std::fs::write(folder.path().join("host.toml"), configuration)?;
    let component = component()?.display().to_string();
    let serve = [
        "serve",
        "--config",
        "host.toml",
        "--listen",
        "127.0.0.1:0",
        "--data",
        "data",
    ];
    let arguments = [&serve[..], &["--component", &component], arguments].concat();
    let output = run_cli(&arguments, &[], folder.path()).await?;
    let error = String::from_utf8(output.stderr)?;
    ensure!(output.stdout.is_empty(), "{arguments:?}: it started");
    ensure!(matches!(output.status.code(), Some(1 | 2)), "{error}");
    let line = error.trim_end().lines().last().unwrap_or_default();
    let sentence = line
        .strip_prefix("error: ")
        .with_context(|| error.clone())?;
    ensure!(!error.contains(PASSWORD), "a password is repeated: {error}");
    ensure!(!error.contains("panicked"), "{error}");
    Ok(sentence.to_owned())
}
