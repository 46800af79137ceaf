//! Tags that were renamed or deleted: no entry of theirs seems to have changed.

use end_to_end::{NORTHWIND, TOMAS};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::json;
use toggl_sandbox::NewEntry;
use toggl_sandbox::control::{CreateName, DeleteName, NameKind, Rename};

use super::support::{Connected, forgetful};

#[tokio::test]
async fn the_ledger_has_the_new_name_of_a_tag_after_a_comparison_and_after_the_next_one() {
    let connected = Connected::start(
        forgetful(),
        "silence_ms = 700\nverify_ms = 900\nretry_ms = 300\nupkeep_ms = 600000",
    )
    .await;
    let toggl = connected.setup.toggl().clone();
    let create = |name: &str| {
        let tag = CreateName {
            kind: NameKind::Tag,
            workspace_id: NORTHWIND,
            name: name.into(),
            client_id: None,
            project_id: None,
            private: false,
        };
        toggl.create_name(tag).unwrap()
    };
    let (renamed, deleted) = (create("draft"), create("obsolete"));
    let start = Timestamp::now() - SignedDuration::from_mins(10);
    let entry = toggl
        .log_time(NewEntry {
            workspace_id: NORTHWIND,
            user_id: TOMAS,
            start: Some(start),
            stop: Some(Timestamp::now()),
            tags: vec!["obsolete".into(), "draft".into()],
            ..NewEntry::default()
        })
        .unwrap()
        .id;
    connected.setup.settle().await.unwrap();
    let tags = async || connected.setup.activity(entry).await.unwrap()["tags"].clone();
    assert_eq!(tags().await, json!(["obsolete", "draft"]));

    for name in ["final", "final, really"] {
        toggl
            .rename(Rename {
                kind: NameKind::Tag,
                id: renamed,
                name: name.into(),
            })
            .unwrap();
        connected
            .until(&format!("“{name}” is never seen"), async || {
                tags().await == json!(["obsolete", name])
            })
            .await;
    }
    toggl
        .delete_name(DeleteName {
            kind: NameKind::Tag,
            id: deleted,
        })
        .unwrap();
    connected
        .until("a deleted tag stays", async || {
            tags().await == json!(["final, really"])
        })
        .await;
    let kinds = connected.kinds().await;
    assert_eq!(
        kinds,
        ["connected"],
        "a new name of a tag passes for lost deliveries: {:#?}",
        connected.log().await
    );
}

#[tokio::test]
async fn one_comparison_brings_the_new_name_of_a_tag_to_every_entry() {
    let connected = Connected::start(forgetful(), "").await;
    let toggl = connected.setup.toggl().clone();
    let tag = toggl
        .create_name(CreateName {
            kind: NameKind::Tag,
            workspace_id: NORTHWIND,
            name: "draft".into(),
            client_id: None,
            project_id: None,
            private: false,
        })
        .unwrap();
    let now = Timestamp::now();
    for minute in 0..150 {
        let start = now - SignedDuration::from_mins(minute);
        toggl
            .log_time(NewEntry {
                workspace_id: NORTHWIND,
                user_id: TOMAS,
                start: Some(start),
                stop: Some(start + SignedDuration::from_secs(50)),
                tags: vec!["draft".into()],
                ..NewEntry::default()
            })
            .unwrap();
    }
    connected.setup.settle().await.unwrap();
    let path = format!("/connections/{}/reconcile", connected.id);
    let hour = SignedDuration::from_hours(1);
    let host = &connected.setup.host;
    // What was read of the first new name is as new as what is read of the second.
    for name in ["final", "final, really"] {
        let rename = Rename {
            kind: NameKind::Tag,
            id: tag,
            name: name.into(),
        };
        toggl.rename(rename).unwrap();
        let range = json!({"from": now - hour * 4, "to": now + hour});
        let (status, answer) = host.call(Method::POST, &path, range).await.unwrap();
        assert_eq!(status, StatusCode::OK, "{answer}");
        let listed = host.get("/activities?limit=1000").await.unwrap();
        let activities = listed["activities"].as_array().unwrap();
        let renamed = activities
            .iter()
            .filter(|activity| activity["tags"] == json!([name]));
        assert_eq!((activities.len(), renamed.count()), (150, 150), "{name}");
    }
}
