use super::*;

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

async fn mappings(
    ledger: &SqliteLedger,
    id: &ConnectionId,
) -> Vec<(String, Option<String>, Option<MatchedBy>, bool)> {
    let members = ledger.members(id).await.unwrap();
    members
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
    let d = ledger.members(&id).await.unwrap().remove(3);
    assert_eq!(d.note.as_deref(), Some("Two users have this address."));

    let by_hand = async |remote: &str, user: Option<&User>| {
        ledger
            .set_mapping(&id, &RemoteUserId::new(remote), user)
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
            .set_mapping(&id, &RemoteUserId::new("a"), user)
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
        .set_mapping(&id, &RemoteUserId::new("b"), Some(&user("ub")))
        .await
        .unwrap();
    let moved = Activity {
        revision: "2".to_owned(),
        ..log("1", "b")
    };
    apply(&ledger, &id, vec![moved], vec![]).await;
    assert_eq!(listed().await.len(), 2);
}
