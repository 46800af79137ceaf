//! What a platform compiles that embeds the host with SQLite, tried with a program outside the workspace.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What only other hosts need.
const LEFT_OUT: [&str; 11] = [
    "axum",
    "clap",
    "deadpool-postgres",
    "integration-host-cli",
    "integration-host-server",
    "maud",
    "redis",
    "thirtyfour",
    "tokio-postgres",
    "toggl-sandbox",
    "utoipa",
];

/// More than these would be a burden that somebody should have noticed.
const MOST_PACKAGES: usize = 245;

/// Tells figures also where tests pass, of which nothing is shown that they print.
fn say(figures: &str) {
    let mut output = std::io::stderr();
    writeln!(output, "{figures}").unwrap();
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The folder of the workspace's builds, so that what is there is not built again.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), |target| root().join(target))
}

fn cargo(arguments: &[&str], folder: &Path) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target())
        // Features are those that somebody else's program would have.
        .env_remove("CARGO_RESOLVER_FEATURE_UNIFICATION")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The packages that a package compiles, each once.
fn packages(arguments: &[&str], folder: &Path) -> BTreeSet<String> {
    let mut all = vec!["tree", "--edges", "normal", "--prefix", "none", "--offline"];
    all.extend(arguments);
    let tree = cargo(&all, folder);
    let package = |line: &str| {
        let mut words = line.split(' ');
        format!(
            "{} {}",
            words.next().unwrap(),
            words.next().unwrap_or_default()
        )
    };
    tree.lines()
        .filter(|line| !line.is_empty())
        .map(package)
        .collect()
}

/// The lines of our own files that a program was made of, as the compiler says.
fn own_lines(program: &Path) -> usize {
    let files = fs::read_to_string(program.with_extension("d")).unwrap();
    let (_, files) = files.split_once(':').unwrap();
    let files = files
        .split_whitespace()
        .filter(|file| file.ends_with(".rs"));
    files
        .map(|file| fs::read_to_string(file).unwrap().lines().count())
        .sum()
}

#[test]
fn who_embeds_the_host_with_sqlite_compiles_what_that_takes() {
    let folder = root().join("tests/embedder");
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let packages = packages(&[], &folder);
    for left_out in LEFT_OUT {
        let is_it = |package: &&String| package.split(' ').next() == Some(left_out);
        assert_eq!(packages.iter().find(is_it), None);
    }
    cargo(&["build", "--offline"], &folder);
    let program = target().join("debug/embedder");
    say(&format!(
        "a host with SQLite: {} packages, {} lines of ours",
        packages.len(),
        own_lines(&program)
    ));
    assert!(packages.len() <= MOST_PACKAGES, "{packages:#?}");
    if let Some(component) = std::env::var_os("TOGGL_COMPONENT") {
        let data = tempfile::tempdir().unwrap();
        let output = Command::new(program)
            .arg(component)
            .arg(data.path().join("host.sqlite"))
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "Toggl Track is ready\n",
            "{output:?}"
        );
    }
}

#[test]
fn who_writes_a_storage_provider_compiles_the_trait_and_its_suite() {
    let provider = packages(&["--package", "integration-host-storage"], root());
    let with_suite = [
        "--package",
        "integration-conformance",
        "--no-default-features",
        "--features",
        "storage",
    ];
    let with_suite = packages(&with_suite, root());
    say(&format!(
        "a storage provider: {} packages, {} with the suite",
        provider.len(),
        with_suite.len()
    ));
    assert!(with_suite.len() <= 82, "{with_suite:#?}");
}
