//! What `docs/architecture.md` says of files and crates is so.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

/// More files than a reader keeps in the head.
const MOST_FILES: usize = 25;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn page() -> String {
    fs::read_to_string(root().join("docs/architecture.md")).unwrap()
}

/// The cells of the tables in a section, a row at a time.
fn rows<'a>(page: &'a str, section: &str) -> Vec<Vec<&'a str>> {
    let begin = page.find(&format!("\n## {section}\n")).unwrap() + 1;
    let length = page[begin..].find("\n## ").unwrap();
    let lines = page[begin..begin + length].lines();
    lines
        .filter(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn a_walk_passes_files_that_are_there_and_not_too_many() {
    let page = page();
    for section in ["One delivery", "One connect"] {
        let rows = rows(&page, section);
        let files: Vec<&str> = rows
            .iter()
            .skip(2)
            .map(|row| row[1].trim_matches('`'))
            .collect();
        assert!(
            files.len() > 20 && files.len() <= MOST_FILES,
            "{section}: {files:?}"
        );
        for file in files {
            assert!(
                root().join(file).is_file(),
                "{section} passes {file}, which is not there"
            );
        }
    }
}

#[test]
fn a_crate_has_about_as_many_lines_as_the_table_says() {
    for row in rows(&page(), "The host's crates").iter().skip(2) {
        let folder = row[0].trim_matches(['`', '/']);
        let told: f64 = row[3].parse().unwrap();
        let lines = lines(&root().join("host").join(folder).join("src")) as f64 / 1000.0;
        let is_near = (lines - told).abs() <= 0.1 + told * 0.05;
        assert!(
            is_near,
            "{folder} has {lines} thousand lines, and the table says {told}"
        );
    }
}

/// Lines of Rust below a folder, without tests.
fn lines(folder: &Path) -> usize {
    let mut lines = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "tests" {
            lines += self::lines(&path);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = fs::read_to_string(&path).unwrap();
            let end = text
                .find("\n#[cfg(test)]\nmod tests {")
                .unwrap_or(text.len());
            lines += text[..end].lines().count();
        }
    }
    lines
}
