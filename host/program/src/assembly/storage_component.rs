//! Opening a storage provider that is a component, beside the integration and apart from it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow};

use super::{cache, read_component};
use crate::config::Settings;
use integration_host_contract::clock::Clock;
use integration_host_engine::ComponentStore;
use integration_host_engine::{Engine, StorageComponent};
use integration_host_storage::KeyValueStore;

/// Loads the component and lends it buckets, which `buckets` keeps.
///
/// # Errors
/// A sentence that says why it cannot be used.
pub(super) async fn open(
    path: &Path,
    settings: &Settings,
    buckets: Arc<dyn KeyValueStore>,
    clock: &Arc<dyn Clock>,
) -> Result<ComponentStore> {
    let limits = &settings.limits;
    let cache = cache::open(&settings.data.join("cache"));
    let bytes = read_component(path, limits)?;
    let engine = Engine::for_storage(limits, cache.as_deref())?;
    let component = StorageComponent::load(&engine, &bytes)
        .await
        .map_err(|error| {
            anyhow!(
                "the storage component {} cannot be used: {error}",
                path.display()
            )
        })?;
    let timeout = limits.storage_timeout;
    let store = ComponentStore::new(component, buckets, timeout, Arc::clone(clock));
    store.try_out().await?;
    Ok(store)
}
