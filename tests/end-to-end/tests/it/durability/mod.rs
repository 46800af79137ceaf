//! When the database cannot take a delivery, its sender is told to deliver again, and the host goes on
//! by itself as soon as the cause is gone.

mod disturbance;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use disturbance::{Disturbance, FileSizeLimit, FullDisk, Locked, Moved, ReadOnlyCopy, Removed};
use end_to_end::{NORTHWIND, PATIENCE, Setup, TOMAS, delivery, eventually};
use reqwest::StatusCode;
use serde_json::json;
use tempfile::TempDir;

/// What it takes to deliver.
#[derive(Clone)]
struct Sender {
    callback: String,
    secret: String,
    subscription: i64,
    client: reqwest::Client,
}

impl Sender {
    /// Delivers an entry.
    async fn send(&self, entry: i64) -> reqwest::Result<reqwest::Response> {
        let body = json!({
            "event_id": entry, "created_at": "2026-03-02T11:43:32.827Z", "creator_id": TOMAS,
            "metadata": { "action": "created", "model": "time_entry",
                "workspace_id": NORTHWIND.to_string(), "time_entry_id": entry.to_string() },
            "payload": {
                "at": "2026-03-02T11:43:32+00:00", "billable": false,
                // Long enough that a few of them fill what is left.
                "description": format!("Entry {entry} {}", "and more ".repeat(200)),
                "duration": 60, "id": entry, "project_id": null, "start": "2026-03-02T11:42:32Z",
                "stop": "2026-03-02T11:43:32Z", "tags": [], "user_id": TOMAS,
                "workspace_id": NORTHWIND
            },
            "subscription_id": self.subscription, "timestamp": "2026-03-02T11:43:33Z",
            "url_callback": self.callback
        });
        let (signature, body) = delivery(&self.secret, &body);
        self.client
            .post(&self.callback)
            .header("content-type", "application/json")
            .header("X-Webhook-Signature-256", signature)
            .body(body)
            .send()
            .await
    }
}

/// A connected host whose database is in a folder of its own.
struct Host {
    setup: Setup,
    sender: Sender,
    _folder: TempDir,
}

impl Host {
    async fn connected(folder: TempDir, database: PathBuf, wrapper: &[&str]) -> Self {
        let storage = format!("sqlite:{}", database.display());
        let setup = Setup::builder()
            .arguments(&["--storage", &storage])
            .wrapper(wrapper)
            .start();
        let setup = setup.await.unwrap();
        setup.connect(NORTHWIND).await.unwrap();
        let subscription = setup.toggl().subscriptions().remove(0);
        Self {
            setup,
            sender: Sender {
                callback: subscription.url_callback,
                secret: subscription.secret,
                subscription: subscription.id,
                client: reqwest::Client::builder().no_proxy().build().unwrap(),
            },
            _folder: folder,
        }
    }

    /// Whether an entry's delivery is acknowledged. Anything but 2xx and 503 is wrong.
    async fn takes(&self, entry: i64) -> bool {
        let answer = self.sender.send(entry).await.unwrap();
        if answer.status().is_success() {
            return true;
        }
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        let retry_after = answer.headers()["retry-after"].to_str().unwrap();
        assert!(retry_after.parse::<u32>().unwrap() > 0);
        false
    }

    async fn status(&self, path: &str) -> StatusCode {
        let url = format!("{}{path}", self.setup.host.url);
        self.sender.client.get(url).send().await.unwrap().status()
    }

    /// Every entry in the ledger, however often it is there.
    async fn entries(&self) -> Vec<i64> {
        let list = "/activities?include=unmapped,deleted&limit=1000";
        let list = self.setup.host.get(list).await.unwrap();
        let mut entries: Vec<_> = list["activities"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["source"]["entry_id"].as_str().unwrap().parse().unwrap())
            .collect();
        entries.sort_unstable();
        entries
    }

    /// Goes through a disturbance.
    async fn outlasts(mut self, mut disturbance: impl Disturbance) {
        let what = disturbance.name();
        let id = self.setup.host.id();
        for entry in 1..=20 {
            assert!(self.takes(entry).await);
        }
        let mut acknowledged: BTreeSet<i64> = (1..=20).collect();
        assert_eq!(self.status("/readyz").await, StatusCode::OK);

        disturbance.begin(&self.setup);
        let mut refused = Vec::new();
        // What has room left takes some more.
        let began = Instant::now();
        for entry in 21.. {
            if self.takes(entry).await {
                acknowledged.insert(entry);
            } else {
                refused.push(entry);
                break;
            }
            assert!(
                entry < 900 && began.elapsed() < PATIENCE,
                "{what}: everything is taken"
            );
        }
        let ready = self.status("/readyz").await;
        assert_eq!(ready, StatusCode::SERVICE_UNAVAILABLE, "{what}");
        assert_eq!(self.status("/healthz").await, StatusCode::OK, "{what}");
        let crowd: Vec<i64> = (901..=960).collect();
        let answers = crowd.iter().map(|entry| self.takes(*entry));
        let answers = futures_util::future::join_all(answers).await;
        for (entry, taken) in crowd.into_iter().zip(answers) {
            if taken {
                acknowledged.insert(entry);
            } else {
                refused.push(entry);
            }
        }
        assert!(
            refused.len() > 1,
            "{what}: it was not there when many delivered"
        );

        disturbance.end(&self.setup);
        for entry in refused {
            let failure = format!("{what}: the host does not recover");
            eventually(failure, async || self.takes(entry).await)
                .await
                .unwrap_or_else(|error| panic!("{error}: {}", self.setup.host.log().unwrap()));
            acknowledged.insert(entry);
        }
        assert_eq!(self.status("/readyz").await, StatusCode::OK, "{what}");
        assert_eq!(self.setup.host.id(), id, "{what}: the host was restarted");
        let acknowledged: Vec<_> = acknowledged.into_iter().collect();
        assert_eq!(self.entries().await, acknowledged, "{what}");
        self.setup.host.kill().await.unwrap();
        self.setup.restart().await.unwrap();
        assert_eq!(
            self.entries().await,
            acknowledged,
            "{what}: something was lost with the next kill"
        );
    }
}

