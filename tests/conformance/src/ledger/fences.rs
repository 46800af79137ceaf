//! What is done by the right of a lease, and what not when another host has it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use integration_host_contract::UserMatch;
use integration_host_contract::id::{ConnectionId, RemoteUserId};
use integration_host_ledger::{
    ConnectionEvent, ConnectionState, CoverageChange, EventKind, ImportLimits, Lease, LedgerError,
    MappingChange,
};

use super::fixture::{
    Book, apply, becomes, connect, connection, member, new_connection, time, work,
};
use super::leases::{HOUR, granted, two_hosts};
use super::{Case, World};
use crate::suite::{case, same};

const FENCED: &str = "A handle that is fenced changes nothing once one of its leases was granted to somebody else, and \
    says so with LedgerError::LeaseLost; as long as they have merely run out it goes on.";
const FOUND: &str = "Whoever is granted a lease finds everything that was changed by the right of the one before, and \
    nothing of that comes later.";

pub(super) const CASES: &[Case] = &[
    case!(
        a_host_that_was_away_changes_nothing,
        FENCED,
        "a host that wakes would undo what others did meanwhile: end a connection that was made since, forget a gap"
    ),
    case!(
        every_lease_of_a_handle_counts,
        FENCED,
        "a host that has lost one of its leases would go on by the right of another"
    ),
    case!(
        nothing_comes_after_a_lease_was_granted,
        FOUND,
        "the host that takes over would decide by what is about to change"
    ),
];

/// Every change that a handle makes by the right of its leases, one after the other, with what each is called.
async fn change(
    ledger: &Book,
    id: &ConnectionId,
    scope: &str,
    minute: i64,
) -> Vec<(&'static str, Result<(), LedgerError>)> {
    let event = ConnectionEvent {
        at: time(minute),
        kind: EventKind::Reconciled,
        message: format!("minute {minute}"),
    };
    let noticed = CoverageChange::GapNoticed {
        from: None,
        reason: format!("minute {minute}"),
        at: time(minute),
    };
    let ended = becomes(ConnectionState::Disconnected);
    let team = [
        member("m", UserMatch::Unmatched),
        member(scope, UserMatch::Unmatched),
    ];
    let mapping = MappingChange::by_hand(None);
    let remote_user = RemoteUserId::new("m");
    vec![
        (
            "create_connection",
            ledger
                .create_connection(new_connection(scope))
                .await
                .map(drop),
        ),
        (
            "import_members",
            ledger
                .import_members(id, &team, &ImportLimits::default())
                .await
                .map(drop),
        ),
        (
            "set_mapping",
            ledger
                .set_mapping(id, &remote_user, &mapping)
                .await
                .map(drop),
        ),
        (
            "change_coverage",
            ledger.change_coverage(id, noticed).await.map(drop),
        ),
        ("record_event", ledger.record_event(id, event).await),
        (
            "update_connection",
            ledger
                .update_connection(id, ended, time(minute))
                .await
                .map(drop),
        ),
        ("remove_connection", ledger.remove_connection(id).await),
    ]
}

/// Everything that [`change`] may have changed.
async fn seen(ledger: &Book, id: &ConnectionId) -> Result<String> {
    let connections = ledger.connections().await?;
    let members = ledger.members(id, &Default::default(), None, 100).await?;
    let events = ledger.events(id, None, 100).await?;
    Ok(format!("{connections:#?}{members:#?}{events:#?}"))
}

