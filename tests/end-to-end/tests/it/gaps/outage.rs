//! The host was down, and Toggl gave up on what it could not deliver.

use end_to_end::TOMAS;
use jiff::Timestamp;
use serde_json::Value;
use toggl_sandbox::EntryEdit;
use toggl_sandbox::control::{DeleteEntry, EditEntry, StopTimer};

use super::support::{Connected, JONAS, forgetful};

#[tokio::test]
async fn what_happened_while_the_host_was_down_is_there_after_its_start() {
    let mut connected = Connected::start(
        forgetful(),
        "outage_ms = 1\nstart_delay_ms = 50\nupkeep_ms = 12000",
    )
    .await;
    let toggl = connected.setup.toggl().clone();
    let running = connected.start_timer(TOMAS);
    let edited = connected.log_time(JONAS);
    let deleted = connected.log_time(JONAS);
    connected.setup.settle().await.unwrap();
    connected.setup.host.kill().await.unwrap();

    let down = Timestamp::now();
    let logged = connected.log_time(JONAS);
    toggl
        .stop_timer(StopTimer {
            entry_id: Some(running),
            ..StopTimer::default()
        })
        .unwrap();
    toggl
        .edit_entry(EditEntry {
            entry_id: edited,
            edit: EntryEdit {
                description: Some("Written while nobody listened".into()),
                ..EntryEdit::default()
            },
            ..EditEntry::default()
        })
        .unwrap();
    toggl
        .delete_entry(DeleteEntry {
            entry_id: deleted,
            ..DeleteEntry::default()
        })
        .unwrap();
    connected.setup.settle().await.unwrap();
    connected.setup.restart().await.unwrap();

    connected.until_logged("gap-reconciled", 1).await;
    let activity = async |entry: i64| connected.setup.activity(entry).await.unwrap();
    assert!(
        connected.has(logged).await,
        "work logged during the outage is lost"
    );
    assert_eq!(
        activity(running).await["running"],
        false,
        "a timer stopped during the outage runs forever"
    );
    assert_eq!(
        activity(edited).await["title"],
        serde_json::json!(["Written while nobody listened"]),
        "an edit during the outage is lost"
    );
    let connection = connected.connection().await;
    assert_eq!(connection["gap"], Value::Null, "{connection}");
    assert_eq!(connection["status"], "active", "nobody has to do anything");
    let covered: Timestamp = connection["covered_until"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(covered > down, "{connection}");
    let log = connected.log().await;
    let noticed = log
        .iter()
        .find(|event| event["kind"] == "gap-noticed")
        .unwrap();
    let message = noticed["message"].as_str().unwrap();
    assert!(message.contains("The host did not run from"), "{message}");
    connected.assert_live("after the outage").await;
    // That something is not listed is believed when it was asked for again.
    connected.until_logged("activities-marked", 1).await;
    assert_eq!(
        activity(deleted).await["deleted"],
        true,
        "an entry deleted during the outage is still counted"
    );
}

#[tokio::test]
async fn a_host_that_was_only_restarted_asks_nothing() {
    let mut connected = Connected::start(forgetful(), "").await;
    connected.setup.settle().await.unwrap();
    assert_eq!(connected.setup.host.terminate().await.unwrap(), Some(0));
    connected.setup.restart().await.unwrap();
    let connection = connected.connection().await;
    assert_eq!(connection["gap"], Value::Null, "{connection}");
    assert_eq!(connected.kinds().await, ["connected"]);
}

#[tokio::test]
async fn an_outage_that_could_not_be_noted_is_noted_at_the_next_start() {
    let mut connected = Connected::start(forgetful(), "").await;
    connected.setup.host.kill().await.unwrap();
    let path = connected.setup.options.data.join("host.sqlite");
    let change = |statements: &str| {
        let database = rusqlite::Connection::open(&path).unwrap();
        database.execute_batch(statements).unwrap();
    };
    change(
        "UPDATE heartbeat SET at = at - 3600000;
             CREATE TRIGGER in_the_way BEFORE UPDATE ON connections WHEN NEW.gap_from IS NOT NULL
             BEGIN SELECT RAISE(ABORT, 'no gap can be noted'); END;",
    );
    connected.setup.restart().await.unwrap();
    connected
        .until("nothing was tried", async || {
            let log = connected.setup.host.log().unwrap();
            log.contains("heartbeat could not be recorded")
        })
        .await;
    // As if it had been killed before it could try again.
    connected.setup.host.kill().await.unwrap();
    change("DROP TRIGGER in_the_way");
    connected.setup.restart().await.unwrap();
    connected.until_logged("gap-noticed", 1).await;
    connected.until_logged("gap-reconciled", 1).await;
}
