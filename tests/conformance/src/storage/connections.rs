//! Connections are apart.

use anyhow::Result;
use integration_host_storage::Commit;

use super::scope::{absent, delete, put};
use super::{Case, World};
use crate::suite::{case, same};

const APART: &str = "Each connection has keys of its own: no call for one sees, changes or hinders what another has.";
const UNANNOUNCED: &str =
    "A connection that nothing was ever written for has no keys; it need not be announced.";

pub(super) const CASES: &[Case] = &[
    case!(
        connections_are_apart,
        APART,
        "one customer's workspace would see or lose another's secrets"
    ),
    case!(
        connection_and_key_do_not_run_together,
        APART,
        "one customer's workspace would see or lose another's secrets"
    ),
    case!(
        an_unknown_connection_has_no_keys,
        UNANNOUNCED,
        "the first call for a new connection would fail"
    ),
];

async fn connections_are_apart(world: &World<'_>) -> Result<()> {
    let ours = world.scope().await;
    let theirs = ours.of("theirs");
    ours.write(&[put("key", "ours"), put("only ours", "1")])
        .await?;
    same(theirs.get("key").await?, None, "another connection's key")?;
    same(theirs.all().await?, [""; 0], "another connection's list")?;
    let outcome = theirs
        .commit(&[absent("key")], &[put("key", "theirs")])
        .await?;
    same(
        outcome,
        Commit::Committed,
        "a key that only another connection has was expected to be absent",
    )?;
    same(
        ours.value("key").await?,
        Some(b"ours".to_vec()),
        "a value after another connection wrote the same key",
    )?;
    theirs.write(&[delete("key"), delete("only ours")]).await?;
    same(
        ours.all().await?,
        ["key", "only ours"],
        "keys after another connection deleted the same",
    )
}

async fn connection_and_key_do_not_run_together(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    let pairs = [
        ("a", "bc"),
        ("ab", "c"),
        ("a", "b/c"),
        ("a/b", "c"),
        ("a", "b:c"),
        ("a:b", "c"),
        ("a", "b\0c"),
        ("A", "bc"),
        ("a%", "c"),
        ("a_", "c"),
        ("*", "c"),
    ];
    for (connection, key) in pairs {
        let value = format!("{connection}|{key}");
        scope.of(connection).write(&[put(key, value)]).await?;
    }
    for (connection, key) in pairs {
        let expected = format!("{connection}|{key}").into_bytes();
        let scope = scope.of(connection);
        same(
            scope.value(key).await?,
            Some(expected),
            format!("{key:?} of {connection:?}"),
        )?;
        let mut keys: Vec<&str> = pairs
            .iter()
            .filter(|pair| pair.0 == connection)
            .map(|pair| pair.1)
            .collect();
        keys.sort_unstable();
        same(
            scope.all().await?,
            keys,
            format!("all keys of {connection:?}"),
        )?;
    }
    Ok(())
}

async fn an_unknown_connection_has_no_keys(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    same(
        scope.get("key").await?,
        None,
        "a key of a connection that is new",
    )?;
    same(
        scope.all().await?,
        [""; 0],
        "keys of a connection that is new",
    )?;
    let outcome = scope.commit(&[absent("key")], &[]).await?;
    same(
        outcome,
        Commit::Committed,
        "a key of a new connection was expected to be absent",
    )
}
