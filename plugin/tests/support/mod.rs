//! A host in memory, for tests: storage, scripted answers of Toggl, users, a clock that stands.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};

use hmac::{Hmac, KeyInit, Mac};
use toggl_integration::Toggl;
use toggl_integration::capability::*;
use toggl_integration::model::{User, WebhookRequest};
use toggl_integration::time::Timestamp;

pub const CALLBACK: &str = "https://time.example.com/hooks/0123456789abcdef";
pub const WORKSPACE: u64 = 2_230_580;
pub const ME: &str = include_str!("../fixtures/me.json");
pub const WORKSPACES: &str = include_str!("../fixtures/workspaces.json");
pub const ORGANIZATIONS: &str = include_str!("../fixtures/organizations.json");

type Answer = Result<HttpResponse, HttpError>;

#[derive(Default)]
pub struct FakeHost {
    pub storage: RefCell<BTreeMap<String, Vec<u8>>>,
    pub expiries: RefCell<BTreeMap<String, Timestamp>>,
    pub reads: Cell<usize>,
    pub requests: RefCell<Vec<HttpRequest>>,
    routes: RefCell<Vec<(Method, String, VecDeque<Answer>)>>,
    pub users: RefCell<Vec<User>>,
    pub lookups: RefCell<Vec<Vec<String>>>,
    pub logged: RefCell<Vec<String>>,
    pub now: Cell<Timestamp>,
    drawn: Cell<u8>,
    pub used_up_quotas: RefCell<BTreeMap<String, u32>>,
}

impl FakeHost {
    pub fn new() -> Self {
        let host = Self::default();
        host.now
            .set(Timestamp::parse("2026-03-01T12:00:00Z").unwrap());
        host
    }

    /// A host whose connection is bound to the recorded workspace.
    pub fn connected() -> Self {
        let host = Self::new();
        host.serve_account();
        host.toggl().connect(&WORKSPACE.to_string()).unwrap();
        host.requests.borrow_mut().clear();
        host
    }

    pub fn serve_account(&self) {
        self.on(Method::Get, "/api/v9/me", 200, ME);
        self.on(Method::Get, "/me/workspaces", 200, WORKSPACES);
        self.on(Method::Get, "/me/organizations", 200, ORGANIZATIONS);
    }

    pub fn toggl(&self) -> Toggl<'_> {
        Toggl::new(self)
    }

    /// Answers requests whose URL ends so. Answers to the same route are given in turn, the last
    /// for good.
    pub fn on(&self, method: Method, url_end: &str, status: u16, body: &str) {
        self.on_with(method, url_end, status, &[], body);
    }

    pub fn on_with(
        &self,
        method: Method,
        url_end: &str,
        status: u16,
        headers: &[(&str, &str)],
        body: &str,
    ) {
        let headers = headers
            .iter()
            .map(|(name, value)| Header {
                name: (*name).into(),
                value: (*value).into(),
            })
            .collect();
        let answer = Ok(HttpResponse {
            status,
            headers,
            body: body.into(),
        });
        let mut routes = self.routes.borrow_mut();
        match routes
            .iter_mut()
            .find(|route| route.0 == method && route.1 == url_end)
        {
            Some(route) => route.2.push_back(answer),
            None => routes.push((method, url_end.into(), VecDeque::from([answer]))),
        }
    }

    /// Forgets what a route answered so far.
    pub fn reset(&self, method: Method, url_end: &str) {
        self.routes
            .borrow_mut()
            .retain(|route| route.0 != method || route.1 != url_end);
    }

    /// `METHOD path` of every request so far.
    pub fn calls(&self) -> Vec<String> {
        let requests = self.requests.borrow();
        let path = |url: &str| {
            url.strip_prefix("https://api.track.toggl.com")
                .unwrap()
                .to_owned()
        };
        requests
            .iter()
            .map(|request| format!("{:?} {}", request.method, path(&request.url)))
            .collect()
    }

    pub fn last_body(&self, method: Method) -> serde_json::Value {
        let requests = self.requests.borrow();
        let request = requests
            .iter()
            .rev()
            .find(|request| request.method == method)
            .unwrap();
        serde_json::from_slice(request.body.as_ref().unwrap()).unwrap()
    }

    pub fn state(&self, key: &str) -> serde_json::Value {
        serde_json::from_slice(&self.storage.borrow()[key]).unwrap()
    }

    pub fn set_state(&self, key: &str, value: serde_json::Value) {
        self.storage
            .borrow_mut()
            .insert(key.into(), value.to_string().into_bytes());
    }

    pub fn secret(&self) -> String {
        self.state("webhook")["secret"].as_str().unwrap().into()
    }

    /// A delivery signed with the connection's secret.
    pub fn signed(&self, body: &[u8]) -> WebhookRequest {
        signed(&self.secret(), body)
    }
}

