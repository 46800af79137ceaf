use super::*;

/// Follows the feed to its end and returns the entries it names, in order.
async fn follow(ledger: &SqliteLedger, cursor: &mut u64) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        let changes = ledger.changes(*cursor, 3).await.unwrap();
        if changes.is_empty() {
            assert_eq!(*cursor, ledger.last_change().await.unwrap());
            return seen;
        }
        for activity in changes {
            assert!(activity.cursor > *cursor);
            *cursor = activity.cursor;
            seen.push(activity.entry_id);
        }
    }
}

#[tokio::test]
async fn titles_follow_names_that_arrive_late_change_and_move() {
    let ledger = ledger();
    let id = connect(&ledger, "43").await;
    let placeholder = || subject("task/3", "", None, Some("project/2"));
    let on =
        |entry_id: &str, subject: Option<&str>| entry(entry_id, "1", log("u", subject, 0, Some(1)));
    let activities = vec![
        on("1", Some("task/3")),
        on("2", Some("project/2")),
        on("3", None),
    ];
    apply(&ledger, &id, activities, vec![placeholder()]).await;
    let mut cursor = 0;
    assert_eq!(follow(&ledger, &mut cursor).await, ["1", "2", "3"]);
    let only = |entry_id: &'static str| {
        let ledger = &ledger;
        async move {
            let changes = ledger.changes(0, 10).await.unwrap();
            changes
                .into_iter()
                .find(|activity| activity.entry_id == entry_id)
                .unwrap()
                .title
        }
    };
    assert_eq!(only("1").await, ["Work"]);

    let names = vec![
        subject("task/3", "2", Some("Task"), Some("project/2")),
        subject("client/1", "2", Some("Client"), None),
    ];
    apply(&ledger, &id, vec![], names).await;
    assert_eq!(
        follow(&ledger, &mut cursor).await,
        ["1"],
        "a name changes what is below it and nothing else"
    );
    apply(
        &ledger,
        &id,
        vec![],
        vec![subject("project/2", "2", Some("Project"), Some("client/1"))],
    )
    .await;
    assert_eq!(
        follow(&ledger, &mut cursor).await,
        ["2", "1"],
        "changed activities keep their order"
    );
    assert_eq!(only("1").await, ["Client", "Project", "Task", "Work"]);
    assert_eq!(only("2").await, ["Client", "Project", "Work"]);

    apply(
        &ledger,
        &id,
        vec![],
        vec![subject("client/1", "3", Some("Customer"), None)],
    )
    .await;
    assert_eq!(follow(&ledger, &mut cursor).await, ["2", "1"]);
    assert_eq!(only("1").await, ["Customer", "Project", "Task", "Work"]);

    let stale = vec![
        placeholder(),
        subject("client/1", "2", Some("Client"), None),
        subject("client/1", "", Some("Guess"), None),
        subject("client/1", "9", None, None),
    ];
    apply(&ledger, &id, vec![], stale).await;
    assert_eq!(
        follow(&ledger, &mut cursor).await,
        [""; 0],
        "what is known already changes nothing"
    );

    apply(
        &ledger,
        &id,
        vec![],
        vec![subject("project/2", "4", Some("Project"), None)],
    )
    .await;
    assert_eq!(follow(&ledger, &mut cursor).await, ["2", "1"]);
    assert_eq!(
        only("1").await,
        ["Project", "Task", "Work"],
        "a project that left its client"
    );
}

#[tokio::test]
async fn a_cycle_of_subjects_and_blank_names_end_in_a_title() {
    let ledger = ledger();
    let id = connect(&ledger, "43").await;
    let subjects = vec![
        subject("a", "1", Some("A"), Some("b")),
        subject("b", "1", Some("B"), Some("a")),
        subject("c", "1", Some("  "), Some("c")),
    ];
    apply(
        &ledger,
        &id,
        vec![entry("1", "1", log("u", Some("a"), 0, None))],
        subjects,
    )
    .await;
    assert_eq!(title(&ledger).await, ["B", "A", "Work"]);
    let blank = TimeLog {
        description: " ".to_owned(),
        ..log("u", Some("c"), 0, None)
    };
    apply(&ledger, &id, vec![entry("1", "2", blank)], vec![]).await;
    assert_eq!(title(&ledger).await, [""; 0]);
    apply(
        &ledger,
        &id,
        vec![],
        vec![subject("a", "2", Some("A2"), Some("b"))],
    )
    .await;

    // Deeper than a title goes.
    let deep = (0..20).map(|depth: u32| {
        subject(
            &format!("d{depth}"),
            "1",
            Some(&format!("{depth}")),
            Some(&format!("d{}", depth + 1)),
        )
    });
    let content = log("u", Some("d0"), 0, None);
    apply(&ledger, &id, vec![entry("1", "3", content)], deep.collect()).await;
    assert_eq!(title(&ledger).await.len(), 9);
}
