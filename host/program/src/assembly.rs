//! Putting the reference host together from its settings. A platform that embeds the host with its
//! own providers does the same with [`Host::builder`].

mod backends;
mod cache;
mod directory;
pub(crate) mod lock;
pub(crate) mod presence;
mod storage_component;

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use crate::config::{LedgerChoice, Settings, StorageChoice};
use anyhow::{Context as _, Result, anyhow, bail};
use integration_host::Host;
use integration_host_contract::Manifest;
use integration_host_contract::clock::{Clock, SteadyClock, SystemClock};
use integration_host_contract::limits::Limits;
use integration_host_database::key_ids_in;
use integration_host_engine::{Engine, Integration};
use integration_host_ledger::Ledger;
use integration_host_ledger::transfer::Contents;
use integration_host_seal::{KeySource, SealingKeys};

pub(crate) use self::backends::Backends;

/// What a component is, found out without lending it anything.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// What it says about itself.
    pub manifest: Manifest,
    /// Interfaces it imports.
    pub imports: Vec<String>,
    /// Interfaces it exports.
    pub exports: Vec<String>,
    /// Size of the file, in bytes.
    pub size_bytes: u64,
}

/// A host that runs, except for its server. The data directory exists.
///
/// # Errors
/// A sentence that names what cannot be used and what helps.
pub async fn assemble(settings: &Settings) -> Result<Host> {
    let clock: Arc<dyn Clock> = Arc::new(SteadyClock::default());
    let keys = open_keys(settings).await?;
    let kept = backends::open(settings, Some(&keys), &clock).await?;
    refuse_half_an_import(&*kept.ledger).await?;
    let directory = directory::open(settings).await?;
    let cache = settings.data.join("cache");
    let integration = load(&settings.component, &settings.limits, Some(&cache)).await?;
    let hosts = settings.hosts.clone();
    let mut host = Host::builder(integration)
        .storage(kept.store)
        .ledger(kept.ledger)
        .directory(directory)
        .sealing_keys(keys)
        .clock(clock)
        .public_url(settings.callback_base())
        .upstreams(hosts.upstream)
        .deleted_entries(settings.deleted_entries)
        .schedule(settings.schedule.clone());
    if let Some(approved) = hosts.approved {
        host = host.approved_hosts(approved);
    }
    if let Some(proxy) = hosts.proxy {
        host = host.egress_proxy(proxy);
    }
    if let Some(backup) = kept.backup {
        host = host.backup(backup);
    }
    Ok(host.start().await?)
}

/// Opens storage and ledger of a place, without a host. With `keys`, they are those of its hosts.
///
/// # Errors
/// A sentence that names what cannot be opened and what helps.
pub(crate) async fn open_place(
    settings: &Settings,
    keys: Option<&SealingKeys>,
) -> Result<Backends> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    backends::open(settings, keys, &clock).await
}

/// Opens the ledger of a place alone, without a host.
///
/// # Errors
/// A sentence that names what cannot be opened and what helps.
pub(crate) async fn open_ledger(settings: &Settings) -> Result<Arc<dyn Ledger>> {
    Ok(backends::open_ledger(settings, None).await?.1)
}

/// The keys of a place, made if it has none yet.
///
/// # Errors
/// A sentence that says what helps.
pub(crate) async fn open_keys(settings: &Settings) -> Result<SealingKeys> {
    refuse_to_replace_a_lost_key(settings)?;
    let timeout = settings.limits.sealing_key_command;
    Ok(SealingKeys::load(settings.sealing_key.clone(), timeout).await?)
}

/// Looks at a component without lending it anything.
///
/// # Errors
/// A sentence that says why it cannot be loaded.
pub async fn inspect(component: &Path) -> Result<Inspection> {
    let integration = load(component, &Limits::default(), None).await?;
    Ok(Inspection {
        manifest: integration.manifest().clone(),
        imports: integration.imports().to_vec(),
        exports: integration.exports().to_vec(),
        size_bytes: fs::metadata(component)?.len(),
    })
}

async fn load(component: &Path, limits: &Limits, cache: Option<&Path>) -> Result<Integration> {
    let bytes = read_component(component, limits)?;
    let cache = cache.and_then(cache::open);
    let engine = Engine::new(limits.clone(), cache.as_deref())?;
    Integration::load(&engine, &bytes).await.map_err(|error| {
        anyhow!(
            "the component {} cannot be used: {error}",
            component.display()
        )
    })
}

fn read_component(path: &Path, limits: &Limits) -> Result<Vec<u8>> {
    read_bounded(path, limits.component_bytes)
        .with_context(|| format!("cannot read the component {}", path.display()))
}

/// The file, and of one that is too large no more than what shows that it is.
fn read_bounded(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(most.saturating_add(1) as u64)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A key that is missing is made at the first start only: another one would open nothing of what there is.
fn refuse_to_replace_a_lost_key(settings: &Settings) -> Result<()> {
    let KeySource::File(key) = &settings.sealing_key else {
        return Ok(());
    };
    if key.exists() {
        return Ok(());
    }
    let storage = match &settings.storage {
        StorageChoice::Sqlite(path) => Some(path),
        _ => None,
    };
    let ledger = match &settings.ledger {
        LedgerChoice::Sqlite(path) => Some(path),
        _ => None,
    };
    for database in storage.into_iter().chain(ledger) {
        // Opening it for good tells what else may be wrong with it.
        let ids: Vec<_> = key_ids_in(database).into_iter().flatten().collect();
        if !ids.is_empty() {
            bail!(
                "the sealing key {} is missing, and what {} holds is sealed with the key {}: put that key there, or name it with --sealing-key-file",
                key.display(),
                database.display(),
                ids.join(" and the key ")
            );
        }
    }
    Ok(())
}

/// What is missing would look as if it had never been there.
async fn refuse_half_an_import(ledger: &dyn Ledger) -> Result<()> {
    let Some(transfer) = ledger.transfer() else {
        return Ok(());
    };
    match transfer.contents().await? {
        Contents::Export(arrived) if !arrived.is_complete => bail!(
            "the ledger holds a part of an export only: run `integration-host import` with the same file again, which goes on after line {}",
            arrived.lines
        ),
        _ => Ok(()),
    }
}

/// Makes the data directory, readable by its owner only.
///
/// # Errors
/// It cannot be made or written to.
pub fn create_data_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
