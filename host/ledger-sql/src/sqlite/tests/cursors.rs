//! What cursors look like here: others are refused.

use super::*;

#[tokio::test]
async fn a_cursor_nobody_gave_out_is_refused() {
    let ledger = ledger();
    let id = connect(&ledger, "1").await;
    for cursor in ["", "1", "1.", ".1", "a.b", "1.2.3", "9223372036854775808.1"] {
        let refused = ledger.activities(&everything(), Some(cursor), 10).await;
        assert!(
            matches!(refused, Err(LedgerError::Invalid(_))),
            "accepted {cursor:?}"
        );
    }
    for cursor in ["", "1", "[]", "[\"a\"]", "[1,2]"] {
        let refused = ledger
            .members(&id, &MemberFilter::default(), Some(cursor), 10)
            .await;
        assert!(
            matches!(refused, Err(LedgerError::Invalid(_))),
            "accepted {cursor:?}"
        );
    }
}

#[tokio::test]
async fn whoever_comes_in_the_middle_of_a_team_gets_to_its_beginning() {
    let ledger = ledger();
    let id = connect(&ledger, "1").await;
    let team = (0..50).map(|number| TeamMember {
        remote_user: RemoteUser {
            id: RemoteUserId::new(number.to_string()),
            name: format!("Member {number:02}"),
            email: None,
            state: MemberState::Active,
        },
        matched: UserMatch::Unmatched,
    });
    ledger
        .import_members(&id, &team.collect::<Vec<_>>(), &ImportLimits::default())
        .await
        .unwrap();
    let page = async |cursor: Option<&str>| {
        ledger
            .members(&id, &MemberFilter::default(), cursor, 30)
            .await
            .unwrap()
    };
    // On a page that is not shorter than the first.
    let middle = page(Some(r#"["member 09","9"]"#)).await;
    let back = page(middle.previous.as_deref()).await;
    assert_eq!(back.members, page(None).await.members);
}
