//! A place with something of every kind, and the commands that move it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use end_to_end::run_cli;
use integration_host_contract::clock::SystemClock;
use integration_host_contract::id::{
    ConnectionId, DeliveryId, HookId, RemoteUserId, ScopeId, UserId,
};
use integration_host_contract::{
    Account, Activity, Changes, MemberState, Quota, RemoteUser, Subject, Subscription, TeamMember,
    TimeLog, User, UserMatch,
};
use integration_host_database::SqliteDatabase;
use integration_host_ledger::{
    Activities as _, Attention, ConnectionEvent, ConnectionState, ConnectionUpdate,
    Connections as _, CoverageChange, CoverageLog as _, DeliveryRecord, DeliveryStatus, EventKind,
    ImportLimits, MappingChange, NewConnection, SeenQuotas, Teams as _,
};
use integration_host_ledger_sql::SqliteLedger;
use integration_host_seal::{KeySource, SealingKeys};
use integration_host_storage::{KeyValueStore as _, SealedStore, SqliteStore, Write};
use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

/// Activities of the fixture: several batches of an import.
pub const ACTIVITIES: u32 = 20_000;

fn time(minutes: i64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_123 + 60_000 * minutes).unwrap()
}

/// A folder of places: each is a directory with a database and a key.
pub struct Places {
    pub folder: TempDir,
}

