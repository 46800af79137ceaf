//! Which of the host's crates may name which, as the table in `docs/architecture.md` says.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// Each crate comes after those that it may name.
const ORDER: [&str; 12] = [
    "integration-host-contract",
    "integration-host-seal",
    "integration-host-http",
    "integration-host-ledger",
    "integration-host-database",
    "integration-host-storage",
    "integration-host-directory",
    "integration-host-ledger-sql",
    "integration-host-engine",
    "integration-host",
    "integration-host-server",
    "integration-host-cli",
];

/// What crates may not name although it comes before them.
const APART: [(&str, &[&str]); 8] = [
    (
        "integration-host-database",
        &["integration-host-http", "integration-host-ledger"],
    ),
    (
        "integration-host-ledger-sql",
        &[
            "integration-host-directory",
            "integration-host-http",
            "integration-host-storage",
        ],
    ),
    (
        "integration-host-engine",
        &[
            "integration-host-database",
            "integration-host-ledger",
            "integration-host-ledger-sql",
        ],
    ),
    (
        "integration-host-ledger",
        &["integration-host-http", "rusqlite", "tokio-postgres"],
    ),
    (
        "integration-host-storage",
        &["integration-host-http", "integration-host-ledger"],
    ),
    (
        "integration-host-directory",
        &["integration-host-ledger", "integration-host-storage"],
    ),
    (
        "integration-host",
        &[
            "axum",
            "clap",
            "integration-host-database",
            "integration-host-ledger-sql",
            "redis",
            "rusqlite",
            "tokio-postgres",
        ],
    ),
    (
        "integration-host-server",
        &[
            "clap",
            "integration-host-database",
            "rusqlite",
            "tokio-postgres",
        ],
    ),
];

/// What each of the host's crates names, tests apart.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let named = |package: &Value| {
        let dependencies = package["dependencies"].as_array().unwrap();
        (dependencies.iter())
            .filter(|dependency| dependency["kind"].is_null())
            .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
            .collect()
    };
    packages
        .iter()
        .filter(|package| {
            let manifest = package["manifest_path"].as_str().unwrap();
            manifest.contains("/host/")
        })
        .map(|package| (package["name"].as_str().unwrap().to_owned(), named(package)))
        .collect()
}

#[test]
fn no_crate_names_one_above_it() {
    let dependencies = dependencies();
    let mut crates: Vec<&str> = dependencies.keys().map(String::as_str).collect();
    let mut expected = ORDER.to_vec();
    crates.sort_unstable();
    expected.sort_unstable();
    assert_eq!(crates, expected, "a crate has no place in the order");
    let place = |name: &str| ORDER.iter().position(|one| *one == name);
    for (name, named) in &dependencies {
        for other in named {
            assert!(
                place(other) < place(name),
                "{name} names {other}, which is above it"
            );
        }
    }
    for (name, apart) in APART {
        let named = &dependencies[name];
        let wrong: Vec<_> = named
            .iter()
            .filter(|other| apart.contains(&other.as_str()))
            .collect();
        assert!(wrong.is_empty(), "{name} names {wrong:?}");
    }
}
