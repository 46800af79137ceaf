use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// What arrives in one call, of few entries, subjects and revisions, so that they meet.
fn activity() -> impl Strategy<Value = Activity> {
    let content = (
        0..3_u8,
        prop::option::of(0..4_u8),
        0..3_i64,
        prop::option::of(0..3_i64),
        any::<bool>(),
    );
    let content = content.prop_map(|(remote_user, subject, start, length, billable)| TimeLog {
        billable,
        ..log(
            &format!("u{remote_user}"),
            subject.map(|subject| format!("s{subject}")).as_deref(),
            start * 500,
            length.map(|length| start * 500 + length * 700),
        )
    });
    (
        0..4_u8,
        0..5_u8,
        prop::option::of(0..3_u8),
        any::<bool>(),
        prop::option::weighted(0.8, content),
    )
        .prop_map(|(id, revision, event, deleted, content)| Activity {
            id: format!("entry-{id}"),
            revision: format!("r{revision}"),
            event_id: event.map(|event| format!("event-{event}")),
            deleted,
            content,
        })
}

fn named_subject() -> impl Strategy<Value = Subject> {
    (
        0..4_u8,
        0..4_u8,
        prop::option::of(0..3_u8),
        prop::option::of(0..4_u8),
    )
        .prop_map(|(id, revision, name, parent)| Subject {
            id: format!("s{id}"),
            revision: if revision == 0 {
                String::new()
            } else {
                format!("r{revision}")
            },
            name: name.map(|name| format!("Name {name}")),
            parent: parent.map(|parent| format!("s{parent}")),
        })
}

#[derive(Clone, Debug)]
enum Step {
    Activity(Activity),
    Subject(Subject),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        activity().prop_map(Step::Activity),
        named_subject().prop_map(Step::Subject)
    ]
}

/// The same steps in any order, some of them repeatedly, in batches of some size.
fn histories() -> impl Strategy<Value = (Vec<Step>, Vec<Step>, usize)> {
    prop::collection::vec(step(), 1..16).prop_flat_map(|steps| {
        let repeated = prop::collection::vec(prop::sample::select(steps.clone()), 0..8);
        let other = repeated
            .prop_map({
                let steps = steps.clone();
                move |repeated| steps.iter().cloned().chain(repeated).collect::<Vec<_>>()
            })
            .prop_shuffle();
        (Just(steps), other, 1..6_usize)
    })
}

/// What the ledger shows, without places in the feed.
type Shown = BTreeMap<String, LedgerActivity>;

async fn play(steps: &[Step], batch: usize) -> (SqliteLedger, Shown, Shown) {
    let ledger = ledger();
    let new = NewConnection {
        id: ConnectionId::new("connection"),
        ..new_connection("43")
    };
    let id = ledger.create_connection(new).await.unwrap().id;
    let team = [TeamMember {
        remote_user: RemoteUser {
            id: RemoteUserId::new("u1"),
            name: "One".to_owned(),
            email: None,
            state: MemberState::Active,
        },
        matched: UserMatch::Matched(user("one")),
    }];
    ledger.import_members(&id, &team).await.unwrap();
    let mut feed = Shown::new();
    let mut cursor = 0;
    for steps in steps.chunks(batch) {
        let mut changes = Changes::default();
        for step in steps {
            match step.clone() {
                Step::Activity(activity) => changes.activities.push(activity),
                Step::Subject(subject) => changes.subjects.push(subject),
            }
        }
        ledger.apply(&id, &changes, None).await.unwrap();
        // Somebody who follows the feed, a little at a time.
        for activity in ledger.changes(cursor, 2).await.unwrap() {
            cursor = activity.cursor;
            feed.insert(activity.entry_id.clone(), activity);
        }
    }
    loop {
        let rest = ledger.changes(cursor, 2).await.unwrap();
        if rest.is_empty() {
            break;
        }
        for activity in rest {
            cursor = activity.cursor;
            feed.insert(activity.entry_id.clone(), activity);
        }
    }
    let listed = ledger
        .activities(&everything(), None, 100)
        .await
        .unwrap()
        .items;
    let listed = listed
        .into_iter()
        .map(|activity| (activity.entry_id.clone(), activity))
        .collect();
    (ledger, listed, feed)
}

fn without_cursors(shown: &Shown) -> Vec<LedgerActivity> {
    shown
        .values()
        .map(|activity| LedgerActivity {
            cursor: 0,
            ..activity.clone()
        })
        .collect()
}

/// What `wit/integration.wit` says an entry is after these steps.
fn expected(steps: &[Step]) -> BTreeMap<&str, (bool, &str)> {
    let mut registers: BTreeMap<&str, (Option<&str>, Option<&str>)> = BTreeMap::new();
    for step in steps {
        let Step::Activity(activity) = step else {
            continue;
        };
        if activity.content.is_none() && !activity.deleted {
            continue;
        }
        let (content, deleted) = registers.entry(&activity.id).or_default();
        let revision = Some(activity.revision.as_str());
        if activity.content.is_some() {
            *content = revision.max(*content);
        }
        if activity.deleted {
            *deleted = revision.max(*deleted);
        }
    }
    registers
        .into_iter()
        .map(|(id, (content, deleted))| {
            (
                id,
                (
                    deleted.is_some() && deleted >= content,
                    content.max(deleted).unwrap_or_default(),
                ),
            )
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_order_and_repetition_ends_in_the_same_ledger((steps, other, batch) in histories()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (_, one, one_feed) = play(&steps, 1).await;
            let (_, two, two_feed) = play(&other, batch).await;
            prop_assert_eq!(without_cursors(&one), without_cursors(&two));
            prop_assert_eq!(&one, &one_feed, "somebody who follows the feed sees another ledger");
            prop_assert_eq!(&two, &two_feed, "somebody who follows the feed sees another ledger");
            let shown: BTreeMap<&str, (bool, &str)> = one
                .values()
                .map(|activity| (activity.entry_id.as_str(), (activity.deleted, activity.revision.as_str())))
                .collect();
            prop_assert_eq!(shown, expected(&steps));
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn an_update_after_a_deletion_does_not_bring_an_entry_back() {
    let ledger = ledger();
    let id = connect(&ledger, "43").await;
    let content = || log("u", None, 0, Some(10));
    assert_eq!(
        apply(&ledger, &id, vec![deletion("1", "5")], vec![])
            .await
            .applied,
        1
    );
    let late = apply(&ledger, &id, vec![entry("1", "3", content())], vec![]).await;
    assert_eq!(
        late,
        Applied {
            applied: 1,
            changed: 1,
            unchanged: 0
        },
        "late content is seen: it says whose time it was"
    );
    let shown = ledger.changes(0, 10).await.unwrap().remove(0);
    assert!(shown.deleted);
    assert_eq!(
        (shown.revision.as_str(), shown.event_id.as_deref()),
        ("5", Some("event-5"))
    );
    assert_eq!(shown.start, Some(time(0)));

    let again = apply(
        &ledger,
        &id,
        vec![deletion("1", "5"), entry("1", "2", content())],
        vec![],
    )
    .await;
    assert_eq!(
        again,
        Applied {
            applied: 0,
            changed: 0,
            unchanged: 2
        }
    );
    apply(&ledger, &id, vec![entry("1", "6", content())], vec![]).await;
    assert!(
        !ledger.changes(0, 10).await.unwrap()[0].deleted,
        "a newer state counts"
    );
    let stale = apply(&ledger, &id, vec![deletion("1", "5")], vec![]).await;
    assert_eq!(
        stale,
        Applied {
            applied: 0,
            changed: 0,
            unchanged: 1
        }
    );
}
