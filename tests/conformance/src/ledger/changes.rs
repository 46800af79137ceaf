//! Connections: changed, removed, and not there.

use anyhow::{Context as _, Result, ensure};
use integration_host_contract::Changes;
use integration_host_contract::id::{ConnectionId, RemoteUserId};
use integration_host_ledger::{
    ActivityFilter, ConnectionEvent, ConnectionState, ConnectionUpdate, CoverageChange, EventKind,
    ImportLimits, LedgerError, MappingChange, MemberFilter,
};

use super::connections::{is_conflict, update};
use super::fixture::{
    apply, becomes, connect, connection, everything, failed, list, map, new_connection, record,
    subject, time, user, work,
};
use super::{Case, World};
use crate::suite::{case, same};

const UPDATED: &str = "An update changes what it names and nothing else; updated_at follows a change of name, scope name, \
    owner, state, subscription or hook.";
const REMOVED: &str = "A connection that was never active is removed with everything that belongs to it; one that was \
    becomes disconnected again; an absent one is no error, and an active one is a LedgerError::Conflict.";
const ALL: &str = "All connections are told, in whatever state, in the order they were made in.";
const ABSENT: &str = "A call for a connection that is not there is LedgerError::NotFound, unless it looks for the \
    connection or removes it.";

pub(super) const CASES: &[Case] = &[
    case!(
        an_update_changes_what_it_names,
        UPDATED,
        "a rename would undo what was found out meanwhile"
    ),
    case!(
        a_connection_never_completed_is_removed_whole,
        REMOVED,
        "an attempt that failed would stand in the way of the next"
    ),
    case!(
        a_completed_connection_is_not_removed,
        REMOVED,
        "an attempt to connect again that failed would remove all time logs"
    ),
    case!(
        connections_are_told_in_order,
        ALL,
        "connections would be missing, or jump about in a list"
    ),
    case!(
        what_names_no_connection_is_not_found,
        ABSENT,
        "time logs would be accepted and be nowhere"
    ),
];

async fn an_update_changes_what_it_names(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let made = ledger.create_connection(new_connection("43")).await?;
    let all = update();
    let active = ledger
        .update_connection(&made.id, all.clone(), time(5))
        .await?;
    same(Some(&active.name), all.name.as_ref(), "the name")?;
    same(
        Some(&active.scope_name),
        all.scope_name.as_ref(),
        "the scope's name",
    )?;
    same(Some(&active.owner), all.owner.as_ref(), "the owner")?;
    same(Some(active.state), all.state, "the state")?;
    same(
        Some(&active.attention),
        all.attention.as_ref(),
        "what a person must do",
    )?;
    same(
        Some(&active.subscription),
        all.subscription.as_ref(),
        "the webhook",
    )?;
    same(&active.quotas, &all.quotas, "the quotas")?;
    same(
        Some(active.unsettled_since),
        all.unsettled_since,
        "since when a webhook may come into being",
    )?;
    same(
        (active.created_at, active.updated_at),
        (time(0), time(5)),
        "when it was made and changed",
    )?;
    same(
        connection(&ledger, &made.id).await?,
        active.clone(),
        "what is told of it later",
    )?;

    let nothing = ledger
        .update_connection(&made.id, ConnectionUpdate::default(), time(6))
        .await?;
    same(
        nothing,
        active.clone(),
        "a connection of which nothing was changed",
    )?;
    // What only the host noticed is no change somebody made.
    let noticed = ConnectionUpdate {
        attention: Some(None),
        ..Default::default()
    };
    let noticed = ledger.update_connection(&made.id, noticed, time(7)).await?;
    same(
        noticed.attention,
        None,
        "what a person must do, when there is nothing any more",
    )?;
    same(
        noticed.updated_at,
        time(5),
        "when it was changed, after something was noticed",
    )?;
    let renamed = ConnectionUpdate {
        name: Some("Theirs".to_owned()),
        ..Default::default()
    };
    let renamed = ledger.update_connection(&made.id, renamed, time(8)).await?;
    same(
        (renamed.name.as_str(), renamed.updated_at),
        ("Theirs", time(8)),
        "name and time after a rename",
    )?;
    same(
        renamed.subscription,
        active.subscription,
        "the webhook after a rename",
    )?;
    let gone = ConnectionUpdate {
        subscription: Some(None),
        ..Default::default()
    };
    same(
        ledger
            .update_connection(&made.id, gone, time(9))
            .await?
            .subscription,
        None,
        "a webhook that is gone",
    )
}

async fn a_connection_never_completed_is_removed_whole(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = ledger.create_connection(new_connection("43")).await?.id;
    let subjects = vec![subject("project/1", "1", Some("Project"), None)];
    apply(&ledger, &id, vec![work("1", "u")], subjects).await?;
    map(&ledger, &id, "u", Some(user("a"))).await?;
    record(&ledger, &id, failed("d", 9)).await?;
    ledger.remove_connection(&id).await?;
    ledger
        .remove_connection(&id)
        .await
        .context("removing what is removed")?;
    same(ledger.connection(&id).await?, None, "a removed connection")?;
    same(
        list(&ledger, &everything(), 10).await?,
        [],
        "activities of a removed connection",
    )?;
    same(
        ledger.deliveries(None, None, None, 9).await?.items,
        [],
        "deliveries of a removed connection",
    )?;
    same(
        ledger.dead_letters(0, 9).await?,
        [],
        "requests of a removed connection",
    )?;
    let again = ledger
        .create_connection(new_connection("43"))
        .await
        .context("the scope of a removed connection")?;
    same(
        again.users_total,
        0,
        "the team of a connection whose predecessor was removed",
    )
}

