//! The contract in Rust: generated from `wit/`, and converted to plain types once, in `convert` and `returned`.
//!
//! Nothing but the engine and the capabilities' `host.rs` uses the generated types.

mod convert;
mod returned;
mod generated {
    #![allow(missing_docs, reason = "the contract's documentation is in wit/")]

    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "integration-component",
        imports: { default: async },
        exports: { default: async },
        with: {
            "wasi:clocks/wall-clock": wasmtime_wasi::p2::bindings::clocks::wall_clock,
            "wasi:random/random": wasmtime_wasi::p2::bindings::random::random,
        },
    });
}

/// The contract of storage providers that are components.
pub(crate) mod storage_provider {
    #![allow(missing_docs, reason = "the contract's documentation is in wit/")]

    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "storage-provider",
        imports: { default: async },
        exports: { default: async },
        with: {
            "wasi:clocks/wall-clock": wasmtime_wasi::p2::bindings::clocks::wall_clock,
            "wasi:keyvalue/store.bucket": crate::capability::keyvalue::Bucket,
            "wasi:keyvalue/atomics.cas": crate::capability::keyvalue::Seen,
        },
    });
}

pub(crate) use convert::sentence;
pub(crate) use generated::*;
