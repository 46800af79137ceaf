//! What is SQLite's own. What every ledger must do is in `tests/conformance`.

mod bounds;
mod cursors;
mod figures;
mod plans;

use jiff::Timestamp;

use super::*;
use integration_host_contract::id::{DeliveryId, HookId, RemoteUserId, ScopeId, UserId};
use integration_host_contract::{
    Activity, MemberState, RemoteUser, Subject, TeamMember, TimeLog, UserMatch,
};
use integration_host_ledger::{
    Activities as _, ConnectionState, ConnectionUpdate, Connections as _, DeliveryLog as _,
    DeliveryStatus, Feed as _, ImportLimits, MAX_EXAMINED, MAX_PAGE, MappingChange, MemberFilter,
    NewConnection, Teams as _,
};

fn ledger() -> SqliteLedger {
    SqliteLedger::new(SqliteDatabase::open_in_memory().unwrap())
}

fn time(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + 60 * minutes).unwrap()
}

fn new_connection(scope: &str) -> NewConnection {
    NewConnection {
        id: ConnectionId::generate(),
        hook: HookId::generate(),
        name: None,
        integration: "toggl".to_owned(),
        scope_id: ScopeId::new(scope),
        created_at: time(0),
    }
}

async fn connect(ledger: &SqliteLedger, scope: &str) -> ConnectionId {
    let connection = ledger
        .create_connection(new_connection(scope))
        .await
        .unwrap();
    let active = ConnectionUpdate {
        state: Some(ConnectionState::Active),
        ..Default::default()
    };
    ledger
        .update_connection(&connection.id, active, time(0))
        .await
        .unwrap()
        .id
}

fn log(remote_user: &str, subject: Option<&str>, start: i64, stop: Option<i64>) -> TimeLog {
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

fn entry(id: &str, revision: &str, content: TimeLog) -> Activity {
    Activity {
        id: id.to_owned(),
        revision: revision.to_owned(),
        event_id: Some(format!("event-{revision}")),
        deleted: false,
        content: Some(content),
    }
}

fn deletion(id: &str, revision: &str) -> Activity {
    Activity {
        id: id.to_owned(),
        revision: revision.to_owned(),
        event_id: Some(format!("event-{revision}")),
        deleted: true,
        content: None,
    }
}

fn subject(id: &str, revision: &str, name: Option<&str>, parent: Option<&str>) -> Subject {
    Subject {
        id: id.to_owned(),
        revision: revision.to_owned(),
        name: name.map(str::to_owned),
        parent: parent.map(str::to_owned),
    }
}

fn user(id: &str) -> User {
    User {
        id: UserId::new(id),
        name: format!("User {id}"),
        email: Some(format!("{id}@example.org")),
    }
}

async fn apply(
    ledger: &SqliteLedger,
    id: &ConnectionId,
    activities: Vec<Activity>,
    subjects: Vec<Subject>,
) -> Applied {
    ledger
        .apply(
            id,
            &Changes {
                activities,
                subjects,
            },
            None,
        )
        .await
        .unwrap()
}

/// Everything, deleted and unmapped ones too.
fn everything() -> ActivityFilter {
    ActivityFilter {
        include_unmapped: true,
        include_deleted: true,
        ..Default::default()
    }
}

fn delivery(id: &str, status: DeliveryStatus) -> DeliveryRecord {
    DeliveryRecord {
        id: DeliveryId::new(id),
        received_at: time(1),
        handled_at: time(1),
        elapsed_us: 250,
        event_id: None,
        status,
        detail: "Recorded.".to_owned(),
        size_bytes: 100,
        sealed_request: None,
        digest: None,
        times: 1,
    }
}

fn failed(id: &str) -> DeliveryRecord {
    DeliveryRecord {
        sealed_request: Some(vec![1; 10]),
        ..delivery(id, DeliveryStatus::Failed)
    }
}
