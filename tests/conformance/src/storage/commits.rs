//! Commits: all at once, or not at all.

use anyhow::Result;
use integration_host_contract::clock::Clock as _;
use integration_host_storage::{Commit, Version};
use jiff::SignedDuration;

use super::scope::{absent, delete, has, put, put_until, unchanged};
use super::{Case, World};
use crate::suite::{case, same};

const GUARDED: &str = "A commit happens if every expectation holds, and is a Commit::Conflict otherwise, which writes \
    nothing.";
const EXPECTED: &str = "An expectation of None holds while the key is absent; one of a version while the key has exactly \
    that version, and a version that the store never gave out is just not that one.";
const UNWRITTEN: &str = "An expectation counts for a key that is not written too: of two commits that each expect what \
    the other writes, one happens.";
const REPLACES: &str = "A write takes the place of whatever the key had, its expiry included; a deletion of an absent key \
    is as good as any.";
const EMPTY: &str =
    "A commit may have expectations and no writes, writes and no expectations, or neither.";
const ONCE: &str = "A commit that writes a key twice is refused as StorageError::Invalid.";

pub(super) const CASES: &[Case] = &[
    case!(
        expectations_guard_a_commit,
        EXPECTED,
        "a call would overwrite what another wrote meanwhile"
    ),
    case!(
        an_unknown_version_is_a_conflict,
        EXPECTED,
        "a call that could run again would fail instead"
    ),
    case!(
        expectations_of_keys_that_are_not_written_count,
        UNWRITTEN,
        "a call would go by what is no longer true"
    ),
    case!(
        a_conflict_writes_nothing,
        GUARDED,
        "half a change would stay behind"
    ),
    case!(
        a_commit_writes_everything,
        GUARDED,
        "half a change would be lost"
    ),
    case!(
        a_write_replaces_everything_a_key_had,
        REPLACES,
        "a new value would vanish when the old one was to expire"
    ),
    case!(
        deleted_keys_are_absent,
        REPLACES,
        "a secret that was removed would still be there"
    ),
    case!(
        a_commit_may_be_empty,
        EMPTY,
        "a call that only read would fail"
    ),
    case!(
        a_key_written_twice_is_refused,
        ONCE,
        "which of the two values stays would be left to chance"
    ),
];

async fn expectations_guard_a_commit(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    let first = scope.commit(&[absent("key")], &[put("key", "1")]).await?;
    same(
        first,
        Commit::Committed,
        "an absent key was expected to be absent",
    )?;
    let second = scope.commit(&[absent("key")], &[put("key", "2")]).await?;
    same(
        second,
        Commit::Conflict,
        "a present key was expected to be absent",
    )?;
    same(
        scope.value("key").await?,
        Some(b"1".to_vec()),
        "the value after a conflict",
    )?;
    let entry = scope.entry("key").await?;
    let third = scope
        .commit(&[unchanged(&entry)], &[put("key", "3")])
        .await?;
    same(third, Commit::Committed, "the present version was expected")?;
    let fourth = scope
        .commit(&[unchanged(&entry)], &[put("key", "4")])
        .await?;
    same(fourth, Commit::Conflict, "a former version was expected")?;
    let entry = scope.entry("key").await?;
    let fifth = scope.commit(&[unchanged(&entry)], &[delete("key")]).await?;
    same(
        fifth,
        Commit::Committed,
        "the present version was expected by a deletion",
    )?;
    let sixth = scope
        .commit(&[unchanged(&entry)], &[put("key", "6")])
        .await?;
    same(
        sixth,
        Commit::Conflict,
        "the version of a deleted key was expected",
    )?;
    same(
        scope.get("key").await?,
        None,
        "a deleted key after a conflict",
    )
}

async fn an_unknown_version_is_a_conflict(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    scope.write(&[put("key", "1")]).await?;
    let other_key = {
        scope.write(&[put("other", "1")]).await?;
        scope.entry("other").await?.version
    };
    let invented = ["", "invented", "0", "-1", "18446744073709551616", "\0", "'"];
    let invented = invented.map(|text| Version(text.to_owned()));
    for version in invented.iter().chain([&other_key]) {
        for key in ["key", "absent"] {
            let outcome = scope
                .commit(&[has(key, version)], &[put("key", "2")])
                .await?;
            same(
                outcome,
                Commit::Conflict,
                format!("{key:?} was expected to have {version:?}"),
            )?;
        }
    }
    same(
        scope.value("key").await?,
        Some(b"1".to_vec()),
        "the value after conflicts",
    )
}

