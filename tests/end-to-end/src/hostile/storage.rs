//! Storage providers that no toolchain would produce, written as WebAssembly text in `fixtures/storage-components`.
//!
//! A fixture that begins with `(component` is taken as it is. Any other is a part of a core module, which
//! [`module`] completes to a provider that keeps nothing and says so. Its line `;; call:` says which function is called,
//! `;; expect:` with which words the caller is told what came of it.
//!
//! That a provider acknowledges what it does not keep cannot be noticed from outside: the host takes its word, as it
//! takes that of a database. It is written down as what is to be expected.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use integration_host_contract::clock::SystemClock;
use integration_host_contract::id::ConnectionId;
use integration_host_engine::ComponentStore;
use integration_host_engine::{Engine, StorageComponent};
use integration_host_storage::{KeyValueStore, MAX_LIST, MemoryStore, Write};

use super::components::{Export, encode, exports, fixtures, noted};
use super::{Cage, Log, Report, shortened};

/// Unless a fixture does something else, they say that there is nothing, and that nothing was written because somebody was
/// faster.
const EXPORTS: [Export; 3] = [
    ("get", "(param i32 i32) (result i32)", "i32.const 256"),
    (
        "list",
        "(param i32 i32 i32 i32 i32 i32) (result i32)",
        "i32.const 256",
    ),
    (
        "commit",
        "(param i32 i32 i32 i32) (result i32)",
        "(i32.store8 (i32.const 260) (i32.const 1)) i32.const 256",
    ),
];

/// What fixtures may call to say that they were refused something: an error with a text.
const REFUSED: &str = r#"
  (data (i32.const 512) "it was refused")
  (func $refused (result i32)
    (i32.store8 (i32.const 544) (i32.const 1))
    (i32.store8 (i32.const 548) (i32.const 1))
    (i32.store (i32.const 552) (i32.const 512))
    (i32.store (i32.const 556) (i32.const 14))
    (i32.const 544))
"#;

