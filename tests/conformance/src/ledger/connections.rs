//! Connections: made, changed, disconnected, revived, removed.

use anyhow::{Context as _, Result, ensure};
use integration_host::contract::{Account, Changes, Quota, Subscription};
use integration_host::id::{ConnectionId, RemoteUserId};
use integration_host::ledger::{
    ActivityFilter, Attention, ConnectionEvent, ConnectionState, ConnectionUpdate, CoverageChange,
    DeliveryStatus, EventKind, LedgerError, MappingChange, MemberFilter, SeenQuotas,
};

use super::fixture::{
    apply, becomes, connect, connection, delivery, everything, list, map, new_connection, record,
    subject, time, user, work,
};
use super::{Case, World};
use crate::suite::{case, same};

const ONCE: &str = "Of one integration a scope has one connection: making another while that is connecting or active is \
    a LedgerError::Conflict, also when several are made at once.";
const NEW: &str = "A new connection is connecting, is called like its scope until somebody names it, and has no team, no \
    activities and no deliveries.";
const REVIVED: &str = "Making the connection of a disconnected scope revives it: it keeps its id, name, mappings, \
    activities and deliveries, has the new hook, and has no attention, no subscription and no quotas.";
const HOOK: &str = "A connection is found by its present hook, unless it is disconnected.";
const UPDATED: &str = "An update changes what it names and nothing else; updated_at follows a change of name, scope name, \
    owner, state or subscription.";
const REMOVED: &str = "A connection that was never active is removed with everything that belongs to it; one that was \
    becomes disconnected again; an absent one is no error, and an active one is a LedgerError::Conflict.";
const ALL: &str = "All connections are told, in whatever state, in the order they were made in.";
const ABSENT: &str = "A call for a connection that is not there is LedgerError::NotFound, unless it looks for the \
    connection or removes it.";

