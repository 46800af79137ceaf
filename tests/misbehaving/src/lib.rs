//! A component that tries what an integration must not be able to do.
//!
//! Every function takes the name of an *attempt* (see `attempts`) and otherwise behaves: `connect` as the
//! scope's id, `subscribe` and `check` as the callback URL, `reconcile` as the cursor, `handle-webhook` as
//! the header `x-attempt`, and those without arguments find it in storage under the key `attempt`.
//! `connect` returns what came of it as the account's name.
#![cfg(target_family = "wasm")]
#![allow(
    unsafe_code,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "generated bindings, and misbehaviour on purpose"
)]

mod attempts;

wit_bindgen::generate!({ path: "../../wit", world: "integration-component", generate_all });

use attempts::{attempt, returns, stored_attempt};
use exports::worksights::integration::integration::{
    Account, BoundScope, Callback, DeliveryOutcome, DeliveryResult, Error, Guest, Health, Manifest,
    NameRefresh, Noun, Pacing, Reconciliation, Scope, SecretField, Selection, Subscription, Team,
    TestReport, WebhookRequest, WebhookRequirements, WebhookResponse,
};

struct Misbehaving;

impl Guest for Misbehaving {
    fn describe() -> Manifest {
        Manifest {
            id: "misbehaving".into(),
            name: "Misbehaving".into(),
            version: "0.1.0".into(),
            description: "Tries what it must not be able to do.".into(),
            scope_noun: Noun {
                singular: "attempt".into(),
                plural: "attempts".into(),
            },
            subject_kinds: Vec::new(),
            charted_kind: None,
            secrets: vec![SecretField {
                name: "api-token".into(),
                label: "API token".into(),
                help: "Any text will do.".into(),
                help_url: "https://example.com/".into(),
                mistaken: Vec::new(),
            }],
            hosts: vec![
                "api.track.toggl.com".into(),
                "inside.example.com".into(),
                "odd.example.com".into(),
            ],
            pacing: Pacing {
                burst: 1000,
                requests_per_minute: 60_000,
                longest_quota_seconds: 0,
            },
            webhook: WebhookRequirements {
                public_https: true,
                signature_header: "x-webhook-signature-256".into(),
                signature: None,
            },
        }
    }

    /// Without an attempt, makes the request a genuine integration would make and returns everything it
    /// got to see.
    fn test() -> Result<TestReport, Error> {
        let name = stored_attempt().unwrap_or_else(|| "own-account".into());
        let outcome = attempt(&name)?;
        Ok(TestReport {
            account: account(outcome),
            scopes: returns::scopes(&name),
        })
    }

    fn connect(name: String) -> Result<BoundScope, Error> {
        let outcome = attempt(&name)?;
        Ok(BoundScope {
            account: account(outcome),
            scope: scope(name),
        })
    }

    /// A real callback is no attempt.
    fn subscribe(Callback { url: name, .. }: Callback) -> Result<Subscription, Error> {
        if !name.starts_with("http") {
            attempt(&name)?;
        }
        Ok(Subscription {
            id: returns::text(&name),
            enabled: true,
            validated_at: None,
            events: returns::texts(&name),
        })
    }

    fn handle_webhook(request: WebhookRequest) -> Result<DeliveryResult, Error> {
        let header = request
            .headers
            .into_iter()
            .find(|header| header.name == "x-attempt");
        let name = header.map(|header| header.value).unwrap_or_default();
        attempt(&name)?;
        Ok(DeliveryResult {
            response: WebhookResponse {
                status: 200,
                content_type: None,
                body: returns::answer(&name),
            },
            outcome: DeliveryOutcome::Accepted,
            detail: returns::text(&name),
            event_id: None,
            changes: returns::changes(&name),
            notes: Vec::new(),
            names_missing: false,
        })
    }

    fn map_users() -> Result<Team, Error> {
        let name = stored_attempt().unwrap_or_default();
        attempt(&name)?;
        Ok(Team {
            members: returns::members(&name),
            notes: Vec::new(),
        })
    }

    fn refresh_names() -> Result<NameRefresh, Error> {
        let name = stored_attempt().unwrap_or_default();
        attempt(&name)?;
        Ok(NameRefresh {
            subjects: returns::changes(&name).subjects,
            notes: Vec::new(),
            again_in_seconds: None,
        })
    }

    fn check(Callback { url: name, .. }: Callback) -> Result<Health, Error> {
        attempt(&name)?;
        Ok(Health {
            account: Some(account(returns::text(&name))),
            scope: None,
            subscription: None,
            quotas: returns::quotas(&name),
            problem: None,
        })
    }

    fn reconcile(_: Selection, cursor: Option<String>) -> Result<Reconciliation, Error> {
        let name = cursor.unwrap_or_default();
        attempt(&name)?;
        Ok(Reconciliation {
            changes: returns::changes(&name),
            missing: Vec::new(),
            quotas: Vec::new(),
            notes: Vec::new(),
            unread: 0,
            next: None,
        })
    }

    fn disconnect(_: Callback) -> Result<(), Error> {
        attempt(&stored_attempt().unwrap_or_default()).map(drop)
    }
}

fn account(name: String) -> Account {
    Account {
        id: "1".into(),
        name,
        email: None,
    }
}

fn scope(id: String) -> Scope {
    Scope {
        name: id.clone(),
        id,
        organization: None,
        plan: None,
        role: None,
        obstacle: None,
    }
}

export!(Misbehaving);