/// A folder for everything and one in it for the database.
fn folders() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("database");
    std::fs::create_dir(&data).unwrap();
    (folder, data)
}

#[tokio::test]
async fn a_full_disk_refuses_deliveries_until_there_is_room() {
    let (folder, data) = folders();
    match FullDisk::mount(&data) {
        Ok(full) => {
            let host = Host::connected(folder, data.join("host.sqlite"), &[]).await;
            host.outlasts(full).await;
        }
        Err(why) => eprintln!(
            "no file system can be mounted here ({why}): a limit on the size of files, in a test of its own, stands in for the full disk"
        ),
    }
}

#[tokio::test]
async fn files_that_may_not_grow_refuse_deliveries_until_they_may() {
    let (folder, data) = folders();
    // What would end the program otherwise is an error of the write then, as on a full disk.
    let wrapper = ["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""];
    let host = Host::connected(folder, data.join("host.sqlite"), &wrapper).await;
    host.outlasts(FileSizeLimit::new(&data)).await;
}

#[tokio::test]
async fn a_database_that_is_read_only_refuses_deliveries_until_it_can_be_written() {
    let (folder, data) = folders();
    match disturbance::Immutable::of(&data) {
        Ok(immutable) => {
            let host = Host::connected(folder, data.join("host.sqlite"), &[]).await;
            host.outlasts(immutable).await;
        }
        Err(why) => eprintln!(
            "files cannot be made immutable here ({why}): a read-only copy, in a test of its own, stands in"
        ),
    }
}

#[tokio::test]
async fn a_directory_that_became_read_only_refuses_deliveries_until_it_can_be_written() {
    let (folder, data) = folders();
    let host = Host::connected(folder, data.join("host.sqlite"), &[]).await;
    host.outlasts(ReadOnlyCopy::new(&data)).await;
}

#[tokio::test]
async fn another_program_that_holds_the_database_delays_deliveries_and_loses_none() {
    let (folder, data) = folders();
    let database = data.join("host.sqlite");
    let host = Host::connected(folder, database.clone(), &[]).await;
    host.outlasts(Locked::new(database)).await;
}

#[tokio::test]
async fn a_directory_that_is_moved_away_refuses_deliveries_until_it_is_back() {
    let (folder, data) = folders();
    let host = Host::connected(folder, data.join("host.sqlite"), &[]).await;
    host.outlasts(Moved::new(&data)).await;
}

#[tokio::test]
async fn a_directory_that_is_removed_refuses_deliveries_until_a_copy_is_put_back() {
    let (folder, data) = folders();
    let host = Host::connected(folder, data.join("host.sqlite"), &[]).await;
    host.outlasts(Removed::new(&data)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_when_the_host_is_asked_to_stop_is_answered() {
    let (folder, data) = folders();
    let database = data.join("host.sqlite");
    let mut host = Host::connected(folder, database.clone(), &[]).await;
    // Another program holds the database, so nothing is answered until it lets go.
    let mut locked = Locked::new(database);
    locked.begin(&host.setup);
    let sending: Vec<_> = (1..=50)
        .map(|entry| {
            let sender = host.sender.clone();
            tokio::spawn(async move { (entry, sender.send(entry).await) })
        })
        .collect();
    // Whether they have all arrived by then makes no difference to what must hold.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let id = host.setup.host.id().unwrap().to_string();
    let asked = std::process::Command::new("kill")
        .args(["-TERM", &id])
        .status();
    assert!(asked.unwrap().success());
    tokio::time::sleep(Duration::from_millis(300)).await;
    locked.end(&host.setup);

    let mut acknowledged = Vec::new();
    for sent in sending {
        let (entry, answer) = sent.await.unwrap();
        match answer {
            Ok(answer) if answer.status().is_success() => acknowledged.push(entry),
            Ok(answer) => assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE),
            Err(error) => assert!(
                error.is_connect(),
                "delivery {entry} was cut off without an answer: {error:?}"
            ),
        }
    }
    assert_eq!(host.setup.host.wait().await.unwrap(), Some(0));
    assert!(!acknowledged.is_empty(), "nothing was under way");
    host.setup.restart().await.unwrap();
    let entries = host.entries().await;
    for entry in acknowledged {
        assert!(entries.contains(&entry), "entry {entry} was lost");
    }
}
