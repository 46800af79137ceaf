use super::*;
use crate::ledger::Mapping;

fn member(id: &str, matched: UserMatch) -> TeamMember {
    TeamMember {
        remote_user: RemoteUser {
            id: RemoteUserId::new(id),
            name: format!("Member {id}"),
            email: Some(format!("{id}@example.org")),
            state: MemberState::Active,
        },
        matched,
    }
}

async fn everybody(ledger: &SqliteLedger, id: &ConnectionId) -> Vec<Member> {
    let all = MemberFilter::default();
    ledger.members(id, &all, None, 1000).await.unwrap().members
}

async fn mappings(
    ledger: &SqliteLedger,
    id: &ConnectionId,
) -> Vec<(String, Option<String>, Option<MatchedBy>, bool)> {
    everybody(ledger, id)
        .await
        .into_iter()
        .map(|member| {
            let user = member.user.map(|user| user.id.to_string());
            (
                member.remote_user.id.to_string(),
                user,
                member.matched_by,
                member.present,
            )
        })
        .collect()
}

use crate::ledger::MatchedBy;
use MatchedBy::{Email, Manual};

#[tokio::test]
async fn an_import_updates_the_team_and_keeps_what_a_person_decided() {
    let ledger = ledger();
    let id = connect(&ledger, "43").await;
    let log = |entry_id: &str, remote_user: &str| {
        entry(entry_id, "1", log(remote_user, None, 0, Some(1)))
    };
    apply(&ledger, &id, vec![log("1", "e"), log("2", "x")], vec![]).await;
    let team = [
        member("b", UserMatch::Matched(user("ub"))),
        member("a", UserMatch::Matched(user("ua"))),
        member("c", UserMatch::Unmatched),
        member(
            "d",
            UserMatch::Ambiguous("Two users have this address.".to_owned()),
        ),
        member("e", UserMatch::Unmatched),
        member("f", UserMatch::Unmatched),
    ];
    ledger.import_members(&id, &team).await.unwrap();
    let found = ledger.connection(&id).await.unwrap().unwrap();
    assert_eq!((found.users_mapped, found.users_total), (2, 6));
    let d = everybody(&ledger, &id).await.remove(3);
    assert_eq!(d.note.as_deref(), Some("Two users have this address."));

    let by_hand = async |remote: &str, user: Option<&User>| {
        ledger
            .set_mapping(
                &id,
                &RemoteUserId::new(remote),
                &MappingChange::by_hand(user.cloned()),
            )
            .await
    };
    assert_eq!(by_hand("d", Some(&user("ud"))).await.unwrap().note, None);
    by_hand("b", None).await.unwrap();
    assert!(matches!(
        by_hand("nobody", None).await,
        Err(LedgerError::NotFound(_))
    ));
    let mentioned = by_hand("x", Some(&user("ux"))).await.unwrap();
    assert!(!mentioned.present, "a member that only activities mention");

    // `b` would match again, `a` no longer does, `c` now does; `d`, `e` and `f` left.
    let team = [
        member("b", UserMatch::Matched(user("ub"))),
        member("a", UserMatch::Unmatched),
        member("c", UserMatch::Matched(user("uc"))),
    ];
    ledger.import_members(&id, &team).await.unwrap();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        mappings(&ledger, &id).await,
        [
            ("a".to_owned(), None, None, true),
            ("b".to_owned(), None, Some(Manual), true),
            ("c".to_owned(), text("uc"), Some(Email), true),
            ("d".to_owned(), text("ud"), Some(Manual), false),
            ("e".to_owned(), None, None, false),
            ("x".to_owned(), text("ux"), Some(Manual), false),
        ]
    );
    let found = ledger.connection(&id).await.unwrap().unwrap();
    assert_eq!((found.users_mapped, found.users_total), (3, 6));
}

