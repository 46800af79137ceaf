//! What cannot work ends the start with one sentence that names the thing and the remedy, and leaves
//! everything as it was.

mod configuration;
mod keys;
mod surroundings;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use end_to_end::{NORTHWIND, Setup, run_cli, write_directory};
use integration_host_database::SqliteDatabase;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tempfile::TempDir;

/// A folder in which a host would start.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_directory(folder.path()).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// What a start that must fail says, checked for its form and for what it must name.
    async fn refuses(&self, arguments: &[&str], names: &[&str]) -> String {
        self.refuses_with(arguments, &[], names).await
    }

    /// Whether the configuration file says where users come from, which a flag would win over.
    fn configures_a_directory(&self, arguments: &[&str]) -> bool {
        arguments.contains(&"--config")
            && fs::read_to_string(self.path("host.toml"))
                .is_ok_and(|configuration| configuration.contains("[directory]"))
    }

    async fn refuses_with(
        &self,
        arguments: &[&str],
        environment: &[(&str, &str)],
        names: &[&str],
    ) -> String {
        let component = end_to_end::component().unwrap().display().to_string();
        let mut all = vec!["serve"];
        for (flag, value) in [
            ("--listen", "127.0.0.1:0"),
            ("--component", component.as_str()),
            ("--data", "data"),
            ("--directory", "users.csv"),
            ("--log-level", "info"),
        ] {
            let says_directory = flag == "--directory" && self.configures_a_directory(arguments);
            if !arguments.contains(&flag) && !says_directory {
                all.extend([flag, value]);
            }
        }
        all.extend(arguments);
        let output = run_cli(&all, environment, self.0.path()).await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        let context = format!("{arguments:?}: {error}");
        assert!(
            matches!(output.status.code(), Some(1 | 2)),
            "{:?} {context}",
            output.status
        );
        assert!(output.stdout.is_empty(), "{context}");
        assert_sentence(&error);
        for name in names {
            assert!(error.contains(name), "“{name}” is not in {context}");
        }
        error
    }
}

/// `error: `, one line, nothing of the program's insides.
fn assert_sentence(error: &str) {
    assert!(error.starts_with("error: "), "{error}");
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
    assert!(error.len() < 600, "{error}");
    for inside in ["panicked", "src/", "Error {", "Some(", "\u{1b}"] {
        assert!(!error.contains(inside), "{error}");
    }
}
