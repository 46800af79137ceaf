use super::*;

const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

/// Starts and ends, in minutes, of many kinds: short, long, of all classes, running, deleted.
fn many() -> Vec<(String, i64, Option<i64>, usize)> {
    let lengths = [
        Some(0),
        Some(30),
        Some(HOUR),
        Some(HOUR + 1),
        Some(DAY),
        Some(DAY + 1),
        Some(40 * DAY),
        None,
    ];
    (0..400)
        .map(|number: usize| {
            let start = ((number * 7919) % 400) as i64 * 6 * HOUR;
            let length = lengths[number % lengths.len()];
            (
                format!("{number:03}"),
                start,
                length.map(|length| start + length),
                number,
            )
        })
        .collect()
}

struct World {
    ledger: SqliteLedger,
    connections: Vec<ConnectionId>,
}

impl World {
    async fn new() -> Self {
        let ledger = ledger();
        let connections = vec![connect(&ledger, "1").await, connect(&ledger, "2").await];
        for (id, start, stop, number) in many() {
            let content = log(&format!("u{}", number % 4), None, start, stop);
            let mut activities = vec![entry(&id, "1", content)];
            if number % 5 == 0 {
                activities.push(deletion(&id, "2"));
            }
            apply(&ledger, &connections[number % 2], activities, vec![]).await;
        }
        for connection in &connections {
            for remote in ["u0", "u1"] {
                let has = ledger
                    .set_mapping(
                        connection,
                        &RemoteUserId::new(remote),
                        &MappingChange::by_hand(Some(user(remote))),
                    )
                    .await;
                assert!(has.is_ok() || matches!(has, Err(LedgerError::NotFound(_))));
            }
        }
        Self {
            ledger,
            connections,
        }
    }

    async fn listed(&self, filter: &ActivityFilter, limit: usize) -> Vec<String> {
        let (mut found, mut cursor) = (Vec::<LedgerActivity>::new(), None);
        loop {
            let page = self
                .ledger
                .activities(filter, cursor.as_deref(), limit)
                .await
                .unwrap();
            assert!(page.items.len() <= limit);
            found.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert!(
            found.is_sorted_by(|one, other| one.start >= other.start),
            "not newest first"
        );
        let mut ids: Vec<String> = found
            .into_iter()
            .map(|activity| activity.entry_id)
            .collect();
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count, "a page repeats what another had");
        ids
    }
}

#[tokio::test]
async fn pages_are_complete_for_every_filter() {
    let world = World::new().await;
    let times = [
        None,
        Some(-1),
        Some(0),
        Some(50 * DAY),
        Some(50 * DAY + 30),
        Some(99 * DAY),
        Some(1000 * DAY),
    ];
    for flags in 0..4 {
        for connection in [None, Some(0), Some(1)] {
            for user in [None, Some("u0"), Some("nobody")] {
                for from in times {
                    for to in times {
                        let filter = ActivityFilter {
                            connection: connection
                                .map(|index: usize| world.connections[index].clone()),
                            user: user.map(UserId::new),
                            from: from.map(time),
                            to: to.map(time),
                            include_unmapped: flags & 1 != 0,
                            include_deleted: flags & 2 != 0,
                            ..Default::default()
                        };
                        let expected: Vec<String> = many()
                            .into_iter()
                            .filter(|(_, start, stop, number)| {
                                connection.is_none_or(|index| number % 2 == index)
                                    && user.is_none_or(|user| user == format!("u{}", number % 4))
                                    && from.is_none_or(|from| stop.is_none_or(|stop| stop > from))
                                    && to.is_none_or(|to| *start < to)
                                    && (filter.include_unmapped || number % 4 < 2)
                                    && (filter.include_deleted || number % 5 != 0)
                            })
                            .map(|(id, ..)| id)
                            .collect();
                        assert_eq!(world.listed(&filter, 150).await, expected, "{filter:?}");
                    }
                }
            }
        }
    }
    for limit in [1, 7] {
        assert_eq!(world.listed(&everything(), limit).await.len(), 400);
    }
}

