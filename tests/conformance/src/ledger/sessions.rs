//! Sessions that have ended.

use anyhow::{Result, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use integration_host_contract::id::{SessionEpoch, SessionId};
use integration_host_ledger::{MAX_ENDED_SESSIONS, Retention};

use super::fixture::Book;
use super::{Case, World};
use crate::suite::{case, same};

const EPOCH: &str = "The epoch stays as it is until all sessions are ended, which begins another; no two ledgers have the \
    same.";
const ENDED: &str = "A session has ended if it was ended, or if its epoch is not the present one, and otherwise has not.";
const BOUND: &str =
    "When more than MAX_ENDED_SESSIONS would have ended in one epoch, all sessions end.";

pub(super) const CASES: &[Case] = &[
    case!(
        an_epoch_lasts_until_all_sessions_end,
        EPOCH,
        "people would be signed out for nothing, or a copied cookie would open another host"
    ),
    case!(
        a_session_that_was_ended_stays_so,
        ENDED,
        "a cookie that somebody copied would go on opening the console after its owner signed out"
    ),
    case!(
        many_sign_outs_bring_no_session_back,
        BOUND,
        "sign-outs would fill the ledger, or the oldest would be forgotten and their cookies open the console again"
    ),
];

async fn an_epoch_lasts_until_all_sessions_end(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let first = ledger.session_epoch().await?;
    same(ledger.session_epoch().await?, first.clone(), "the epoch")?;
    ledger.end_session(&SessionId::new("a")).await?;
    same(
        ledger.session_epoch().await?,
        first.clone(),
        "the epoch after a session was ended",
    )?;
    let mut before = vec![first];
    for how in 0..4 {
        if how % 2 == 0 {
            ledger.end_all_sessions().await?;
        } else {
            ledger.begin_life().await?;
        }
        let epoch = ledger.session_epoch().await?;
        ensure!(
            !before.contains(&epoch),
            "after all sessions ended the epoch is {epoch} once more"
        );
        before.push(epoch);
    }
    let other = world
        .open_elsewhere(Retention::default())
        .await
        .session_epoch()
        .await?;
    ensure!(
        !before.contains(&other),
        "two ledgers have the epoch {other}"
    );
    Ok(())
}

async fn a_session_that_was_ended_stays_so(world: &World<'_>) -> Result<()> {
    let mut ledger = world.open().await;
    let epoch = ledger.session_epoch().await?;
    // Alike, and one the beginning of another.
    let [ended, prefix, longer, case, none] = ["a1", "a", "a11", "A1", ""].map(SessionId::new);
    for _ in 0..2 {
        ledger.end_session(&ended).await?;
    }
    if world.is_durable() {
        drop(ledger);
        ledger = world.open().await;
    }
    expect(&ledger, &epoch, &ended, true, "was ended").await?;
    for other in [&prefix, &longer, &case, &none] {
        expect(&ledger, &epoch, other, false, "was not ended").await?;
    }
    let strange = SessionEpoch::new("another");
    expect(&ledger, &strange, &prefix, true, "is of another epoch").await?;

    ledger.end_all_sessions().await?;
    for id in [&ended, &prefix, &longer, &case, &none] {
        expect(&ledger, &epoch, id, true, "is of the epoch before").await?;
    }
    let present = ledger.session_epoch().await?;
    expect(&ledger, &present, &prefix, false, "began afterwards").await
}

async fn many_sign_outs_bring_no_session_back(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let epoch = ledger.session_epoch().await?;
    let id = |number: usize| SessionId::new(format!("{number:032x}"));
    let end = |numbers: std::ops::Range<usize>| {
        let ends = numbers.map(|number| {
            let ledger = ledger.clone();
            async move { ledger.end_session(&id(number)).await }
        });
        stream::iter(ends)
            .buffer_unordered(16)
            .try_collect::<Vec<()>>()
    };
    end(0..MAX_ENDED_SESSIONS).await?;
    let other = SessionId::new("other");
    expect(&ledger, &epoch, &other, false, "was not ended").await?;
    for number in 0..MAX_ENDED_SESSIONS {
        expect(&ledger, &epoch, &id(number), true, "was ended").await?;
    }
    end(MAX_ENDED_SESSIONS..MAX_ENDED_SESSIONS + 1).await?;
    let which = "ended with all, because so many were ended";
    expect(&ledger, &epoch, &other, true, which).await?;
    expect(&ledger, &epoch, &id(0), true, which).await
}

async fn expect(
    ledger: &Book,
    epoch: &SessionEpoch,
    id: &SessionId,
    has_ended: bool,
    which: &str,
) -> Result<()> {
    same(
        ledger.has_session_ended(epoch, id).await?,
        has_ended,
        format!("whether the session “{id}”, which {which}, has ended"),
    )
}
