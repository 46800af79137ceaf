//! Not tests of anything but speed: `cargo test --release --lib figures -- --ignored --nocapture`.

use super::*;

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
                        let delivery = delivery(&number.to_string(), DeliveryStatus::Accepted);
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
