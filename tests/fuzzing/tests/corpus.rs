//! Every input in the corpus, and so everything a fuzzer has found, through the function of its target.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use fuzzing::TARGETS;

/// The fuzz targets' folder.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn names(folder: &Path) -> BTreeSet<String> {
    let stem = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    files(folder).iter().map(stem).collect()
}

/// Runs a target's corpus, and inputs that no corpus can hold.
fn run(name: &str) {
    let (_, target) = TARGETS.iter().find(|(found, _)| *found == name).unwrap();
    let corpus = files(&folder().join("corpus").join(name));
    assert!(corpus.len() >= 3, "{name} has no corpus worth the name");
    target(b"");
    target(&[0xff; 100]);
    for file in corpus {
        let input = fs::read(&file).unwrap();
        if catch_unwind(|| target(&input)).is_err() {
            panic!(
                "what {} once found is back, see above; look into it with fuzz/corpus/{name}/{}",
                name,
                file.file_name().unwrap().to_string_lossy()
            );
        }
    }
}

macro_rules! corpora {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*

        #[test]
        fn every_target_has_a_program_a_corpus_and_this_test() {
            let here = BTreeSet::from([$(stringify!($name).to_owned()),*]);
            let listed: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
            assert_eq!(listed, here);
            assert_eq!(listed, names(&folder().join("fuzz_targets")));
            assert_eq!(listed, names(&folder().join("corpus")));
            let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
            for name in listed {
                let program = format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"");
                assert!(manifest.contains(&program), "{name} is never built");
            }
        }
    };
}

corpora! {
    address allow_list api_json config directory_csv directory_json redaction scim_answer seal_open
    signature_header times toggl_answer webhook_body wit_boundary
}

/// Name and version of every package in a lock file.
fn locked(file: &Path) -> BTreeSet<(String, String)> {
    let text = fs::read_to_string(file).unwrap();
    let value = |package: &str, key: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(key));
        line.map_or_else(String::new, |value| value.trim_matches('"').to_owned())
    };
    text.split("[[package]]")
        .skip(1)
        .map(|package| (value(package, "name = "), value(package, "version = ")))
        .collect()
}

#[test]
fn what_is_fuzzed_is_what_is_shipped() {
    let shipped = locked(&folder().join("../Cargo.lock"));
    let names: BTreeSet<&String> = shipped.iter().map(|(name, _)| name).collect();
    let other: Vec<_> = locked(&folder().join("Cargo.lock"))
        .into_iter()
        .filter(|package| names.contains(&package.0) && !shipped.contains(package))
        .collect();
    assert!(
        other.is_empty(),
        "these versions are fuzzed but others are shipped; copy Cargo.lock to fuzz/Cargo.lock: {other:?}"
    );
}
