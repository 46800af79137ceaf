//! What very many activities share changes: nobody else waits for it, and in the end all of them have been told, also if
//! the host dies amid it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use end_to_end::{Embedded, delivery, eventually_within, finished_entry};
use integration_host_contract::id::{ConnectionId, RemoteUserId, UserId};
use integration_host_contract::{Activity, Changes, Header, Subject, TimeLog, User};
use integration_host_database::SqliteDatabase;
use integration_host_database::postgres::PostgresDatabase;
use integration_host_ledger::{Connection, Ledger, MappingChange, Retention};
use integration_host_ledger_sql::{PostgresLedger, SqliteLedger};
use integration_host_seal::{SealingKey, SealingKeys};
use jiff::Timestamp;
use test_services::TestDatabase;
use toggl_sandbox::model::Subscription;

/// How long everything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// How long a statement of a person, or a delivery, may take on a busy machine. It is far less than all of the work.
const STATEMENT: Duration = Duration::from_secs(5);

/// How many activities share a project and a member: `SPREADING=1000000` measures more.
fn entries() -> usize {
    let given = std::env::var("SPREADING").ok();
    given.and_then(|given| given.parse().ok()).unwrap_or(50_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_tells_very_many_activities_of_a_change_while_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("host.sqlite");
    changes_spread("SQLite", async || {
        Arc::new(SqliteLedger::new(SqliteDatabase::open(&file).unwrap())) as Arc<dyn Ledger>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_tells_very_many_activities_of_a_change_while_others_go_on() {
    let Some(database) = TestDatabase::create().unwrap() else {
        return;
    };
    let address = database.url().parse().unwrap();
    changes_spread("Postgres", async || {
        let database = PostgresDatabase::open(&address).await.unwrap();
        Arc::new(PostgresLedger::new(database, Retention::default())) as Arc<dyn Ledger>
    })
    .await;
}

async fn changes_spread(name: &str, open: impl AsyncFn() -> Arc<dyn Ledger>) {
    let ledger = open().await;
    let component = end_to_end::component().unwrap();
    let keys = Arc::new(SealingKeys::new(SealingKey::generate()));
    let host = Embedded::builder(&component)
        .ledger(Arc::clone(&ledger), Arc::clone(&keys))
        .start()
        .await
        .unwrap();
    let (connection, subscription) = host.connect().await.unwrap();
    let id = connection.id.clone();
    fill(&*ledger, &id).await;
    let mut sent = 1;
    let quiet = deliver(&host, &connection, &subscription, &mut sent).await;
    let cursor = ledger.last_change().await.unwrap();

    let began = Instant::now();
    ledger
        .apply(&id, &client_called("Other"), None)
        .await
        .unwrap();
    let renaming = began.elapsed();
    let began = Instant::now();
    let user = User {
        id: UserId::new("u"),
        name: "User".to_owned(),
        email: None,
    };
    let mapped = MappingChange::by_hand(Some(user));
    let remote_user = RemoteUserId::new("member");
    ledger
        .set_mapping(&id, &remote_user, &mapped)
        .await
        .unwrap();
    let mapping = began.elapsed();
    assert!(
        renaming < STATEMENT && mapping < STATEMENT,
        "everybody waits {renaming:?} for a name and {mapping:?} for a mapping"
    );
    let spreading = Instant::now();
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let busy = deliver(&host, &connection, &subscription, &mut sent).await;
    assert!(
        busy.slowest < STATEMENT,
        "a delivery waits {:?}",
        busy.slowest
    );

    // The host ends in the middle of it; another one goes on.
    host.service.stop().await;
    drop((host, ledger));
    let ledger = open().await;
    let next = Embedded::builder(&component)
        .ledger(Arc::clone(&ledger), keys)
        .start()
        .await
        .unwrap();
    let mut missing: HashSet<String> = (0..entries())
        .map(|number| format!("many-{number}"))
        .collect();
    let mut after = cursor;
    let told = eventually_within(PATIENCE, "not everything is told", async || {
        loop {
            let page = ledger.changes(after, 1_000).await.unwrap();
            if page.is_empty() {
                break;
            }
            for activity in page {
                after = activity.cursor;
                let is_told = activity.title.first().is_some_and(|name| name == "Other")
                    && activity.user.is_some_and(|user| user.id.as_str() == "u");
                if is_told {
                    missing.remove(&activity.entry_id);
                }
            }
        }
        match missing.len() {
            0 => Ok(()),
            left => Err(format!("{left} entries are never told")),
        }
    });
    told.await.unwrap();
    println!(
        "{name}, {} activities: renaming {renaming:?}, mapping {mapping:?}, told in {:?}; deliveries p99 quiet {:?}, meanwhile {:?} (slowest {:?})",
        entries(),
        spreading.elapsed(),
        quiet.p99,
        busy.p99,
        busy.slowest
    );
    drop(next);
}

fn client_called(name: &str) -> Changes {
    let revision = if name == "Client" { "1" } else { "2" };
    let subject = |id: &str, name: &str, parent: Option<&str>| Subject {
        id: id.to_owned(),
        revision: revision.to_owned(),
        name: Some(name.to_owned()),
        parent: parent.map(str::to_owned),
    };
    Changes {
        subjects: vec![
            subject("client/1", name, None),
            subject("project/1", "Project", Some("client/1")),
        ],
        ..Changes::default()
    }
}

/// A ledger in which very many activities share a project and a member.
async fn fill(ledger: &dyn Ledger, id: &ConnectionId) {
    ledger
        .apply(id, &client_called("Client"), None)
        .await
        .unwrap();
    let start = Timestamp::from_second(1_750_000_000).unwrap();
    for first in (0..entries()).step_by(2_000) {
        let activities = (first..entries().min(first + 2_000)).map(|number| Activity {
            id: format!("many-{number}"),
            revision: "1".to_owned(),
            event_id: None,
            deleted: false,
            content: Some(TimeLog {
                remote_user_id: RemoteUserId::new("member"),
                subject: Some("project/1".to_owned()),
                description: "Work".to_owned(),
                start,
                stop: Some(start),
                billable: false,
                tags: Vec::new(),
            }),
        });
        let changes = Changes {
            activities: activities.collect(),
            ..Changes::default()
        };
        ledger.apply(id, &changes, None).await.unwrap();
    }
}

struct Latencies {
    p99: Duration,
    slowest: Duration,
}

/// Delivers three hundred entries, one after the other.
async fn deliver(
    host: &Embedded,
    connection: &Connection,
    subscription: &Subscription,
    sent: &mut u64,
) -> Latencies {
    let mut took = Vec::new();
    for _ in 0..300 {
        *sent += 1;
        let body = finished_entry(subscription, *sent, *sent);
        let (signature, body) = delivery(&subscription.secret, &body);
        let headers = vec![Header {
            name: "x-webhook-signature-256".to_owned(),
            value: signature,
        }];
        let began = Instant::now();
        let answer = host
            .service
            .handle_delivery(&connection.hook, headers, body)
            .await;
        took.push(began.elapsed());
        assert_eq!(answer.response.status, 200, "a delivery is lost");
    }
    took.sort_unstable();
    let slowest = *took.last().unwrap();
    Latencies {
        p99: took[took.len() * 99 / 100],
        slowest,
    }
}
