//! Toggl's lists are empty, late, cut short or made for somebody who may not see others.

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use toggl_sandbox::control::{DeleteEntry, SetMember, StartTimer};
use toggl_sandbox::{DeliveryFault, Lie, Lies};

use end_to_end::NORTHWIND;

use super::support::{Connected, JONAS, MARA, forgetful};

/// Everything is looked at again and again.
const BUSY: &str = "upkeep_ms = 700\nretry_ms = 300\nsilence_ms = 1000\nverify_ms = 900";

impl Connected {
    /// Has Toggl's reports lie until the truth is told.
    fn tell(&self, kind: Lie, behind_ms: u64) {
        self.setup.toggl().tell_lies(Lies {
            kinds: vec![kind],
            path: Some("/reports/*".to_owned()),
            for_ms: 3_600_000,
            behind_ms,
            seed: 7,
            ..Lies::default()
        });
    }

    async fn read_again(&self) -> Value {
        let path = format!("/connections/{}/reconcile", self.id);
        let now = Timestamp::now();
        let day = SignedDuration::from_hours(24);
        let range = json!({
            "from": (now - day).to_string(),
            "to": (now + day).to_string(),
        });
        let (status, result) = self
            .setup
            .host
            .call(Method::POST, &path, range)
            .await
            .unwrap();
        assert_eq!(status, 200, "{result}");
        result
    }

    async fn deleted(&self, entries: &[i64]) -> usize {
        let mut deleted = 0;
        for entry in entries {
            let activity = self.setup.activity(*entry).await.unwrap();
            assert!(!activity.is_null(), "entry {entry} is not there at all");
            deleted += usize::from(activity["deleted"] == true);
        }
        deleted
    }

    /// Kills the host and leaves the note of what is missing as it was at another moment.
    async fn killed_when_noted(&mut self, state: &str, before: &str) {
        self.setup.host.kill().await.unwrap();
        let path = self.setup.options.data.join("host.sqlite");
        let database = rusqlite::Connection::open(path).unwrap();
        let changed = database
            .execute(
                "UPDATE connection_notes SET value = replace(value, ?1, ?2) WHERE name = 'missing'",
                [state, before].map(|state| format!("\"state\":\"{state}\"")),
            )
            .unwrap();
        assert_eq!(changed, 1);
        drop(database);
        self.setup.restart().await.unwrap();
    }

