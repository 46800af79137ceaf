//! The engine's configuration. There is one function for it: a component compiled under another
//! configuration is silently compiled again instead of being taken from the cache.

use std::path::Path;

use tracing::warn;
use wasmtime::{
    Cache, CacheConfig, Config, Enabled, InstanceAllocationStrategy, OptLevel,
    PoolingAllocationConfig,
};

use super::memory::MAX_TABLE_ENTRIES;
use integration_host_contract::limits::Limits;

/// Core instances, memories and tables that one component may consist of. A component made from one
/// core module has the module and up to two adapters that the tools add.
const MAX_PARTS_PER_COMPONENT: u32 = 8;

/// Memory of an idle slot that is kept for the next instance instead of being given back. It saves
/// page faults; together with the number of slots it bounds what idle instances cost.
const KEEP_RESIDENT_BYTES: usize = 256 << 10;

/// How much address space is reserved for the memory of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reservation {
    /// All that a component can address, 4 GiB: no access needs to be checked then. It costs no memory, but some machines
    /// and limits of processes do not allow for it.
    Whole,
    /// What a component may use. Every access is checked, which takes a little longer.
    Needed,
}

/// Reservations, those first that make calls quicker.
pub(super) const RESERVATIONS: [Reservation; 2] = [Reservation::Whole, Reservation::Needed];

/// What lies between the memory of two instances where every access is checked, in bytes.
const GUARD_BYTES: u64 = 64 << 10;

/// The engine's configuration. `cache_directory` holds compiled components.
pub(super) fn engine_config(
    limits: &Limits,
    cache_directory: Option<&Path>,
    reservation: Reservation,
) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    if reservation == Reservation::Needed {
        config
            .memory_reservation(limits.memory_bytes as u64)
            .memory_guard_size(GUARD_BYTES);
    }
    config
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(true)
        .memory_init_cow(true)
        // The contract is synchronous; support for concurrent exports costs every call.
        .concurrency_support(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(limits)));
    if let Some(directory) = cache_directory {
        let mut cache = CacheConfig::new();
        cache.with_directory(directory);
        match Cache::new(cache) {
            Ok(cache) => {
                config.cache(Some(cache));
            }
            Err(error) => warn!(%error, "nothing compiled is kept, and each start takes longer"),
        }
    }
    Ok(config)
}

fn pool(limits: &Limits) -> PoolingAllocationConfig {
    let calls = limits.concurrent_calls;
    let parts = calls.saturating_mul(MAX_PARTS_PER_COMPONENT);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls)
        .total_core_instances(parts)
        .total_memories(calls)
        .total_tables(parts)
        .total_stacks(calls)
        .max_core_instances_per_component(MAX_PARTS_PER_COMPONENT)
        .max_memories_per_component(1)
        .max_tables_per_component(MAX_PARTS_PER_COMPONENT)
        .max_memory_size(limits.memory_bytes)
        .table_elements(MAX_TABLE_ENTRIES)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}
