//! The suites are tested themselves: each provider here breaks one promise, and the case that is meant for it must
//! notice.
//!
//! A flaw overrides what it breaks and leaves the rest to a provider that conforms.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod ledger;
mod storage;

/// Everything in a folder of this test.
fn source(folder: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/broken")
        .join(folder);
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    files
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect()
}

#[test]
fn every_case_has_a_flaw_that_it_must_notice() {
    let suites = [
        ("storage", integration_conformance::storage::case_names()),
        ("ledger", integration_conformance::ledger::case_names()),
    ];
    for (suite, cases) in suites {
        let source = source(suite);
        let is_meant = |case: &&str| {
            source.contains(&format!("=> {case},")) || source.contains(&format!("\"{case}\""))
        };
        let without: Vec<&str> = cases.into_iter().filter(|case| !is_meant(case)).collect();
        assert_eq!(
            without, [""; 0],
            "cases of the {suite} suite that no flaw here is meant for"
        );
    }
}
