//! A host that is killed or stopped has lost nothing it acknowledged.

use end_to_end::kills::{self, KillPlan};
use end_to_end::{NORTHWIND, Setup};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use toggl_sandbox::Activity;

/// A seed that differs from run to run and is printed with every report and error.
fn seed() -> u64 {
    let seed = jiff::Timestamp::now().as_nanosecond() as u64;
    eprintln!("seed {seed}");
    seed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_kills_at_random_moments_lose_and_double_nothing() {
    let plan = KillPlan {
        kills: 100,
        deliveries: 8_000,
        seed: seed(),
    };
    let report = kills::run(plan).await.unwrap();
    eprintln!("{report}");
    assert!(report.is_clean(), "{report}");
    assert!(
        report.kills >= 100 && report.acknowledged >= 8_000,
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_asked_for_is_done_or_undone_when_the_host_is_killed_meanwhile() {
    let report = kills::interrupt_use_cases(16, seed()).await.unwrap();
    eprintln!("{report}");
}

#[tokio::test]
async fn a_host_that_is_asked_to_stop_ends_well_and_goes_on_later() {
    let mut setup = Setup::builder().start().await.unwrap();
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

#[tokio::test]
async fn a_host_whose_terminal_is_gone_stops_in_an_orderly_way() {
    let mut setup = Setup::builder().start().await.unwrap();
    setup.host.signal("HUP").await.unwrap();
    // Tests that run under `nohup` hand that on.
    if is_hangup_ignored() {
        assert_eq!(setup.host.terminate().await.unwrap(), Some(0));
    } else {
        assert_eq!(setup.host.wait().await.unwrap(), Some(0));
        let log = setup.host.log().unwrap();
        assert!(log.contains("SIGHUP"), "it ends without a line: {log}");
    }

    // As under `nohup`.
    setup.options.wrapper = ["sh", "-c", "trap '' HUP; exec \"$0\" \"$@\""]
        .map(str::to_owned)
        .to_vec();
    setup.restart().await.unwrap();
    setup.host.signal("HUP").await.unwrap();
    let (status, _) = setup
        .host
        .call(Method::GET, "/connections", Value::Null)
        .await
        .unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(setup.host.terminate().await.unwrap(), Some(0));
}

fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}
