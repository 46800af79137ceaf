//! How much is done at once, which the contract leaves to a provider.

use std::time::Duration;

use super::*;
use crate::activities;
use integration_host_contract::id::SubjectId;

/// Activities of all kinds: short, long, running, deleted, of several subjects, members and connections.
async fn filled() -> (SqliteLedger, Vec<ConnectionId>) {
    const DAY: i64 = 24 * 60;
    let lengths = [
        Some(0),
        Some(30),
        Some(61),
        Some(DAY + 1),
        Some(40 * DAY),
        None,
    ];
    let ledger = ledger();
    let connections = vec![connect(&ledger, "1").await, connect(&ledger, "2").await];
    for (side, id) in connections.iter().enumerate() {
        let mut activities = Vec::new();
        for number in (side..60).step_by(2) {
            let start = ((number * 7919) % 60) as i64 * DAY / 4;
            let length = lengths[number % lengths.len()];
            let subject = ["project/1", "project/2"][number / 7 % 2];
            let content = TimeLog {
                description: ["Sketches", "Review"][number / 5 % 2].to_owned(),
                billable: number % 3 == 0,
                ..log(
                    &format!("u{}", number % 4),
                    Some(subject),
                    start,
                    length.map(|length| start + length),
                )
            };
            activities.push(entry(&number.to_string(), "1", content));
            if number % 5 == 0 {
                activities.push(deletion(&number.to_string(), "2"));
            }
        }
        apply(
            &ledger,
            id,
            activities,
            vec![subject("project/1", "1", Some("Löwe"), None)],
        )
        .await;
        for remote_user in ["u0", "u1"] {
            let change = MappingChange::by_hand(Some(user(remote_user)));
            // Each connection has every other member.
            let _ = ledger
                .set_mapping(id, &RemoteUserId::new(remote_user), &change)
                .await;
        }
    }
    (ledger, connections)
}

/// The ids of all entries of a list that looks at so many at once.
async fn listed(
    ledger: &SqliteLedger,
    filter: &ActivityFilter,
    limit: usize,
    most: usize,
) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let given = (filter.clone(), cursor, limit, most);
        let page = (ledger.database).read(given, |db, (filter, cursor, limit, most)| {
            Box::pin(activities::page(
                db,
                filter,
                cursor.as_deref(),
                *limit,
                *most,
            ))
        });
        let page = page.await.unwrap();
        assert!(page.items.len() <= limit);
        found.extend(page.items.into_iter().map(|activity| activity.entry_id));
        cursor = page.next;
        if cursor.is_none() {
            return found;
        }
    }
}

#[tokio::test]
async fn a_list_has_what_matches_however_little_is_looked_at_for_a_page() {
    let (ledger, connections) = filled().await;
    let filters = [
        everything(),
        ActivityFilter::default(),
        ActivityFilter {
            user: Some(UserId::new("u1")),
            ..everything()
        },
        ActivityFilter {
            billable: Some(true),
            ..everything()
        },
        ActivityFilter {
            text: Some("löwe".to_owned()),
            ..ActivityFilter::default()
        },
        ActivityFilter {
            text: Some("sketches".to_owned()),
            from: Some(time(5000)),
            ..everything()
        },
        ActivityFilter {
            tag: Some("b".to_owned()),
            to: Some(time(15_000)),
            ..everything()
        },
        ActivityFilter {
            connection: Some(connections[0].clone()),
            subject: Some(SubjectId::new("project/2")),
            from: Some(time(2000)),
            to: Some(time(12_000)),
            ..everything()
        },
    ];
    for filter in filters {
        let expected = listed(&ledger, &filter, 1000, MAX_EXAMINED).await;
        assert!(!expected.is_empty(), "nothing matches {filter:?}");
        for limit in [1, 3, 10] {
            for most in [1, 2, 7, 40] {
                let found = listed(&ledger, &filter, limit, most).await;
                assert_eq!(
                    found, expected,
                    "pages of {limit} for which {most} are looked at, with {filter:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_summary_that_would_take_too_long_says_that_it_is_incomplete() {
    let ledger = ledger();
    let id = connect(&ledger, "1").await;
    let activities = (0..50).map(|number| {
        entry(
            &number.to_string(),
            "1",
            log("u", None, number, Some(number + 1)),
        )
    });
    apply(&ledger, &id, activities.collect(), vec![]).await;
    for (most, complete) in [(50, true), (49, false), (0, false)] {
        let week = [time(0), time(100)].map(Timestamp::as_millisecond);
        let given = (everything(), week, most);
        let summary = (ledger.database).read(given, |db, (filter, week, most)| {
            db.summarize(filter, week, time(0), *most)
        });
        let summary = summary.await.unwrap();
        assert_eq!((summary.complete, summary.entries), (complete, most as u64));
        if !complete && most > 0 {
            assert_eq!(
                summary.time,
                [Duration::from_secs(60 * 49)],
                "not the newest were counted"
            );
        }
    }
}

#[tokio::test]
async fn smaller_settings_take_effect_step_by_step() {
    let directory = tempfile::tempdir().unwrap();
    let database = SqliteDatabase::open(directory.path().join("host.db")).unwrap();
    let before = SqliteLedger::new(database.clone());
    let id = connect(&before, "43").await;
    for number in 0..1_000 {
        let record = failed(&number.to_string());
        before
            .apply(&id, &Changes::default(), Some(record))
            .await
            .unwrap();
    }
    let after = SqliteLedger::new(database).with_retention(Retention {
        rows: 20,
        requests: 10,
        ..Retention::default()
    });
    let (mut rows, mut steps) = (1_000, 0);
    while rows > 32 {
        steps += 1;
        let record = failed(&format!("later-{steps}"));
        after
            .apply(&id, &Changes::default(), Some(record))
            .await
            .unwrap();
        let log = after.deliveries(None, None, None, MAX_PAGE).await.unwrap();
        let left = log.items.len();
        assert!(rows <= left + 201, "{} removed at once", rows - left);
        assert!(steps < 20, "{left} deliveries are kept");
        rows = left;
    }
}