async fn expectations_of_keys_that_are_not_written_count(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    scope.write(&[put("read", "1")]).await?;
    let read = scope.entry("read").await?;
    let kept = scope
        .commit(&[unchanged(&read), absent("none")], &[put("written", "1")])
        .await?;
    same(
        kept,
        Commit::Committed,
        "what was expected of other keys holds",
    )?;
    scope.write(&[put("read", "2")]).await?;
    let stale = scope
        .commit(&[unchanged(&read)], &[put("written", "2")])
        .await?;
    same(
        stale,
        Commit::Conflict,
        "a former version of a key that is not written was expected",
    )?;
    let present = scope
        .commit(&[absent("read")], &[put("written", "3")])
        .await?;
    same(
        present,
        Commit::Conflict,
        "a present key that is not written was expected to be absent",
    )?;
    same(
        scope.value("written").await?,
        Some(b"1".to_vec()),
        "the value after conflicts",
    )
}

async fn a_conflict_writes_nothing(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    scope.write(&[put("a", "1"), put("b", "1")]).await?;
    let writes = [put("a", "2"), delete("b"), put("c", "2")];
    for expected in [[absent("c"), absent("a")], [absent("b"), absent("c")]] {
        let outcome = scope.commit(&expected, &writes).await?;
        same(
            outcome,
            Commit::Conflict,
            "one of two expectations does not hold",
        )?;
    }
    same(scope.all().await?, ["a", "b"], "keys after a conflict")?;
    same(
        scope.value("a").await?,
        Some(b"1".to_vec()),
        "a value after a conflict",
    )
}

async fn a_commit_writes_everything(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    scope.write(&[put("a", "1"), put("b", "1")]).await?;
    let a = scope.entry("a").await?;
    let writes = [put("c", "2"), delete("b"), put("a", "2"), put("d", "2")];
    let outcome = scope.commit(&[unchanged(&a), absent("c")], &writes).await?;
    same(outcome, Commit::Committed, "all expectations hold")?;
    same(scope.all().await?, ["a", "c", "d"], "keys after a commit")?;
    for key in ["a", "c", "d"] {
        same(
            scope.value(key).await?,
            Some(b"2".to_vec()),
            "a value after a commit",
        )?;
    }
    // As many at once as a unit of work may have.
    let many: Vec<_> = (0..500)
        .map(|number| put(&format!("many/{number:03}"), "1"))
        .collect();
    scope.write(&many).await?;
    same(
        scope.keys("many/", None, 1000).await?.len(),
        500,
        "keys of a large commit",
    )
}

async fn a_write_replaces_everything_a_key_had(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    let soon = world.clock().now() + SignedDuration::from_secs(60);
    scope.write(&[put_until("key", "old", soon)]).await?;
    scope.write(&[put("key", "new")]).await?;
    let entry = scope.entry("key").await?;
    same(
        (entry.value.as_slice(), entry.expires_at),
        (b"new".as_slice(), None),
        "an overwritten key",
    )?;
    world.clock().advance(SignedDuration::from_secs(61));
    same(
        scope.value("key").await?,
        Some(b"new".to_vec()),
        "a value whose predecessor was to expire",
    )?;
    let later = world.clock().now() + SignedDuration::from_secs(60);
    scope.write(&[put_until("key", "newer", later)]).await?;
    world.clock().advance(SignedDuration::from_secs(60));
    same(
        scope.get("key").await?,
        None,
        "a key that was overwritten with an expiry",
    )
}

async fn deleted_keys_are_absent(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    scope.write(&[put("key", "1"), put("other", "1")]).await?;
    scope.write(&[delete("key"), delete("never there")]).await?;
    same(scope.get("key").await?, None, "a deleted key")?;
    same(scope.all().await?, ["other"], "keys after a deletion")?;
    let outcome = scope.commit(&[absent("key")], &[delete("key")]).await?;
    same(
        outcome,
        Commit::Committed,
        "an absent key was expected to be absent, and deleted",
    )?;
    scope.write(&[put("key", "2")]).await?;
    same(
        scope.value("key").await?,
        Some(b"2".to_vec()),
        "a key that was deleted and written again",
    )
}

async fn a_commit_may_be_empty(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    same(
        scope.commit(&[], &[]).await?,
        Commit::Committed,
        "neither expectations nor writes",
    )?;
    scope.write(&[put("key", "1")]).await?;
    let entry = scope.entry("key").await?;
    let holds = scope
        .commit(&[unchanged(&entry), absent("none")], &[])
        .await?;
    same(
        holds,
        Commit::Committed,
        "expectations that hold, and no writes",
    )?;
    let fails = scope.commit(&[absent("key")], &[]).await?;
    same(
        fails,
        Commit::Conflict,
        "an expectation that does not hold, and no writes",
    )?;
    same(
        scope.entry("key").await?,
        entry,
        "a key that no commit wrote",
    )
}

async fn a_key_written_twice_is_refused(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    let twice = [
        [put("key", "1"), put("key", "2")],
        [put("key", "1"), delete("key")],
    ];
    for writes in twice {
        scope
            .expect_invalid(&[], &writes, "writing a key twice")
            .await?;
    }
    same(scope.all().await?, [""; 0], "keys after a refusal")
}
