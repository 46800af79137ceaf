//! What a time entry becomes.

use super::*;

#[test]
fn a_recorded_start_becomes_a_running_activity() {
    let host = FakeHost::connected();
    let activity = accepted(&host, &created());
    assert_eq!(activity.id, "3050537739");
    assert_eq!(activity.event_id.as_deref(), Some("8023169274704072"));
    assert_eq!(
        activity.revision,
        "2023-07-17T11:43:32Z/2023-07-17T11:43:32.827000000Z/00008023169274704072"
    );
    assert!(!activity.deleted);
    let expected = TimeLog {
        remote_user_id: "9547721".into(),
        subject: None,
        description: "test".into(),
        start: time("2023-07-17T11:43:32Z"),
        stop: None,
        billable: false,
        tags: vec![],
    };
    assert_eq!(activity.content.unwrap(), expected);
}

#[test]
fn what_is_elsewhere_is_acknowledged_and_not_taken_in() {
    let host = FakeHost::connected();
    let with = |path: &[&str], value: Value| {
        let mut delivery = created();
        let mut place = &mut delivery;
        for key in path {
            place = &mut place[*key];
        }
        *place = value;
        delivery
    };
    let delivery = with(&["url_callback"], "https://evil.example.com/".into());
    let result = deliver(&host, &delivery);
    assert_eq!(
        (result.outcome, result.response.status),
        (DeliveryOutcome::Refused, 403),
        "{delivery}"
    );
    assert_eq!(result.changes, Default::default());
    for moved in [
        with(&["payload", "workspace_id"], 1.into()),
        with(&["payload", "workspace_id"], "1".into()),
    ] {
        let result = deliver(&host, &moved);
        assert_eq!(
            (result.outcome, result.response.status),
            (DeliveryOutcome::Accepted, 200),
            "Toggl repeats it until it disables the webhook: {moved}"
        );
        let activity = &result.changes.activities[0];
        assert!(
            activity.deleted && activity.content.is_none(),
            "what is in another workspace was taken in: {activity:?}"
        );
        assert!(result.changes.subjects.is_empty());
        assert!(
            activity.revision > deliver(&host, &created()).changes.activities[0].revision
                || activity.revision == deliver(&host, &created()).changes.activities[0].revision,
            "it stays although it is gone"
        );
    }
    let mut of_a_project = with(&["payload", "workspace_id"], 1.into());
    of_a_project["metadata"]["model"] = "project".into();
    for unclear in [
        with(&["payload", "wid"], 1.into()),
        with(&["metadata", "workspace_id"], "1".into()),
        of_a_project,
    ] {
        let result = deliver(&host, &unclear);
        assert_eq!(
            (result.outcome, result.response.status),
            (DeliveryOutcome::Ignored, 200),
            "{unclear}"
        );
        assert_eq!(result.changes, Default::default());
    }
}

#[test]
fn what_is_genuine_but_not_recorded_is_answered_with_success() {
    let host = FakeHost::connected();
    let mut unknown_model = created();
    unknown_model["metadata"]["model"] = "tag".into();
    let result = deliver(&host, &unknown_model);
    assert_eq!(
        (result.outcome, result.response.status),
        (DeliveryOutcome::Ignored, 200)
    );
}

#[test]
fn what_is_genuine_and_cannot_be_understood_is_left_to_a_person() {
    let host = FakeHost::connected();
    let without = |part: &str, key: &str| {
        let mut delivery = created();
        delivery[part].as_object_mut().unwrap().remove(key);
        delivery
    };
    let mut nothing = created();
    nothing["payload"] = Value::Null;
    nothing["metadata"] = Value::Null;
    let mut huge = created();
    huge["payload"]["id"] = json!(1e300);
    huge["metadata"] = json!({"model": "time_entry"});
    let mut far = created();
    far["payload"]["start"] = "12026-03-01T00:00:00Z".into();
    let unreadable = [
        nothing,
        json!([]),
        json!(7),
        huge,
        far,
        without("payload", "start"),
    ];
    for delivery in unreadable {
        let result = deliver(&host, &delivery);
        assert_eq!(
            (result.outcome, result.response.status),
            (DeliveryOutcome::Unreadable, 200),
            "{delivery}"
        );
        assert_eq!(result.changes, Default::default());
    }
    for garbage in [&b"{\"event_id\":"[..], b"", b"\xff\xfe", b"{}{}"] {
        let result = host.toggl().handle_webhook(&host.signed(garbage)).unwrap();
        assert_eq!(
            (result.outcome, result.response.status),
            (DeliveryOutcome::Unreadable, 200)
        );
    }
}

