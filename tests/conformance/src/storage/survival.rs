//! What is there when the process ends without any goodbye.

use anyhow::Result;
use integration_host_contract::clock::Clock as _;
use integration_host_storage::Commit;
use jiff::SignedDuration;

use super::scope::{absent, delete, put, put_until};
use super::{Case, World};
use crate::suite::{case, same};

const SURVIVES: &str = "What was committed is still there when the process ended right after it without any goodbye, and \
    what was not is not, unless the provider keeps nothing beyond the process and says so.";

pub(super) const CASES: &[Case] = &[
    case!(
        what_was_committed_survives,
        SURVIVES,
        "signing secrets would be lost, and every delivery with them"
    ),
    case!(
        what_was_refused_does_not_come_back,
        SURVIVES,
        "a change that failed would appear after the next start"
    ),
];

async fn what_was_committed_survives(world: &World<'_>) -> Result<()> {
    if !world.is_durable() {
        return Ok(());
    }
    let soon = world.clock().now() + SignedDuration::from_secs(60);
    let mut entries = Vec::new();
    for round in 0..4 {
        // Each time another process, which the last one did not take leave of.
        let scope = world.scope().await;
        same(
            scope.list("", None, 100).await?,
            entries,
            "entries after a crash",
        )?;
        let (kept, short) = (format!("kept/{round}"), format!("short/{round}"));
        scope
            .write(&[
                put(&kept, [round; 5000]),
                put("gone", "1"),
                put_until(&short, "1", soon),
            ])
            .await?;
        scope.write(&[delete("gone")]).await?;
        entries = scope.list("", None, 100).await?;
        same(
            entries.len(),
            2 * (usize::from(round) + 1),
            "entries that were committed",
        )?;
    }
    let scope = world.scope().await;
    same(
        scope.list("", None, 100).await?,
        entries,
        "entries after the last crash",
    )?;
    world.clock().advance(SignedDuration::from_secs(60));
    same(
        scope.keys("short/", None, 100).await?,
        [""; 0],
        "keys that expire, after a crash and their time",
    )
}

async fn what_was_refused_does_not_come_back(world: &World<'_>) -> Result<()> {
    if !world.is_durable() {
        return Ok(());
    }
    let scope = world.scope().await;
    scope.write(&[put("key", "1")]).await?;
    let outcome = scope
        .commit(&[absent("key")], &[put("key", "2"), put("other", "2")])
        .await?;
    same(
        outcome,
        Commit::Conflict,
        "a present key was expected to be absent",
    )?;
    drop(scope);
    let scope = world.scope().await;
    same(
        scope.all().await?,
        ["key"],
        "keys after a conflict and a crash",
    )?;
    same(
        scope.value("key").await?,
        Some(b"1".to_vec()),
        "a value after a conflict and a crash",
    )
}
