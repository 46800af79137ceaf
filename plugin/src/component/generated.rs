//! What wit-bindgen makes of the contract.

#![allow(
    missing_docs,
    unsafe_code,
    clippy::all,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

use super::Component;

wit_bindgen::generate!({
    path: "../wit",
    world: "integration-component",
    generate_all,
});

// The exports are the one place with unsafe code, so they stand here beside their kind.
export!(Component with_types_in self);