async fn a_host_that_was_away_changes_nothing(world: &World<'_>) -> Result<()> {
    let Some((one, other)) = two_hosts(world).await else {
        return Ok(());
    };
    let id = connect(&one, "43").await?;
    let lease = granted(&one, "effects", Duration::ZERO).await?;
    let fenced = fence(&one, &[lease])?;
    // It has run out, and nobody has taken over.
    for (what, outcome) in change(&fenced, &id, "44", 1).await {
        outcome.with_context(|| format!("{what} with a lease that nobody else has"))?;
    }
    one.update_connection(&id, becomes(ConnectionState::Active), time(2))
        .await?;
    let successor = granted(&other, "effects", HOUR).await?;
    let before = seen(&other, &id).await?;
    for (what, outcome) in change(&fenced, &id, "45", 3).await {
        ensure!(
            matches!(outcome, Err(LedgerError::LeaseLost)),
            "{what} by the right of a lease that another host has: {outcome:?}"
        );
    }
    same(seen(&other, &id).await?, before.clone(), "what is kept")?;
    // That the other has come to an end as well gives nothing back.
    other.end_lease(&successor, Duration::ZERO).await?;
    for (what, outcome) in change(&fenced, &id, "45", 4).await {
        ensure!(
            matches!(outcome, Err(LedgerError::LeaseLost)),
            "{what} after the other host has ended: {outcome:?}"
        );
    }
    same(seen(&one, &id).await?, before, "what is kept")?;
    // What converges may come late, and other handles go on.
    apply(&fenced, &id, vec![work("late", "m")], vec![]).await?;
    fenced.heartbeat(time(5)).await?;
    for (what, outcome) in change(&one, &id, "45", 6).await {
        outcome.with_context(|| format!("{what} through a handle that needs no lease"))?;
    }
    Ok(())
}

async fn every_lease_of_a_handle_counts(world: &World<'_>) -> Result<()> {
    let Some((one, other)) = two_hosts(world).await else {
        return Ok(());
    };
    let id = connect(&one, "43").await?;
    let names = ["work", "upkeep", "effects"];
    for lost in names {
        let mut leases = Vec::new();
        for name in names {
            leases.push(granted(&one, name, Duration::ZERO).await?);
        }
        let [work, upkeep, effects] = &leases[..] else {
            bail!("three leases");
        };
        // Of the second handle those of the first count too.
        let outer = fence(&one, &[work.clone(), upkeep.clone()])?;
        let inner = fence(&outer, std::slice::from_ref(effects))?;
        let confirm = async |ledger: &Book| {
            let confirmed = CoverageChange::Confirmed { until: time(1) };
            ledger.change_coverage(&id, confirmed).await
        };
        confirm(&inner).await?;
        granted(&other, lost, Duration::ZERO).await?;
        let refused = confirm(&inner).await;
        ensure!(
            matches!(refused, Err(LedgerError::LeaseLost)),
            "a handle with three leases whose {lost} another host has: {refused:?}"
        );
        let outcome = confirm(&outer).await;
        same(
            matches!(outcome, Err(LedgerError::LeaseLost)),
            lost != "effects",
            format!("whether the handle with work and upkeep is refused without {lost}"),
        )?;
    }
    Ok(())
}

async fn nothing_comes_after_a_lease_was_granted(world: &World<'_>) -> Result<()> {
    const ROUNDS: i64 = 20;
    const WRITERS: i64 = 4;
    let Some((one, other)) = two_hosts(world).await else {
        return Ok(());
    };
    let id = connect(&one, "43").await?;
    for round in 0..ROUNDS {
        let lease = granted(&one, "effects", Duration::ZERO).await?;
        let fenced = fence(&one, &[lease])?;
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (ledger, id) = (Arc::clone(&fenced), id.clone());
                tokio::spawn(async move {
                    // Until it has lost its lease, or others would have to wait for it.
                    for minute in 0..100 {
                        let noticed = CoverageChange::GapNoticed {
                            from: None,
                            reason: format!("{round} {writer} {minute}"),
                            at: time(minute),
                        };
                        if ledger.change_coverage(&id, noticed).await.is_err() {
                            return;
                        }
                    }
                })
            })
            .collect();
        // At another moment of their work each time.
        tokio::time::sleep(Duration::from_millis(round as u64 % 7)).await;
        granted(&other, "effects", Duration::ZERO).await?;
        let found = connection(&other, &id).await?;
        for writer in writers {
            writer.await?;
        }
        same(
            connection(&other, &id).await?,
            found,
            "what was there when the lease was granted",
        )?;
    }
    Ok(())
}

fn fence(ledger: &Book, leases: &[Lease]) -> Result<Book> {
    let fenced = ledger.fenced(leases);
    fenced.context("hosts share the ledger, and it gives no handle that goes by leases")
}