impl Places {
    /// With one place, `origin`, that holds something of every kind.
    pub async fn start() -> Self {
        let places = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let origin = places.path("origin");
        fs::create_dir(&origin).unwrap();
        let source = KeySource::File(origin.join("sealing-key"));
        let keys = SealingKeys::load(source, std::time::Duration::from_secs(5));
        let keys = Arc::new(keys.await.unwrap());
        let database = SqliteDatabase::open(origin.join("host.sqlite")).unwrap();
        fill(&database, &keys).await;
        database.close().await;
        places
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// The key of the origin, in every place.
    pub fn key(&self) -> String {
        self.shown("origin/sealing-key")
    }

    /// Exports a place into a file, and returns the lines between the first and the last.
    pub async fn export(&self, arguments: &[&str], file: &str) -> Vec<String> {
        let file = self.shown(file);
        let output = self
            .run(&[&["export", "--json", "--output", &file], arguments].concat())
            .await;
        assert!(output.status.success(), "{}", complaint(&output));
        let text = fs::read_to_string(file).unwrap();
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines[1..lines.len() - 1].to_vec()
    }

    /// Imports a file, which must succeed.
    pub async fn import(&self, file: &str, arguments: &[&str]) -> Value {
        let output = self.try_import(file, arguments).await;
        assert!(output.status.success(), "{}", complaint(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub async fn try_import(&self, file: &str, arguments: &[&str]) -> Output {
        let file = self.shown(file);
        self.run(&[&["import", "--json", &file], arguments].concat())
            .await
    }

    pub async fn run(&self, arguments: &[&str]) -> Output {
        run_cli(arguments, &[], Path::new(".")).await.unwrap()
    }
}

/// The one line in which a command complains.
pub fn complaint(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let complaints: Vec<_> = error
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert!(complaints.len() <= 1, "more than one sentence: {error}");
    complaints
        .first()
        .map_or(error.clone(), |line| (*line).to_owned())
}

async fn fill(database: &SqliteDatabase, keys: &Arc<SealingKeys>) {
    let ledger = SqliteLedger::new(database.clone());
    let one = connect(&ledger, "7400001").await;
    let other = connect(&ledger, "7400002").await;
    describe(&ledger, &one).await;
    ledger
        .create_connection(new_connection("unfinished"))
        .await
        .unwrap();
    let gone = ConnectionUpdate {
        state: Some(ConnectionState::Disconnected),
        ..Default::default()
    };
    ledger
        .update_connection(&other, gone, time(90))
        .await
        .unwrap();
    for (connection, count) in [(&one, ACTIVITIES), (&other, 10)] {
        let changes = Changes {
            activities: (0..count).map(activity).collect(),
            subjects: subjects(),
        };
        ledger.apply(connection, &changes, None).await.unwrap();
    }
    map(&ledger, &one).await;
    record_deliveries(&ledger, &one, keys).await;
    let heartbeat = ledger.heartbeat(time(200)).await.unwrap();
    assert_eq!(heartbeat, None);
    let raw = Arc::new(SqliteStore::new(database.clone(), Arc::new(SystemClock)));
    let store = SealedStore::new(raw, Arc::clone(keys));
    let write = |key: &str, expires_at| Write {
        key: key.to_owned(),
        value: Some(b"in clear, ' \" \0".to_vec()),
        expires_at,
    };
    let later = Timestamp::from_second(4_000_000_000).unwrap();
    let writes = [
        write("odd\u{0}key/\u{1F980}", None),
        write("expires", Some(later)),
    ];
    store.commit(&one, &[], &writes).await.unwrap();
    for number in 0..40 {
        let writes = [write(&format!("many/{number}"), None)];
        store.commit(&other, &[], &writes).await.unwrap();
    }
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
    let made = ledger.create_connection(new_connection(scope)).await;
    let id = made.unwrap().id;
    let active = ConnectionUpdate {
        state: Some(ConnectionState::Active),
        scope_name: Some(format!("Studio {scope}")),
        ..Default::default()
    };
    ledger
        .update_connection(&id, active, time(1))
        .await
        .unwrap();
    id
}

async fn describe(ledger: &SqliteLedger, id: &ConnectionId) {
    let attention = Attention {
        code: "unauthorized".to_owned(),
        message: "Give a new “token”.".to_owned(),
    };
    let update = ConnectionUpdate {
        name: Some("Näme".to_owned()),
        owner: Some(Account {
            id: "1".to_owned(),
            name: "Mara".to_owned(),
            email: Some("mara@example.com".to_owned()),
        }),
        attention: Some(Some(attention.clone())),
        subscription: Some(Some(Subscription {
            id: "77".to_owned(),
            enabled: true,
            validated_at: Some(time(2)),
            events: vec!["created".to_owned(), "a \"b\"".to_owned()],
        })),
        quotas: Some(SeenQuotas {
            quotas: vec![Quota {
                name: "hourly".to_owned(),
                remaining: -1,
                total: 240,
                resets_in_seconds: 60,
            }],
            at: time(3),
        }),
        ..Default::default()
    };
    ledger.update_connection(id, update, time(3)).await.unwrap();
    let noticed = CoverageChange::GapNoticed {
        from: Some(time(4)),
        reason: "the host was stopped".to_owned(),
        at: time(5),
    };
    ledger.change_coverage(id, noticed).await.unwrap();
    let obstructed = CoverageChange::GapObstructed {
        obstacle: attention,
    };
    ledger.change_coverage(id, obstructed).await.unwrap();
    for kind in [EventKind::Connected, EventKind::GapNoticed] {
        let event = ConnectionEvent {
            at: time(5),
            kind,
            message: format!("It is {kind:?}."),
        };
        ledger.record_event(id, event).await.unwrap();
    }
}

fn activity(number: u32) -> Activity {
    let content = TimeLog {
        remote_user_id: RemoteUserId::new(format!("{}", number % 7)),
        subject: (!number.is_multiple_of(3)).then(|| format!("project/{}", number % 5)),
        description: format!("Wörk \"{number}\"\t\\"),
        start: time(i64::from(number)),
        stop: (!number.is_multiple_of(11)).then(|| time(i64::from(number) + 30)),
        billable: number.is_multiple_of(2),
        tags: (0..number % 3).map(|tag| format!("tag {tag}")).collect(),
    };
    Activity {
        id: number.to_string(),
        revision: format!("2026-{number:06}"),
        // Of some nothing but the deletion is known; without an event it would be nothing.
        event_id: (number.is_multiple_of(4) || number.is_multiple_of(13 * 17))
            .then(|| format!("e{number}")),
        deleted: number.is_multiple_of(13),
        content: (!number.is_multiple_of(13 * 17)).then_some(content),
    }
}

fn subjects() -> Vec<Subject> {
    let subject = |id: &str, name: Option<&str>, parent: Option<&str>| Subject {
        id: id.to_owned(),
        revision: "1".to_owned(),
        name: name.map(str::to_owned),
        parent: parent.map(str::to_owned),
    };
    vec![
        subject("client/1", Some("Client"), None),
        subject("project/1", Some("Website"), Some("client/1")),
        subject("project/2", None, Some("client/1")),
    ]
}

async fn map(ledger: &SqliteLedger, id: &ConnectionId) {
    let user = User {
        id: UserId::new("u-1"),
        name: "Anna".to_owned(),
        email: Some("anna@example.com".to_owned()),
    };
    let team: Vec<_> = (0..9)
        .map(|number| TeamMember {
            remote_user: RemoteUser {
                id: RemoteUserId::new(number.to_string()),
                name: format!("Member {number}"),
                email: None,
                state: MemberState::Active,
            },
            matched: match number {
                1 | 2 => UserMatch::Matched(user.clone()),
                _ => UserMatch::Unmatched,
            },
        })
        .collect();
    ledger
        .import_members(id, &team, &ImportLimits::default())
        .await
        .unwrap();
    for (member, user) in [("3", Some(user)), ("4", None)] {
        ledger
            .set_mapping(
                id,
                &RemoteUserId::new(member),
                &MappingChange::by_hand(user),
            )
            .await
            .unwrap();
    }
    // Gone from the team, and kept because of what was logged.
    ledger
        .import_members(id, &team[..6], &ImportLimits::default())
        .await
        .unwrap();
}

async fn record_deliveries(ledger: &SqliteLedger, id: &ConnectionId, keys: &SealingKeys) {
    for number in 0..30 {
        let delivery = DeliveryId::generate();
        let context = ["delivery", id.as_str(), delivery.as_str()];
        let is_failed = number % 10 == 9;
        let sealed_request = is_failed.then(|| keys.hold().seal(&context, b"a request"));
        let record = DeliveryRecord {
            id: delivery,
            received_at: time(number),
            handled_at: time(number),
            elapsed_us: 120,
            event_id: Some(format!("e{number}")),
            status: match is_failed {
                true => DeliveryStatus::Failed,
                false => DeliveryStatus::Accepted,
            },
            detail: "It “arrived”.".to_owned(),
            size_bytes: 900,
            sealed_request,
            digest: None,
            times: 1,
        };
        let nothing = Changes::default();
        for _ in 0..1 + number % 2 {
            let record = Some(record.clone());
            ledger.apply(id, &nothing, record).await.unwrap();
        }
    }
}
