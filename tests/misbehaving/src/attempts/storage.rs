//! Leaving the connection's keys, and taking too much room.

use crate::exports::worksights::integration::integration::Error;
use crate::worksights::integration::storage::{self, CommitOutcome, Write};

fn write(key: &str, value: Vec<u8>) -> Result<CommitOutcome, storage::Error> {
    let write = Write {
        key: key.into(),
        value: Some(value),
        expires_at_seconds: None,
    };
    storage::commit(&[], &[write])
}

pub fn leave_something() {
    let _ = write("left-behind", vec![1]);
}

pub fn read() -> String {
    format!(
        "{:?}",
        storage::get("left-behind").map(|entry| entry.is_some())
    )
}

/// Tries to reach keys that are not the integration's, and returns what it found.
pub fn leave_scope() -> String {
    let mut found = Vec::new();
    for key in [
        "secret/api-token",
        "../secret/api-token",
        "/secret/api-token",
        "..\\secret\\api-token",
        "%2e%2e/secret/api-token",
        "integration/../secret/api-token",
        "\0/secret/api-token",
        "integration/",
    ] {
        if let Ok(Some(entry)) = storage::get(key) {
            found.push(entry.key);
        }
    }
    for (prefix, after) in [
        ("", None),
        ("..", None),
        ("/", None),
        ("secret", None),
        ("\0", None),
        ("", Some("\u{10ffff}")),
        ("", Some("../secret")),
    ] {
        if let Ok(entries) = storage::list(prefix, after, u32::MAX) {
            found.extend(entries.into_iter().map(|entry| entry.key));
        }
    }
    format!("{found:?}")
}

/// Keys out of bounds; returns how many were accepted.
pub fn odd_keys() -> String {
    let too_long = "k".repeat(513);
    let accepted = ["", too_long.as_str()]
        .into_iter()
        .filter(|key| write(key, vec![1]).is_ok() || storage::get(key).is_ok())
        .count();
    format!("{accepted} accepted")
}

pub fn huge_value() -> String {
    format!("{:?}", write("huge", vec![1; (1 << 20) + 1]))
}

pub fn many_keys() -> String {
    for number in 0..100_000 {
        if let Err(error) = write(&format!("key-{number}"), Vec::new()) {
            return format!("{number} {error:?}");
        }
    }
    "unlimited".into()
}

/// Adds a few megabytes to what earlier calls have left. That there is no room is found out when the call
/// ends.
pub fn fill() -> Result<String, Error> {
    let stored = storage::list("fill-", None, 1000).map_err(failed)?;
    let first = stored.len();
    for number in first..first + 4 {
        write(&format!("fill-{number:04}"), vec![7; 1 << 20]).map_err(failed)?;
    }
    Ok("filled".into())
}

fn failed(error: storage::Error) -> Error {
    Error::Internal(format!("{error:?}"))
}
