//! Leases: who may do what, among hosts. A ledger that no other host shares grants everything, and is asked
//! for nothing here.
//!
//! The ledger's clock cannot be set: leases last for an hour, or have run out when they are granted.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use integration_host_ledger::{Lease, LeaseAnswer};

use super::fixture::Book;
use super::{Case, World};
use crate::suite::{case, same};

const GRANTED: &str = "A lease that was granted and has not run out is refused to everybody, with how long it still lasts; \
    one that has run out or was given back is granted to whoever asks first.";
const RESTS: &str = "A lease that was given back to rest is refused for so long, a day at most, with how much of that is \
    left, unless it is urgent.";
const FENCES: &str = "A lease has a greater fence than every one of its name before.";
const RENEWED: &str = "A lease that is renewed lasts for so much longer from then on, also if it had run out, unless \
    somebody else was granted it.";
const ANOTHERS: &str = "Whoever gives back or renews a lease that somebody else was granted since changes nothing by it.";
const NAMES: &str = "Leases of different names have nothing to do with each other.";
pub(super) const CASES: &[Case] = &[
    case!(
        a_lease_goes_to_one_at_a_time,
        GRANTED,
        "two hosts would do the same work at once, or none after one was killed"
    ),
    case!(
        of_many_who_ask_at_once_one_is_granted,
        GRANTED,
        "hosts that look at the same time would all do the same work"
    ),
    case!(
        a_lease_rests_as_long_as_it_was_told_to,
        RESTS,
        "every host would do again what another has just done, and use up the quota"
    ),
    case!(
        fences_only_grow,
        FENCES,
        "a host that was away could not be told from the one that took over"
    ),
    case!(
        renewing_keeps_a_lease,
        RENEWED,
        "work that takes long would be taken over while it goes on"
    ),
    case!(
        nobody_ends_or_renews_what_another_has,
        ANOTHERS,
        "a host that was away would take the work from the one that took over"
    ),
    case!(
        leases_have_names,
        NAMES,
        "work on one connection would keep all others waiting"
    ),
];

pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// Two hosts' handles on a ledger that hosts share; `None`: they do not share this one.
pub(super) async fn two_hosts(world: &World<'_>) -> Option<(Book, Book)> {
    let one = world.open().await;
    one.watch_changes()?;
    Some((one, world.open().await))
}

pub(super) async fn granted(ledger: &Book, name: &str, time: Duration) -> Result<Lease> {
    match ledger.take_lease(name, time, false).await? {
        LeaseAnswer::Granted(lease) => {
            same(lease.name.as_str(), name, "the name of a lease")?;
            Ok(lease)
        }
        LeaseAnswer::Refused { wait } => bail!("the lease {name} was refused for {wait:?}"),
    }
}

/// A lease must be refused for most of an hour.
async fn refused(ledger: &Book, name: &str, is_urgent: bool) -> Result<()> {
    match ledger.take_lease(name, HOUR, is_urgent).await? {
        LeaseAnswer::Granted(_) => bail!("the lease {name} was granted"),
        LeaseAnswer::Refused { wait } => {
            ensure!(
                wait > HOUR / 2 && wait <= HOUR,
                "the lease {name} was refused for {wait:?}"
            );
            Ok(())
        }
    }
}

async fn a_lease_goes_to_one_at_a_time(world: &World<'_>) -> Result<()> {
    let Some((one, other)) = two_hosts(world).await else {
        return Ok(());
    };
    let lease = granted(&one, "upkeep", HOUR).await?;
    for is_urgent in [false, true] {
        refused(&other, "upkeep", is_urgent).await?;
        refused(&one, "upkeep", is_urgent).await?;
    }
    one.end_lease(&lease, Duration::ZERO).await?;
    granted(&other, "upkeep", HOUR)
        .await
        .context("after it was given back")?;
    granted(&one, "undo", Duration::ZERO).await?;
    granted(&other, "undo", HOUR)
        .await
        .context("after it ran out")?;
    refused(&one, "undo", true).await
}