#[test]
fn an_entry_is_taken_as_far_as_it_can_be() {
    let host = FakeHost::connected();
    let mut long = created();
    long["payload"]["description"] = "ä".repeat(40_000).into();
    long["payload"]["tags"] = vec!["tag"; 50_000].into();
    let result = deliver(&host, &long);
    assert_eq!(result.outcome, DeliveryOutcome::Accepted);
    assert_eq!(result.notes.len(), 1, "nobody is told");
    let log = result.changes.activities[0].content.clone().unwrap();
    assert!(log.description.starts_with("ää") && log.description.ends_with("ä…"));
    assert!(log.description.len() <= 16 << 10);
    assert_eq!(log.tags.len(), 201);
    assert_eq!(log.tags[200], "…");

    let body = created().to_string();
    let damaged = |from: &str, to: &[u8]| {
        let at = body.find(from).unwrap();
        [
            &body.as_bytes()[..at],
            to,
            &body.as_bytes()[at + from.len()..],
        ]
        .concat()
    };
    let name = r#""description":"test""#;
    for (body, description) in [
        (
            damaged(name, br#""description":"te\ud83dst""#),
            "te\u{fffd}st",
        ),
        (
            damaged(name, b"\"description\":\"te\xffst\""),
            "te\u{fffd}st",
        ),
        (damaged(name, b"\"description\":\"te\nst\""), "te\nst"),
        (
            damaged(name, br#""description":"test","name":"\udfff""#),
            "test",
        ),
        (
            damaged(name, br#""description":"test","expense_ids":1e9999"#),
            "test",
        ),
        (
            damaged(name, br#""description":7,"description":"test""#),
            "test",
        ),
        (damaged(name, br#""description":{"deep":[[[]]]}"#), ""),
    ] {
        let result = host.toggl().handle_webhook(&host.signed(&body)).unwrap();
        assert_eq!(result.outcome, DeliveryOutcome::Accepted);
        let log = result.changes.activities[0].content.clone().unwrap();
        assert_eq!(log.description, description);
    }
}

#[test]
fn an_unknown_action_with_the_whole_entry_is_an_update() {
    let host = FakeHost::connected();
    let mut delivery = created();
    delivery["metadata"]["action"] = "started".into();
    assert_eq!(content(&host, &delivery).description, "test");
}

#[test]
fn event_ids_are_exact_beyond_what_a_float_holds() {
    let host = FakeHost::connected();
    let mut delivery = created();
    for id in [json!(u64::MAX), json!(u64::MAX.to_string())] {
        delivery["event_id"] = id;
        let activity = accepted(&host, &delivery);
        assert_eq!(activity.event_id.as_deref(), Some("18446744073709551615"));
        assert!(activity.revision.ends_with("/18446744073709551615"));
    }
}

#[test]
fn an_entry_runs_without_a_stop_and_with_a_negative_duration() {
    let host = FakeHost::connected();
    let mut delivery = created();
    let start = time("2023-07-17T11:43:32Z");
    let cases = [
        (json!(-1_689_594_212), Value::Null, None),
        (json!(-1), Value::Null, None),
        (json!(0), Value::Null, Some(start)),
        (json!(60), Value::Null, Some(start.after(60))),
        (
            json!(60),
            json!("2023-07-17T11:45:32+00:00"),
            Some(start.after(120)),
        ),
        // The recorded form of a clock that ran ahead when the timer was started.
        (
            json!(-260),
            json!("2023-07-17T11:39:12Z"),
            Some(start.after(-260)),
        ),
        (json!(null), json!("2023-07-17T11:43:32Z"), Some(start)),
        (
            json!(-1),
            json!("2023-07-17T11:44:32Z"),
            Some(start.after(60)),
        ),
    ];
    for (duration, stop, expected) in cases {
        delivery["payload"]["duration"] = duration.clone();
        delivery["payload"]["stop"] = stop;
        assert_eq!(
            content(&host, &delivery).stop,
            expected,
            "duration {duration}"
        );
    }
}

#[test]
fn the_owner_is_the_entrys_and_not_whoever_acted() {
    let host = FakeHost::connected();
    let mut delivery = created();
    delivery["creator_id"] = 1.into();
    delivery["metadata"]["event_user_id"] = "1".into();
    delivery["payload"]["user_id"] = 2.into();
    assert_eq!(content(&host, &delivery).remote_user_id, "2");
    delivery["payload"]
        .as_object_mut()
        .unwrap()
        .remove("user_id");
    delivery["payload"]["uid"] = 3.into();
    assert_eq!(content(&host, &delivery).remote_user_id, "3");
    delivery["payload"].as_object_mut().unwrap().remove("uid");
    delivery["metadata"]["model_owner_id"] = "4".into();
    assert_eq!(content(&host, &delivery).remote_user_id, "4");
}

#[test]
fn tags_come_in_every_form() {
    let host = FakeHost::connected();
    let mut delivery = created();
    for (tags, expected) in [
        (json!(["a", "b"]), vec!["a", "b"]),
        (Value::Null, vec![]),
        (json!(["a", null, {"id": 1}]), vec!["a"]),
    ] {
        delivery["payload"]["tags"] = tags;
        assert_eq!(content(&host, &delivery).tags, expected);
    }
    delivery["payload"].as_object_mut().unwrap().remove("tags");
    assert!(content(&host, &delivery).tags.is_empty());
}

#[test]
fn a_deletion_is_understood_with_and_without_the_entry() {
    let host = FakeHost::connected();
    let mut delivery = created();
    delivery["metadata"]["action"] = "deleted".into();
    delivery["payload"]["server_deleted_at"] = "2023-07-17T12:00:00Z".into();
    let whole = accepted(&host, &delivery);
    assert!(whole.deleted && whole.content.is_some());
    assert!(
        whole.revision.starts_with("2023-07-17T12:00:00Z/"),
        "{}",
        whole.revision
    );

    delivery["payload"] = json!({"id": 3_050_537_739_u64, "wid": WORKSPACE, "uid": 9_547_721});
    let bare = accepted(&host, &delivery);
    assert!(bare.deleted && bare.content.is_none());
    assert_eq!(bare.id, "3050537739");
    assert!(
        bare.revision.starts_with("2023-07-17T11:43:32Z/"),
        "{}",
        bare.revision
    );

    delivery["payload"] = Value::Null;
    assert_eq!(
        accepted(&host, &delivery).id,
        "3050537739",
        "the id is in the metadata, too"
    );
}
