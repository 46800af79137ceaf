//! What was changed long after it was, or dated to before the connection, and whose delivery was lost.

use end_to_end::{NORTHWIND, Setup};
use jiff::{SignedDuration, Timestamp};
use toggl_sandbox::control::{DeleteEntry, EditEntry};
use toggl_sandbox::{DeliveryFault, EntryEdit, NewEntry};

use super::support::{Connected, JONAS, forgetful};

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn log_at(setup: &Setup, start: Timestamp) -> i64 {
    let entry = NewEntry {
        workspace_id: NORTHWIND,
        user_id: JONAS,
        start: Some(start),
        stop: Some(start + SignedDuration::from_mins(30)),
        ..NewEntry::default()
    };
    setup.toggl().log_time(entry).unwrap().id
}

async fn connected(background: &str) -> (Connected, i64, i64) {
    let configuration = format!("[background]\n{background}\n");
    let setup = Setup::builder()
        .scenario(forgetful())
        .configuration(configuration)
        .start()
        .await
        .unwrap();
    let (edited, untouched) = (
        log_at(&setup, Timestamp::now() - DAY * 60),
        log_at(&setup, Timestamp::now() - DAY * 2),
    );
    let connection = setup.connect(NORTHWIND).await.unwrap();
    let connected = Connected {
        id: connection["id"].as_str().unwrap().to_owned(),
        setup,
    };
    (connected, edited, untouched)
}

#[tokio::test]
async fn what_was_changed_since_connecting_is_found_whenever_it_was() {
    let (connected, edited, untouched) =
        connected("upkeep_ms = 700\nretry_ms = 300\nsilence_ms = 1000\nverify_ms = 900").await;
    let toggl = connected.setup.toggl();
    toggl.fail_deliveries(DeliveryFault::Drop { count: 1_000 });
    let yesterday = log_at(&connected.setup, Timestamp::now() - DAY);
    let long_ago = log_at(&connected.setup, Timestamp::now() - DAY * 40);
    toggl
        .edit_entry(EditEntry {
            entry_id: edited,
            edit: EntryEdit {
                description: Some("Corrected two months later".into()),
                ..EntryEdit::default()
            },
            ..EditEntry::default()
        })
        .unwrap();
    for (entry, what) in [
        (yesterday, "an entry of yesterday"),
        (long_ago, "an entry of last month"),
        (edited, "an old entry that was edited"),
    ] {
        connected
            .until(&format!("{what} is never found"), async || {
                connected.has(entry).await
            })
            .await;
    }
    assert!(
        !connected.has(untouched).await,
        "an entry was taken that is older than the connection"
    );
}

#[tokio::test]
async fn an_old_entry_that_was_deleted_is_found_in_the_end() {
    let (connected, ..) = connected("upkeep_ms = 700\nretry_ms = 300\nsweep_ms = 1000").await;
    let old = [200, 90, 89, 20].map(|days| log_at(&connected.setup, Timestamp::now() - DAY * days));
    connected.setup.settle().await.unwrap();
    assert!(connected.has(old[0]).await);
    let toggl = connected.setup.toggl();
    toggl.fail_deliveries(DeliveryFault::Drop { count: 1_000 });
    toggl
        .delete_entry(DeleteEntry {
            entry_id: old[1],
            ..DeleteEntry::default()
        })
        .unwrap();
    connected
        .until(
            "what was deleted long after it was is never found",
            async || connected.setup.activity(old[1]).await.unwrap()["deleted"] == true,
        )
        .await;
    for entry in [old[0], old[2], old[3]] {
        let activity = connected.setup.activity(entry).await.unwrap();
        assert_eq!(activity["deleted"], false, "{activity}");
    }
}