/// What fixtures may call to use a bucket. What comes of it is at 576: first whether it failed.
const BUCKETS: &str = r#"
  (import "wasi:keyvalue/store@0.2.0-draft2" "open" (func $open (param i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft2" "[method]bucket.get" (func $get-key (param i32 i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft2" "[method]bucket.set" (func $set (param i32 i32 i32 i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft2" "[method]bucket.list-keys" (func $list-keys (param i32 i32 i32 i32 i32)))
"#;

/// What is kept of each connection before a provider runs: its bucket, and beside that what is the host's.
const KEPT: [(&str, &str); 2] = [
    ("bucket/default/p/a", "in the bucket"),
    ("secret/api-token", "sealed"),
];

/// Runs every fixture.
pub(super) async fn run(log: &Log, report: &mut Report) -> Result<()> {
    let engine = Engine::for_storage(&Cage::limits(), None)?;
    for path in fixtures("storage-components")? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let outcome = contain(&engine, &path, log).await;
        report.add(&format!("storage component {name}"), outcome);
    }
    let outcome = an_honest_one_goes_on(&engine).await;
    report.add("an honest storage component after all that", outcome);
    Ok(())
}

async fn contain(engine: &Engine, path: &Path, log: &Log) -> Result<()> {
    let text = std::fs::read_to_string(path)?;
    let (call, expected) = (noted(&text, "call")?, noted(&text, "expect")?);
    let buckets = buckets().await?;
    log.take();
    let told = told(engine, &text, call, &buckets).await?;
    let logged = log.take();
    ensure!(
        told.contains(expected),
        "it says \"{}\" instead of \"{expected}\"",
        shortened(&told)
    );
    ensure!(
        !told.contains(char::is_control) && told.len() < 2_000,
        "it is not one sentence: {}",
        shortened(&told)
    );
    if told.contains("failed in `") || logged.contains("breaks its contract") {
        ensure!(
            logged.contains("connection=attacker")
                && logged.contains(&format!("export=\"{call}\"")),
            "the log does not name it: {}",
            shortened(&logged)
        );
    }
    ensure!(
        logged
            .lines()
            .all(|line| line.contains(" WARN ") || line.contains(" INFO ")),
        "it forged a line of the log: {}",
        shortened(&logged)
    );
    nothing_else_was_touched(&buckets).await
}

/// Buckets of two connections, and what they must not reach.
async fn buckets() -> Result<Arc<MemoryStore>> {
    let buckets = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    for connection in ["attacker", "neighbour"] {
        let writes = KEPT.map(|(key, value)| write(key, value));
        buckets
            .commit(&ConnectionId::new(connection), &[], &writes)
            .await?;
    }
    Ok(buckets)
}

async fn nothing_else_was_touched(buckets: &MemoryStore) -> Result<()> {
    let neighbour = ConnectionId::new("neighbour");
    let theirs = buckets.list(&neighbour, "", None, MAX_LIST).await?;
    let theirs: Vec<_> = theirs
        .iter()
        .map(|entry| (entry.key.as_str(), entry.value.as_slice()))
        .collect();
    let kept = KEPT.map(|(key, value)| (key, value.as_bytes()));
    ensure!(theirs == kept, "it changed what another connection keeps");
    let attacker = ConnectionId::new("attacker");
    let own = buckets.list(&attacker, "", None, MAX_LIST).await?;
    for entry in own {
        let is_as_it_was = kept.contains(&(entry.key.as_str(), entry.value.as_slice()));
        ensure!(
            is_as_it_was || entry.key.starts_with("bucket/default/"),
            "it wrote {}, which is outside of its bucket",
            entry.key
        );
    }
    Ok(())
}

/// What the host says about a component: when it is loaded, or else when it is called.
async fn told(
    engine: &Engine,
    text: &str,
    call: &str,
    buckets: &Arc<MemoryStore>,
) -> Result<String> {
    let bytes = if text.contains("\n(component") {
        wat::parse_str(text)?
    } else {
        encode(&module(text), "storage-provider")?
    };
    let store = match StorageComponent::load(engine, &bytes).await {
        Ok(component) => store(component, buckets),
        Err(error) => return Ok(error.to_string()),
    };
    let attacker = ConnectionId::new("attacker");
    let outcome = match call {
        "get" => store
            .get(&attacker, "p/a")
            .await
            .map(|found| format!("{found:?}")),
        "list" => {
            let listed = store.list(&attacker, "p/", None, 3).await;
            listed.map(|listed| format!("{} entries", listed.len()))
        }
        "commit" => {
            let committed = store.commit(&attacker, &[], &[write("p/a", "new")]).await;
            committed.map(|outcome| format!("{outcome:?}"))
        }
        other => bail!("there is no function {other}"),
    };
    Ok(outcome.unwrap_or_else(|error| error.to_string()))
}

fn store(component: StorageComponent, buckets: &Arc<MemoryStore>) -> ComponentStore {
    let buckets = Arc::clone(buckets) as Arc<dyn KeyValueStore>;
    let timeout = Duration::from_secs(8);
    ComponentStore::new(component, buckets, timeout, Arc::new(SystemClock))
}

fn write(key: &str, value: &str) -> Write {
    Write {
        key: key.to_owned(),
        value: Some(value.as_bytes().to_vec()),
        expires_at: None,
    }
}

/// A core module with the fixture and everything it leaves out.
fn module(fixture: &str) -> String {
    let buckets = if fixture.contains("(call $open ") {
        BUCKETS
    } else {
        ""
    };
    let memory = if fixture.contains("(memory ") {
        ""
    } else {
        "(memory (export \"memory\") 2)"
    };
    let exports = exports(fixture, "storage", &EXPORTS);
    format!("(module {buckets} {memory} {REFUSED} {fixture} {exports})")
}

/// One that keeps to the contract works beside all of them.
async fn an_honest_one_goes_on(engine: &Engine) -> Result<()> {
    let bytes = std::fs::read(crate::keyvalue_storage_component()?)?;
    let store = store(
        StorageComponent::load(engine, &bytes).await?,
        &buckets().await?,
    );
    let neighbour = ConnectionId::new("neighbour");
    store
        .commit(&neighbour, &[], &[write("p/a", "new")])
        .await?;
    let found = store.get(&neighbour, "p/a").await?;
    ensure!(
        found.is_some_and(|entry| entry.value == b"new"),
        "it does not have what it was given"
    );
    Ok(())
}
