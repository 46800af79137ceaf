//! Connections: made, disconnected, revived.

use anyhow::{Context as _, Result, ensure};
use integration_host_contract::id::HookId;
use integration_host_contract::{Account, Quota, Subscription};
use integration_host_ledger::{
    ActivityFilter, Attention, ConnectionState, ConnectionUpdate, DeliveryStatus, LedgerError,
    SeenQuotas,
};

use super::fixture::{
    apply, becomes, connection, delivery, list, map, new_connection, record, time, user, work,
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
];

pub(super) fn is_conflict<T>(outcome: &Result<T, LedgerError>) -> bool {
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
pub(super) fn update() -> ConnectionUpdate {
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
        unsettled_since: Some(Some(time(4))),
        hook: None,
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
        Some(revived.id.clone()),
        "who has the new hook",
    )?;
    let hook = HookId::generate();
    let given = ConnectionUpdate {
        hook: Some(hook.clone()),
        ..Default::default()
    };
    ledger
        .update_connection(&revived.id, given, time(8))
        .await?;
    let former = ledger.connection_by_hook(&revived.hook).await?;
    same(
        former,
        None,
        "who has a hook that another took the place of",
    )?;
    let found = ledger.connection_by_hook(&hook).await?;
    same(
        found.map(|found| found.id),
        Some(revived.id),
        "who has the hook it was given",
    )
}
