//! A Postgres database, a fresh one under every name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use integration_conformance::{Kept, ledger_conformance, storage_conformance};
use integration_host_contract::clock::SystemClock;
use integration_host_contract::id::{
    ConnectionId, DeliveryId, HookId, RemoteUserId, ScopeId, UserId,
};
use integration_host_contract::{
    Changes, MemberState, RemoteUser, Subject, TeamMember, User, UserMatch,
};
use integration_host_database::postgres::PostgresDatabase;
use integration_host_directory::sql::{Selection, SqlDirectory};
use integration_host_ledger::{
    Activities as _, ActivityFilter, Connections as _, DeliveryRecord, DeliveryStatus, Feed as _,
    ImportLimits, LeaseAnswer, LeaseStore as _, Ledger, MappingChange, NewConnection, Retention,
    Teams as _,
};
use integration_host_ledger_sql::PostgresLedger;
use integration_host_storage::{KeyValueStore as _, PostgresStore, Write};
use jiff::Timestamp;
use test_services::{Durability, Ending, Forwarder, Pooler, PostgresServer, TestDatabase};
use tokio::time::{Duration, sleep};

/// Databases by their names in the suite.
#[derive(Default)]
struct Databases(Mutex<HashMap<String, TestDatabase>>);

impl Databases {
    async fn open(&self, name: String) -> PostgresDatabase {
        let address = {
            let mut databases = self.0.lock().unwrap();
            let database = databases
                .entry(name)
                .or_insert_with(|| TestDatabase::create().unwrap().unwrap());
            // Many are open at once.
            format!("{}?connections=4", database.url())
        };
        PostgresDatabase::open(&address.parse().unwrap())
            .await
            .unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn storage() {
    if TestDatabase::create().unwrap().is_none() {
        return;
    }
    let databases = Databases::default();
    storage_conformance(Kept::Durably, async |name, clock| {
        PostgresStore::new(databases.open(name).await, clock)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ledger() {
    if TestDatabase::create().unwrap().is_none() {
        return;
    }
    let databases = Databases::default();
    ledger_conformance(Kept::Durably, async |name, retention| {
        PostgresLedger::new(databases.open(name).await, retention)
    })
    .await;
}

/// A page needs few of them.
#[tokio::test]
async fn the_subjects_of_titles_are_looked_up_however_many_there_are() {
    const MANY: &str = "INSERT INTO integration_host.subjects (connection, id, named_revision, name, parent)
         SELECT number, 'project/' || which, '1', 'Project', 'client/' || which % 20
         FROM integration_host.connections, generate_series(1, 50000) AS which;
         INSERT INTO integration_host.activities
             (connection, entry_id, content_revision, remote_user, subject, description, start, stop, tags, change)
         SELECT number, which, '1', 'u', 'project/' || which, '', which, which + 1, '[]', which
         FROM integration_host.connections, generate_series(1, 1000) AS which;
         ANALYZE";
    let Some(database) = TestDatabase::create().unwrap() else {
        return;
    };
    let address = database.url().parse().unwrap();
    let opened = PostgresDatabase::open(&address).await.unwrap();
    let ledger = PostgresLedger::new(opened, Retention::default());
    let connection = NewConnection {
        id: ConnectionId::generate(),
        hook: HookId::generate(),
        name: None,
        integration: "toggl".to_owned(),
        scope_id: ScopeId::new("1"),
        created_at: Timestamp::UNIX_EPOCH,
    };
    ledger.create_connection(connection).await.unwrap();
    database.execute(MANY).unwrap();
    let all = ActivityFilter {
        include_unmapped: true,
        ..ActivityFilter::default()
    };
    let page = ledger.activities(&all, None, 100).await.unwrap();
    assert!(page.items.iter().all(|found| found.subjects.len() == 2));
    assert_eq!(ledger.changes(0, 100).await.unwrap().len(), 100);
    ledger.close().await;
    // They are told once the ledger's connections have ended.
    let told = |what: &str| {
        let query = format!("SELECT {what} FROM pg_stat_user_tables WHERE relname = 'subjects'");
        database.number(&query).unwrap()
    };
    while told("idx_scan") == 0 {
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        told("seq_tup_read"),
        0,
        "subjects were read one after the other"
    );
}

/// Where nearly all activities are of one member on one project, Postgres expects as many of any other.
#[tokio::test]
async fn what_few_activities_share_is_looked_up_however_many_share_something_else() {
    const MANY: &str = "INSERT INTO integration_host.activities
             (connection, entry_id, content_revision, remote_user, subject, description, start, stop, tags, change)
         SELECT number, which, '1', 'u', 'project/1', '', which, which + 1, '[]', which
         FROM integration_host.connections, generate_series(1, 100000) AS which;
         ANALYZE";
    let Some(database) = TestDatabase::create().unwrap() else {
        return;
    };
    let address = database.url().parse().unwrap();
    let opened = PostgresDatabase::open(&address).await.unwrap();
    let ledger = PostgresLedger::new(opened, Retention::default());
    let id = ConnectionId::generate();
    let connection = NewConnection {
        id: id.clone(),
        hook: HookId::generate(),
        name: None,
        integration: "toggl".to_owned(),
        scope_id: ScopeId::new("1"),
        created_at: Timestamp::UNIX_EPOCH,
    };
    ledger.create_connection(connection).await.unwrap();
    database.execute(MANY).unwrap();
    // More often than Postgres plans for what it is given, before it plans once for whatever comes.
    for which in 2..12 {
        let named = Changes {
            subjects: vec![Subject {
                id: format!("project/{which}"),
                revision: "1".to_owned(),
                name: Some("Another".to_owned()),
                parent: None,
            }],
            ..Changes::default()
        };
        ledger.apply(&id, &named, None).await.unwrap();
        let member = TeamMember {
            remote_user: RemoteUser {
                id: RemoteUserId::new(format!("member-{which}")),
                name: "Somebody".to_owned(),
                email: None,
                state: MemberState::Active,
            },
            matched: UserMatch::Unmatched,
        };
        let limits = ImportLimits::default();
        ledger
            .import_members(&id, &[member], &limits)
            .await
            .unwrap();
        let user = User {
            id: UserId::new("somebody"),
            name: "Somebody".to_owned(),
            email: None,
        };
        let (member, mapped) = (
            RemoteUserId::new(format!("member-{which}")),
            MappingChange::by_hand(Some(user)),
        );
        ledger.set_mapping(&id, &member, &mapped).await.unwrap();
    }
    ledger.close().await;
    let told = |what: &str| {
        let query = format!("SELECT {what} FROM pg_stat_user_tables WHERE relname = 'activities'");
        database.number(&query).unwrap()
    };
    while told("seq_tup_read") + told("idx_scan") == 0 {
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        told("seq_tup_read"),
        0,
        "activities were read one after the other"
    );
}

/// As behind a balancer, or a name that leads elsewhere: what is open goes on leading to the server that was the first.
#[tokio::test]
async fn a_server_that_has_become_read_only_is_left_for_the_one_that_took_over() {
    let Some(first) = PostgresServer::start(Durability::Process).unwrap() else {
        return;
    };
    let second = first.start_standby().unwrap();
    let forwarder = Forwarder::start(&first.address()).unwrap();
    let address = format!("postgres://postgres@{}/postgres", forwarder.address());
    let database = PostgresDatabase::open(&address.parse().unwrap())
        .await
        .unwrap();
    let ledger = PostgresLedger::new(database, Retention::default());
    ledger.ready().await.unwrap();
    let standby = second.url().parse().unwrap();
    let Err(refused) = PostgresDatabase::open(&standby).await else {
        panic!("a standby was taken for a server that can be written");
    };
    assert!(refused.to_string().contains("is a standby"), "{refused}");

    // The standby has everything before it takes over.
    let schema = "SELECT count(*) FROM pg_class WHERE relname = 'probes'";
    while second.number(schema).unwrap() == 0 {
        sleep(Duration::from_millis(50)).await;
    }
    let read_only = "ALTER SYSTEM SET default_transaction_read_only = on";
    first.execute(read_only).unwrap();
    first.execute("SELECT pg_reload_conf()").unwrap();
    while ledger.ready().await.is_ok() {
        sleep(Duration::from_millis(10)).await;
    }
    // Not ready, as long as nothing else takes over.
    for _ in 0..3 {
        ledger.ready().await.unwrap_err();
    }
    second.execute("SELECT pg_promote()").unwrap();
    forwarder.lead_to(&second.address());
    let began = std::time::Instant::now();
    while let Err(error) = ledger.ready().await {
        let waited = began.elapsed();
        assert!(waited < Duration::from_secs(20), "still not ready: {error}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_pooler_that_does_not_keep_sessions_is_refused_before_anything_is_changed() {
    let Some(server) = PostgresServer::start(Durability::Process).unwrap() else {
        return;
    };
    for mode in ["transaction", "statement"] {
        let Some(pooler) = Pooler::start(&server, mode).unwrap() else {
            return;
        };
        // Somebody else's connections of the server, which are lent next.
        let address = pooler.url().parse().unwrap();
        for _ in 0..3 {
            let Err(refused) = PostgresDatabase::open(&address).await else {
                panic!("a pooler that lends for a {mode} was taken");
            };
            let refused = refused.to_string();
            assert!(refused.contains("pool_mode = session"), "{refused}");
            let Err(refused) =
                SqlDirectory::postgres(&address, &Selection::default(), Duration::from_secs(10))
                    .await
            else {
                panic!("a pooler that lends for a {mode} was taken for a directory");
            };
            let refused = refused.to_string();
            assert!(refused.contains("pool_mode = session"), "{refused}");
        }
        let made = "SELECT count(*) FROM pg_namespace WHERE nspname = 'integration_host'";
        assert_eq!(server.number(made).unwrap(), 0, "something was made");
    }
    let pooler = Pooler::start(&server, "session").unwrap().unwrap();
    let address = format!("{}?connections=4", pooler.url());
    PostgresDatabase::open(&address.parse().unwrap())
        .await
        .unwrap();
}

/// As a recovery to a point in time ends, and a standby takes over.
#[tokio::test]
async fn another_timeline_of_the_server_is_another_life_of_the_feed() {
    let Some(mut server) = PostgresServer::start(Durability::Process).unwrap() else {
        return;
    };
    let address = server.url().parse().unwrap();
    let database = PostgresDatabase::open(&address).await.unwrap();
    let ledger = PostgresLedger::new(database, Retention::default());
    let before = ledger.identity().await.unwrap();
    assert!(before.is_first_life);
    server.end(Ending::Orderly).unwrap();
    server.start_again().unwrap();
    let identity = async || loop {
        // What the pool holds has ended with the server.
        if let Ok(identity) = ledger.identity().await {
            return identity;
        }
        sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(identity().await, before, "a restart is nothing to anybody");

    server.end(Ending::Orderly).unwrap();
    let signal = server.data().join("standby.signal");
    std::fs::write(signal, "").unwrap();
    server.start_again().unwrap();
    // Nothing is asked of a standby: which timeline it follows says nothing of its own.
    for _ in 0..20 {
        ledger.identity().await.unwrap_err();
    }
    server.execute("SELECT pg_promote()").unwrap();
    let after = identity().await;
    assert_eq!(after.id, before.id);
    assert_ne!(after.life, before.life);
    assert!(!after.is_first_life);
    assert_eq!(identity().await, after, "it is settled");
    ledger.close().await;
}

/// Other engines tell neither, and some servers only their administrators.
#[tokio::test]
async fn a_server_that_does_not_tell_its_timeline_is_taken_as_it_is() {
    let Some(database) = TestDatabase::create().unwrap() else {
        return;
    };
    let open = async || {
        let opened = PostgresDatabase::open(&database.url().parse().unwrap()).await;
        PostgresLedger::new(opened.unwrap(), Retention::default())
    };
    let ledger = open().await;
    // As with another engine.
    database
        .execute("ALTER FUNCTION pg_catalog.pg_control_system() RENAME TO pg_control_system_of_old")
        .unwrap();
    let identity = ledger.identity().await.unwrap();
    let begun = ledger.begin_life().await.unwrap();
    assert_eq!(begun.id, identity.id);
    assert_eq!(ledger.identity().await.unwrap(), begun);
    ledger.close().await;
    let again = open().await;
    assert_eq!(again.identity().await.unwrap(), begun);
    again.close().await;
}

#[tokio::test]
async fn what_was_erased_leaves_the_files_of_the_table() {
    for erasing in [Erasing::Runs, Erasing::Stops, Erasing::WasKilled] {
        what_was_erased_leaves(erasing).await;
    }
}

/// The host that erases something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Erasing {
    /// It goes on.
    Runs,
    /// It stops at once.
    Stops,
    /// It was killed just after.
    WasKilled,
}

async fn what_was_erased_leaves(erasing: Erasing) {
    const ERASED: &[u8] = b"a secret that was sealed and erased";
    const KEPT: &[u8] = b"a secret that is kept";
    let Some(server) = PostgresServer::start(Durability::Process).unwrap() else {
        return;
    };
    let open = async || {
        let address = server.url().parse().unwrap();
        PostgresDatabase::open(&address).await.unwrap()
    };
    let mut database = open().await;
    let store = PostgresStore::new(database.clone(), Arc::new(SystemClock));
    let write = |value: Option<&[u8]>| Write {
        key: "secret".to_owned(),
        value: value.map(<[u8]>::to_vec),
        expires_at: None,
    };
    for (connection, value) in [("before", KEPT), ("erased", ERASED), ("behind", KEPT)] {
        let connection = ConnectionId::new(connection);
        let written = store.commit(&connection, &[], &[write(Some(value))]).await;
        written.unwrap();
    }
    server.execute("CHECKPOINT").unwrap();
    let base = server.data().join("base");
    assert!(is_in(&base, ERASED), "this test looks in the wrong files");
    let erased = ConnectionId::new("erased");
    store.commit(&erased, &[], &[write(None)]).await.unwrap();
    match erasing {
        Erasing::Runs => store.scrub().await,
        Erasing::Stops => {
            store.scrub().await;
            database.close().await;
        }
        Erasing::WasKilled => {
            let noted = "INSERT INTO integration_host.erasures (number) VALUES (1)";
            server.execute(noted).unwrap();
            database = open().await;
        }
    }
    let begun = std::time::Instant::now();
    loop {
        server.execute("CHECKPOINT").unwrap();
        if !is_in(&base, ERASED) {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "what was erased is still in the database's files after a minute; the host {erasing:?}"
        );
        sleep(Duration::from_millis(500)).await;
    }
    assert!(is_in(&base, KEPT), "what was kept is gone from the files");
    if erasing == Erasing::Stops {
        database = open().await;
    }
    let store = PostgresStore::new(database.clone(), Arc::new(SystemClock));
    let kept = store.get(&ConnectionId::new("behind"), "secret").await;
    assert_eq!(kept.unwrap().unwrap().value, KEPT);
    database.close().await;
}

#[tokio::test]
async fn the_requests_of_a_ledger_leave_its_files_wherever_the_storage_is() {
    const ERASED: &[u8] = b"a request that was sealed and handled";
    let Some(server) = PostgresServer::start(Durability::Process).unwrap() else {
        return;
    };
    let address = server.url().parse().unwrap();
    let database = PostgresDatabase::open(&address).await.unwrap();
    let ledger = PostgresLedger::new(database, Retention::default());
    let connection = ledger
        .create_connection(NewConnection {
            id: ConnectionId::generate(),
            hook: HookId::generate(),
            name: None,
            integration: "toggl".to_owned(),
            scope_id: ScopeId::new("43"),
            created_at: Timestamp::UNIX_EPOCH,
        })
        .await
        .unwrap();
    let delivery = |status, sealed: Option<&[u8]>| DeliveryRecord {
        id: DeliveryId::new("a delivery"),
        received_at: Timestamp::UNIX_EPOCH,
        handled_at: Timestamp::UNIX_EPOCH,
        elapsed_us: 1,
        event_id: None,
        status,
        detail: String::new(),
        size_bytes: 1,
        sealed_request: sealed.map(<[u8]>::to_vec),
        digest: None,
        times: 1,
    };
    let record = async |record| {
        let applied = ledger
            .apply(&connection.id, &Changes::default(), Some(record))
            .await;
        applied.unwrap();
    };
    record(delivery(DeliveryStatus::Failed, Some(ERASED))).await;
    server.execute("CHECKPOINT").unwrap();
    let base = server.data().join("base");
    assert!(is_in(&base, ERASED), "this test looks in the wrong files");
    record(delivery(DeliveryStatus::Accepted, None)).await;
    ledger.scrub().await;
    ledger.close().await;
    server.execute("CHECKPOINT").unwrap();
    assert!(
        !is_in(&base, ERASED),
        "what a disconnected workspace delivered is still in the ledger's files"
    );
}

/// Whether a file in a folder or below has these bytes.
fn is_in(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_in(&path, bytes);
        }
        // Files come and go.
        let content = std::fs::read(&path).unwrap_or_default();
        content.windows(bytes.len()).any(|found| found == bytes)
    })
}

#[tokio::test]
async fn a_lease_from_when_a_clock_was_ahead_is_granted_again() {
    let Some(database) = TestDatabase::create().unwrap() else {
        return;
    };
    let address = database.url().parse().unwrap();
    let opened = PostgresDatabase::open(&address).await.unwrap();
    let ledger = PostgresLedger::new(opened, Retention::default());
    let minute = Duration::from_secs(60);
    let take = async |name| ledger.take_lease(name, minute, false).await.unwrap();
    for name in ["held", "resting"] {
        let LeaseAnswer::Granted(lease) = take(name).await else {
            unreachable!("nobody else asks");
        };
        assert!(matches!(take(name).await, LeaseAnswer::Refused { .. }));
        if name == "resting" {
            ledger.end_lease(&lease, minute).await.unwrap();
            assert!(matches!(take(name).await, LeaseAnswer::Refused { .. }));
        }
    }
    let ahead = "UPDATE integration_host.leases SET held_until = held_until + interval '30 days' WHERE name = 'held';
        UPDATE integration_host.leases SET rests_until = rests_until + interval '30 days' WHERE name = 'resting'";
    database.execute(ahead).unwrap();
    for name in ["held", "resting"] {
        let answer = take(name).await;
        assert!(
            matches!(answer, LeaseAnswer::Granted(_)),
            "nobody looks after a connection for a month: {name}: {answer:?}"
        );
    }
    ledger.close().await;
}
