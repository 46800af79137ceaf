//! One history of calls at random, doubles included, has the same answers from both ledgers.
//!
//! Row numbers and places in the change feed are not compared: a database gives them out in its own way.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use integration_host_contract::id::{
    ConnectionId, DeliveryId, HookId, RemoteUserId, ScopeId, SessionEpoch, SessionId, SubjectId,
    UserId,
};
use integration_host_contract::{
    Account, Activity, Changes, MemberState, RemoteUser, Subject, TeamMember, TimeLog, User,
    UserMatch,
};
use integration_host_database::SqliteDatabase;
use integration_host_database::postgres::PostgresDatabase;
use integration_host_ledger::transfer::{Record, RecordKind};
use integration_host_ledger::{
    ActivityFilter, Attention, ConnectionEvent, ConnectionState, ConnectionUpdate, CoverageChange,
    DeliveryRecord, DeliveryStatus, EventKind, ImportLimits, IntegrationVersion, Ledger,
    LedgerActivity, LedgerError, Mapping, MappingChange, MatchedBy, MemberFilter, NewConnection,
    Page, Retention,
};
use integration_host_ledger_sql::{PostgresLedger, SqliteLedger};
use jiff::{SignedDuration, Timestamp};
use test_services::TestDatabase;

/// How many calls a history has.
const CALLS: usize = 800;
/// After how many calls everything that the ledgers hold is compared.
const LOOK_EVERY: usize = 50;

/// Numbers that look random and are the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn one_in(&mut self, odds: u64) -> bool {
        self.below(odds) == 0
    }

    fn one_of<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize].clone()
    }

    fn some<T>(&mut self, odds: u64, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let is_some = !self.one_in(odds);
        is_some.then(|| make(self))
    }

    fn list<T>(&mut self, most: u64, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let length = self.below(most + 1);
        (0..length).map(|_| make(self)).collect()
    }
}

/// Both ledgers, and what they were asked.
struct Both {
    ledgers: [Box<dyn Ledger>; 2],
    calls: Vec<String>,
}

impl Both {
    /// Makes a call to both, whose answers must agree.
    async fn ask<T: Debug>(
        &mut self,
        what: String,
        call: impl AsyncFn(&dyn Ledger) -> Result<T, LedgerError>,
    ) {
        self.calls.push(what);
        let [sqlite, postgres] = &self.ledgers;
        let answers = [call(sqlite.as_ref()).await, call(postgres.as_ref()).await];
        self.compare(answers.each_ref().map(shown));
    }

    fn compare(&self, [sqlite, postgres]: [String; 2]) {
        if sqlite != postgres {
            let last = &self.calls[self.calls.len().saturating_sub(12)..];
            assert_eq!(
                sqlite,
                postgres,
                "SQLite (left) and Postgres (right) answer differently after\n{}",
                last.join("\n")
            );
        }
    }
}

