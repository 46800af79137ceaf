//! Keys: which there are, and how they are told apart.

use anyhow::{Result, ensure};
use integration_host_storage::{MAX_LIST, MAX_STORED_KEY_BYTES, StorageError};

use super::scope::{absent, put};
use super::{Case, World};
use crate::suite::{case, same};

const ORDERED: &str = "Keys are UTF-8 of 1 to MAX_STORED_KEY_BYTES bytes, told apart and ordered byte by byte; no \
    character has a meaning.";
const BOUNDS: &str = "A key or value that is out of bounds is refused as StorageError::Invalid, wherever it is named, \
    and nothing is written.";

pub(super) const CASES: &[Case] = &[
    case!(
        odd_keys_are_keys_like_any_other,
        ORDERED,
        "what belongs to one key would be read or overwritten under another"
    ),
    case!(
        keys_that_differ_in_case_are_different,
        ORDERED,
        "what belongs to one key would be read or overwritten under another"
    ),
    case!(
        no_character_of_a_prefix_is_a_wildcard,
        ORDERED,
        "a list would have what was not asked for, and what it has would be deleted"
    ),
    case!(
        keys_are_ordered_by_bytes,
        ORDERED,
        "whoever goes on after the last key of a page would miss keys"
    ),
    case!(
        keys_out_of_bounds_are_refused,
        BOUNDS,
        "a key would be cut or taken for another"
    ),
];

/// Keys that some database, language or protocol takes for something else.
fn odd() -> Vec<String> {
    let mut odd: Vec<String> = [
        " ",
        "  ",
        "a ",
        " a",
        "%",
        "_",
        "a%",
        "a_b",
        "aXb",
        "*",
        "?",
        "[a]",
        "[!a]",
        "{a}",
        "'",
        "''",
        "\"",
        "\\",
        "\\\\",
        "\\x00",
        "/",
        "//",
        "..",
        "../x",
        "a/../b",
        ":",
        "a:b",
        "a::b",
        ";",
        "--",
        "$1",
        "?1",
        "\0",
        "a\0",
        "a\0b",
        "a\0\0",
        "\n",
        "\r\n",
        "\t",
        "\u{1}",
        "\u{7f}",
        "é",
        "e\u{301}",
        "É",
        "ß",
        "SS",
        "ss",
        "İ",
        "i",
        "ı",
        "日本",
        "🦀",
        "\u{d7ff}",
        "\u{e000}",
        "\u{ffff}",
        "\u{10ffff}",
        "\u{202e}a",
        "\u{feff}",
        "NULL",
        "null",
        "true",
        "0",
        "00",
        "0.0",
        "1e3",
        "-1",
        "+1",
    ]
    .map(str::to_owned)
    .to_vec();
    odd.push("k".repeat(MAX_STORED_KEY_BYTES));
    odd.push("k".repeat(MAX_STORED_KEY_BYTES - 1));
    odd.push("é".repeat(MAX_STORED_KEY_BYTES / 2));
    odd
}

async fn odd_keys_are_keys_like_any_other(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    let mut odd = odd();
    let writes: Vec<_> = odd.iter().map(|key| put(key, key)).collect();
    scope.write(&writes).await?;
    for key in &odd {
        let value = scope.value(key).await?;
        ensure!(
            value.as_deref() == Some(key.as_bytes()),
            "the value of the key {key:?} is {value:?}"
        );
    }
    odd.sort_unstable();
    same(scope.all().await?, odd, "all keys")
}

async fn keys_that_differ_in_case_are_different(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    let keys = ["KEY", "Key", "key", "É", "é"];
    for key in keys {
        let outcome = scope.commit(&[absent(key)], &[put(key, key)]).await?;
        ensure!(
            outcome == integration_host_storage::Commit::Committed,
            "{key:?} is there before it was written"
        );
    }
    same(scope.all().await?, keys, "all keys")?;
    same(
        scope.keys("k", None, 10).await?,
        ["key"],
        "keys that begin with \"k\"",
    )
}

async fn no_character_of_a_prefix_is_a_wildcard(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    let mut odd = odd();
    odd.sort_unstable();
    let writes: Vec<_> = odd.iter().map(|key| put(key, "")).collect();
    scope.write(&writes).await?;
    for prefix in [
        "%",
        "_",
        "a%",
        "a_",
        "*",
        "?",
        "[a]",
        "[",
        "{",
        "\\",
        "a",
        "a\0",
        "\0",
        "e",
        "é",
        "k",
        "\u{ffff}",
        "\u{10ffff}",
        "none",
    ] {
        let expected: Vec<_> = odd
            .iter()
            .filter(|key| key.starts_with(prefix))
            .cloned()
            .collect();
        let found = scope.keys(prefix, None, MAX_LIST).await?;
        same(found, expected, format!("keys that begin with {prefix:?}"))?;
    }
    Ok(())
}

async fn keys_are_ordered_by_bytes(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    // As bytes; people, and UTF-16, order some of these otherwise.
    let keys = [
        "A", "Z", "_", "a", "a-b", "a/b", "a0", "aB", "a_b", "ab", "z", "ä", "\u{ffff}", "🦀",
    ];
    for key in keys.iter().rev() {
        scope.write(&[put(key, "")]).await?;
    }
    same(scope.all().await?, keys, "all keys")
}

async fn keys_out_of_bounds_are_refused(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    let long = "k".repeat(MAX_STORED_KEY_BYTES + 1);
    for (key, what) in [
        ("", "an empty key"),
        (long.as_str(), "a key that is too long"),
    ] {
        let good = put("good", "1");
        scope
            .expect_invalid(
                &[],
                &[good.clone(), put(key, "")],
                &format!("writing {what}"),
            )
            .await?;
        scope
            .expect_invalid(&[absent(key)], &[good], &format!("expecting {what}"))
            .await?;
        let found = scope.store.get(&scope.connection, key).await;
        ensure!(
            matches!(found, Err(StorageError::Invalid(_))),
            "getting {what} was answered with {found:?}"
        );
    }
    same(scope.all().await?, [""; 0], "keys after refusals")
}