    async fn missing(&self) -> Vec<Value> {
        let path = format!("/connections/{}/missing", self.id);
        let list = self.setup.host.get(&path).await.unwrap();
        list["missing"].as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn a_timer_that_was_deleted_while_it_ran_is_seen_when_its_person_starts_another() {
    let connected = Connected::start(forgetful(), BUSY).await;
    let toggl = connected.setup.toggl();
    let start = || {
        let timer = StartTimer {
            workspace_id: NORTHWIND,
            user_id: JONAS,
            ..StartTimer::default()
        };
        toggl.start_timer(timer).unwrap().id
    };
    let gone = start();
    connected.setup.settle().await.unwrap();
    toggl.fail_deliveries(DeliveryFault::Drop { count: 1 });
    let delete = DeleteEntry {
        entry_id: gone,
        ..DeleteEntry::default()
    };
    toggl.delete_entry(delete).unwrap();
    connected.setup.settle().await.unwrap();
    // Toggl's reports have nothing that runs, so nothing is known so far.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(connected.deleted(&[gone]).await, 0);
    let runs = start();
    connected
        .until("two timers of one person run", async || {
            connected.deleted(&[gone]).await == 1
        })
        .await;
    assert_eq!(connected.deleted(&[runs]).await, 0);
}

#[tokio::test]
async fn a_list_that_shows_less_deletes_nothing() {
    let connected = Connected::start(forgetful(), "").await;
    let entries: Vec<i64> = (0..12).map(|_| connected.log_time(JONAS)).collect();
    connected.setup.settle().await.unwrap();
    for kind in [
        Lie::Empty,
        Lie::Null,
        Lie::CutShort,
        Lie::RowsMissing,
        Lie::RowsDoubled,
        Lie::Late,
    ] {
        connected.tell(kind, 600_000);
        for _ in 0..3 {
            let result = connected.read_again().await;
            let newest = connected.log().await[0]["message"].clone();
            let is_complete = newest.as_str().unwrap().contains("no activity was missing");
            let shows_nothing = matches!(kind, Lie::Empty | Lie::Null);
            assert!(!(is_complete && shows_nothing), "{kind:?}: {newest}");
            assert!(
                !shows_nothing || result["missing"] == 12,
                "{kind:?}: {result}"
            );
        }
        if matches!(kind, Lie::Empty | Lie::Null) {
            assert_eq!(
                connected.missing().await.len(),
                12,
                "{kind:?} was not noticed"
            );
        }
        assert_eq!(
            connected.deleted(&entries).await,
            0,
            "{kind:?} deleted what somebody logged"
        );
        connected.setup.toggl().tell_the_truth();
        connected.read_again().await;
        assert!(
            connected.missing().await.is_empty(),
            "{kind:?} is still believed"
        );
        assert_eq!(connected.deleted(&entries).await, 0);
    }
}

#[tokio::test]
async fn what_a_long_lie_marks_is_said_and_comes_back_with_the_truth() {
    let connected = Connected::start(forgetful(), BUSY).await;
    let entries: Vec<i64> = (0..12).map(|_| connected.log_time(JONAS)).collect();
    connected.setup.settle().await.unwrap();
    connected.tell(Lie::Empty, 0);
    connected.until_logged("activities-marked", 1).await;
    connected
        .until("not all were marked", async || {
            connected.deleted(&entries).await == 12
        })
        .await;
    let log = connected.log().await;
    let marked = log
        .iter()
        .find(|event| event["kind"] == "activities-marked");
    let message = marked.unwrap()["message"].as_str().unwrap();
    assert!(
        message.contains("12") && message.contains("--take-back"),
        "{message}"
    );
    let activity = connected.setup.activity(entries[0]).await.unwrap();
    assert_eq!(activity["missing"], true, "{activity}");

    connected.setup.toggl().tell_the_truth();
    connected
        .until("what Toggl lists again stays deleted", async || {
            connected.deleted(&entries).await == 0
        })
        .await;
    connected.until_logged("activities-returned", 1).await;
}

#[tokio::test]
async fn an_index_that_is_late_marks_nothing() {
    let connected = Connected::start(forgetful(), BUSY).await;
    connected.tell(Lie::Late, 5_000);
    let mut entries = Vec::new();
    for _ in 0..40 {
        entries.push(connected.log_time(JONAS));
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    }
    connected.setup.settle().await.unwrap();
    connected
        .until("what came lately is suspected for ever", async || {
            connected.missing().await.is_empty()
        })
        .await;
    assert_eq!(connected.deleted(&entries).await, 0);
}

#[tokio::test]
async fn somebody_who_sees_only_his_own_marks_nothing_of_others() {
    let connected = Connected::start(forgetful(), BUSY).await;
    let entries: Vec<i64> = (0..12).map(|_| connected.log_time(JONAS)).collect();
    connected.setup.settle().await.unwrap();
    let role = |role| {
        let member = SetMember {
            workspace_id: NORTHWIND,
            user_id: MARA,
            role: Some(role),
            ..SetMember::default()
        };
        connected.setup.toggl().set_member(member).unwrap();
    };
    role(toggl_sandbox::scenario::Role::User);
    for _ in 0..6 {
        connected.read_again().await;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    connected
        .until("nobody is told that the role is lost", async || {
            connected.connection().await["status"] == "attention"
        })
        .await;
    assert_eq!(
        connected.deleted(&entries).await,
        0,
        "others' time was marked as deleted"
    );
    role(toggl_sandbox::scenario::Role::Admin);
    connected
        .until("the connection does not recover", async || {
            connected.connection().await["status"] == "active"
                && connected.missing().await.is_empty()
        })
        .await;
    assert_eq!(connected.deleted(&entries).await, 0);
}

#[tokio::test]
async fn a_deletion_nobody_told_of_is_found_and_a_person_can_take_it_back() {
    let connected = Connected::start(forgetful(), BUSY).await;
    let kept = connected.log_time(JONAS);
    let deleted = connected.log_time(JONAS);
    connected.setup.settle().await.unwrap();
    let toggl = connected.setup.toggl();
    toggl.fail_deliveries(DeliveryFault::Drop { count: 1 });
    toggl
        .delete_entry(DeleteEntry {
            entry_id: deleted,
            ..DeleteEntry::default()
        })
        .unwrap();
    connected
        .until("a real deletion is never found", async || {
            connected.deleted(&[deleted]).await == 1
        })
        .await;
    assert_eq!(connected.deleted(&[kept]).await, 0);

    let path = format!("/connections/{}/missing/take-back", connected.id);
    let entries = json!({"entry_ids": [deleted.to_string()]});
    connected.until_logged("activities-marked", 1).await;
    let (_, taken) = connected
        .setup
        .host
        .call(Method::POST, &path, entries)
        .await
        .unwrap();
    assert_eq!(taken["taken_back"], 1, "{taken}");
    assert_eq!(connected.deleted(&[deleted]).await, 0);
    let times = connected.connection().await["last_reconciled_at"].clone();
    connected
        .until("nothing was compared since", async || {
            connected.connection().await["last_reconciled_at"] != times
        })
        .await;
    connected.read_again().await;
    assert_eq!(connected.missing().await[0]["state"], "kept");
    assert_eq!(
        connected.deleted(&[deleted]).await,
        0,
        "it was marked again"
    );
}

#[tokio::test]
async fn a_mark_is_known_and_taken_back_wherever_a_host_was_killed() {
    let mut connected = Connected::start(forgetful(), BUSY).await;
    let deleted = connected.log_time(JONAS);
    connected.setup.settle().await.unwrap();
    let toggl = connected.setup.toggl();
    toggl.fail_deliveries(DeliveryFault::Drop { count: 1 });
    let delete = DeleteEntry {
        entry_id: deleted,
        ..DeleteEntry::default()
    };
    toggl.delete_entry(delete).unwrap();
    let is_marked = async |connected: &Connected| {
        let missing = connected.missing().await;
        missing.len() == 1 && missing[0]["state"] == "marked"
    };
    connected
        .until("a real deletion is never found", async || {
            is_marked(&connected).await
        })
        .await;
    // Killed after the ledger had the mark, and before that was noted.
    connected.killed_when_noted("marked", "suspected").await;
    connected
        .until(
            "nobody knows of the mark, so that nobody can take it back",
            async || is_marked(&connected).await,
        )
        .await;
    assert_eq!(connected.deleted(&[deleted]).await, 1);
    // Killed after a person's decision was noted, and before the ledger had it.
    connected.killed_when_noted("marked", "kept").await;
    let path = format!("/connections/{}/missing/take-back", connected.id);
    let host = &connected.setup.host;
    let (_, taken) = host.call(Method::POST, &path, json!({})).await.unwrap();
    assert_eq!(
        taken["taken_back"], 1,
        "it can never be taken back: {taken}"
    );
    assert_eq!(connected.deleted(&[deleted]).await, 0);
}
