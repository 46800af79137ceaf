//! A host that is killed or stopped has lost nothing it acknowledged.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use end_to_end::{NORTHWIND, Setup};
use toggl_sandbox::Activity;

#[tokio::test]
async fn a_kill_in_the_middle_loses_nothing() {
    let mut setup = Setup::start().await.unwrap();
    setup.connect(NORTHWIND).await.unwrap();
    for round in 0..3 {
        let control = setup.toggl().clone();
        let work = tokio::spawn(async move {
            let activity = Activity {
                workspace_id: Some(NORTHWIND),
                per_second: 200.0,
                events: Some(100),
                seed: Some(round),
                ..Activity::default()
            };
            control.activity(activity).await.unwrap()
        });
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        setup.host.kill().await.unwrap();
        setup.restart().await.unwrap();
        work.await.unwrap();
    }
    setup.settle().await.unwrap();
    assert_everything_is_there(&setup).await;
}

#[tokio::test]
async fn a_host_that_is_asked_to_stop_ends_well_and_goes_on_later() {
    let mut setup = Setup::start().await.unwrap();
    setup.connect(NORTHWIND).await.unwrap();
    let activity = Activity {
        workspace_id: Some(NORTHWIND),
        per_second: 500.0,
        events: Some(50),
        ..Activity::default()
    };
    setup.toggl().activity(activity).await.unwrap();
    assert_eq!(setup.host.terminate().await.unwrap(), Some(0));
    let left: Vec<_> = std::fs::read_dir(&setup.options.data)
        .unwrap()
        .flatten()
        .collect();
    assert!(
        left.iter()
            .all(|file| !file.file_name().to_string_lossy().ends_with("-wal")),
        "the database is closed"
    );
    setup.restart().await.unwrap();
    setup.settle().await.unwrap();
    assert_everything_is_there(&setup).await;
}

/// Compares every delivered entry with Toggl's truth.
async fn assert_everything_is_there(setup: &Setup) {
    let toggl = setup.toggl();
    let list = setup
        .host
        .get("/activities?include=unmapped,deleted&limit=1000")
        .await
        .unwrap();
    let activities = list["activities"].as_array().unwrap();
    let mut compared = 0;
    for delivery in toggl.deliveries() {
        if delivery.entity != "time_entry" {
            continue;
        }
        let id = delivery.payload["id"].as_i64().unwrap();
        let truth = toggl.entry(id).unwrap();
        let wanted = id.to_string();
        let found: Vec<_> = activities
            .iter()
            .filter(|activity| activity["source"]["entry_id"] == wanted.as_str())
            .collect();
        assert_eq!(found.len(), 1, "entry {id} is there {} times", found.len());
        assert_eq!(
            found[0]["deleted"],
            truth.deleted_at.is_some(),
            "entry {id}"
        );
        assert_eq!(
            found[0]["stop"].as_str().is_some(),
            truth.stop.is_some(),
            "entry {id}"
        );
        compared += 1;
    }
    assert!(compared > 30, "only {compared} deliveries were compared");
}