async fn a_completed_connection_is_not_removed(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    apply(&ledger, &id, vec![work("1", "u")], vec![]).await?;
    let active = ledger.remove_connection(&id).await;
    ensure!(
        is_conflict(&active),
        "removing an active connection was answered with {active:?}"
    );
    ledger
        .update_connection(&id, becomes(ConnectionState::Disconnected), time(6))
        .await?;
    let revived = ledger.create_connection(new_connection("43")).await?;
    // Connecting again fails: what there was before stays.
    ledger.remove_connection(&revived.id).await?;
    same(
        connection(&ledger, &id).await?.state,
        ConnectionState::Disconnected,
        "the state after a failed attempt",
    )?;
    same(
        list(&ledger, &everything(), 10).await?.len(),
        1,
        "activities after a failed attempt to connect again",
    )
}

async fn connections_are_told_in_order(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let mut made = Vec::new();
    for scope in ["9", "1", "5", "3"] {
        made.push(ledger.create_connection(new_connection(scope)).await?.id);
    }
    for (id, state) in made
        .iter()
        .zip([ConnectionState::Active, ConnectionState::Disconnected])
    {
        ledger
            .update_connection(id, becomes(state), time(1))
            .await?;
    }
    let told: Vec<ConnectionId> = ledger
        .connections()
        .await?
        .into_iter()
        .map(|found| found.id)
        .collect();
    same(told, made, "all connections")
}

async fn what_names_no_connection_is_not_found(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    connect(&ledger, "43").await?;
    let nobody = ConnectionId::new("nobody");
    let (remote_user, all) = (RemoteUserId::new("u"), MemberFilter::default());
    same(
        ledger.connection(&nobody).await?,
        None,
        "a connection that is not there",
    )?;
    ledger
        .remove_connection(&nobody)
        .await
        .context("removing a connection that is not there")?;
    let event = ConnectionEvent {
        at: time(1),
        kind: EventKind::Connected,
        message: String::new(),
    };
    let of_nobody = ActivityFilter {
        connection: Some(nobody.clone()),
        ..everything()
    };
    let outcomes = [
        (
            "update_connection",
            ledger
                .update_connection(&nobody, update(), time(1))
                .await
                .err(),
        ),
        (
            "import_members",
            ledger
                .import_members(&nobody, &[], &ImportLimits::default())
                .await
                .err(),
        ),
        (
            "members",
            ledger.members(&nobody, &all, None, 9).await.err(),
        ),
        ("member", ledger.member(&nobody, &remote_user).await.err()),
        (
            "set_mapping",
            ledger
                .set_mapping(&nobody, &remote_user, &MappingChange::by_hand(None))
                .await
                .err(),
        ),
        (
            "apply",
            ledger.apply(&nobody, &Changes::default(), None).await.err(),
        ),
        (
            "activities",
            ledger.activities(&of_nobody, None, 9).await.err(),
        ),
        (
            "summary",
            ledger
                .summary(&of_nobody, &[time(0), time(1)], time(1))
                .await
                .err(),
        ),
        (
            "activities_by_id",
            ledger.activities_by_id(&nobody, &[]).await.err(),
        ),
        ("note", ledger.note(&nobody, "a").await.err()),
        (
            "change_note",
            ledger
                .change_note(&nobody, "a", None, Some("b"))
                .await
                .err(),
        ),
        (
            "activity_ids",
            ledger
                .activity_ids(&nobody, time(0), time(1), None, 9)
                .await
                .err(),
        ),
        (
            "deliveries",
            ledger.deliveries(Some(&nobody), None, None, 9).await.err(),
        ),
        (
            "delivery_rates",
            ledger.delivery_rates(&nobody, time(0), time(1)).await.err(),
        ),
        (
            "failed_deliveries",
            ledger
                .failed_deliveries(Some(&nobody), time(1), 9)
                .await
                .err(),
        ),
        (
            "change_coverage",
            ledger
                .change_coverage(&nobody, CoverageChange::Confirmed { until: time(1) })
                .await
                .err(),
        ),
        (
            "running_ids",
            ledger.running_ids(&nobody, time(1), 9).await.err(),
        ),
        (
            "delivery_times",
            ledger.delivery_times(&nobody, 9).await.err(),
        ),
        (
            "record_event",
            ledger.record_event(&nobody, event).await.err(),
        ),
        ("events", ledger.events(&nobody, None, 9).await.err()),
    ];
    for (call, outcome) in outcomes {
        let is_right = matches!(outcome, Some(LedgerError::NotFound(_)));
        ensure!(
            is_right,
            "{call} for a connection that is not there: {outcome:?}"
        );
    }
    Ok(())
}
