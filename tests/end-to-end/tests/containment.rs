//! A component that misbehaves is stopped within its limits and leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use end_to_end::{lend_http, load_component, misbehaving_component};
use integration_host::capability::http::{HttpLimits, SecretSource};
use integration_host::capability::storage::{MemoryStore, Write};
use integration_host::capability::user_directory::EmptyDirectory;
use integration_host::clock::SystemClock;
use integration_host::engine::{CallContext, CallError, Integration};
use integration_host::id::{ConnectionId, ScopeId};
use integration_host::limits::Limits;
use integration_host::secret::Secret;
use toggl_sandbox::{RunningSandbox, Sandbox, Scenario};

const TOKEN_NAME: &str = "api-token";

struct Cage {
    integration: Integration,
    context: CallContext,
    sandbox: RunningSandbox,
}

impl Cage {
    async fn new() -> Self {
        let limits = Limits {
            cpu_ms: 200,
            http_requests_per_call: 5,
            ..Limits::default()
        };
        let sandbox = Sandbox::start(Scenario::default()).await.unwrap();
        let integration = load_component(&misbehaving_component().unwrap(), limits.clone())
            .await
            .unwrap();
        let http = lend_http(
            &integration,
            &sandbox,
            HttpLimits {
                max_requests: limits.http_requests_per_call,
                ..HttpLimits::default()
            },
        )
        .unwrap();
        let context = CallContext {
            connection: ConnectionId::new("c"),
            store: Arc::new(MemoryStore::new(Arc::new(SystemClock))),
            secrets: SecretSource::Given(BTreeMap::from([(
                TOKEN_NAME.to_owned(),
                Secret::new(sandbox.token()),
            )])),
            directory: Arc::new(EmptyDirectory),
            http: Arc::new(http),
            clock: Arc::new(SystemClock),
        };
        Self {
            integration,
            context,
            sandbox,
        }
    }

    async fn attempt(&self, name: &str) -> Result<String, CallError> {
        let bound = self
            .integration
            .connect(&self.context, &ScopeId::new(name))
            .await?;
        Ok(bound.account.name)
    }
}

#[tokio::test]
async fn loops_recursion_memory_and_traps_end_the_call() {
    let cage = Cage::new().await;
    for (attempt, cause) in [
        ("loop", "CPU"),
        ("recurse", "stack"),
        ("grow", "memory"),
        ("trap", "unreachable"),
    ] {
        let started = Instant::now();
        let error = cage.attempt(attempt).await.unwrap_err();
        let CallError::Trap { cause: told, .. } = &error else {
            panic!("{attempt}: {error}")
        };
        assert!(told.contains(cause), "{attempt}: the log says \"{told}\"");
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{attempt} took too long"
        );
    }
    assert!(cage.attempt("read").await.is_ok(), "the next call works");
}

#[tokio::test]
async fn requests_that_are_not_allowed_never_leave_the_host() {
    let cage = Cage::new().await;
    for attempt in [
        "other-host",
        "plain-http",
        "undeclared-secret",
        "inject-header",
    ] {
        let outcome = cage.attempt(attempt).await.unwrap();
        assert!(
            outcome.starts_with("Error::Refused"),
            "{attempt}: {outcome}"
        );
    }
    assert!(cage.sandbox.control().requests().is_empty());

    let outcome = cage.attempt("flood-http").await.unwrap();
    assert!(outcome.starts_with("Error::LimitExceeded"), "{outcome}");
    assert_eq!(cage.sandbox.control().requests().len(), 5);
    assert_eq!(cage.attempt("flood-log").await.unwrap(), "logged");
}

#[tokio::test]
async fn keys_of_the_host_are_out_of_reach() {
    let cage = Cage::new().await;
    let secret = Write {
        key: "secret/api-token".into(),
        value: Some(vec![1]),
        expires_at: None,
    };
    cage.context
        .store
        .commit(&cage.context.connection, &[], &[secret])
        .await
        .unwrap();
    assert_eq!(cage.attempt("leave-scope").await.unwrap(), "[]");
}

#[tokio::test]
async fn a_call_that_fails_leaves_nothing_behind() {
    let cage = Cage::new().await;
    for attempt in ["write-and-fail", "write-and-trap"] {
        assert!(cage.attempt(attempt).await.is_err());
        let all = cage
            .context
            .store
            .list(&cage.context.connection, "", None, 10)
            .await
            .unwrap();
        assert!(all.is_empty(), "{attempt} left {all:?}");
    }
}