#[tokio::test]
async fn ids_are_those_that_ran_in_the_range_and_have_stopped() {
    let world = World::new().await;
    for (from, to) in [
        (0, 100 * DAY),
        (50 * DAY, 50 * DAY + 10),
        (10 * DAY, 20 * DAY),
    ] {
        let expected: Vec<String> = many()
            .into_iter()
            .filter(|(_, start, stop, number)| {
                number % 2 == 0
                    && number % 5 != 0
                    && *start <= to
                    && stop.is_some_and(|stop| stop >= from)
            })
            .map(|(id, ..)| id)
            .collect();
        let mut found: Vec<String> = Vec::new();
        loop {
            let after = found.last().cloned();
            let connection = &world.connections[0];
            let page = world
                .ledger
                .activity_ids(connection, time(from), time(to), after.as_deref(), 9)
                .await;
            let page = page.unwrap();
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        assert_eq!(found, expected, "{from} to {to}");
    }
}

#[tokio::test]
async fn a_deletion_without_content_is_listed_last_and_only_on_request() {
    let ledger = ledger();
    let id = connect(&ledger, "1").await;
    apply(
        &ledger,
        &id,
        vec![
            deletion("gone", "1"),
            entry("here", "1", log("u", None, 0, None)),
        ],
        vec![],
    )
    .await;
    let list = async |filter: ActivityFilter| {
        let page = ledger.activities(&filter, None, 10).await.unwrap();
        page.items
            .into_iter()
            .map(|activity| activity.entry_id)
            .collect::<Vec<_>>()
    };
    assert_eq!(list(everything()).await, ["here", "gone"]);
    assert_eq!(
        list(ActivityFilter {
            include_deleted: false,
            ..everything()
        })
        .await,
        ["here"]
    );
    assert_eq!(
        list(ActivityFilter {
            to: Some(time(10)),
            ..everything()
        })
        .await,
        ["here"]
    );
    assert_eq!(
        list(ActivityFilter {
            from: Some(time(-10)),
            ..everything()
        })
        .await,
        ["here"]
    );
}

#[tokio::test]
async fn a_cursor_nobody_gave_out_is_refused() {
    let ledger = ledger();
    for cursor in ["", "1", "1.", ".1", "a.b", "1.2.3", "9223372036854775808.1"] {
        let refused = ledger.activities(&everything(), Some(cursor), 10).await;
        assert!(
            matches!(refused, Err(LedgerError::Invalid(_))),
            "accepted {cursor:?}"
        );
    }
}

/// Not a test of anything but speed: `cargo test --release --lib page_latency -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "prints figures"]
async fn page_latency() {
    let directory = tempfile::tempdir().unwrap();
    let database = SqliteDatabase::open(directory.path().join("host.db")).unwrap();
    let ledger = SqliteLedger::new(database);
    let mut connections = Vec::new();
    for scope in 0..10 {
        connections.push(connect(&ledger, &scope.to_string()).await);
    }
    let mut rows = 0_i64;
    for target in [10_000, 100_000, 1_000_000] {
        while rows < target {
            let id = &connections[(rows / 1000) as usize % connections.len()];
            let activities = (0..1000).map(|offset| {
                let number = rows + offset;
                let content = log(
                    &format!("u{}", number % 20),
                    Some("project/1"),
                    number,
                    Some(number + number % 90),
                );
                entry(&number.to_string(), "1", content)
            });
            apply(&ledger, id, activities.collect(), vec![]).await;
            rows += 1000;
        }
        if target == 10_000 {
            for id in &connections {
                for remote in ["u0", "u1", "u2"] {
                    ledger
                        .set_mapping(
                            id,
                            &RemoteUserId::new(remote),
                            &MappingChange::by_hand(Some(user(remote))),
                        )
                        .await
                        .unwrap();
                }
            }
        }
        let connection = Some(connections[3].clone());
        let middle = Some(time(rows / 2));
        let filters = [
            ("default", ActivityFilter::default()),
            ("everything", everything()),
            (
                "connection",
                ActivityFilter {
                    connection: connection.clone(),
                    ..Default::default()
                },
            ),
            (
                "user",
                ActivityFilter {
                    user: Some(UserId::new("u1")),
                    ..Default::default()
                },
            ),
            (
                "from the middle",
                ActivityFilter {
                    from: middle,
                    ..everything()
                },
            ),
            (
                "around the middle",
                ActivityFilter {
                    from: middle,
                    to: middle,
                    connection,
                    ..everything()
                },
            ),
        ];
        for (name, filter) in filters {
            let began = std::time::Instant::now();
            for _ in 0..50 {
                let page = ledger.activities(&filter, None, 100).await.unwrap();
                assert!(name == "around the middle" || page.items.len() == 100);
            }
            println!(
                "{rows} rows, {name}: {:.2?} a page of 100",
                began.elapsed() / 50
            );
        }
        let began = std::time::Instant::now();
        for _ in 0..50 {
            ledger.changes((rows / 2) as u64, 100).await.unwrap();
        }
        println!(
            "{rows} rows, feed: {:.2?} a page of 100",
            began.elapsed() / 50
        );
    }
}
