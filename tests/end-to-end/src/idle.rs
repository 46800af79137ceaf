//! What connections cost that nothing is delivered for: memory of the host, and time at its start.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::future::try_join_all;
use integration_host_contract::clock::SystemClock;
use integration_host_contract::id::{ConnectionId, HookId, ScopeId};
use integration_host_database::SqliteDatabase;
use integration_host_ledger::{
    Connection, ConnectionState, ConnectionUpdate, Connections as _, CoverageLog as _, Ledger as _,
    NewConnection,
};
use integration_host_ledger_sql::SqliteLedger;
use integration_host_seal::{KeySource, SealingKeys};
use integration_host_storage::{KeyValueStore, SealedStore, SqliteStore, Write};
use jiff::Timestamp;
use tokio::time::sleep;

use crate::eventually_within;
use crate::process::HostProcess;
use crate::setup::{NORTHWIND, Setup};

/// Connections written at the same time.
const AT_ONCE: usize = 500;

/// After its start a host looks at each connection, at most a hundred of them a second.
const FIRST_LOOK: Duration = Duration::from_millis(10);

/// A host that has not grown for so long has settled.
const STEADY: Duration = Duration::from_secs(5);

/// How long it may take until it does not.
const LONGEST: Duration = Duration::from_secs(3_600);

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// How long a host with one connection took from its start until it listened.
    pub start_with_one: Duration,
    /// How long it took with all of them.
    pub start_with_all: Duration,
    /// What was resident of a host with one connection, in bytes.
    pub resident_with_one: u64,
    /// What was resident with all of them.
    pub resident_with_all: u64,
    /// The most that was resident at any time with all of them.
    pub peak_with_all: u64,
    /// What each further connection adds to what is resident, in bytes.
    pub bytes_each: f64,
}

/// Measures the host program with one connection and with so many, at least two. They are copies of one that was
/// made as people do, with all it stores, in one SQLite file, and nothing is delivered.
///
/// Everything that is resident counts (`VmRSS`): the plans of background work, SQLite's page caches, what the
/// looks at the connections after the start leave behind. It is read when no work waits and the host has not
/// grown for some seconds.
pub async fn memory_per_connection(connections: usize) -> Result<Idle> {
    let mut setup = Setup::builder().unlimited().start().await?;
    setup.connect(NORTHWIND).await?;
    setup.host.terminate().await?;
    let (start_with_one, one) = start_and_settle(&mut setup, 1).await?;
    setup.host.terminate().await?;
    let further = connections.saturating_sub(1).max(1);
    copy(&setup.options.data, further).await?;
    let (start_with_all, all) = start_and_settle(&mut setup, connections).await?;
    setup.host.terminate().await?;
    let added = all.resident.saturating_sub(one.resident);
    Ok(Idle {
        start_with_one,
        start_with_all,
        resident_with_one: one.resident,
        resident_with_all: all.resident,
        peak_with_all: all.peak,
        bytes_each: added as f64 / further as f64,
    })
}

/// Starts the host, and returns how long that took and its memory once it has settled.
async fn start_and_settle(setup: &mut Setup, connections: usize) -> Result<(Duration, Memory)> {
    let begin = Instant::now();
    setup.restart().await?;
    let started_in = begin.elapsed();
    sleep(FIRST_LOOK * u32::try_from(connections)?).await;
    let mut steady_since = Instant::now();
    let mut most = 0;
    let mut look = async || {
        sleep(Duration::from_millis(500)).await;
        let resident = memory(&setup.host)?.resident;
        if resident > most || is_behind(&setup.host).await? {
            steady_since = Instant::now();
        }
        most = most.max(resident);
        anyhow::Ok((steady_since.elapsed() >= STEADY).then_some(()))
    };
    let settles = async || look().await.transpose();
    eventually_within(LONGEST, "the host goes on growing", settles).await??;
    Ok((started_in, memory(&setup.host)?))
}

/// Whether background work waits that could be done.
async fn is_behind(host: &HostProcess) -> Result<bool> {
    let text = host.metrics().await?;
    let late = text
        .lines()
        .find_map(|line| line.strip_prefix("integration_background_late_seconds "))
        .context("it is not told how late background work is")?;
    Ok(late.parse::<f64>()? > 1.0)
}

/// Memory of a process, in bytes.
struct Memory {
    resident: u64,
    peak: u64,
}

fn memory(host: &HostProcess) -> Result<Memory> {
    let id = host.id().context("the host has ended")?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kibibytes: u64 = kibibytes.with_context(|| format!("no {name}"))?.parse()?;
        anyhow::Ok(kibibytes * 1024)
    };
    Ok(Memory {
        resident: bytes("VmRSS:")?,
        peak: bytes("VmHWM:")?,
    })
}

/// Makes so many copies of the oldest connection in a data directory, whose host must not be running.
pub async fn copy(data: &Path, count: usize) -> Result<()> {
    let database = SqliteDatabase::open(data.join("host.sqlite"))?;
    let ledger = SqliteLedger::new(database.clone());
    let key = KeySource::File(data.join("sealing-key"));
    let keys = SealingKeys::load(key, Duration::from_secs(1)).await?;
    let raw = Arc::new(SqliteStore::new(database, Arc::new(SystemClock)));
    let store = SealedStore::new(raw, Arc::new(keys));
    let only = ledger.connections().await?;
    let original = only.first().context("there is no connection")?;
    let entries = store.list(&original.id, "", None, 1000).await?;
    let writes: Vec<Write> = entries
        .into_iter()
        .map(|entry| Write {
            key: entry.key,
            value: Some(entry.value),
            expires_at: entry.expires_at,
        })
        .collect();
    for first in (0..count).step_by(AT_ONCE) {
        let numbers = first..count.min(first + AT_ONCE);
        let copies = numbers.map(|number| copy_one(&ledger, &store, original, &writes, number));
        try_join_all(copies).await?;
    }
    // However long this took, no delivery was missed meanwhile.
    ledger.heartbeat(Timestamp::now()).await?;
    ledger.close().await;
    Ok(())
}

async fn copy_one(
    ledger: &SqliteLedger,
    store: &SealedStore,
    original: &Connection,
    writes: &[Write],
    number: usize,
) -> Result<()> {
    let new = NewConnection {
        id: ConnectionId::generate(),
        hook: HookId::generate(),
        name: Some(format!("{} {number}", original.name)),
        integration: original.integration.clone(),
        scope_id: ScopeId::new(format!("{}{number:06}", original.scope_id)),
        created_at: original.created_at,
    };
    let id = ledger.create_connection(new).await?.id;
    store.commit(&id, &[], writes).await?;
    let made = ConnectionUpdate {
        scope_name: Some(original.scope_name.clone()),
        owner: Some(original.owner.clone()),
        state: Some(ConnectionState::Active),
        subscription: Some(original.subscription.clone()),
        quotas: original.quotas.clone(),
        ..ConnectionUpdate::default()
    };
    ledger
        .update_connection(&id, made, original.updated_at)
        .await?;
    Ok(())
}
