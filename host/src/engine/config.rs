//! The engine's configuration. There is one function for it: a component compiled under another
//! configuration is silently compiled again instead of being taken from the cache.

use std::path::Path;

use wasmtime::{
    Cache, CacheConfig, Config, Enabled, InstanceAllocationStrategy, OptLevel,
    PoolingAllocationConfig,
};

use super::memory::MAX_TABLE_ENTRIES;
use crate::limits::Limits;

/// Core instances, memories and tables that one component may consist of. A component made from one
/// core module has the module and up to two adapters that the tools add.
const MAX_PARTS_PER_COMPONENT: u32 = 8;

/// Memory of an idle slot that is kept for the next instance instead of being given back. It saves
/// page faults; together with the number of slots it bounds what idle instances cost.
const KEEP_RESIDENT_BYTES: usize = 256 << 10;

/// The engine's configuration. `cache_directory` holds compiled components.
pub fn engine_config(limits: &Limits, cache_directory: Option<&Path>) -> wasmtime::Result<Config> {
    let mut config = Config::new();
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
        config.cache(Some(Cache::new(cache)?));
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
