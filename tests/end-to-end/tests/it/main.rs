//! Everything that one host promises, with the real component, and without a browser.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod api;
mod axum_app;
mod backup;
mod belonging;
mod cli;
mod containment;
mod contract;
mod convergence;
mod deliveries;
mod demo;
mod deploy;
mod directories;
mod durability;
mod egress_proxy;
mod examples;
mod failing_storage;
mod fault_matrix;
mod feed;
mod gaps;
mod hanging_storage;
mod lost;
mod mounted;
mod network;
mod old_databases;
mod progress;
mod readme;
mod replay;
mod restart;
mod rotation;
mod sealing;
mod secrecy;
mod spreading;
mod startup;
mod storage_component;
mod turns;
mod unfinished;
mod unreadable;
mod unwritable_log;
mod whole_path;
