//! What must hold for any input, as functions from bytes.
//!
//! A fuzzer calls them with inputs it makes up (`cargo xtask fuzz`, or cargo-fuzz in `fuzz/`), and an
//! ordinary test calls them with every file of the corpus, so that what was found once stays fixed. A
//! broken promise is a panic: that is what a fuzzer looks for.
#![deny(missing_docs)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a target reports what it found"
)]

pub mod address;
pub mod allow_list;
pub mod api_json;
mod component;
pub mod config;
mod crossing;
mod directory;
pub mod directory_csv;
pub mod directory_json;
mod file;
mod lent;
mod oracle;
pub mod redaction;
pub mod scim_answer;
pub mod seal_open;
pub mod signature_header;
pub mod times;
pub mod toggl_answer;
mod twin;
pub mod webhook_body;
pub mod wit_boundary;

/// What a target does with one input. It panics if a promise is broken.
pub type Target = fn(&[u8]);

/// Every target, by the name of its program, its corpus and its dictionary.
pub const TARGETS: [(&str, Target); 14] = [
    ("address", address::run),
    ("allow_list", allow_list::run),
    ("api_json", api_json::run),
    ("config", config::run),
    ("directory_csv", directory_csv::run),
    ("directory_json", directory_json::run),
    ("redaction", redaction::run),
    ("scim_answer", scim_answer::run),
    ("seal_open", seal_open::run),
    ("signature_header", signature_header::run),
    ("times", times::run),
    ("toggl_answer", toggl_answer::run),
    ("webhook_body", webhook_body::run),
    ("wit_boundary", wit_boundary::run),
];

/// Makes sure that a sentence for a person is one: it says something, on one line, without control
/// characters that would forge a line of a log or a terminal.
fn assert_is_sentence(text: &str) {
    assert!(!text.trim().is_empty(), "somebody was told nothing at all");
    assert!(
        !text.contains(char::is_control),
        "somebody was told more than a line, or something that is no text: {text:?}"
    );
}
