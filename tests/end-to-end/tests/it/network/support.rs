//! A host with a connection, and a client that sends bytes.

use std::net::Ipv4Addr;

use end_to_end::{
    NORTHWIND, PATIENCE, RawAnswer, RawConnection, Setup, TOMAS, delivery, eventually, path_of,
    post,
};
use serde_json::{Value, json};
use toggl_sandbox::model::Subscription;
use tokio::time::timeout;

pub const SIGNATURE: &str = "x-webhook-signature-256";
/// Where Toggl's deliveries come from, and others do.
pub const TOGGL: Ipv4Addr = Ipv4Addr::LOCALHOST;
pub const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// A hook that looks like one and is none.
pub const UNKNOWN: &str = "/hooks/0123456789abcdef0123456789abcdef";
pub struct Network {
    pub setup: Setup,
    pub subscription: Subscription,
    /// The path of the connection's hook.
    pub hook: String,
}

impl Network {
    /// With this `[limits]`.
    pub async fn limited(limits: &str) -> Self {
        Self::configured(&format!("[limits]\n{limits}")).await
    }

    /// With this `host.toml`.
    pub async fn configured(configuration: &str) -> Self {
        let setup = Setup::builder()
            .unlimited()
            .configuration(configuration)
            .start()
            .await
            .unwrap();
        setup.connect(NORTHWIND).await.unwrap();
        let subscription = setup.toggl().subscriptions().remove(0);
        let hook = path_of(&subscription.url_callback).to_owned();
        Self {
            setup,
            subscription,
            hook,
        }
    }

    pub async fn open(&self, from: Ipv4Addr) -> RawConnection {
        RawConnection::open(&self.setup.host.url, from)
            .await
            .unwrap()
    }

    /// Sends one request on a connection of its own and returns the answer.
    pub async fn ask(&self, from: Ipv4Addr, request: impl AsRef<[u8]>) -> RawAnswer {
        let mut connection = self.open(from).await;
        // The host may refuse before it has everything.
        let _ = connection.send(request).await;
        patient(connection.answer()).await.unwrap()
    }

    /// The signature and body of a real delivery about an entry.
    pub fn genuine(&self, entry: u64) -> (String, Vec<u8>) {
        delivery(&self.subscription.secret, &self.event(entry))
    }

    /// The signature and body of a real delivery of so many bytes.
    pub fn large(&self, entry: u64, bytes: usize) -> (String, Vec<u8>) {
        let mut event = self.event(entry);
        event["more"] = "a".repeat(bytes).into();
        delivery(&self.subscription.secret, &event)
    }

    /// One that was signed with another secret.
    pub fn forged(&self, path: &str) -> Vec<u8> {
        let (signature, body) = delivery("not the secret", &self.event(666));
        post(path, &[(SIGNATURE, &signature)], &body)
    }

    /// The request of a real delivery.
    pub fn genuine_request(&self, entry: u64) -> Vec<u8> {
        let (signature, body) = self.genuine(entry);
        post(&self.hook, &[(SIGNATURE, &signature)], &body)
    }

    fn event(&self, entry: u64) -> Value {
        json!({
            "event_id": entry, "created_at": "2026-03-02T10:00:00.5Z", "creator_id": TOMAS,
            "metadata": { "action": "created", "model": "time_entry",
                "workspace_id": NORTHWIND.to_string(), "time_entry_id": entry.to_string() },
            "payload": {
                "at": "2026-03-02T10:00:00+00:00", "billable": false, "description": "Entry",
                "duration": 60, "id": entry, "project_id": null, "start": "2026-03-02T09:59:00Z",
                "stop": "2026-03-02T10:00:00Z", "tags": [], "user_id": TOMAS,
                "workspace_id": NORTHWIND
            },
            "subscription_id": self.subscription.id, "timestamp": "2026-03-02T10:00:01Z",
            "url_callback": self.subscription.url_callback,
        })
    }

    /// The host's log, as soon as this is in it.
    pub async fn log_with(&self, text: &str) -> String {
        eventually(format!("“{text}” is not in the log"), async || {
            let log = self.setup.host.log().unwrap();
            log.contains(text).then_some(log)
        })
        .await
        .unwrap()
    }

    /// Makes sure that real deliveries are taken and nothing broke.
    pub async fn assert_healthy(&self, entry: u64) {
        let answer = self.ask(TOGGL, self.genuine_request(entry)).await;
        assert_eq!(answer.status, 200, "a real delivery is refused afterwards");
        let activity = self
            .setup
            .activity(i64::try_from(entry).unwrap())
            .await
            .unwrap();
        assert!(!activity.is_null(), "an acknowledged delivery is lost");
        let forged = self.setup.activity(666).await.unwrap();
        assert!(forged.is_null(), "a forged delivery is in the ledger");
        let log = self.setup.host.log().unwrap();
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// Fails the test instead of hanging.
pub async fn patient<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("the host lets a client hang"))
}
