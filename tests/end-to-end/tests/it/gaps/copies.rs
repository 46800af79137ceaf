//! A copy of a host works for the same workspace as the host itself.

use std::path::{Path, PathBuf};

use end_to_end::{HostOptions, HostProcess, run_cli};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::support::{Connected, forgetful};

const QUICK: &str = "upkeep_ms = 500\nretry_ms = 200";

/// A host, and another one that was started on a copy of its files.
struct Copied {
    original: Connected,
    copy: HostProcess,
}

impl Copied {
    /// The copy was made file by file.
    async fn file_by_file() -> Self {
        let mut original = Connected::start(forgetful(), QUICK).await;
        assert_eq!(original.setup.host.terminate().await.unwrap(), Some(0));
        let data = original.setup.folder.path().join("copy");
        copy_files(&original.setup.options.data, &data);
        original.setup.restart().await.unwrap();
        Self::with_copy_in(original, data).await
    }

    /// The copy was restored from a backup.
    async fn restored() -> Self {
        let mut original = Connected::start(forgetful(), QUICK).await;
        original.setup.keep_address();
        let shown = |path: &Path| path.display().to_string();
        let folder = original.setup.folder.path();
        let (file, data) = (folder.join("backup.sqlite"), folder.join("copy"));
        let origin = &original.setup.options.data;
        let (key, host) = (origin.join("sealing-key"), &original.setup.host.url);
        for arguments in [
            [
                "backup",
                &shown(&file),
                "--data",
                &shown(origin),
                "--host",
                host,
            ],
            [
                "restore",
                &shown(&file),
                "--data",
                &shown(&data),
                "--sealing-key-file",
                &shown(&key),
            ],
        ] {
            let done = run_cli(&arguments, &[], folder).await.unwrap();
            let error = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "{error}");
        }
        Self::with_copy_in(original, data).await
    }

    async fn with_copy_in(original: Connected, data: PathBuf) -> Self {
        let options = HostOptions {
            data,
            listen: "127.0.0.1:0".into(),
            ..original.setup.options.clone()
        };
        let copy = HostProcess::start(&options).await.unwrap();
        Self { original, copy }
    }

    fn called(&self) -> Vec<String> {
        let webhooks = self.original.setup.toggl().subscriptions();
        webhooks
            .into_iter()
            .map(|webhook| webhook.url_callback)
            .collect()
    }

    fn repairs(&self) -> usize {
        let requests = self.original.setup.toggl().requests();
        let changes = requests
            .iter()
            .filter(|request| request.method != "GET" && request.path.contains("/subscriptions/"));
        changes.count()
    }

    async fn attention(&self, of: &HostProcess) -> Value {
        let path = format!("/connections/{}", self.original.id);
        of.get(&path).await.unwrap()["attention"].clone()
    }

    async fn act(&self, of: &HostProcess, action: &str) -> (StatusCode, Value) {
        let path = format!("/connections/{}/{action}", self.original.id);
        of.call(Method::POST, &path, Value::Null).await.unwrap()
    }

    async fn until_the_copy_stops(&self) {
        self.original
            .until("the copy does not say what is wrong", async || {
                self.attention(&self.copy).await["code"] == "conflict"
                    && self.called()[0].starts_with(&self.original.setup.host.url)
            })
            .await;
    }
}

fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[tokio::test]
async fn of_two_copies_the_second_stops_and_a_person_decides() {
    the_second_stops_and_a_person_decides(Copied::file_by_file().await).await;
}

#[tokio::test]
async fn of_a_host_and_its_restored_backup_the_latter_stops_and_a_person_decides() {
    the_second_stops_and_a_person_decides(Copied::restored().await).await;
}

#[tokio::test]
async fn a_copy_that_stopped_is_disconnected_without_ending_the_deliveries_of_the_original() {
    let copied = Copied::file_by_file().await;
    copied.until_the_copy_stops().await;
    let webhooks = copied.original.setup.toggl().subscriptions();
    let path = format!("/connections/{}", copied.original.id);
    let (status, answer) = copied
        .copy
        .call(Method::DELETE, &path, Value::Null)
        .await
        .unwrap();
    assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    let left = copied.original.setup.toggl().subscriptions();
    assert_eq!(left.len(), 1, "the webhook of the original was deleted");
    assert_eq!(left[0].id, webhooks[0].id);
}

async fn the_second_stops_and_a_person_decides(copied: Copied) {
    let original = &copied.original;
    copied.until_the_copy_stops().await;
    let repairs = copied.repairs();
    assert!(repairs <= 6, "{repairs} repairs until the copy stops");
    // Some more rounds of upkeep.
    let covered = || async { original.connection().await["covered_until"].clone() };
    for _ in 0..4 {
        let before = covered().await;
        original
            .until("the original does not go on", async || {
                covered().await != before
            })
            .await;
    }
    assert_eq!(
        copied.repairs(),
        repairs,
        "they repair the webhook back and forth"
    );
    assert_eq!(
        copied.attention(&original.setup.host).await,
        Value::Null,
        "the host that was there before stops as well"
    );
    original.assert_live("beside a copy").await;
    let message = copied.attention(&copied.copy).await["message"].clone();
    assert!(
        message.as_str().unwrap().contains(&original.setup.host.url),
        "{message}"
    );

    let (status, health) = copied.act(&copied.copy, "take-over").await;
    assert_eq!((status, &health["healthy"]), (StatusCode::OK, &true.into()));
    assert!(copied.called()[0].starts_with(&copied.copy.url));
    original
        .until("what a person decided is undone", async || {
            copied.attention(&original.setup.host).await["code"] == "conflict"
        })
        .await;
    assert_eq!(copied.called().len(), 1);
    assert!(copied.called()[0].starts_with(&copied.copy.url));

    let (status, health) = copied.act(&original.setup.host, "separate").await;
    assert_eq!(
        (status, &health["healthy"]),
        (StatusCode::OK, &true.into()),
        "{health}"
    );
    let called = copied.called();
    assert!(
        called.len() == 2
            && called.iter().any(|url| url.starts_with(&copied.copy.url))
            && called
                .iter()
                .any(|url| url.starts_with(&original.setup.host.url)),
        "{called:?}"
    );
    original.assert_live("with a webhook of its own").await;
}

#[tokio::test]
async fn a_host_that_moves_to_another_url_needs_nobody() {
    let mut connected = Connected::start(forgetful(), QUICK).await;
    connected.setup.host.kill().await.unwrap();
    connected.setup.options.listen = "127.0.0.1:0".into();
    let former = connected.setup.host.url.clone();
    connected.setup.host = HostProcess::start(&connected.setup.options).await.unwrap();
    assert_ne!(connected.setup.host.url, former);
    connected.until_logged("subscription-repaired", 1).await;
    assert_eq!(connected.connection().await["attention"], Value::Null);
    connected.assert_live("at another address").await;
}