#[tokio::test]
async fn a_mapping_shows_what_was_received_before_and_tells_the_feed() {
    let ledger = ledger();
    let id = connect(&ledger, "43").await;
    let log = |entry_id: &str, remote_user: &str| {
        entry(entry_id, "1", log(remote_user, None, 0, Some(1)))
    };
    apply(
        &ledger,
        &id,
        vec![log("1", "a"), log("2", "b"), log("3", "a")],
        vec![],
    )
    .await;
    let listed = async || {
        ledger
            .activities(&ActivityFilter::default(), None, 10)
            .await
            .unwrap()
            .items
    };
    assert!(
        listed().await.is_empty(),
        "activities of unmapped members are listed"
    );

    let map = async |user: Option<&User>| {
        let before = ledger.last_change().await.unwrap();
        ledger
            .set_mapping(
                &id,
                &RemoteUserId::new("a"),
                &MappingChange::by_hand(user.cloned()),
            )
            .await
            .unwrap();
        let changes = ledger.changes(before, 10).await.unwrap();
        changes
            .into_iter()
            .map(|activity| (activity.entry_id, activity.user))
            .collect::<Vec<_>>()
    };
    let both = |user: Option<User>| vec![("1".to_owned(), user.clone()), ("3".to_owned(), user)];
    assert_eq!(map(Some(&user("ua"))).await, both(Some(user("ua"))));
    assert_eq!(listed().await.len(), 2);
    assert_eq!(map(Some(&user("ua"))).await, [], "nothing changed");
    let renamed = User {
        name: "Renamed".to_owned(),
        ..user("ua")
    };
    assert_eq!(map(Some(&renamed)).await, both(Some(renamed)));
    assert_eq!(map(Some(&user("other"))).await, both(Some(user("other"))));
    apply(&ledger, &id, vec![log("4", "a")], vec![]).await;
    assert_eq!(
        listed().await.len(),
        3,
        "a new activity of a mapped member is not listed"
    );
    let nobody = map(None).await;
    assert_eq!(nobody.len(), 3);
    assert!(listed().await.is_empty());
    // The entry turns out to be somebody else's.
    ledger
        .set_mapping(
            &id,
            &RemoteUserId::new("b"),
            &MappingChange::by_hand(Some(user("ub"))),
        )
        .await
        .unwrap();
    let moved = Activity {
        revision: "2".to_owned(),
        ..log("1", "b")
    };
    apply(&ledger, &id, vec![moved], vec![]).await;
    assert_eq!(listed().await.len(), 2);
}

/// A team whose ids, names and mappings do not come in one order.
async fn large_team(ledger: &SqliteLedger, count: usize) -> ConnectionId {
    let id = connect(ledger, "large").await;
    let team: Vec<TeamMember> = (0..count)
        .map(|number| {
            let matched = match number % 3 {
                0 => UserMatch::Matched(user(&format!("u{number}"))),
                _ => UserMatch::Unmatched,
            };
            let mut member = member(&format!("{number:05}"), matched);
            let name = ["Ödön", "ödön", "Ada", "ada", "Zoë"][number % 5];
            member.remote_user.name = format!("{name} {}", number * 7919 % count);
            member
        })
        .collect();
    ledger.import_members(&id, &team).await.unwrap();
    id
}

async fn pages(
    ledger: &SqliteLedger,
    id: &ConnectionId,
    filter: &MemberFilter,
    limit: usize,
) -> Vec<Member> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = ledger
            .members(id, filter, cursor.as_deref(), limit)
            .await
            .unwrap();
        assert!(page.members.len() <= limit);
        all.extend(page.members);
        cursor = page.next;
        if cursor.is_none() {
            assert_eq!(page.matching, all.len() as u64, "another number was told");
            return all;
        }
    }
}

#[tokio::test]
async fn a_team_is_found_page_by_page_whoever_is_looked_for() {
    let ledger = ledger();
    let id = large_team(&ledger, 400).await;
    let all = everybody(&ledger, &id).await;
    let by_name = |member: &Member| member.remote_user.name.to_lowercase();
    assert!(all.is_sorted_by_key(by_name), "not in the order of names");
    ledger
        .set_mapping(
            &id,
            &RemoteUserId::new("00001"),
            &MappingChange::by_hand(Some(user("found by hand"))),
        )
        .await
        .unwrap();
    let all = everybody(&ledger, &id).await;
    for query in [
        None,
        Some("ÖD"),
        Some("0012"),
        Some("user U3"),
        Some("by hand"),
        Some("x?"),
    ] {
        for unmapped in [false, true] {
            for matched_by in [None, Some(Email), Some(Manual)] {
                let filter = MemberFilter {
                    query: query.map(str::to_owned),
                    unmapped,
                    matched_by,
                };
                let expected: Vec<Member> = all
                    .iter()
                    .filter(|member| {
                        let user = member.user.as_ref();
                        let texts = [
                            Some(&member.remote_user.name),
                            member.remote_user.email.as_ref(),
                            user.map(|user| &user.name),
                        ];
                        query.is_none_or(|query| {
                            let has =
                                |text: &String| text.to_lowercase().contains(&query.to_lowercase());
                            texts.into_iter().flatten().any(has)
                        }) && !(unmapped && user.is_some())
                            && matched_by.is_none_or(|by| member.matched_by == Some(by))
                    })
                    .cloned()
                    .collect();
                for limit in [7, 1000] {
                    assert_eq!(
                        pages(&ledger, &id, &filter, limit).await,
                        expected,
                        "{filter:?}"
                    );
                }
            }
        }
    }
    for cursor in ["", "1", "[]", "[\"a\"]", "[1,2]"] {
        let all = MemberFilter::default();
        let refused = ledger.members(&id, &all, Some(cursor), 10).await;
        assert!(
            matches!(refused, Err(LedgerError::Invalid(_))),
            "accepted {cursor:?}"
        );
    }
}

