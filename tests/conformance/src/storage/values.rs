//! Values: any bytes, also many.

use anyhow::{Result, ensure};
use integration_host_storage::MAX_STORED_BYTES;

use super::scope::put;
use super::{Case, World};
use crate::suite::{case, same};

const BYTES: &str = "Values are any bytes, up to MAX_STORED_BYTES of them; a value without bytes is not an absent one.";
const BOUNDS: &str = "A key or value that is out of bounds is refused as StorageError::Invalid, wherever it is named, \
    and nothing is written.";

pub(super) const CASES: &[Case] = &[
    case!(
        a_value_is_read_as_it_was_written,
        BYTES,
        "what was stored would be lost or damaged"
    ),
    case!(
        the_largest_value_fits,
        BYTES,
        "a large value would be damaged, and with it what it is sealed in"
    ),
    case!(
        a_value_that_is_too_large_is_refused,
        BOUNDS,
        "a value would be cut, or take what memory there is"
    ),
];

async fn a_value_is_read_as_it_was_written(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    same(scope.get("key").await?, None, "a key of a new store")?;
    let every_byte: Vec<u8> = (0..=255).collect();
    let values: [&[u8]; 5] = [b"value", b"", &every_byte, b"\0", b"\xff\xfe"];
    for value in values {
        scope.write(&[put("key", value)]).await?;
        let entry = scope.entry("key").await?;
        same(entry.key.as_str(), "key", "the key of an entry")?;
        same(entry.value.as_slice(), value, "a value")?;
        same(entry.expires_at, None, "the expiry of a key without one")?;
        same(
            scope.list("", None, 10).await?,
            [entry],
            "a list of the one entry",
        )?;
    }
    Ok(())
}

async fn the_largest_value_fits(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    // Not the same everywhere, so that a part that was lost or moved is noticed.
    let large: Vec<u8> = (0..MAX_STORED_BYTES)
        .map(|index| (index % 251) as u8)
        .collect();
    scope
        .write(&[put("large", &large), put("small", "1")])
        .await?;
    let found = scope.value("large").await?.unwrap_or_default();
    ensure!(
        found == large,
        "a value of {} bytes came back changed, with {} bytes",
        large.len(),
        found.len()
    );
    let listed = scope.list("", None, 10).await?;
    ensure!(
        listed.first().is_some_and(|entry| entry.value == large),
        "a list has another value than was written"
    );
    Ok(())
}

async fn a_value_that_is_too_large_is_refused(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    let too_large = vec![7; MAX_STORED_BYTES + 1];
    let writes = [put("good", "1"), put("large", too_large)];
    scope
        .expect_invalid(&[], &writes, "writing a value that is too large")
        .await?;
    same(scope.all().await?, [""; 0], "keys after a refusal")
}
