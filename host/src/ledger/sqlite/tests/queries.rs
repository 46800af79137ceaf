//! Filters and summaries against a model that looks at every activity.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::super::{listing, summary};
use super::model::{Entry, MAPPED, NAMELESS, Question, TAGS, entries, filled, name, question};
use super::*;
use crate::id::SubjectId;
use crate::ledger::{Counted, MAX_INTERVALS};

/// The numbers of all entries of a list that looks at so many at once.
async fn listed(
    ledger: &SqliteLedger,
    filter: &ActivityFilter,
    limit: usize,
    most: usize,
) -> Vec<usize> {
    let (mut found, mut cursor) = (Vec::<LedgerActivity>::new(), None);
    loop {
        let filter = filter.clone();
        let page = ledger
            .database
            .read(move |database| listing::page(database, &filter, cursor.as_deref(), limit, most))
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
    let mut numbers: Vec<usize> = found
        .into_iter()
        .map(|activity| activity.entry_id.parse().unwrap())
        .collect();
    numbers.sort_unstable();
    numbers
}

fn run(
    test: impl Future<Output = std::result::Result<(), TestCaseError>>,
) -> std::result::Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(test)
}

fn minutes(minutes: i64) -> Duration {
    Duration::from_secs(60 * u64::try_from(minutes).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_list_has_what_matches_however_little_is_looked_at_for_a_page(
        entries in entries(), questions in prop::collection::vec(question(), 8), limit in 1..10_usize, most in 1..40_usize,
    ) {
        run(async {
            let (ledger, connections) = filled(&entries).await;
            let all = ledger.changes(0, 1000).await.unwrap();
            for question in questions {
                let filter = question.filter(&connections);
                let expected: Vec<usize> =
                    (0..entries.len()).filter(|number| question.has(&entries[*number])).collect();
                prop_assert_eq!(listed(&ledger, &filter, limit, most).await, expected.clone(), "{:?}", question);
                // Whoever follows the feed decides alike.
                let mut followed: Vec<usize> = all
                    .iter()
                    .filter(|activity| activity.matches(&filter))
                    .map(|activity| activity.entry_id.parse().unwrap())
                    .collect();
                followed.sort_unstable();
                prop_assert_eq!(followed, expected, "the feed belongs to another list: {:?}", question);
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_summary_adds_up_what_its_list_has(
        entries in entries(), question in question(), cuts in prop::collection::btree_set(-3500..3500_i64, 2..8),
        now in -3000..4000_i64,
    ) {
        run(async {
            let cuts: Vec<i64> = cuts.into_iter().collect();
            let (from, to) = (cuts[0], *cuts.last().unwrap());
            let question = Question { from: Some(from), to: Some(to), deleted: false, ..question };
            let (ledger, connections) = filled(&entries).await;
            let boundaries: Vec<Timestamp> = cuts.iter().copied().map(time).collect();
            let summary = ledger.summary(&question.filter(&connections), &boundaries, time(now)).await.unwrap();
            prop_assert!(summary.complete);

            let within = |entry: &Entry, from: i64, to: i64| {
                (entry.stop().unwrap_or(now).min(to) - entry.start.max(from)).max(0)
            };
            let chosen: Vec<&Entry> = entries.iter().filter(|entry| question.has(entry)).collect();
            prop_assert_eq!(summary.entries, chosen.len() as u64);
            prop_assert_eq!(summary.running, chosen.iter().filter(|entry| entry.length.is_none()).count() as u64);
            let split = |entries: &[&Entry]| -> Vec<Duration> {
                let sum = |cut: &[i64]| entries.iter().map(|entry| within(entry, cut[0], cut[1])).sum();
                cuts.windows(2).map(sum).map(minutes).collect()
            };
            prop_assert_eq!(&summary.time, &split(&chosen));

            let mut people: BTreeMap<(ConnectionId, String), Vec<&Entry>> = BTreeMap::new();
            let mut subjects: BTreeMap<(ConnectionId, Vec<&str>), (i64, i64, u64)> = BTreeMap::new();
            let mut without_subject = 0;
            for entry in &chosen {
                let id = &connections[entry.connection];
                people.entry((id.clone(), entry.remote_user.clone())).or_default().push(entry);
                let (path, time) = (entry.path(), within(entry, from, to));
                for depth in 1..=path.len() {
                    let sums = subjects.entry((id.clone(), path[..depth].to_vec())).or_default();
                    sums.0 += time;
                    sums.1 += if depth == path.len() { time } else { 0 };
                    sums.2 += 1;
                }
                without_subject += if path.is_empty() { time } else { 0 };
            }
            let told: BTreeMap<_, _> = summary.people.items.iter().map(|total| {
                let person = &total.person;
                let is_mapped = MAPPED.contains(&person.remote_user_id.as_str());
                assert_eq!(person.user.is_some(), is_mapped);
                assert_eq!(person.name.is_some(), is_mapped);
                ((person.connection_id.clone(), person.remote_user_id.to_string()), (total.time.clone(), total.entries))
            }).collect();
            let expected: BTreeMap<_, _> = people
                .into_iter()
                .map(|(person, entries)| (person, (split(&entries), entries.len() as u64)))
                .collect();
            prop_assert_eq!(told, expected);
            prop_assert!(summary.people.items.is_sorted_by_key(|total| std::cmp::Reverse(total.time.iter().sum::<Duration>())));
            let told: BTreeMap<_, _> = summary.subjects.items.iter().map(|total| {
                assert!(total.subject.path.iter().all(|part| part.name.as_deref() == name(part.id.as_str())));
                let path: Vec<&str> = total.subject.path.iter().map(|part| part.id.as_str()).collect();
                ((total.subject.connection_id.clone(), path), (total.time, total.own_time, total.entries))
            }).collect();
            let expected: BTreeMap<_, _> = subjects
                .into_iter()
                .map(|(subject, (time, own, entries))| (subject, (minutes(time), minutes(own), entries)))
                .collect();
            prop_assert_eq!(told, expected);
            prop_assert_eq!(summary.without_subject, minutes(without_subject));

            // Facets disregard the choice among them.
            let around: Vec<&Entry> = entries.iter().filter(|entry| question.is_in_range(entry)).collect();
            let count = |has: &dyn Fn(&Entry) -> bool| around.iter().filter(|entry| has(entry)).count() as u64;
            let facets = &summary.facets;
            for Counted { value, entries } in &facets.people.items {
                let id = value.remote_user_id.as_str();
                prop_assert_eq!(*entries, count(&|entry| connections[entry.connection] == value.connection_id && entry.remote_user == id));
            }
            for Counted { value, entries } in &facets.subjects.items {
                let id = value.subject().unwrap().id.as_str();
                prop_assert_eq!(*entries, count(&|entry| connections[entry.connection] == value.connection_id && entry.path().contains(&id)));
            }
            for Counted { value, entries } in &facets.tags.items {
                prop_assert_eq!(*entries, count(&|entry| entry.tags.contains(&value.as_str())));
            }
            let is_listed = |tag: &&&str| facets.tags.items.iter().any(|counted| counted.value == **tag);
            prop_assert_eq!(TAGS.iter().filter(is_listed).count(), facets.tags.items.len());
            prop_assert_eq!(facets.people.items.iter().map(|person| person.entries).sum::<u64>(), around.len() as u64);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn a_description_is_told_apart_from_the_names_of_subjects() {
    let entry = |subject, description| Entry {
        connection: 0,
        remote_user: "u0".to_owned(),
        subject,
        description,
        start: 0,
        length: None,
        billable: false,
        tags: Vec::new(),
        deleted: false,
    };
    let entries = [
        entry(Some(NAMELESS), "Sketches"),
        entry(Some("task/1"), "  "),
        entry(None, "Sketches"),
    ];
    let (ledger, _) = filled(&entries).await;
    let mut activities = ledger.changes(0, 10).await.unwrap();
    activities.sort_by_key(|activity| activity.entry_id.clone());
    let told: Vec<_> = activities
        .iter()
        .map(|activity| (activity.title.join(" › "), activity.description()))
        .collect();
    assert_eq!(
        told,
        [
            ("Internal › Sketches".to_owned(), Some("Sketches")),
            ("Bluebird Bikes › Web shop › Design".to_owned(), None),
            ("Sketches".to_owned(), Some("Sketches")),
        ]
    );
}

#[tokio::test]
async fn what_only_a_connection_can_tell_needs_one() {
    let ledger = ledger();
    let subject = ActivityFilter {
        subject: Some(SubjectId::new("project/1")),
        ..everything()
    };
    let member = ActivityFilter {
        remote_user: Some(RemoteUserId::new("1")),
        ..everything()
    };
    let week = [time(0), time(1)];
    for filter in [subject, member] {
        let list = ledger.activities(&filter, None, 10).await;
        assert!(matches!(list, Err(LedgerError::Invalid(_))), "{list:?}");
        let sums = ledger.summary(&filter, &week, time(0)).await;
        assert!(matches!(sums, Err(LedgerError::Invalid(_))), "{sums:?}");
    }
    let month: Vec<_> = (0..=MAX_INTERVALS as i64 + 1).map(time).collect();
    for wrong in [
        &[][..],
        &week[..1],
        &[time(1), time(0)],
        &[time(0), time(0)],
        &month,
    ] {
        let sums = ledger.summary(&everything(), wrong, time(0)).await;
        assert!(matches!(sums, Err(LedgerError::Invalid(_))), "{wrong:?}");
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
        let week = [time(0), time(100)];
        let summary = ledger
            .database
            .read(move |database| summary::summarize(database, &everything(), &week, time(0), most))
            .await
            .unwrap();
        assert_eq!((summary.complete, summary.entries), (complete, most as u64));
        if !complete && most > 0 {
            assert_eq!(summary.time, [minutes(49)], "not the newest were counted");
        }
    }
}
