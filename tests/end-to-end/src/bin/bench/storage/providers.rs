//! How long each storage provider takes for a call, asked by one caller after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use end_to_end::keyvalue_storage_component;
use integration_host_contract::clock::{Clock, SystemClock};
use integration_host_contract::id::ConnectionId;
use integration_host_contract::limits::Limits;
use integration_host_database::SqliteDatabase;
use integration_host_database::postgres::PostgresDatabase;
use integration_host_engine::ComponentStore;
use integration_host_engine::{Engine, StorageComponent};
use integration_host_storage::{
    Commit, Expectation, KeyValueStore, MemoryStore, PostgresStore, RedisStore, SqliteStore, Write,
};
use test_services::{Durability, PostgresServer, RedisServer};

use crate::times::Times;

const CONNECTIONS: usize = 100;
const KEYS: usize = 100;
/// As long as a stored value usually is, sealed.
const VALUE_BYTES: usize = 320;
const MANY: usize = 16;
/// How often each call is made.
const CALLS: usize = 2_000;
/// How often, where each writes to the disk.
const COMMITS: usize = 1_000;

/// No call waits for this long.
const PATIENCE: Duration = Duration::from_secs(30);

pub async fn measure() -> Result<()> {
    println!(
        "\nStorage: {CONNECTIONS} connections with {KEYS} values of {VALUE_BYTES} bytes; half the calls / 99 of 100 within"
    );
    println!(
        "{:<12} {:>20} {:>20} {:>20} {:>20}",
        "", "get", "list 100", "commit 1", "commit 16"
    );
    let folder = tempfile::tempdir()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let sqlite = |name: &str| -> Result<SqliteStore> {
        let database = SqliteDatabase::open(folder.path().join(name))?;
        Ok(SqliteStore::new(database, Arc::clone(&clock)))
    };

    show("memory", &MemoryStore::new(Arc::clone(&clock))).await?;
    show("sqlite", &sqlite("sqlite")?).await?;
    if let Some(server) = PostgresServer::start(Durability::Disk)? {
        let database = PostgresDatabase::open(&server.url().parse()?).await?;
        show(
            "postgres",
            &PostgresStore::new(database, Arc::clone(&clock)),
        )
        .await?;
    }
    if let Some(server) = RedisServer::start(&[])? {
        let address = server.url().parse()?;
        let store = RedisStore::open(&address, PATIENCE, Arc::clone(&clock)).await?;
        show("redis", &store).await?;
    }
    let engine = Engine::for_storage(&Limits::default(), None)?;
    let bytes = std::fs::read(keyvalue_storage_component()?)?;
    let component = StorageComponent::load(&engine, &bytes).await?;
    let buckets = Arc::new(sqlite("component")?);
    let store = ComponentStore::new(component, buckets, PATIENCE, clock);
    show("component", &store).await
}

/// Fills a provider, measures it, and prints its line.
async fn show(name: &str, store: &dyn KeyValueStore) -> Result<()> {
    let connections: Vec<_> = (0..CONNECTIONS).map(|_| ConnectionId::generate()).collect();
    for connection in &connections {
        for first in (0..KEYS).step_by(MANY) {
            let last = (first + MANY).min(KEYS);
            let writes: Vec<_> = (first..last).map(|number| write(number, 0)).collect();
            let commit = store.commit(connection, &[], &writes).await?;
            ensure!(commit == Commit::Committed, "{name} did not commit");
        }
    }
    // Spread, and the same ones always.
    let spread = connections.iter().cycle().step_by(37);
    let asked: Vec<_> = spread.take(CALLS.max(COMMITS)).collect();
    let get = time(&asked, async |call, connection| {
        let entry = store.get(connection, &key(call * 7 % KEYS)).await?;
        ensure!(entry.is_some(), "{name} lost a key");
        Ok(())
    })
    .await?;
    let list = time(&asked, async |_, connection| {
        let entries = store.list(connection, "", None, KEYS).await?;
        ensure!(entries.len() == KEYS, "{name} lists {}", entries.len());
        Ok(())
    })
    .await?;
    let one = commits(store, 1, &asked).await?;
    let many = commits(store, MANY, &asked).await?;
    println!("{name:<12} {get:>20} {list:>20} {one:>20} {many:>20}");
    Ok(())
}

/// Commits of so many writes, each of which expects what was read before; only the commit is timed.
async fn commits(
    store: &dyn KeyValueStore,
    writes: usize,
    connections: &[&ConnectionId],
) -> Result<Times> {
    let mut times = Vec::with_capacity(COMMITS);
    for (call, connection) in connections.iter().take(COMMITS).enumerate() {
        let first = call * 7 % (KEYS - writes + 1);
        let writes: Vec<_> = (first..first + writes)
            .map(|number| write(number, call))
            .collect();
        let mut expected = Vec::with_capacity(writes.len());
        for write in &writes {
            let entry = store.get(connection, &write.key).await?;
            expected.push(Expectation {
                key: write.key.clone(),
                version: entry.map(|entry| entry.version),
            });
        }
        let began = Instant::now();
        let commit = store.commit(connection, &expected, &writes).await?;
        times.push(began.elapsed());
        ensure!(commit == Commit::Committed, "a commit lost a race alone");
    }
    Ok(Times::new(times))
}

async fn time(
    connections: &[&ConnectionId],
    ask: impl AsyncFn(usize, &ConnectionId) -> Result<()>,
) -> Result<Times> {
    let mut times = Vec::with_capacity(CALLS);
    for (call, connection) in connections.iter().take(CALLS).enumerate() {
        let began = Instant::now();
        ask(call, connection).await?;
        times.push(began.elapsed());
    }
    Ok(Times::new(times))
}

fn key(number: usize) -> String {
    format!("entry/{number:04}")
}

fn write(number: usize, round: usize) -> Write {
    let byte = (number + round) as u8;
    Write {
        key: key(number),
        value: Some(vec![byte; VALUE_BYTES]),
        expires_at: None,
    }
}
