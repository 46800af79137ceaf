mod continuity;
mod convergence;
mod deliveries;
mod feed;
mod lists;
mod members;
mod model;
mod queries;
mod rates;

use jiff::Timestamp;

use super::*;
use crate::contract::{
    Account, Activity, MemberState, Quota, RemoteUser, Subject, Subscription, TimeLog, User,
    UserMatch,
};
use crate::id::{ScopeId, UserId};
use crate::ledger::{Attention, ConnectionState, Mapping, SeenQuotas};

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

async fn title(ledger: &SqliteLedger) -> Vec<String> {
    ledger
        .activities(&everything(), None, 1)
        .await
        .unwrap()
        .items
        .remove(0)
        .title
}

#[tokio::test]
async fn a_scope_is_connected_once_and_revived_with_what_it_had() {
    let ledger = ledger();
    let first = ledger
        .create_connection(new_connection("43"))
        .await
        .unwrap();
    assert_eq!(
        (first.state, first.name.as_str()),
        (ConnectionState::Connecting, "43")
    );
    let again = ledger.create_connection(new_connection("43")).await;
    assert!(
        matches!(again, Err(LedgerError::Conflict(_))),
        "a scope was connected twice at once"
    );

    let update = ConnectionUpdate {
        name: Some("Ours".to_owned()),
        scope_name: Some("Workspace".to_owned()),
        owner: Some(Account {
            id: "1".to_owned(),
            name: "Owner".to_owned(),
            email: None,
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
            events: vec!["time_entry.created".to_owned()],
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
    };
    let active = ledger
        .update_connection(&first.id, update.clone(), time(5))
        .await
        .unwrap();
    assert_eq!(active.owner, update.owner.unwrap());
    assert_eq!(Some(active.attention.clone()), update.attention);
    assert_eq!(Some(active.subscription.clone()), update.subscription);
    assert_eq!(active.quotas, update.quotas);
    assert_eq!((active.created_at, active.updated_at), (time(0), time(5)));
    assert_eq!(
        ledger.connection_by_hook(&first.hook).await.unwrap(),
        Some(active)
    );
    assert!(matches!(
        ledger.remove_connection(&first.id).await,
        Err(LedgerError::Conflict(_))
    ));
    assert!(matches!(
        ledger.create_connection(new_connection("43")).await,
        Err(LedgerError::Conflict(_))
    ));
    apply(
        &ledger,
        &first.id,
        vec![entry("1", "1", log("u", None, 0, Some(1)))],
        vec![],
    )
    .await;

    let gone = ConnectionUpdate {
        state: Some(ConnectionState::Disconnected),
        ..Default::default()
    };
    ledger
        .update_connection(&first.id, gone, time(6))
        .await
        .unwrap();
    assert_eq!(ledger.connection_by_hook(&first.hook).await.unwrap(), None);
    let new = new_connection("43");
    let revived = ledger.create_connection(new.clone()).await.unwrap();
    assert_eq!(
        (&revived.id, revived.name.as_str(), &revived.hook),
        (&first.id, "Ours", &new.hook)
    );
    assert_eq!((revived.attention, revived.subscription), (None, None));
    assert_eq!(revived.quotas, None, "quotas of the former account");
    assert_eq!(ledger.connections().await.unwrap().len(), 1);

    // Connecting again fails: what there was before stays.
    ledger.remove_connection(&revived.id).await.unwrap();
    let kept = ledger.connection(&revived.id).await.unwrap().unwrap();
    assert_eq!(kept.state, ConnectionState::Disconnected);
    let activities = ledger.activities(&everything(), None, 10).await.unwrap();
    assert_eq!(
        activities.items.len(),
        1,
        "a failed attempt to connect again removed activities"
    );
}

#[tokio::test]
async fn a_connection_that_was_never_completed_is_removed_with_everything() {
    let ledger = ledger();
    let id = ledger
        .create_connection(new_connection("43"))
        .await
        .unwrap()
        .id;
    let subjects = vec![subject("project/1", "1", Some("Project"), None)];
    apply(
        &ledger,
        &id,
        vec![entry("1", "1", log("u", None, 0, None))],
        subjects,
    )
    .await;
    ledger
        .set_mapping(
            &id,
            &RemoteUserId::new("u"),
            &MappingChange::by_hand(Some(user("a"))),
        )
        .await
        .unwrap();
    ledger.remove_connection(&id).await.unwrap();
    ledger.remove_connection(&id).await.unwrap();
    assert_eq!(ledger.connection(&id).await.unwrap(), None);
    assert!(
        ledger
            .activities(&everything(), None, 10)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let missing = ledger.apply(&id, &Changes::default(), None).await;
    assert!(matches!(missing, Err(LedgerError::NotFound(_))));
    ledger
        .create_connection(new_connection("43"))
        .await
        .unwrap();
}

#[tokio::test]
async fn what_was_recorded_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("host.db");
    let first = SqliteLedger::new(SqliteDatabase::open(&path).unwrap());
    let id = connect(&first, "43").await;
    apply(
        &first,
        &id,
        vec![entry("1", "1", log("u", None, 0, None))],
        vec![],
    )
    .await;
    let before = first.changes(0, 10).await.unwrap();
    first.database.close().await;
    let second = SqliteLedger::new(SqliteDatabase::open(&path).unwrap());
    assert_eq!(second.changes(0, 10).await.unwrap(), before);
    assert_eq!(second.last_change().await.unwrap(), 1);
    assert_eq!(second.connections().await.unwrap().len(), 1);
}

/// Not a test of anything but speed: `cargo test --release --lib apply_throughput -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints figures"]
async fn apply_throughput() {
    const TASKS: usize = 64;
    const EACH: usize = 300;
    let directory = tempfile::tempdir().unwrap();
    let file = SqliteDatabase::open(directory.path().join("host.db")).unwrap();
    for (name, database) in [
        ("memory", SqliteDatabase::open_in_memory().unwrap()),
        ("file", file),
    ] {
        let ledger = std::sync::Arc::new(SqliteLedger::new(database.clone()));
        let id = connect(&ledger, "43").await;
        let before = database.statistics();
        let began = std::time::Instant::now();
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (ledger, id) = (std::sync::Arc::clone(&ledger), id.clone());
                tokio::spawn(async move {
                    for number in 0..EACH {
                        let number = task * EACH + number;
                        let log = log(
                            "u",
                            Some("project/1"),
                            number as i64,
                            Some(number as i64 + 1),
                        );
                        let changes = Changes {
                            activities: vec![entry(&number.to_string(), "1", log)],
                            subjects: vec![subject("project/1", "", None, Some("client/1"))],
                        };
                        let delivery =
                            deliveries::delivery(&number.to_string(), DeliveryStatus::Accepted);
                        ledger.apply(&id, &changes, Some(delivery)).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let elapsed = began.elapsed();
        let commits = database.statistics().commits - before.commits;
        let each = elapsed.as_micros() as f64 / (TASKS * EACH) as f64;
        println!(
            "{name}: {} deliveries in {elapsed:.2?}, {each:.1} us each, {commits} commits",
            TASKS * EACH
        );
    }
}