pub(super) const CASES: &[Case] = &[
    case!(
        a_scope_is_connected_once,
        ONCE,
        "every time log of a workspace would arrive twice"
    ),
    case!(
        of_many_connections_of_a_scope_one_is_made,
        ONCE,
        "every time log of a workspace would arrive twice"
    ),
    case!(
        a_new_connection_is_called_like_its_scope,
        NEW,
        "a list would show connections without a name"
    ),
    case!(
        a_revived_connection_has_what_it_had,
        REVIVED,
        "connecting again would lose mappings and months of time logs"
    ),
    case!(
        a_hook_leads_to_its_connection,
        HOOK,
        "deliveries would be refused, or taken for a workspace nobody connected"
    ),
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

fn is_conflict<T>(outcome: &Result<T, LedgerError>) -> bool {
    matches!(outcome, Err(LedgerError::Conflict(_)))
}

async fn a_scope_is_connected_once(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let first = ledger.create_connection(new_connection("43")).await?;
    let again = ledger.create_connection(new_connection("43")).await;
    ensure!(
        is_conflict(&again),
        "a scope that is being connected was connected: {again:?}"
    );
    ledger
        .update_connection(&first.id, becomes(ConnectionState::Active), time(1))
        .await?;
    let again = ledger.create_connection(new_connection("43")).await;
    ensure!(
        is_conflict(&again),
        "a scope that is connected was connected: {again:?}"
    );
    let mut other = new_connection("43");
    other.integration = "other".to_owned();
    ledger
        .create_connection(other)
        .await
        .context("the same scope of another integration")?;
    ledger
        .create_connection(new_connection("44"))
        .await
        .context("another scope")?;
    Ok(())
}

async fn of_many_connections_of_a_scope_one_is_made(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    for scope in ["1", "2", "3", "4"] {
        let mut attempts = Vec::new();
        for _ in 0..6 {
            let ledger = world.open_beside(&ledger, Default::default()).await;
            attempts.push(tokio::spawn(async move {
                ledger.create_connection(new_connection(scope)).await
            }));
        }
        let mut made = 0;
        for attempt in attempts {
            match attempt.await? {
                Ok(_) => made += 1,
                Err(LedgerError::Conflict(_)) => {}
                Err(error) => return Err(error).context("one of several attempts at once"),
            }
        }
        same(
            made,
            1,
            "connections made of one scope, of 6 attempts at once",
        )?;
    }
    same(
        ledger.connections().await?.len(),
        4,
        "connections of 4 scopes",
    )
}

async fn a_new_connection_is_called_like_its_scope(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let new = new_connection("43");
    let made = ledger.create_connection(new.clone()).await?;
    same(
        (&made.id, &made.hook, &made.scope_id),
        (&new.id, &new.hook, &new.scope_id),
        "what was asked for",
    )?;
    same(
        made.state,
        ConnectionState::Connecting,
        "the state of a new connection",
    )?;
    same(
        made.name.as_str(),
        "43",
        "the name of a connection whose scope has none",
    )?;
    same(
        (made.users_mapped, made.users_total),
        (0, 0),
        "the team of a new connection",
    )?;
    same(
        (made.created_at, made.updated_at),
        (time(0), time(0)),
        "when it was made and changed",
    )?;
    same(
        made.last_delivery_at,
        None,
        "the last delivery of a new connection",
    )?;
    same(
        connection(&ledger, &made.id).await?,
        made.clone(),
        "what is told of it later",
    )?;
    let named = ConnectionUpdate {
        scope_name: Some("Workspace".to_owned()),
        ..Default::default()
    };
    let named = ledger.update_connection(&made.id, named, time(1)).await?;
    same(
        named.name.as_str(),
        "Workspace",
        "the name of a connection nobody has named",
    )?;
    let ours = ConnectionUpdate {
        name: Some("Ours".to_owned()),
        ..Default::default()
    };
    ledger.update_connection(&made.id, ours, time(2)).await?;
    let renamed = ConnectionUpdate {
        scope_name: Some("Renamed".to_owned()),
        ..Default::default()
    };
    let renamed = ledger.update_connection(&made.id, renamed, time(3)).await?;
    same(
        (renamed.name.as_str(), renamed.scope_name.as_str()),
        ("Ours", "Renamed"),
        "names after somebody chose one",
    )?;
    let mut given = new_connection("44");
    given.name = Some("Given".to_owned());
    same(
        ledger.create_connection(given).await?.name.as_str(),
        "Given",
        "the name of a connection that has one",
    )
}

/// An update of everything.
fn update() -> ConnectionUpdate {
    ConnectionUpdate {
        name: Some("Ours 🦀".to_owned()),
        scope_name: Some("Workspace".to_owned()),
        owner: Some(Account {
            id: "1".to_owned(),
            name: "Owner".to_owned(),
            email: Some("o@example.org".to_owned()),
        }),
        state: Some(ConnectionState::Active),
        attention: Some(Some(Attention {
            code: "forbidden".to_owned(),
            message: "Ask.".to_owned(),
        })),
        subscription: Some(Some(Subscription {
            id: "7".to_owned(),
            enabled: true,
            validated_at: Some(time(1)),
            events: vec!["time_entry.created".to_owned(), "a \"b\"".to_owned()],
        })),
        quotas: Some(SeenQuotas {
            quotas: vec![Quota {
                name: "“organization”".to_owned(),
                remaining: -1,
                total: 600,
                resets_in_seconds: 90,
            }],
            at: time(4),
        }),
    }
}

async fn a_revived_connection_has_what_it_had(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let first = ledger.create_connection(new_connection("43")).await?;
    ledger
        .update_connection(&first.id, update(), time(5))
        .await?;
    apply(&ledger, &first.id, vec![work("1", "u")], vec![]).await?;
    record(&ledger, &first.id, delivery("d", DeliveryStatus::Accepted)).await?;
    map(&ledger, &first.id, "u", Some(user("a"))).await?;
    ledger
        .update_connection(&first.id, becomes(ConnectionState::Disconnected), time(6))
        .await?;

    let new = new_connection("43");
    let revived = ledger.create_connection(new.clone()).await?;
    same(
        (&revived.id, revived.name.as_str()),
        (&first.id, "Ours 🦀"),
        "id and name of a revived connection",
    )?;
    same(&revived.hook, &new.hook, "the hook of a revived connection")?;
    same(
        revived.state,
        ConnectionState::Connecting,
        "the state of a revived connection",
    )?;
    same(
        (revived.attention, revived.subscription),
        (None, None),
        "what was wrong, and the webhook that is gone",
    )?;
    same(revived.quotas, None, "quotas of the former account")?;
    same(
        revived.users_mapped,
        1,
        "members of a revived connection that are mapped",
    )?;
    same(
        ledger.connections().await?.len(),
        1,
        "connections of one scope",
    )?;
    same(
        list(&ledger, &ActivityFilter::default(), 10).await?.len(),
        1,
        "activities of a revived connection",
    )?;
    same(
        ledger
            .deliveries(Some(&first.id), None, None, 9)
            .await?
            .items
            .len(),
        1,
        "deliveries of a revived connection",
    )
}

async fn a_hook_leads_to_its_connection(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let first = ledger.create_connection(new_connection("43")).await?;
    same(
        ledger.connection_by_hook(&first.hook).await?,
        Some(first.clone()),
        "who has the hook of one being connected",
    )?;
    let active = ledger
        .update_connection(&first.id, update(), time(5))
        .await?;
    same(
        ledger.connection_by_hook(&first.hook).await?,
        Some(active),
        "who has the hook of an active one",
    )?;
    ledger
        .update_connection(&first.id, becomes(ConnectionState::Disconnected), time(6))
        .await?;
    same(
        ledger.connection_by_hook(&first.hook).await?,
        None,
        "who has the hook of a disconnected one",
    )?;
    let revived = ledger.create_connection(new_connection("43")).await?;
    same(
        ledger.connection_by_hook(&first.hook).await?,
        None,
        "who has a hook of before",
    )?;
    let found = ledger.connection_by_hook(&revived.hook).await?;
    same(
        found.map(|found| found.id),
        Some(revived.id),
        "who has the new hook",
    )
}

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
    record(&ledger, &id, super::fixture::failed("d", 9)).await?;
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
        ledger.kept_requests(0, 9).await?,
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
            ledger.import_members(&nobody, &[]).await.err(),
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