#[tokio::test]
async fn pages_lead_back_the_way_they_came() {
    let ledger = ledger();
    let id = large_team(&ledger, 100).await;
    let all = MemberFilter::default();
    let page = async |cursor: Option<String>| {
        let page = ledger.members(&id, &all, cursor.as_deref(), 30).await;
        page.unwrap()
    };
    let first = page(None).await;
    assert_eq!(first.previous, None);
    let second = page(first.next.clone()).await;
    let third = page(second.next.clone()).await;
    assert_eq!(page(third.previous).await.members, second.members);
    let again = page(second.previous).await;
    assert_eq!(again, first, "the way back does not lead to the beginning");
    // Whoever comes in the middle gets to the beginning too, on a page that is not shorter.
    let middle = format!(
        r#"["{}","{}"]"#,
        first.members[9].remote_user.name.to_lowercase(),
        first.members[9].remote_user.id
    );
    let back = page(page(Some(middle)).await.previous).await;
    assert_eq!(back.members, first.members);
}

#[tokio::test]
async fn a_mapping_that_somebody_else_changed_is_not_overwritten() {
    let ledger = ledger();
    let id = connect(&ledger, "s").await;
    let note = "Two users have this address.";
    let team = [member("a", UserMatch::Ambiguous(note.into()))];
    ledger.import_members(&id, &team).await.unwrap();
    let a = RemoteUserId::new("a");
    let set = async |user: Option<&str>, matched_by, before: &Mapping| {
        let change = MappingChange {
            user: user.map(self::user),
            matched_by,
            before: Some(before.clone()),
        };
        ledger.set_mapping(&id, &a, &change).await
    };
    let undecided = Mapping::default();
    let first = set(Some("u1"), Some(Manual), &undecided).await.unwrap();
    let second = set(Some("u2"), Some(Manual), &undecided).await;
    assert!(matches!(second, Err(LedgerError::Conflict(_))));
    assert_eq!(ledger.member(&id, &a).await.unwrap(), Some(first.clone()));

    // Taken back, it is as it was: with the reason, and the next import decides.
    let back = set(None, None, &first.mapping()).await.unwrap();
    assert_eq!(back.mapping(), undecided);
    assert_eq!(back.note.as_deref(), Some(note), "the reason was lost");
    let team = [member("a", UserMatch::Matched(user("u3")))];
    ledger.import_members(&id, &team).await.unwrap();
    let imported = ledger.member(&id, &a).await.unwrap().unwrap();
    assert_eq!(imported.matched_by, Some(Email));
    assert_eq!(
        ledger.member(&id, &RemoteUserId::new("b")).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn an_import_says_who_joined_and_left() {
    let ledger = ledger();
    let id = connect(&ledger, "s").await;
    let import = async |ids: &[&str]| {
        let matched = |id: &str| UserMatch::Matched(user(id));
        let team: Vec<_> = ids.iter().map(|id| member(id, matched(id))).collect();
        let changes = ledger.import_members(&id, &team).await.unwrap();
        (changes.joined, changes.left)
    };
    assert_eq!(import(&["a", "b", "b"]).await, (2, 0));
    assert_eq!(import(&["b", "a"]).await, (0, 0));
    assert_eq!(import(&["a", "c"]).await, (1, 1));
    assert_eq!(import(&["a", "c"]).await, (0, 0), "left once more");
    assert_eq!(import(&["a", "b", "c"]).await, (1, 0), "came back");
}
