//! Versions: new with every write, and never again.

use anyhow::{Result, ensure};
use integration_host_contract::clock::Clock as _;
use integration_host_storage::{Commit, Version};
use jiff::SignedDuration;

use super::scope::{Scope, delete, has, put, put_until};
use super::{Case, World};
use crate::suite::{case, same};

const NEW: &str = "Every write gives its key a new version, also when the value stays the same.";
const NEVER_AGAIN: &str = "A version is never used again for the same key: not after a deletion, not after the key \
    expired, not after the provider was started anew.";
const STABLE: &str =
    "Nothing but a write of the key changes its version, and get and list tell the same one.";

pub(super) const CASES: &[Case] = &[
    case!(
        every_write_makes_a_new_version,
        NEW,
        "somebody who read before would not notice the change and overwrite it"
    ),
    case!(
        the_same_value_again_is_a_new_version,
        NEW,
        "a value that went from A to B and back would look as if nothing had happened"
    ),
    case!(
        a_version_does_not_come_back_after_a_deletion,
        NEVER_AGAIN,
        "what was read before a deletion would pass for what was written after it"
    ),
    case!(
        a_version_does_not_come_back_after_an_expiry,
        NEVER_AGAIN,
        "what was read before an expiry would pass for what was written after it"
    ),
    case!(
        a_version_does_not_come_back_after_a_restart,
        NEVER_AGAIN,
        "what was read before a restart would pass for what was written after it"
    ),
    case!(
        a_version_stays_until_its_key_is_written,
        STABLE,
        "calls would find conflicts that there are not, again and again"
    ),
];

/// Writes a key, and fails if its version was there before.
async fn write_anew(scope: &Scope, value: &str, seen: &mut Vec<Version>) -> Result<()> {
    scope.write(&[put("key", value)]).await?;
    let version = scope.entry("key").await?.version;
    ensure!(
        !seen.contains(&version),
        "the version {version:?} was used before"
    );
    seen.push(version);
    Ok(())
}

/// Fails if one of these versions passes for the present one, apart from the last.
async fn expect_only_the_last(scope: &Scope, seen: &[Version]) -> Result<()> {
    let stale = seen.split_last().map_or(seen, |(_, stale)| stale);
    for version in stale {
        let outcome = scope
            .commit(&[has("key", version)], &[put("other", "")])
            .await?;
        same(
            outcome,
            Commit::Conflict,
            format!("the former version {version:?} was expected"),
        )?;
    }
    Ok(())
}

async fn every_write_makes_a_new_version(world: &World<'_>) -> Result<()> {
    let (scope, mut seen) = (world.scope().await, Vec::new());
    for value in 0..20 {
        write_anew(&scope, &value.to_string(), &mut seen).await?;
    }
    expect_only_the_last(&scope, &seen).await
}

async fn the_same_value_again_is_a_new_version(world: &World<'_>) -> Result<()> {
    let (scope, mut seen) = (world.scope().await, Vec::new());
    for value in ["A", "A", "B", "A", "B", "A"] {
        write_anew(&scope, value, &mut seen).await?;
    }
    expect_only_the_last(&scope, &seen).await
}

async fn a_version_does_not_come_back_after_a_deletion(world: &World<'_>) -> Result<()> {
    let (scope, mut seen) = (world.scope().await, Vec::new());
    for _ in 0..5 {
        write_anew(&scope, "A", &mut seen).await?;
        scope.write(&[delete("key")]).await?;
    }
    write_anew(&scope, "A", &mut seen).await?;
    expect_only_the_last(&scope, &seen).await
}

async fn a_version_does_not_come_back_after_an_expiry(world: &World<'_>) -> Result<()> {
    let (scope, mut seen) = (world.scope().await, Vec::new());
    for _ in 0..5 {
        let soon = world.clock().now() + SignedDuration::from_secs(1);
        scope.write(&[put_until("key", "A", soon)]).await?;
        let version = scope.entry("key").await?.version;
        ensure!(
            !seen.contains(&version),
            "the version {version:?} was used before"
        );
        seen.push(version);
        world.clock().advance(SignedDuration::from_secs(2));
    }
    write_anew(&scope, "A", &mut seen).await?;
    expect_only_the_last(&scope, &seen).await
}

async fn a_version_does_not_come_back_after_a_restart(world: &World<'_>) -> Result<()> {
    if !world.is_durable() {
        return Ok(());
    }
    let mut seen = Vec::new();
    for _ in 0..3 {
        let scope = world.scope().await;
        write_anew(&scope, "A", &mut seen).await?;
        // The key is gone, and whatever remembers versions must not be gone with it.
        scope.write(&[delete("key")]).await?;
    }
    let scope = world.scope().await;
    write_anew(&scope, "A", &mut seen).await?;
    expect_only_the_last(&scope, &seen).await
}

async fn a_version_stays_until_its_key_is_written(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    scope.write(&[put("key", "A"), put("other", "A")]).await?;
    let entry = scope.entry("key").await?;
    scope.write(&[put("other", "B")]).await?;
    scope.write(&[delete("other")]).await?;
    scope.of("another").write(&[put("key", "C")]).await?;
    let refused = scope
        .commit(&[has("other", &entry.version)], &[put("key", "D")])
        .await?;
    same(
        refused,
        Commit::Conflict,
        "an absent key was expected to have a version",
    )?;
    scope.commit(&[has("key", &entry.version)], &[]).await?;
    same(
        scope.entry("key").await?,
        entry.clone(),
        "a key that nobody wrote",
    )?;
    same(
        scope.list("key", None, 1).await?,
        [entry],
        "a list of a key that nobody wrote",
    )
}
