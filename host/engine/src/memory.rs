//! How much an instance may grow. A component that asks for more ends there: it could go on in
//! a state its author never saw.

use wasmtime::ResourceLimiter;

use super::limit_exceeded::{LimitExceeded, LimitKind};

/// The most entries of one table. A component made from Rust has a few hundred: its functions that are
/// called indirectly.
pub(super) const MAX_TABLE_ENTRIES: usize = 20_000;

/// The bounds of one instance.
pub(super) struct MemoryLimiter {
    pub(super) max_memory_bytes: usize,
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.max_memory_bytes {
            return Err(LimitExceeded::new(
                LimitKind::Memory,
                format!("it needs more memory than {} bytes", self.max_memory_bytes),
            )
            .into());
        }
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > MAX_TABLE_ENTRIES {
            return Err(LimitExceeded::new(
                LimitKind::Table,
                format!("it needs a table of more than {MAX_TABLE_ENTRIES} entries"),
            )
            .into());
        }
        Ok(true)
    }
}
