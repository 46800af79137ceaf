//! What every storage provider must do, as a test suite for the tests of a provider.
//!
//! ```
//! # use std::sync::Arc;
//! # use integration_host::capability::storage::{MemoryStore, conformance};
//! # use integration_host::clock::SystemClock;
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! conformance::run(async || MemoryStore::new(Arc::new(SystemClock))).await;
//! # });
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test suite fails by panicking"
)]

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{
    Commit, Entry, Expectation, KeyValueStore, MAX_STORED_BYTES, MAX_STORED_KEY_BYTES,
    StorageError, Version, Write,
};
use crate::clock::{Clock, ManualClock};
use crate::id::ConnectionId;

/// Runs the suite against stores that `make` makes, each new and empty. Panics with what a user
/// would suffer when a promise is not kept. A provider whose clock can be set is tested more
/// thoroughly with [`run_with_clock`].
pub async fn run<S, F>(make: F)
where
    S: KeyValueStore,
    F: AsyncFn() -> S,
{
    reads_what_was_written(&make().await).await;
    versions_change_on_every_write(&make().await).await;
    expectations_guard_a_commit(&make().await).await;
    a_commit_is_all_or_nothing(&make().await).await;
    lists_are_ordered_and_paged(&make().await).await;
    connections_are_apart(&make().await).await;
    odd_keys_are_keys_like_any_other(&make().await).await;
    large_entries_fit_and_larger_ones_are_refused(&make().await).await;
    expired_long_ago_is_absent(&make().await).await;
    no_update_is_lost(Arc::new(make().await)).await;
    no_write_skew(Arc::new(make().await)).await;
}

/// [`run`], and expiry as time passes: `make` is given the clock the provider must go by.
pub async fn run_with_clock<S, F>(make: F)
where
    S: KeyValueStore,
    F: AsyncFn(Arc<dyn Clock>) -> S,
{
    let clock = || {
        Arc::new(ManualClock::new(
            Timestamp::from_second(1_700_000_000).unwrap(),
        ))
    };
    run(async || make(clock()).await).await;
    let moved = clock();
    expiry_takes_effect_everywhere_at_once(&make(moved.clone()).await, &moved).await;
    let moved = clock();
    expired_entries_do_not_shorten_pages(&make(moved.clone()).await, &moved).await;
}

fn connection() -> ConnectionId {
    ConnectionId::new("connection")
}

fn put(key: &str, value: &[u8]) -> Write {
    Write {
        key: key.to_owned(),
        value: Some(value.to_vec()),
        expires_at: None,
    }
}

fn delete(key: &str) -> Write {
    Write {
        key: key.to_owned(),
        value: None,
        expires_at: None,
    }
}

fn absent(key: &str) -> Expectation {
    Expectation {
        key: key.to_owned(),
        version: None,
    }
}

fn unchanged(entry: &Entry) -> Expectation {
    Expectation {
        key: entry.key.clone(),
        version: Some(entry.version.clone()),
    }
}

async fn commit(store: &impl KeyValueStore, expected: &[Expectation], writes: &[Write]) -> Commit {
    store
        .commit(&connection(), expected, writes)
        .await
        .expect("the store is available")
}

async fn get(store: &impl KeyValueStore, key: &str) -> Option<Entry> {
    store
        .get(&connection(), key)
        .await
        .expect("the store is available")
}

async fn value(store: &impl KeyValueStore, key: &str) -> Option<Vec<u8>> {
    get(store, key).await.map(|entry| entry.value)
}

