//! No module of the host knows Toggl: what it says about an integration comes from the integration's manifest.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

/// What only the integration may say: the remote service's name, and what it calls its things.
const WORDS: [&str; 5] = ["toggl", "workspace", "project", "client", "task"];

/// Those of them that are programmers' words too. They are looked for in the pages alone that name what time is spent on.
const PROGRAMMERS_WORDS: [&str; 2] = ["client", "task"];

/// Where those pages are.
const PAGES: &str = "server/src/console/timeline/";

/// Where documentation comments are texts for people: help, and the document of the API.
const PUBLISHED_COMMENTS: [&str; 4] = [
    "program/src/cli/",
    "program/src/config/overrides.rs",
    "server/src/api/",
    "server/src/routes/",
];

/// What may stand there all the same: a file below `host/`, a part of the line, and why.
const EXCEPTIONS: [(&str, &str, &str); 7] = [
    (
        "program/src/config/mod.rs",
        "DEFAULT_COMPONENTS",
        "what is run unless another file is named",
    ),
    (
        "program/src/config/overrides.rs",
        "[default: ./toggl.wasm, else target/dist/toggl.wasm]",
        "the same in the help",
    ),
    (
        "program/src/cli/connect.rs",
        "const SCOPE_ALIASES",
        "`--scope` goes by the word of integrations too, and people type that",
    ),
    (
        "program/src/cli/connect.rs",
        "TOGGL_API_TOKEN=… integration-host",
        "examples in the help, which is printed before any component is loaded",
    ),
    (
        "program/src/cli/mod.rs",
        "TOGGL_API_TOKEN=… integration-host",
        "examples in the help",
    ),
    (
        "program/src/cli/secrets.rs",
        "/// TOGGL_API_TOKEN; of several secrets",
        "an example in the help",
    ),
    (
        "server/src/api/",
        "#[schema(example",
        "examples in the document of the API, which is the same for every integration",
    ),
];

#[test]
fn no_module_of_the_host_knows_toggl() {
    let host = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host");
    let mut found = Vec::new();
    let mut used = [false; EXCEPTIONS.len()];
    let files = files(&host);
    assert!(files.len() > 300, "the host is looked for in a wrong place");
    for path in files {
        let name = path.strip_prefix(&host).unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in spoken(name, &text) {
            if !words_in(name, line) {
                continue;
            }
            let mut exceptions = EXCEPTIONS.iter();
            match exceptions
                .position(|(file, part, _)| name.starts_with(file) && line.contains(part))
            {
                Some(exception) => used[exception] = true,
                None => found.push(format!("host/{name}:{number}: {}", line.trim())),
            }
        }
    }
    assert!(
        found.is_empty(),
        "another integration's users would be told of Toggl; take the words from the manifest:\n{}",
        found.join("\n")
    );
    for ((file, part, _), used) in EXCEPTIONS.iter().zip(used) {
        assert!(
            used,
            "the exception “{part}” of {file} is not needed any more"
        );
    }
}

/// Whether a line says what only the integration may say, in a text or in a name.
fn words_in(name: &str, line: &str) -> bool {
    let line = line.to_lowercase();
    let has_word = |word: &str| {
        let mut parts = line.split(|letter: char| !letter.is_alphabetic());
        parts.any(|part| part.strip_suffix('s').unwrap_or(part) == word)
    };
    WORDS.iter().any(|word| match *word {
        // Names of variables and hosts have it within words.
        "toggl" => line.contains(word),
        word if PROGRAMMERS_WORDS.contains(&word) && !name.starts_with(PAGES) => false,
        word => has_word(word),
    })
}

/// The lines that a person or a program may meet: no tests, and comments only where they are published.
fn spoken<'a>(name: &str, text: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let places = PUBLISHED_COMMENTS.iter();
    let is_published = places.into_iter().any(|place| name.starts_with(place));
    // Tests stand at the end of a file.
    let tests = ["mod", "pub(super) mod", "pub(crate) mod"];
    let begin = |module: &&str| text.find(&format!("\n#[cfg(test)]\n{module} "));
    let end = tests.iter().filter_map(begin).min();
    let lines = text[..end.unwrap_or(text.len())].lines().enumerate();
    let lines = lines.map(|(index, line)| (index + 1, line));
    lines.filter(move |(_, line)| {
        let line = line.trim_start();
        match line.starts_with("//") || line.starts_with("--") {
            true => is_published && line.starts_with("///"),
            false => true,
        }
    })
}

/// Every file of the host's crates, but tests and examples.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        match (path.is_dir(), name) {
            (true, "tests" | "examples" | "target") => {}
            (true, _) => files.extend(self::files(&path)),
            (false, "tests.rs" | "Cargo.toml") => {}
            (false, _) => files.push(path),
        }
    }
    files
}

#[test]
fn the_search_finds_what_it_looks_for() {
    for (name, line) in [
        ("http/src/retry.rs", "let host = API_TOGGL;"),
        ("program/src/cli/mod.rs", "/// Connect workspaces"),
        ("program/src/cli/table.rs", r#"["ID", "WORKSPACE"]"#),
        (
            "server/src/console/week.rs",
            r#"const CHARTED: &str = "project";"#,
        ),
        (
            "server/src/console/timeline/filters.rs",
            r#"("Client or so")"#,
        ),
        ("server/src/console/timeline/export.rs", "let of_tasks = 1;"),
    ] {
        assert!(words_in(name, line), "{line}");
    }
    for (name, line) in [
        ("server/src/server.rs", r#"("a client hung up", task)"#),
        (
            "program/src/cli/client.rs",
            r#"let client = ("name", client);"#,
        ),
        ("server/src/console/page.rs", r#""Projections""#),
    ] {
        assert!(!words_in(name, line), "{line}");
    }
    let text = "let a;\n// Toggl\n/// Toggl\n#[cfg(test)]\nmod tests {\nToggl";
    assert_eq!(spoken("http/src/lib.rs", text).count(), 1);
    assert_eq!(spoken("program/src/cli/mod.rs", text).count(), 2);
}
