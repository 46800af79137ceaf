//! What cases put into a ledger, and how they look at it.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use integration_host_contract::id::{
    ConnectionId, DeliveryId, HookId, RemoteUserId, ScopeId, UserId,
};
use integration_host_contract::{
    Activity, Changes, MemberState, RemoteUser, Subject, TeamMember, TimeLog, User, UserMatch,
};
use integration_host_ledger::{
    ActivityFilter, Applied, Connection, ConnectionState, ConnectionUpdate, DeliveryRecord,
    DeliveryStatus, Ledger, LedgerActivity, MappingChange, Member, NewConnection,
};
use jiff::Timestamp;

/// A ledger as cases hold it.
pub(super) type Book = Arc<dyn Ledger>;

/// So many minutes after the beginning of what cases tell.
pub(super) fn time(minutes: i64) -> Timestamp {
    // The beginning of a minute.
    Timestamp::from_second(1_699_999_980 + 60 * minutes).unwrap_or_default()
}

pub(super) fn new_connection(scope: &str) -> NewConnection {
    NewConnection {
        id: ConnectionId::generate(),
        hook: HookId::generate(),
        name: None,
        integration: "toggl".to_owned(),
        scope_id: ScopeId::new(scope),
        created_at: time(0),
    }
}

/// A change of a connection's state.
pub(super) fn becomes(state: ConnectionState) -> ConnectionUpdate {
    ConnectionUpdate {
        state: Some(state),
        ..Default::default()
    }
}

/// A connection that is active.
pub(super) async fn connect(ledger: &Book, scope: &str) -> Result<ConnectionId> {
    let made = ledger.create_connection(new_connection(scope)).await?;
    let active = becomes(ConnectionState::Active);
    let connection = ledger.update_connection(&made.id, active, time(0)).await?;
    Ok(connection.id)
}

/// A connection that must be there.
pub(super) async fn connection(ledger: &Book, id: &ConnectionId) -> Result<Connection> {
    let found = ledger.connection(id).await?;
    found.with_context(|| format!("the connection {id} is missing"))
}

pub(super) fn log(
    remote_user: &str,
    subject: Option<&str>,
    start: i64,
    stop: Option<i64>,
) -> TimeLog {
    TimeLog {
        remote_user_id: RemoteUserId::new(remote_user),
        subject: subject.map(str::to_owned),
        description: "Work".to_owned(),
        start: time(start),
        stop: stop.map(time),
        billable: false,
        tags: vec!["a".to_owned(), "b".to_owned()],
    }
}

pub(super) fn entry(id: &str, revision: &str, content: TimeLog) -> Activity {
    Activity {
        id: id.to_owned(),
        revision: revision.to_owned(),
        event_id: Some(format!("event-{revision}")),
        deleted: false,
        content: Some(content),
    }
}

/// An hour's work of a member.
pub(super) fn work(id: &str, remote_user: &str) -> Activity {
    entry(id, "1", log(remote_user, None, 0, Some(60)))
}

pub(super) fn deletion(id: &str, revision: &str) -> Activity {
    Activity {
        id: id.to_owned(),
        revision: revision.to_owned(),
        event_id: Some(format!("event-{revision}")),
        deleted: true,
        content: None,
    }
}

pub(super) fn subject(
    id: &str,
    revision: &str,
    name: Option<&str>,
    parent: Option<&str>,
) -> Subject {
    Subject {
        id: id.to_owned(),
        revision: revision.to_owned(),
        name: name.map(str::to_owned),
        parent: parent.map(str::to_owned),
    }
}

pub(super) fn user(id: &str) -> User {
    User {
        id: UserId::new(id),
        name: format!("User {id}"),
        email: Some(format!("{id}@example.org")),
    }
}

pub(super) fn member(id: &str, matched: UserMatch) -> TeamMember {
    TeamMember {
        remote_user: RemoteUser {
            id: RemoteUserId::new(id),
            name: format!("Member {id}"),
            email: Some(format!("{id}@example.org")),
            state: MemberState::Active,
        },
        matched,
    }
}