async fn keys(
    store: &impl KeyValueStore,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Vec<String> {
    let entries = store
        .list(&connection(), prefix, after, limit)
        .await
        .expect("the store is available");
    entries.into_iter().map(|entry| entry.key).collect()
}

async fn reads_what_was_written(store: &impl KeyValueStore) {
    assert_eq!(get(store, "key").await, None, "a new store is not empty");
    assert_eq!(
        commit(store, &[], &[put("key", b"value"), put("empty", b"")]).await,
        Commit::Committed
    );
    let entry = get(store, "key").await.expect("a committed write is lost");
    assert_eq!(
        (entry.key.as_str(), entry.value.as_slice()),
        ("key", b"value".as_slice())
    );
    assert_eq!(
        value(store, "empty").await,
        Some(Vec::new()),
        "an empty value is not an absent one"
    );
    let bytes: Vec<u8> = (0..=255).collect();
    commit(store, &[], &[put("key", &bytes)]).await;
    assert_eq!(
        value(store, "key").await,
        Some(bytes),
        "values are bytes, not text"
    );
    let listed = store.list(&connection(), "key", None, 10).await.unwrap();
    assert_eq!(
        listed,
        [get(store, "key").await.unwrap()],
        "list and get differ"
    );
    assert_eq!(
        commit(store, &[], &[delete("key"), delete("never there")]).await,
        Commit::Committed
    );
    assert_eq!(
        get(store, "key").await,
        None,
        "a deleted key is still there"
    );
    assert_eq!(commit(store, &[], &[]).await, Commit::Committed);
    for writes in [&[put("", b"")][..], &[put("twice", b"1"), delete("twice")]] {
        let error = store.commit(&connection(), &[], writes).await;
        assert!(
            matches!(error, Err(StorageError::Invalid(_))),
            "accepted an invalid commit: {writes:?}"
        );
    }
    assert_eq!(get(store, "twice").await, None);
}

async fn versions_change_on_every_write(store: &impl KeyValueStore) {
    let mut seen: Vec<Version> = Vec::new();
    for round in 0..20 {
        let value: &[u8] = if round % 2 == 0 { b"A" } else { b"B" };
        commit(store, &[], &[put("key", value)]).await;
        let entry = get(store, "key").await.unwrap();
        assert_eq!(
            get(store, "key").await.unwrap().version,
            entry.version,
            "reading changes a version"
        );
        assert!(
            !seen.contains(&entry.version),
            "a version was used again, so a change goes unnoticed"
        );
        seen.push(entry.version);
        if round % 3 == 0 {
            commit(store, &[], &[delete("key")]).await;
        }
    }
    commit(store, &[], &[put("key", b"A")]).await;
    for version in seen {
        let stale = Expectation {
            key: "key".to_owned(),
            version: Some(version),
        };
        assert_eq!(
            commit(store, &[stale], &[put("key", b"C")]).await,
            Commit::Conflict,
            "A to B to A unnoticed"
        );
    }
}

async fn expectations_guard_a_commit(store: &impl KeyValueStore) {
    assert_eq!(
        commit(store, &[absent("key")], &[put("key", b"1")]).await,
        Commit::Committed
    );
    assert_eq!(
        commit(store, &[absent("key")], &[put("key", b"2")]).await,
        Commit::Conflict,
        "set-if-absent overwrote"
    );
    assert_eq!(value(store, "key").await, Some(b"1".to_vec()));
    let entry = get(store, "key").await.unwrap();
    assert_eq!(
        commit(store, &[unchanged(&entry)], &[put("other", b"1")]).await,
        Commit::Committed
    );
    assert_eq!(
        commit(store, &[unchanged(&entry)], &[delete("key")]).await,
        Commit::Committed
    );
    assert_eq!(
        commit(store, &[unchanged(&entry)], &[put("key", b"3")]).await,
        Commit::Conflict
    );
    assert_eq!(
        commit(store, &[absent("key")], &[]).await,
        Commit::Committed
    );
    let invented = Expectation {
        key: "key".to_owned(),
        version: Some(Version("invented".to_owned())),
    };
    assert_eq!(
        commit(store, &[invented], &[put("key", b"4")]).await,
        Commit::Conflict
    );
    assert_eq!(get(store, "key").await, None);
}

async fn a_commit_is_all_or_nothing(store: &impl KeyValueStore) {
    commit(store, &[], &[put("a", b"1"), put("b", b"1")]).await;
    let writes = [put("a", b"2"), delete("b"), put("c", b"2")];
    assert_eq!(
        commit(store, &[absent("c"), absent("a")], &writes).await,
        Commit::Conflict
    );
    assert_eq!(
        value(store, "a").await,
        Some(b"1".to_vec()),
        "a refused commit left something behind"
    );
    assert_eq!(
        value(store, "b").await,
        Some(b"1".to_vec()),
        "a refused commit left something behind"
    );
    assert_eq!(
        value(store, "c").await,
        None,
        "a refused commit left something behind"
    );
    assert_eq!(
        commit(store, &[absent("c")], &writes).await,
        Commit::Committed
    );
    assert_eq!(keys(store, "", None, 10).await, ["a", "c"]);
}

async fn lists_are_ordered_and_paged(store: &impl KeyValueStore) {
    let mut names: Vec<String> = (0..250).map(|number| format!("page/{number}")).collect();
    let writes: Vec<Write> = names
        .iter()
        .rev()
        .map(|name| put(name, name.as_bytes()))
        .collect();
    commit(store, &[], &writes).await;
    commit(
        store,
        &[],
        &[
            put("page", b""),
            put("page0", b""),
            put("pagf", b""),
            put("Page/1", b""),
        ],
    )
    .await;
    names.sort();
    for limit in [1, 7, 250, 1000] {
        let mut found: Vec<String> = Vec::new();
        loop {
            let page = keys(store, "page/", found.last().map(String::as_str), limit).await;
            assert!(page.len() <= limit, "a page is longer than asked for");
            let last = page.len() < limit;
            found.extend(page);
            if last {
                break;
            }
        }
        assert_eq!(found, names, "pages of {limit} leave out or repeat keys");
    }
    assert_eq!(keys(store, "page/", None, 0).await, [""; 0]);
    assert_eq!(keys(store, "page/", Some("page/98"), 3).await, ["page/99"]);
    assert_eq!(
        keys(store, "page/", Some("page/980"), 1).await,
        ["page/99"],
        "`after` need not exist"
    );
    assert_eq!(
        keys(store, "page/9", Some("a"), 2).await,
        ["page/9", "page/90"],
        "`after` before the prefix"
    );
    assert_eq!(
        keys(store, "page/", Some("z"), 10).await,
        [""; 0],
        "`after` beyond the prefix"
    );
    assert_eq!(
        keys(store, "", None, 3).await,
        ["Page/1", "page", "page/0"],
        "order is bytewise"
    );
    assert_eq!(keys(store, "none", None, 3).await, [""; 0]);
}

async fn connections_are_apart(store: &impl KeyValueStore) {
    let (one, other) = (ConnectionId::new("a"), ConnectionId::new("ab"));
    store.commit(&one, &[], &[put("bc", b"one")]).await.unwrap();
    assert_eq!(
        store.get(&other, "bc").await.unwrap(),
        None,
        "a connection sees another's keys"
    );
    assert_eq!(
        store.get(&other, "c").await.unwrap(),
        None,
        "connection and key run together"
    );
    assert_eq!(store.list(&other, "", None, 10).await.unwrap(), []);
    assert_eq!(
        store
            .commit(&other, &[absent("bc")], &[put("bc", b"other")])
            .await
            .unwrap(),
        Commit::Committed,
        "a connection's key blocks another's"
    );
    store.commit(&other, &[], &[delete("bc")]).await.unwrap();
    let kept = store
        .get(&one, "bc")
        .await
        .unwrap()
        .map(|entry| entry.value);
    assert_eq!(
        kept,
        Some(b"one".to_vec()),
        "a connection deleted another's key"
    );
}

async fn odd_keys_are_keys_like_any_other(store: &impl KeyValueStore) {
    let longest = "k".repeat(MAX_STORED_KEY_BYTES);
    let mut odd = vec![
        " ",
        "  ",
        "%",
        "_",
        "a%",
        "a_b",
        "*",
        "?",
        "[a]",
        "'",
        "\"",
        "\\",
        "/",
        "//",
        "..",
        "../x",
        "a/../b",
        "\0",
        "a\0",
        "a\0b",
        "\n",
        "\r\n",
        "\u{7f}",
        "é",
        "e\u{301}",
        "É",
        "ß",
        "SS",
        "ss",
        "日本",
        "🦀",
        "\u{10ffff}",
        "NULL",
        "null",
        "0",
        "00",
        "1e3",
        "-1",
        &longest,
    ];
    let writes: Vec<Write> = odd.iter().map(|key| put(key, key.as_bytes())).collect();
    commit(store, &[], &writes).await;
    for key in &odd {
        assert_eq!(
            value(store, key).await.as_deref(),
            Some(key.as_bytes()),
            "the key {key:?} is confused"
        );
    }
    odd.sort_unstable();
    assert_eq!(keys(store, "", None, 1000).await, odd, "order is bytewise");
    for prefix in ["%", "_", "a", "a\0", "[", "\\", "e", "é", "\u{10ffff}"] {
        let expected: Vec<&&str> = odd.iter().filter(|key| key.starts_with(prefix)).collect();
        assert_eq!(
            keys(store, prefix, None, 1000)
                .await
                .iter()
                .collect::<Vec<_>>(),
            expected,
            "{prefix:?}"
        );
    }
}

async fn large_entries_fit_and_larger_ones_are_refused(store: &impl KeyValueStore) {
    let large = vec![7; super::MAX_VALUE_BYTES];
    commit(store, &[], &[put("large", &large)]).await;
    assert!(
        value(store, "large").await == Some(large),
        "a large value came back changed"
    );
    let too_long = "k".repeat(MAX_STORED_KEY_BYTES + 1);
    let too_large = vec![7; MAX_STORED_BYTES + 1];
    for write in [put(&too_long, b""), put("key", &too_large)] {
        let outcome = store.commit(&connection(), &[], &[write]).await;
        assert!(
            matches!(outcome, Err(StorageError::Invalid(_))),
            "accepted what is out of bounds"
        );
    }
    assert!(matches!(
        store.get(&connection(), &too_long).await,
        Err(StorageError::Invalid(_))
    ));
}

async fn expired_long_ago_is_absent(store: &impl KeyValueStore) {
    let past = Write {
        expires_at: Some(Timestamp::UNIX_EPOCH),
        ..put("past", b"1")
    };
    let future = Write {
        expires_at: Some(Timestamp::MAX),
        ..put("future", b"1")
    };
    commit(store, &[], &[past, future]).await;
    assert_eq!(
        get(store, "past").await,
        None,
        "an expired key is still there"
    );
    assert_eq!(keys(store, "", None, 10).await, ["future"]);
    assert_eq!(
        commit(store, &[absent("past")], &[put("past", b"2")]).await,
        Commit::Committed
    );
    assert_eq!(
        value(store, "past").await,
        Some(b"2".to_vec()),
        "an expiry outlived its value"
    );
}

async fn expiry_takes_effect_everywhere_at_once(store: &impl KeyValueStore, clock: &ManualClock) {
    let expires_at = Some(clock.now() + SignedDuration::from_secs(60));
    let short = |key: &str| Write {
        expires_at,
        ..put(key, b"1")
    };
    commit(store, &[], &[short("a"), short("b"), short("c")]).await;
    commit(store, &[], &[put("b", b"2")]).await;
    let before = get(store, "a").await.expect("a key expired early");
    assert_eq!(
        before.expires_at, expires_at,
        "whoever writes the value again would change its expiry"
    );
    assert_eq!(get(store, "b").await.unwrap().expires_at, None);
    clock.advance(SignedDuration::from_millis(59_999));
    assert_eq!(
        keys(store, "", None, 10).await,
        ["a", "b", "c"],
        "a key expired early"
    );
    clock.advance(SignedDuration::from_millis(1));
    assert_eq!(
        keys(store, "", None, 10).await,
        ["b"],
        "a write without expiry must remove it"
    );
    assert_eq!(get(store, "a").await, None);
    assert_eq!(
        commit(store, &[unchanged(&before)], &[put("x", b"")]).await,
        Commit::Conflict
    );
    assert_eq!(
        commit(store, &[absent("a")], &[put("a", b"3")]).await,
        Commit::Committed
    );
    assert_ne!(
        get(store, "a").await.unwrap().version,
        before.version,
        "a version was used again"
    );
    clock.advance(SignedDuration::from_hours(1));
    assert_eq!(
        keys(store, "", None, 10).await,
        ["a", "b"],
        "an old expiry took a new value"
    );
}

async fn expired_entries_do_not_shorten_pages(store: &impl KeyValueStore, clock: &ManualClock) {
    let expires_at = Some(clock.now() + SignedDuration::from_secs(1));
    let writes: Vec<Write> = (0..100)
        .map(|number| {
            let write = put(&format!("{number:03}"), b"");
            if number % 10 == 9 {
                write
            } else {
                Write {
                    expires_at,
                    ..write
                }
            }
        })
        .collect();
    commit(store, &[], &writes).await;
    clock.advance(SignedDuration::from_secs(2));
    assert_eq!(
        keys(store, "", None, 4).await,
        ["009", "019", "029", "039"],
        "a page ended early"
    );
    assert_eq!(keys(store, "", Some("039"), 100).await.len(), 6);
}

async fn no_update_is_lost<S: KeyValueStore>(store: Arc<S>) {
    const TASKS: u64 = 8;
    const INCREMENTS: u64 = 25;
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut done = 0;
                while done < INCREMENTS {
                    let entry = get(&*store, "counter").await;
                    let count = entry.as_ref().map_or(0, |entry| {
                        u64::from_le_bytes(entry.value.as_slice().try_into().expect("eight bytes"))
                    });
                    let expected = entry.as_ref().map_or_else(|| absent("counter"), unchanged);
                    let write = put("counter", &(count + 1).to_le_bytes());
                    if commit(&*store, &[expected], &[write]).await == Commit::Committed {
                        done += 1;
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("the task ended");
    }
    let count = value(&*store, "counter").await;
    assert_eq!(
        count,
        Some((TASKS * INCREMENTS).to_le_bytes().to_vec()),
        "updates were lost"
    );
}

async fn no_write_skew<S: KeyValueStore>(store: Arc<S>) {
    for round in 0..50 {
        let (left, right) = (format!("left/{round}"), format!("right/{round}"));
        let attempt = |expects: String, writes: String| {
            let store = Arc::clone(&store);
            tokio::spawn(
                async move { commit(&*store, &[absent(&expects)], &[put(&writes, b"")]).await },
            )
        };
        let one = attempt(left.clone(), right.clone());
        let other = attempt(right, left);
        let outcomes = [one.await.unwrap(), other.await.unwrap()];
        assert!(
            outcomes.contains(&Commit::Committed) && outcomes.contains(&Commit::Conflict),
            "of two commits that expect what the other writes exactly one must happen: {outcomes:?}"
        );
    }
}