async fn of_many_who_ask_at_once_one_is_granted(world: &World<'_>) -> Result<()> {
    let Some((one, other)) = two_hosts(world).await else {
        return Ok(());
    };
    for round in 0..8 {
        let name = format!("work/{round}");
        // Every other one is not the first of its name.
        if round % 2 == 1 {
            granted(&one, &name, Duration::ZERO).await?;
        }
        let asked: Vec<_> = [&one, &other]
            .into_iter()
            .cycle()
            .take(8)
            .map(|ledger| {
                let (ledger, name) = (ledger.clone(), name.clone());
                tokio::spawn(async move { ledger.take_lease(&name, HOUR, true).await })
            })
            .collect();
        let mut count = 0;
        for answer in asked {
            count += usize::from(matches!(answer.await??, LeaseAnswer::Granted(_)));
        }
        same(count, 1, "hosts that were granted one lease")?;
    }
    Ok(())
}

async fn a_lease_rests_as_long_as_it_was_told_to(world: &World<'_>) -> Result<()> {
    let Some((one, other)) = two_hosts(world).await else {
        return Ok(());
    };
    let lease = granted(&one, "upkeep", HOUR).await?;
    one.end_lease(&lease, HOUR).await?;
    refused(&other, "upkeep", false).await?;
    refused(&one, "upkeep", false).await?;
    match other.take_lease("upkeep", HOUR, true).await? {
        LeaseAnswer::Granted(_) => {}
        LeaseAnswer::Refused { wait } => bail!("an urgent lease was refused for {wait:?}"),
    }
    // What is held is held, however urgent.
    refused(&one, "upkeep", true).await
}

async fn fences_only_grow(world: &World<'_>) -> Result<()> {
    let Some((one, other)) = two_hosts(world).await else {
        return Ok(());
    };
    let mut before = None;
    for round in 0..6 {
        for ledger in [&one, &other] {
            let lease = granted(ledger, "upkeep", Duration::ZERO).await?;
            ensure!(
                before < Some(lease.fence),
                "after the fence {before:?} came {}",
                lease.fence
            );
            before = Some(lease.fence);
            // Given back, run out, renewed and run out: all the same.
            match round % 3 {
                0 => ledger.end_lease(&lease, Duration::ZERO).await?,
                1 => ensure!(ledger.renew_lease(&lease, Duration::ZERO).await?),
                _ => {}
            }
        }
    }
    Ok(())
}

async fn renewing_keeps_a_lease(world: &World<'_>) -> Result<()> {
    let Some((one, other)) = two_hosts(world).await else {
        return Ok(());
    };
    let lease = granted(&one, "upkeep", Duration::ZERO).await?;
    ensure!(
        one.renew_lease(&lease, HOUR).await?,
        "a lease that had run out and that nobody else had was not renewed"
    );
    refused(&other, "upkeep", true).await?;
    // From now on: not in addition to what is left.
    ensure!(one.renew_lease(&lease, Duration::ZERO).await?);
    granted(&other, "upkeep", HOUR).await?;
    ensure!(
        !one.renew_lease(&lease, HOUR).await?,
        "a lease was renewed that another host had been granted"
    );
    Ok(())
}

async fn nobody_ends_or_renews_what_another_has(world: &World<'_>) -> Result<()> {
    let Some((one, other)) = two_hosts(world).await else {
        return Ok(());
    };
    let lost = granted(&one, "upkeep", Duration::ZERO).await?;
    let held = granted(&other, "upkeep", HOUR).await?;
    ensure!(!one.renew_lease(&lost, Duration::ZERO).await?);
    refused(&one, "upkeep", true)
        .await
        .context("after the host before renewed what it had lost")?;
    one.end_lease(&lost, Duration::ZERO).await?;
    refused(&one, "upkeep", true)
        .await
        .context("after the host before gave back what it had lost")?;
    other.end_lease(&held, Duration::ZERO).await?;
    one.end_lease(&lost, HOUR).await?;
    granted(&one, "upkeep", HOUR)
        .await
        .context("after the host before let rest what it had lost")?;
    Ok(())
}

async fn leases_have_names(world: &World<'_>) -> Result<()> {
    let Some((one, other)) = two_hosts(world).await else {
        return Ok(());
    };
    // Alike, and one the beginning of another.
    let names = [
        "work/1",
        "work/11",
        "Work/1",
        "work/1 ",
        "undo/1",
        "“1” 🦀",
        "",
    ];
    let mut leases = Vec::new();
    for name in names {
        leases.push(granted(&one, name, HOUR).await?);
    }
    let Some((first, others)) = leases.split_first() else {
        return Ok(());
    };
    one.end_lease(first, Duration::ZERO).await?;
    for lease in others {
        refused(&other, &lease.name, true).await?;
    }
    granted(&other, &first.name, HOUR).await?;
    Ok(())
}