pub(super) async fn apply(
    ledger: &Book,
    id: &ConnectionId,
    activities: Vec<Activity>,
    subjects: Vec<Subject>,
) -> Result<Applied> {
    let changes = Changes {
        activities,
        subjects,
    };
    Ok(ledger.apply(id, &changes, None).await?)
}

/// Maps a member by hand.
pub(super) async fn map(
    ledger: &Book,
    id: &ConnectionId,
    remote_user: &str,
    user: Option<User>,
) -> Result<Member> {
    let change = MappingChange::by_hand(user);
    let remote_user = RemoteUserId::new(remote_user);
    Ok(ledger.set_mapping(id, &remote_user, &change).await?)
}

/// Everything, deleted and unmapped ones too.
pub(super) fn everything() -> ActivityFilter {
    ActivityFilter {
        include_unmapped: true,
        include_deleted: true,
        ..Default::default()
    }
}

/// Everything of one connection.
pub(super) fn everything_of(id: &ConnectionId) -> ActivityFilter {
    ActivityFilter {
        connection: Some(id.clone()),
        ..everything()
    }
}

/// A whole list, on pages of `limit`, checked to be in order and without repetition.
pub(super) async fn list(
    ledger: &Book,
    filter: &ActivityFilter,
    limit: usize,
) -> Result<Vec<LedgerActivity>> {
    let (mut found, mut cursor) = (Vec::<LedgerActivity>::new(), None::<String>);
    loop {
        let page = ledger.activities(filter, cursor.as_deref(), limit).await?;
        ensure!(
            page.items.len() <= limit,
            "a page of {limit} has {} activities",
            page.items.len()
        );
        found.extend(page.items);
        ensure!(found.len() < 100_000, "pages of {limit} have no end");
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    ensure!(
        found.is_sorted_by(|one, other| one.start >= other.start),
        "a list is not newest first"
    );
    let mut places: Vec<_> = found
        .iter()
        .map(|activity| (&activity.connection_id, &activity.entry_id))
        .collect();
    places.sort_unstable();
    let is_once = places.is_sorted_by(|one, other| one < other);
    ensure!(is_once, "a page of {limit} repeats what another had");
    Ok(found)
}

/// The ids of entries.
pub(super) fn ids(activities: &[LedgerActivity]) -> Vec<&str> {
    let ids = activities.iter().map(|activity| activity.entry_id.as_str());
    ids.collect()
}

/// Follows the feed to its end, checking that places grow.
pub(super) async fn follow(ledger: &Book, cursor: &mut u64) -> Result<Vec<LedgerActivity>> {
    let mut seen = Vec::new();
    loop {
        let changes = ledger.changes(*cursor, 3).await?;
        if changes.is_empty() {
            return Ok(seen);
        }
        for activity in changes {
            ensure!(
                activity.cursor > *cursor,
                "the feed tells the place {} after {cursor}",
                activity.cursor
            );
            *cursor = activity.cursor;
            seen.push(activity);
        }
    }
}

pub(super) fn delivery(id: &str, status: DeliveryStatus) -> DeliveryRecord {
    DeliveryRecord {
        id: DeliveryId::new(id),
        received_at: time(1),
        handled_at: time(1),
        elapsed_us: 250,
        event_id: Some(format!("18446744073709551615-{id}")),
        status,
        detail: "Recorded.".to_owned(),
        size_bytes: 100,
        sealed_request: None,
        digest: None,
        times: 1,
    }
}

/// A delivery without a known event.
pub(super) fn nameless(id: &str, digest: &str, status: DeliveryStatus) -> DeliveryRecord {
    DeliveryRecord {
        event_id: None,
        digest: Some(digest.to_owned()),
        ..delivery(id, status)
    }
}

/// A failed delivery whose request has so many bytes.
pub(super) fn failed(id: &str, bytes: usize) -> DeliveryRecord {
    DeliveryRecord {
        sealed_request: Some(vec![1; bytes]),
        ..delivery(id, DeliveryStatus::Failed)
    }
}

pub(super) async fn record(ledger: &Book, id: &ConnectionId, record: DeliveryRecord) -> Result<()> {
    ledger.apply(id, &Changes::default(), Some(record)).await?;
    Ok(())
}
