//! Tells the component's linker to keep the versions of the contract.
//!
//! It brings a WASI 0.2.6 of its own along, and by default lifts compatible imports to the greatest
//! version it knows: the component would ask for wasi:clocks@0.2.6 instead of the 0.2.0 in `wit/`.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../../wit");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=--merge-imports-based-on-semver=false");
    }
}
