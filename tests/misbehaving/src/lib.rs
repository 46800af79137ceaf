//! A component that tries what an integration must not be able to do.
//!
//! `connect` takes the name of an attempt as the scope's id and returns what came of it as the
//! account's name. `test` makes the request a genuine integration would make and returns everything it got to see.
#![cfg(target_family = "wasm")]
#![allow(
    unsafe_code,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "generated bindings, and misbehaviour on purpose"
)]

wit_bindgen::generate!({ path: "../../wit", world: "integration-component", generate_all });

use exports::worksights::integration::integration::{
    Account, BoundScope, DeliveryResult, Error, Guest, Health, Manifest, NameRefresh, Pacing,
    Reconciliation, Scope, SecretField, Selection, Subscription, TeamMember, TestReport,
    WebhookRequest, WebhookRequirements,
};
use worksights::integration::http::{
    self, Authorization, BasicCredentials, Credential, Header, Method, Request,
};
use worksights::integration::storage;

struct Misbehaving;

impl Guest for Misbehaving {
    fn describe() -> Manifest {
        Manifest {
            id: "misbehaving".into(),
            name: "Misbehaving".into(),
            version: "0.1.0".into(),
            description: "Tries what it must not be able to do.".into(),
            secrets: vec![SecretField {
                name: "api-token".into(),
                label: "API token".into(),
                help: "Any text will do.".into(),
                help_url: "https://example.com/".into(),
                mistaken: Vec::new(),
            }],
            hosts: vec!["api.track.toggl.com".into()],
            pacing: Pacing {
                burst: 1000,
                requests_per_minute: 60_000,
            },
            webhook: WebhookRequirements {
                public_https: true,
                signature_header: "x-webhook-signature-256".into(),
            },
        }
    }

    fn test() -> Result<TestReport, Error> {
        let seen = request(
            "https://api.track.toggl.com/api/v9/me",
            own_token(),
            Vec::new(),
        );
        Ok(TestReport {
            account: account(seen),
            scopes: Vec::new(),
        })
    }

    fn connect(attempt: String) -> Result<BoundScope, Error> {
        let outcome = match attempt.as_str() {
            "loop" => endless_loop(),
            "recurse" => recurse(0).to_string(),
            "grow" => grow(),
            "trap" => panic!("on purpose"),
            "flood-log" => flood_log(),
            "flood-http" => flood_http(),
            "other-host" => request("https://example.com/", own_token(), Vec::new()),
            "plain-http" => request(
                "http://api.track.toggl.com/api/v9/me",
                own_token(),
                Vec::new(),
            ),
            "undeclared-secret" => {
                let secret = Authorization::Bearer(Credential::Secret("admin-token".into()));
                request("https://api.track.toggl.com/api/v9/me", secret, Vec::new())
            }
            "inject-header" => {
                let header = Header {
                    name: "x-note".into(),
                    value: "a\r\nx-other: b".into(),
                };
                request(
                    "https://api.track.toggl.com/api/v9/me",
                    own_token(),
                    vec![header],
                )
            }
            "leave-scope" => leave_scope(),
            "write-and-fail" => {
                let _ = write("left-behind");
                return Err(Error::Internal("failed on purpose".into()));
            }
            "write-and-trap" => {
                let _ = write("left-behind");
                panic!("on purpose")
            }
            "read" => format!(
                "{:?}",
                storage::get("left-behind").map(|entry| entry.is_some())
            ),
            other => return Err(Error::InvalidInput(format!("no attempt is called {other}"))),
        };
        Ok(BoundScope {
            account: account(outcome),
            scope: Scope {
                id: attempt.clone(),
                name: attempt,
                organization: None,
                plan: None,
                role: None,
                obstacle: None,
            },
        })
    }

    fn subscribe(_: String) -> Result<Subscription, Error> {
        unsupported()
    }

    fn handle_webhook(_: WebhookRequest) -> Result<DeliveryResult, Error> {
        unsupported()
    }

    fn map_users() -> Result<Vec<TeamMember>, Error> {
        unsupported()
    }

    fn refresh_names() -> Result<NameRefresh, Error> {
        unsupported()
    }

    fn check(_: String) -> Result<Health, Error> {
        unsupported()
    }

    fn reconcile(_: Selection, _: Option<String>) -> Result<Reconciliation, Error> {
        unsupported()
    }

    fn disconnect() -> Result<(), Error> {
        Ok(())
    }
}

fn unsupported<T>() -> Result<T, Error> {
    Err(Error::Internal("this component only misbehaves".into()))
}

fn account(name: String) -> Account {
    Account {
        id: "1".into(),
        name,
        email: None,
    }
}

fn own_token() -> Authorization {
    Authorization::Basic(BasicCredentials {
        username: Credential::Secret("api-token".into()),
        password: Credential::Literal("api_token".into()),
    })
}

/// Sends a GET request and returns everything that came back.
fn request(url: &str, authorization: Authorization, headers: Vec<Header>) -> String {
    let answer = http::send(&Request {
        method: Method::Get,
        url: url.into(),
        headers,
        authorization,
        body: None,
        idempotent: true,
    });
    match answer {
        Ok(response) => {
            let body = String::from_utf8_lossy(&response.body);
            format!("{} {:?} {body}", response.status, response.headers)
        }
        Err(error) => format!("{error:?}"),
    }
}

fn endless_loop() -> String {
    let mut number = 0_u64;
    loop {
        number = std::hint::black_box(number.wrapping_add(1));
    }
}

#[allow(unconditional_recursion, reason = "misbehaviour on purpose")]
fn recurse(depth: u64) -> u64 {
    std::hint::black_box(recurse(depth + 1)) + 1
}

fn grow() -> String {
    let mut hoard = Vec::new();
    loop {
        hoard.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

fn flood_log() -> String {
    for number in 0..100_000 {
        wasi::logging::logging::log(
            wasi::logging::logging::Level::Info,
            "flood",
            &format!("line {number}\nforged=true"),
        );
    }
    "logged".into()
}

fn flood_http() -> String {
    let mut last = String::new();
    for _ in 0..1000 {
        last = request(
            "https://api.track.toggl.com/api/v9/me/logged",
            own_token(),
            Vec::new(),
        );
        if !last.starts_with("200") {
            break;
        }
    }
    last
}

fn write(key: &str) -> Result<storage::CommitOutcome, storage::Error> {
    storage::commit(
        &[],
        &[storage::Write {
            key: key.into(),
            value: Some(vec![1]),
            expires_at_seconds: None,
        }],
    )
}

/// Tries to reach keys that are not the integration's, and returns what it found.
fn leave_scope() -> String {
    let mut found = Vec::new();
    for key in [
        "secret/api-token",
        "../secret/api-token",
        "/secret/api-token",
        "integration/",
    ] {
        if let Ok(Some(entry)) = storage::get(key) {
            found.push(entry.key);
        }
    }
    for prefix in ["", "..", "/", "secret", "\0"] {
        if let Ok(entries) = storage::list(prefix, None, 100) {
            found.extend(entries.into_iter().map(|entry| entry.key));
        }
    }
    format!("{found:?}")
}

export!(Misbehaving);
