//! The guide's code is the provider that is tested.

/// A text without blank lines, which pieces of a file begin and end with.
fn lines(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .collect()
}

#[test]
fn the_guide_has_the_whole_provider_in_order() {
    let guide = include_str!("../../../docs/writing-a-storage-provider.md");
    let provider = include_str!("journal.rs");
    let blocks = guide.split("```rust\n").skip(1);
    let code: String = blocks
        .filter_map(|block| block.split("```").next())
        .collect();
    assert_eq!(
        lines(&code).join("\n"),
        lines(provider).join("\n"),
        "docs/writing-a-storage-provider.md shows other code than tests/conformance/tests/journal.rs has"
    );
}
