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
fn what_is_meant_for_another_connection_is_refused() {
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
    let foreign = [
        with(&["payload", "workspace_id"], 1.into()),
        with(&["payload", "wid"], 1.into()),
        with(&["metadata", "workspace_id"], "1".into()),
        with(&["metadata", "workspace_id"], 1.into()),
        with(&["url_callback"], "https://evil.example.com/".into()),
    ];
    for delivery in foreign {
        let result = deliver(&host, &delivery);
        assert_eq!(
            (result.outcome, result.response.status),
            (DeliveryOutcome::Refused, 403),
            "{delivery}"
        );
        assert_eq!(result.changes, Default::default());
    }
}

#[test]
fn what_is_genuine_but_not_recorded_is_answered_with_success() {
    let host = FakeHost::connected();
    let mut unknown_model = created();
    unknown_model["metadata"]["model"] = "tag".into();
    let mut nothing = created();
    nothing["payload"] = Value::Null;
    nothing["metadata"] = Value::Null;
    for delivery in [unknown_model, nothing, json!([]), json!(7)] {
        let result = deliver(&host, &delivery);
        assert_eq!(
            (result.outcome, result.response.status),
            (DeliveryOutcome::Ignored, 200),
            "{delivery}"
        );
    }
    for garbage in [&b"{\"event_id\":"[..], b"", b"\xff\xfe", b"{}{}"] {
        let result = host.toggl().handle_webhook(&host.signed(garbage)).unwrap();
        assert_eq!(
            (result.outcome, result.response.status),
            (DeliveryOutcome::Ignored, 200)
        );
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
fn only_a_negative_duration_runs() {
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