/// An answer, of errors their kind: the words are the database's where something was there already.
fn shown<T: Debug>(answer: &Result<T, LedgerError>) -> String {
    match answer {
        Ok(answer) => format!("{answer:#?}"),
        Err(LedgerError::Invalid(_)) => "invalid".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

/// In an order that does not depend on the database.
fn sorted<T: Debug>(items: &[T]) -> Vec<String> {
    let mut items: Vec<String> = items.iter().map(|item| format!("{item:?}")).collect();
    items.sort_unstable();
    items
}

fn time(minute: i64) -> Timestamp {
    Timestamp::from_second(1_699_999_980 + 60 * minute).unwrap()
}

fn connection_id(random: &mut Random) -> ConnectionId {
    ConnectionId::new(format!("connection-{}", random.below(4)))
}

fn user(random: &mut Random) -> User {
    let number = random.below(5);
    User {
        id: UserId::new(format!("user-{number}")),
        // A user is called differently at times, in one call as well.
        name: format!("User {number}{}", random.one_of(&["", "", " (new)"])),
        email: random.some(4, |_| format!("user-{number}@example.org")),
    }
}

fn remote_user(random: &mut Random) -> RemoteUserId {
    RemoteUserId::new(format!("member-{}", random.below(7)))
}

fn team_member(random: &mut Random) -> TeamMember {
    let id = remote_user(random);
    TeamMember {
        remote_user: RemoteUser {
            name: format!("{}{id}", random.one_of(&["", "", "Ä "])),
            email: random.some(3, |_| format!("{id}@example.org")),
            state: random.one_of(&[MemberState::Active, MemberState::Deactivated]),
            id,
        },
        matched: match random.below(5) {
            0 => UserMatch::Unmatched,
            1 => UserMatch::Ambiguous("two have this address".to_owned()),
            _ => UserMatch::Matched(user(random)),
        },
    }
}

/// Deep enough that titles leave something out, and with circles.
fn subject_id(random: &mut Random) -> String {
    format!("task/{}", random.below(12))
}

fn subject(random: &mut Random) -> Subject {
    let number = random.below(12);
    Subject {
        id: format!("task/{number}"),
        revision: random.one_of(&["", "1", "2", "3"]).to_owned(),
        name: random.some(3, |random| {
            random.one_of(&["Design", "Löwe", " ", "Review"]).to_owned()
        }),
        parent: random.some(4, |random| match random.one_in(4) {
            true => subject_id(random),
            false => format!("task/{}", number + 1),
        }),
    }
}

/// No two of them begin at one time, so that lists have one order.
fn activity(random: &mut Random, connection: &ConnectionId) -> Activity {
    let number = random.below(25);
    let of_connection = connection.as_str().bytes().last().unwrap_or_default();
    let start = i64::from(of_connection) * 10_000 + number as i64 * 97;
    let revision = random.below(6).to_string();
    Activity {
        id: format!("entry-{number}"),
        event_id: random.some(3, |_| format!("event-{number}-{revision}")),
        deleted: random.one_in(5),
        content: random.some(5, |random| TimeLog {
            remote_user_id: remote_user(random),
            subject: random.some(4, subject_id),
            description: random.one_of(&["", "Sketches", "LÖWE", "  "]).to_owned(),
            start: time(start),
            stop: random.some(4, |random| {
                time(start + random.one_of(&[0, 30, 59, 61, 1_500, 50_000]))
            }),
            billable: random.one_in(2),
            tags: random.list(2, |random| random.one_of(&["deep", "a \"b\""]).to_owned()),
        }),
        revision,
    }
}

fn delivery(random: &mut Random, now: Timestamp) -> DeliveryRecord {
    let status = random.one_of(&[
        DeliveryStatus::Accepted,
        DeliveryStatus::Accepted,
        DeliveryStatus::Ping,
        DeliveryStatus::Ignored,
        DeliveryStatus::Failed,
        DeliveryStatus::Failed,
        DeliveryStatus::Refused,
    ]);
    DeliveryRecord {
        id: DeliveryId::new(format!("delivery-{}", random.below(60))),
        received_at: now,
        handled_at: now,
        elapsed_us: random.below(1_000),
        event_id: random.some(3, |random| format!("event-{}", random.below(20))),
        detail: format!("It is {}.", status.as_str()),
        status,
        size_bytes: random.below(1_000),
        sealed_request: random.some(3, |random| vec![7; random.below(90) as usize + 1]),
        digest: random.some(3, |random| format!("digest-{}", random.below(20))),
        times: 1 + random.below(3) as u32,
    }
}

fn filter(random: &mut Random) -> ActivityFilter {
    let connection = random.some(2, connection_id);
    let is_of_one = connection.is_some();
    ActivityFilter {
        user: random.some(2, |random| user(random).id),
        remote_user: random.some(2, remote_user).filter(|_| is_of_one),
        from: random.some(2, |random| time(500_000 + random.below(40_000) as i64)),
        to: random.some(2, |random| time(500_000 + random.below(40_000) as i64)),
        subject: (random.some(2, |random| SubjectId::new(subject_id(random))))
            .filter(|_| is_of_one),
        tag: random.one_in(4).then(|| "deep".to_owned()),
        billable: random.one_in(4).then_some(true),
        text: random.one_in(4).then(|| "löwe".to_owned()),
        include_unmapped: random.one_in(2),
        only_unmapped: random.one_in(5),
        include_deleted: random.one_in(2),
        connection,
    }
}

/// One call that changes something, or may.
async fn change(both: &mut Both, random: &mut Random, step: usize) {
    let now = time(step as i64);
    let id = connection_id(random);
    match random.below(23) {
        0 | 1 => {
            let new = NewConnection {
                hook: HookId::new(format!("hook-{step}")),
                name: random.some(2, |_| "Ours".to_owned()),
                integration: "toggl".to_owned(),
                // Now and then the scope of another.
                scope_id: ScopeId::new(connection_id(random).as_str()),
                created_at: now,
                id,
            };
            both.ask(format!("create {new:?}"), async |ledger| {
                ledger.create_connection(new.clone()).await
            })
            .await;
        }
        2..=4 => {
            let update = ConnectionUpdate {
                name: random.one_in(4).then(|| format!("Name {step}")),
                scope_name: random.one_in(4).then(|| format!("Scope {step}")),
                owner: random.one_in(4).then(|| Account {
                    id: "1".to_owned(),
                    name: "Ada".to_owned(),
                    email: None,
                }),
                state: Some(random.one_of(&[
                    ConnectionState::Active,
                    ConnectionState::Active,
                    ConnectionState::Active,
                    ConnectionState::Disconnected,
                ])),
                attention: random.one_in(4).then(|| {
                    Some(Attention {
                        code: "unauthorized".to_owned(),
                        message: "Sign in again.".to_owned(),
                    })
                }),
                unsettled_since: random.one_in(4).then_some(Some(now)),
                hook: random
                    .one_in(4)
                    .then(|| HookId::new(format!("hook-u{step}"))),
                ..ConnectionUpdate::default()
            };
            both.ask(format!("update {id} {update:?}"), async |ledger| {
                ledger.update_connection(&id, update.clone(), now).await
            })
            .await;
        }
        5 => {
            both.ask(format!("remove {id}"), async |ledger| {
                ledger.remove_connection(&id).await
            })
            .await;
        }
        6..=8 => {
            let team = random.list(9, team_member);
            let limits = ImportLimits {
                moves: random.below(3),
                removals: random.below(3),
            };
            both.ask(format!("import {id} {limits:?} {team:?}"), async |ledger| {
                ledger.import_members(&id, &team, &limits).await
            })
            .await;
        }
        9 | 10 => {
            let member = remote_user(random);
            let user = random.some(3, user);
            let change = MappingChange {
                matched_by: random.some(4, |_| MatchedBy::Manual),
                before: random.one_in(4).then(Mapping::default),
                keeps_earlier: random.one_in(2),
                user,
            };
            both.ask(format!("map {id} {member} {change:?}"), async |ledger| {
                ledger.set_mapping(&id, &member, &change).await
            })
            .await;
        }
        11..=15 => {
            let changes = Changes {
                activities: random.list(6, |random| activity(random, &id)),
                subjects: random.list(3, subject),
            };
            let delivery = random.some(3, |random| delivery(random, now));
            both.ask(
                format!("apply {id} {changes:?} {delivery:?}"),
                async |ledger| ledger.apply(&id, &changes, delivery.clone()).await,
            )
            .await;
        }
        16 => {
            both.ask("spread".to_owned(), async |ledger| {
                ledger.spread_changes(3).await
            })
            .await;
        }
        17 => {
            let before = time(step as i64 - random.below(200) as i64);
            let change = match random.below(6) {
                0 => CoverageChange::Confirmed { until: now },
                1 => CoverageChange::GapNoticed {
                    from: random.some(2, |_| before),
                    reason: "a test".to_owned(),
                    at: now,
                },
                2 => CoverageChange::GapRead {
                    from: before,
                    until: now,
                },
                3 => CoverageChange::GapClosed {
                    noticed_at: before,
                    from: before,
                    until: now,
                },
                4 => CoverageChange::Compared { at: now },
                _ => CoverageChange::Verified { at: now },
            };
            both.ask(format!("coverage {id} {change:?}"), async |ledger| {
                ledger.change_coverage(&id, change.clone()).await
            })
            .await;
        }
        18 => {
            let beat = time(step as i64 - random.below(20) as i64);
            both.ask(format!("heartbeat {beat}"), async |ledger| {
                ledger.heartbeat(beat).await
            })
            .await;
            let running = IntegrationVersion {
                id: random.one_of(&["a", "B", "c"]).to_owned(),
                name: "An integration".to_owned(),
                version: step.to_string(),
            };
            both.ask(format!("running {running:?}"), async |ledger| {
                ledger.record_integration(&running).await
            })
            .await;
        }
        19 => {
            let (name, before) = (random.one_of(&["one", "two"]), random.some(2, |_| "x"));
            let after = random.some(2, |random| random.one_of(&["x", "y"]));
            both.ask(
                format!("note {id} {name} {before:?} {after:?}"),
                async |ledger| ledger.change_note(&id, name, before, after).await,
            )
            .await;
        }
        20 => {
            let event = ConnectionEvent {
                at: now,
                kind: random.one_of(&[EventKind::Connected, EventKind::GapNoticed]),
                message: random.one_of(&["One.", "Two."]).to_owned(),
            };
            both.ask(format!("event {id} {event:?}"), async |ledger| {
                ledger.record_event(&id, event.clone()).await
            })
            .await;
        }
        21 => {
            let session = SessionId::new(format!("session-{}", random.below(5)));
            both.ask(format!("end {session}"), async |ledger| {
                ledger.end_session(&session).await
            })
            .await;
            let is_another = random.one_in(3);
            both.ask(format!("ended {session} {is_another}"), async |ledger| {
                let epoch = match is_another {
                    true => SessionEpoch::new("another"),
                    false => ledger.session_epoch().await?,
                };
                ledger.has_session_ended(&epoch, &session).await
            })
            .await;
            if random.one_in(4) {
                both.ask("end all".to_owned(), async |ledger| {
                    ledger.end_all_sessions().await
                })
                .await;
            }
        }
        _ => {
            let which = random.below(5) as usize;
            both.ask(format!("reseal {which}"), async |ledger| {
                match ledger.dead_letters(0, 10).await?.get(which) {
                    Some(letter) => ledger.replace_dead_letter(letter, vec![9; 20]).await,
                    None => Ok(()),
                }
            })
            .await;
            let ran = Duration::from_secs(3600 * random.below(3));
            let later = now + SignedDuration::from_hours(random.below(30) as i64);
            both.ask(format!("look {later} {ran:?}"), async |ledger| {
                ledger.look_at_age(later, ran).await
            })
            .await;
            let old = time(step as i64 + random.below(200) as i64);
            both.ask(format!("prune {old}"), async |ledger| {
                ledger.prune_deliveries(old).await
            })
            .await;
        }
    }
}

/// All pages of a list.
async fn all<T>(
    page: impl AsyncFn(Option<&str>) -> Result<Page<T>, LedgerError>,
) -> Result<Vec<T>, LedgerError> {
    let (mut all, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let found = page(cursor.as_deref()).await?;
        all.extend(found.items);
        cursor = found.next;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

fn without_place(activities: Vec<LedgerActivity>) -> Vec<LedgerActivity> {
    let activities = activities.into_iter();
    activities
        .map(|activity| LedgerActivity {
            cursor: 0,
            ..activity
        })
        .collect()
}

/// The ids of what moved in the change feed after a place, and the last place.
async fn moved(
    ledger: &dyn Ledger,
    after: u64,
) -> Result<(BTreeSet<(ConnectionId, String)>, u64), LedgerError> {
    let changes = ledger.changes(after, 1_000).await?;
    assert!(
        changes.is_sorted_by_key(|activity| activity.cursor),
        "the feed is out of order"
    );
    let moved = changes
        .iter()
        .map(|activity| (activity.connection_id.clone(), activity.entry_id.clone()));
    Ok((moved.collect(), ledger.last_change().await?))
}

/// Everything that the ledgers tell.
async fn look(both: &mut Both, random: &mut Random) {
    both.ask("connections".to_owned(), async |ledger| {
        ledger.connections().await
    })
    .await;
    both.ask("scan".to_owned(), async |ledger| {
        ledger.scan_connections(None, 10).await
    })
    .await;
    both.ask("integrations".to_owned(), async |ledger| {
        ledger.integrations().await
    })
    .await;
    both.ask("heartbeat".to_owned(), async |ledger| {
        ledger.last_heartbeat().await
    })
    .await;
    let everything = ActivityFilter {
        include_unmapped: true,
        include_deleted: true,
        ..ActivityFilter::default()
    };
    let filters = std::iter::once(everything).chain((0..8).map(|_| filter(random)));
    for filter in filters.collect::<Vec<_>>() {
        both.ask(format!("list {filter:?}"), async |ledger| {
            let list = all(async |cursor| ledger.activities(&filter, cursor, 7).await);
            Ok(without_place(list.await?))
        })
        .await;
        let boundaries = [time(500_000), time(510_000), time(560_000)];
        both.ask(format!("summary {filter:?}"), async |ledger| {
            let now = time(515_000);
            let summary = ledger.summary(&filter, &boundaries, now).await?;
            let facets = &summary.facets;
            Ok((
                (summary.time, summary.entries, summary.running),
                (summary.without_subject, summary.complete),
                sorted(&summary.people.items),
                sorted(&summary.subjects.items),
                sorted(&facets.people.items),
                sorted(&facets.subjects.items),
                sorted(&facets.tags.items),
            ))
        })
        .await;
    }
    both.ask("feed".to_owned(), async |ledger| {
        let feed = ledger.changes(0, 1_000).await?;
        Ok(sorted(&without_place(feed)))
    })
    .await;
    both.ask("deliveries".to_owned(), async |ledger| {
        all(async |cursor| ledger.deliveries(None, None, cursor, 7).await).await
    })
    .await;
    both.ask("dead letters".to_owned(), async |ledger| {
        let letters = ledger.dead_letters(0, 1_000).await?;
        let letters = letters.into_iter();
        Ok(letters
            .map(|letter| (letter.connection_id, letter.delivery_id, letter.sealed))
            .collect::<Vec<_>>())
    })
    .await;
    both.ask("failed".to_owned(), async |ledger| {
        ledger.failed_deliveries(None, time(100_000), 20).await
    })
    .await;
    for number in 0..4 {
        look_at_connection(both, ConnectionId::new(format!("connection-{number}"))).await;
    }
    for kind in RecordKind::ALL {
        both.ask(format!("export {kind:?}"), async |ledger| {
            let transfer = ledger.transfer().unwrap();
            let mut records = all(async |after| transfer.records(kind, after, 20).await).await?;
            for record in &mut records {
                match record {
                    Record::Activity(activity) => activity.place = 0,
                    Record::Ledger(identity) => (identity.id, identity.last_change) = (None, 0),
                    _ => {}
                }
            }
            Ok(sorted(&records))
        })
        .await;
    }
}

async fn look_at_connection(both: &mut Both, id: ConnectionId) {
    let filter = MemberFilter::default();
    both.ask(format!("members {id}"), async |ledger| {
        ledger.members(&id, &filter, None, 100).await
    })
    .await;
    let search = MemberFilter {
        query: Some("ä".to_owned()),
        ..MemberFilter::default()
    };
    both.ask(format!("search {id}"), async |ledger| {
        ledger.members(&id, &search, None, 2).await
    })
    .await;
    both.ask(format!("events {id}"), async |ledger| {
        all(async |cursor| ledger.events(&id, cursor, 5).await).await
    })
    .await;
    both.ask(format!("of {id}"), async |ledger| {
        let (from, to) = (time(0), time(600_000));
        let ids = ledger.activity_ids(&id, from, to, None, 1_000).await?;
        let mut running = ledger.running_ids(&id, to, 1_000).await?;
        running.sort_unstable();
        let found = ledger.activities_by_id(&id, &ids).await?;
        Ok((
            ids,
            running,
            sorted(&without_place(found)),
            ledger.delivery_times(&id, 50).await?,
            ledger.delivery_rates(&id, time(-60), time(1_300)).await?,
            ledger.note(&id, "one").await?,
        ))
    })
    .await;
}

async fn history(seed: u64) {
    let Some(database) = TestDatabase::create().unwrap() else {
        eprintln!("without a Postgres there is nothing to compare with");
        return;
    };
    let address = database.url().parse().unwrap();
    let retention = Retention {
        rows: 25,
        requests: 6,
        request_bytes: 300,
        age: SignedDuration::from_mins(150),
        request_age: SignedDuration::from_mins(100),
    };
    let postgres = PostgresDatabase::open(&address).await.unwrap();
    let sqlite = SqliteDatabase::open_in_memory().unwrap();
    let mut both = Both {
        ledgers: [
            Box::new(SqliteLedger::new(sqlite).with_retention(retention.clone())),
            Box::new(PostgresLedger::new(postgres, retention)),
        ],
        calls: vec![format!("the seed {seed}")],
    };
    let mut random = Random(seed);
    let mut places = [0, 0];
    for step in 0..CALLS {
        change(&mut both, &mut random, step).await;
        let mut seen = Vec::new();
        for (ledger, place) in both.ledgers.iter().zip(&mut places) {
            let (moved, last) = moved(ledger.as_ref(), *place).await.unwrap();
            *place = last;
            seen.push(format!("moved: {moved:#?}"));
        }
        both.compare(seen.try_into().unwrap());
        if step % LOOK_EVERY == LOOK_EVERY - 1 {
            look(&mut both, &mut random).await;
        }
    }
    for ledger in &both.ledgers {
        ledger.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_history_has_the_same_answers_from_both_ledgers() {
    for seed in 1..=3 {
        history(seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_history_has_the_same_answers_from_both_ledgers() {
    for seed in 20_260_301..=20_260_303 {
        history(seed).await;
    }
}
