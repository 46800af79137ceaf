//! What the end-to-end tests and benchmarks share: the sandbox Toggl, the real host program with the
//! real component, a client of its API, and a browser for its console.
#![allow(
    clippy::indexing_slicing,
    reason = "indexing JSON yields null and does not panic"
)]

pub mod browser;
mod built;
pub mod cluster;
mod embedded;
mod eventually;
pub mod fault_matrix;
pub mod flood;
pub mod generated_export;
pub mod histories;
pub mod hostile;
pub mod idle;
mod invented;
pub mod isolation;
pub mod kills;
pub mod large_ledger;
mod process;
mod raw;
mod refusal;
mod setup;
pub mod strangers;
pub mod world;

pub use built::{
    component, host_program, keyvalue_storage_component, load_component, misbehaving_component,
    program_folder, sandbox_program,
};
pub use embedded::{Embedded, EmbeddedBuilder, lend_http};
pub use eventually::{Look, PATIENCE, eventually, eventually_within};
pub use process::{HostOptions, HostProcess, run_cli, run_cli_in_terminal, run_cli_with_input};
pub use raw::{RawAnswer, RawConnection, path_of, post};
pub use refusal::{PASSWORD, refusal, refusal_in};
pub use setup::{
    NORTHWIND, PLATFORM_USERS, Setup, SetupBuilder, TOMAS, delivery, finished_entry,
    unlimited_scenario, write_directory,
};
