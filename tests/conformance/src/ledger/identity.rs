//! Which ledger it is, and which life of its change feed.

use anyhow::{Result, ensure};

use super::fixture::{apply, connect, work};
use super::{Case, World};
use crate::suite::{case, same};

const STAYS: &str = "A ledger has an id and a life that no other ledger has, unless one was made of the other; whatever is \
    asked, applied and opened again, they stay.";
const BEGINS: &str = "Beginning a life keeps the id and gives a life that there never was before, which whoever asks \
    afterwards is told, through any handle. The first life of a ledger is told as that, and no other is.";

pub(super) const CASES: &[Case] = &[
    case!(
        no_two_ledgers_have_an_identity,
        STAYS,
        "a storage or a webhook would be taken for that of another ledger"
    ),
    case!(
        an_identity_stays,
        STAYS,
        "everybody who follows the feed would begin again and again"
    ),
    case!(
        a_life_begins_for_everybody,
        BEGINS,
        "after a restore followers would go on behind changes that they never see"
    ),
];

async fn no_two_ledgers_have_an_identity(world: &World<'_>) -> Result<()> {
    let one = world.open().await.identity().await?;
    let other = world.open_elsewhere(Default::default()).await;
    let other = other.identity().await?;
    ensure!(
        !one.id.as_str().is_empty() && !one.life.as_str().is_empty(),
        "an empty ledger is told as {one:?}"
    );
    ensure!(
        one.id != other.id && one.life != other.life,
        "two ledgers are told as {one:?} and {other:?}"
    );
    Ok(())
}

async fn an_identity_stays(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let identity = ledger.identity().await?;
    same(
        identity.is_first_life,
        true,
        "whether a new ledger's life is its first",
    )?;
    let id = connect(&ledger, "43").await?;
    apply(&ledger, &id, vec![work("1", "u")], Vec::new()).await?;
    same(
        ledger.identity().await?,
        identity.clone(),
        "the identity after a change",
    )?;
    if world.is_durable() {
        drop(ledger);
        let again = world.open().await;
        same(
            again.identity().await?,
            identity.clone(),
            "the identity when opened again",
        )?;
        let begun = again.begin_life().await?;
        drop(again);
        let again = world.open().await;
        same(
            again.identity().await?,
            begun,
            "the life that was begun, when opened again",
        )?;
    }
    Ok(())
}

async fn a_life_begins_for_everybody(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let beside = world.open_beside(&ledger, Default::default()).await;
    let mut lives = vec![ledger.identity().await?.life];
    let id = ledger.identity().await?.id;
    for handle in [&ledger, &beside, &ledger] {
        let begun = handle.begin_life().await?;
        same(
            begun.id.clone(),
            id.clone(),
            "the id after a life was begun",
        )?;
        same(
            begun.is_first_life,
            false,
            "whether a life that was begun is the first",
        )?;
        ensure!(
            !lives.contains(&begun.life),
            "{:?} was a life before",
            begun.life
        );
        lives.push(begun.life.clone());
        for handle in [&ledger, &beside] {
            same(
                handle.identity().await?,
                begun.clone(),
                "the identity afterwards",
            )?;
        }
    }
    Ok(())
}
