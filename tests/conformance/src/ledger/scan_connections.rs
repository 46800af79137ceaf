//! Where all connections stand, page by page.

use anyhow::{Result, ensure};
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::{
    ConnectionState, ConnectionSummary, ConnectionUpdate, CoverageChange, IntegrationVersion,
    MAX_PAGE,
};

use super::fixture::{Book, becomes, new_connection, time};
use super::{Case, World};
use crate::suite::{case, same};

const STANDINGS: &str = "Summaries are told of all connections, in whatever state, ordered by id byte by byte, on \
    however many pages; a connection that is there all the while is on exactly one of them.";

const INTEGRATIONS: &str = "Of each integration that a host says it runs the latest version is told that it said so of, \
    ordered by id byte by byte.";

pub(super) const CASES: &[Case] = &[
    case!(
        standings_tell_state_and_gap_of_every_connection,
        STANDINGS,
        "a connection would be looked after by no host"
    ),
    case!(
        the_integrations_that_ran_are_remembered,
        INTEGRATIONS,
        "another integration would be let loose on the connections of the first"
    ),
    case!(
        standings_stay_whole_while_connections_come_and_go,
        STANDINGS,
        "a connection would be looked after by no host"
    ),
];

async fn named(ledger: &Book, id: &str, state: ConnectionState) -> Result<ConnectionId> {
    let mut new = new_connection(&format!("scope of {id}"));
    new.id = ConnectionId::new(id);
    let made = ledger.create_connection(new).await?.id;
    if state != ConnectionState::Connecting {
        ledger
            .update_connection(&made, becomes(state), time(1))
            .await?;
    }
    Ok(made)
}

async fn standings_tell_state_and_gap_of_every_connection(world: &World<'_>) -> Result<()> {
    use ConnectionState::{Active, Connecting, Disconnected};
    let ledger = world.open().await;
    let made = [
        ("b", Active),
        ("é", Connecting),
        ("a", Disconnected),
        ("Z", Active),
        ("a-", Connecting),
        ("10", Active),
        ("9", Disconnected),
    ];
    for (id, state) in made {
        named(&ledger, id, state).await?;
    }
    let noticed = CoverageChange::GapNoticed {
        from: Some(time(0)),
        reason: "the host did not run".to_owned(),
        at: time(2),
    };
    let with_gap = ConnectionId::new("Z");
    ledger.change_coverage(&with_gap, noticed).await?;
    let unsettled = ConnectionUpdate {
        unsettled_since: Some(Some(time(3))),
        ..ConnectionUpdate::default()
    };
    let with_webhook = ConnectionId::new("9");
    ledger
        .update_connection(&with_webhook, unsettled, time(3))
        .await?;
    let mut expected = made.map(|(id, state)| ConnectionSummary {
        id: ConnectionId::new(id),
        state,
        has_gap: id == "Z",
        is_unsettled: id == "9",
        integration: "toggl".to_owned(),
    });
    expected.sort_by(|one, other| one.id.as_str().cmp(other.id.as_str()));
    for limit in [1, 2, 3, 7, 8, MAX_PAGE, usize::MAX] {
        let told = pages(&ledger, limit).await?;
        same(told.as_slice(), &expected, format!("{limit} on a page"))?;
    }
    same(
        ledger.scan_connections(None, 0).await?.len(),
        1,
        "summaries on a page of 0",
    )?;
    let between = ConnectionId::new("aa");
    same(
        ledger.scan_connections(Some(&between), 1).await?.as_slice(),
        &expected[5..6],
        "what comes after an id that is nobody's",
    )
}

async fn the_integrations_that_ran_are_remembered(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    same(
        ledger.integrations().await?.len(),
        0,
        "integrations of a new ledger",
    )?;
    let version = |id: &str, version: &str| IntegrationVersion {
        id: id.to_owned(),
        name: format!("Integration {id} {version}"),
        version: version.to_owned(),
    };
    for (id, number) in [
        ("b", "1.0"),
        ("a", "2.0"),
        ("b", "1.1"),
        ("Z", ""),
        ("a", "1.9"),
    ] {
        ledger.record_integration(&version(id, number)).await?;
    }
    let expected = [version("Z", ""), version("a", "1.9"), version("b", "1.1")];
    same(
        ledger.integrations().await?,
        expected,
        "integrations that ran",
    )
}

async fn standings_stay_whole_while_connections_come_and_go(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let stays = ["b", "d", "f", "h"];
    for id in stays {
        connect_as(&ledger, id).await?;
    }
    let gone = named(&ledger, "c", ConnectionState::Connecting).await?;
    let mut told = ledger.scan_connections(None, 3).await?;
    same(
        told.iter().map(|told| told.id.as_str()).collect::<Vec<_>>(),
        ["b", "c", "d"],
        "the first page",
    )?;
    // What was told last may be gone by the time it is named.
    ledger.remove_connection(&gone).await?;
    for id in ["a", "bb", "z"] {
        connect_as(&ledger, id).await?;
    }
    let last = ConnectionId::new("d");
    ledger
        .update_connection(&last, becomes(ConnectionState::Disconnected), time(3))
        .await?;
    told.extend(ledger.scan_connections(Some(&last), 3).await?);
    for id in stays {
        let times = told.iter().filter(|told| told.id.as_str() == id).count();
        ensure!(
            times == 1,
            "{id} was there all the while and is on {times} pages"
        );
    }
    let after = ledger.scan_connections(Some(&gone), 1).await?;
    same(
        after.first().map(|told| told.id.as_str()),
        Some("d"),
        "what comes after one that is gone",
    )
}

async fn connect_as(ledger: &Book, id: &str) -> Result<ConnectionId> {
    named(ledger, id, ConnectionState::Active).await
}

async fn pages(ledger: &Book, limit: usize) -> Result<Vec<ConnectionSummary>> {
    let mut told: Vec<ConnectionSummary> = Vec::new();
    loop {
        let after = told.last().map(|told| &told.id);
        let page = ledger.scan_connections(after, limit).await?;
        if page.is_empty() {
            return Ok(told);
        }
        told.extend(page);
        ensure!(told.len() < 100, "pages of summaries have no end");
    }
}