pub fn signed(secret: &str, body: &[u8]) -> WebhookRequest {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    let signature = hex::encode(mac.finalize().into_bytes());
    WebhookRequest {
        callback_url: CALLBACK.into(),
        headers: vec![Header {
            name: "X-Webhook-Signature-256".into(),
            value: format!("sha256={signature}"),
        }],
        body: body.into(),
    }
}

impl Http for FakeHost {
    fn send(&self, request: &HttpRequest) -> Answer {
        self.requests.borrow_mut().push(request.clone());
        let mut routes = self.routes.borrow_mut();
        let route = routes
            .iter_mut()
            .filter(|route| route.0 == request.method && request.url.ends_with(&route.1))
            .max_by_key(|route| route.1.len()); // the most specific one
        let Some((_, _, answers)) = route else {
            let body = b"not found".to_vec();
            return Ok(HttpResponse {
                status: 404,
                headers: Vec::new(),
                body,
            });
        };
        if answers.len() > 1 {
            answers.pop_front().unwrap()
        } else {
            answers[0].clone()
        }
    }

    fn quota_used_up(&self, quota: &str, resets_in_seconds: u32) {
        self.used_up_quotas
            .borrow_mut()
            .insert(quota.into(), resets_in_seconds);
    }

    fn quota_resets_in(&self, quota: &str) -> Option<u32> {
        self.used_up_quotas.borrow().get(quota).copied()
    }
}

impl Storage for FakeHost {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.reads.set(self.reads.get() + 1);
        Ok(self.storage.borrow().get(key).cloned())
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Entry>, StorageError> {
        let storage = self.storage.borrow();
        let entries = storage
            .iter()
            .filter(|(key, _)| {
                key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after)
            })
            .take(limit as usize)
            .map(|(key, value)| Entry {
                key: key.clone(),
                value: value.clone(),
            });
        Ok(entries.collect())
    }

    fn write(&self, writes: Vec<Write>) -> Result<(), StorageError> {
        let mut keys: Vec<&str> = writes.iter().map(|write| write.key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), writes.len(), "a commit writes a key once");
        for write in writes {
            self.expiries.borrow_mut().remove(&write.key);
            if let Some(expires_at) = write.expires_at {
                self.expiries
                    .borrow_mut()
                    .insert(write.key.clone(), expires_at);
            }
            match write.value {
                Some(value) => self.storage.borrow_mut().insert(write.key, value),
                None => self.storage.borrow_mut().remove(&write.key),
            };
        }
        Ok(())
    }
}

impl UserDirectory for FakeHost {
    fn find_by_email(&self, emails: &[String]) -> Result<Vec<Vec<User>>, String> {
        self.lookups.borrow_mut().push(emails.to_vec());
        let users = self.users.borrow();
        let having = |email: &String| {
            let has = |user: &&User| {
                user.email
                    .as_ref()
                    .is_some_and(|other| other.eq_ignore_ascii_case(email))
            };
            users.iter().filter(has).cloned().collect()
        };
        Ok(emails.iter().map(having).collect())
    }
}

impl Clock for FakeHost {
    fn now(&self) -> Timestamp {
        self.now.get()
    }
}

impl Random for FakeHost {
    fn random_bytes(&self, length: usize) -> Vec<u8> {
        let drawn = self.drawn.get().wrapping_add(7);
        self.drawn.set(drawn);
        vec![drawn; length]
    }
}

impl Log for FakeHost {
    fn log(&self, _: Level, message: &str) {
        self.logged.borrow_mut().push(message.into());
    }
}
