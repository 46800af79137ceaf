//! What the integration's native logic is lent: storage in memory, answers from the input, a clock
//! that stands.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;
use toggl_integration::capability::{
    Clock, Entry, Header, Http, HttpError, HttpRequest, HttpResponse, Level, Log, Random, Storage,
    StorageError, UserDirectory, Write,
};
use toggl_integration::model::{User, WebhookRequest};
use toggl_integration::time::Timestamp;

/// The workspace, callback and subscription of the recorded deliveries.
pub const WORKSPACE: u64 = 7_435_584;
pub const CALLBACK: &str = "https://dark-red-mussel-hose.cyclic.app/new-entry";
const SUBSCRIPTION: u64 = 10_713;

/// What deliveries are signed with.
pub const SECRET: &str = "a-signing-secret-of-the-fuzzer";
/// What the secret was before.
pub const PREVIOUS_SECRET: &str = "the-signing-secret-before-that";

/// When everything happens: 2026-03-01T12:00:00Z.
pub const NOW_SECONDS: i64 = 1_772_366_400;

/// For how long the host believes at most that a quota is used up.
const LONGEST_PAUSE_SECONDS: u32 = 24 * 60 * 60;

/// A host in memory, for one connection.
#[derive(Default)]
pub struct Lent {
    pub storage: RefCell<BTreeMap<String, Vec<u8>>>,
    pub answers: RefCell<VecDeque<HttpResponse>>,
    pub sent: RefCell<Vec<HttpRequest>>,
    pub logged: RefCell<Vec<String>>,
    pub used_up_quotas: RefCell<BTreeMap<String, u32>>,
}

impl Lent {
    /// A connection that is bound to the recorded workspace.
    pub fn connected() -> Self {
        let lent = Self::default();
        *lent.storage.borrow_mut() = connected();
        lent
    }
}

/// What a connection remembers that is bound to the recorded workspace.
pub fn connected() -> BTreeMap<String, Vec<u8>> {
    let connection = json!({
        "workspace_id": WORKSPACE, "workspace_name": "Recorded", "organization_id": 5, "account_id": 9_547_721,
    });
    let webhook = json!({
        "workspace_id": WORKSPACE, "secret": SECRET, "previous_secret": PREVIOUS_SECRET,
        "subscription_id": SUBSCRIPTION, "callback_url": CALLBACK,
    });
    BTreeMap::from([
        ("connection".into(), connection.to_string().into_bytes()),
        ("webhook".into(), webhook.to_string().into_bytes()),
    ])
}

/// The platform's only user.
pub const USER: (&str, &str, &str) = ("u-1", "Ada", "ada@example.com");

/// The value of the signature header for a body.
pub fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// A delivery that carries its signature.
pub fn signed(body: &[u8]) -> WebhookRequest {
    WebhookRequest {
        callback_url: CALLBACK.into(),
        headers: vec![Header {
            name: "X-Webhook-Signature-256".into(),
            value: signature(SECRET, body),
        }],
        body: body.into(),
    }
}

/// What is answered when the input has no more answers.
pub fn nothing_there() -> HttpResponse {
    HttpResponse {
        status: 404,
        headers: Vec::new(),
        body: b"\"not found\"".to_vec(),
    }
}

impl Http for Lent {
    fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpError> {
        self.sent.borrow_mut().push(request.clone());
        let answer = self.answers.borrow_mut().pop_front();
        Ok(answer.unwrap_or_else(nothing_there))
    }

    fn quota_used_up(&self, quota: &str, resets_in_seconds: u32) {
        let mut quotas = self.used_up_quotas.borrow_mut();
        let remembered = quotas.entry(quota.into()).or_default();
        *remembered = resets_in_seconds
            .min(LONGEST_PAUSE_SECONDS)
            .max(*remembered);
    }

    fn quota_resets_in(&self, quota: &str) -> Option<u32> {
        let quotas = self.used_up_quotas.borrow();
        quotas.get(quota).copied().filter(|seconds| *seconds > 0)
    }
}

impl Storage for Lent {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.storage.borrow().get(key).cloned())
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Entry>, StorageError> {
        let storage = self.storage.borrow();
        let wanted = storage.iter().filter(|(key, _)| {
            key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after)
        });
        let entries = wanted.take(limit as usize).map(|(key, value)| Entry {
            key: key.clone(),
            value: value.clone(),
        });
        Ok(entries.collect())
    }

    fn write(&self, writes: Vec<Write>) -> Result<(), StorageError> {
        let mut storage = self.storage.borrow_mut();
        for write in writes {
            match write.value {
                Some(value) => storage.insert(write.key, value),
                None => storage.remove(&write.key),
            };
        }
        Ok(())
    }
}

impl UserDirectory for Lent {
    fn find_by_email(&self, emails: &[String]) -> Result<Vec<Vec<User>>, String> {
        let (id, name, address) = USER;
        let found = |email: &String| {
            let user = User {
                id: id.into(),
                name: name.into(),
                email: Some(address.into()),
            };
            let is_asked_for = email.eq_ignore_ascii_case(address);
            is_asked_for.then_some(user).into_iter().collect()
        };
        Ok(emails.iter().map(found).collect())
    }
}

impl Clock for Lent {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(NOW_SECONDS)
    }
}

impl Random for Lent {
    fn random_bytes(&self, length: usize) -> Vec<u8> {
        vec![7; length]
    }
}

impl Log for Lent {
    fn log(&self, _: Level, message: &str) {
        self.logged.borrow_mut().push(message.into());
    }
}
