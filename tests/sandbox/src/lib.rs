//! A sandbox Toggl: API v9, Reports v3 and Webhooks v1 as an integration would notice them, without an account or a network.
//!
//! It keeps a team's names and time entries in memory, pings and validates webhook callbacks, signs and retries deliveries, counts
//! quotas, and fails on order. Where Toggl's documentation is silent the choice made is written at the place that makes it, and where
//! both answers are plausible [`scenario::Behaviour`] switches between them.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use toggl_sandbox::{Sandbox, control::{Flush, StartTimer}, scenario::Scenario};
//!
//! let sandbox = Sandbox::start(Scenario::default()).await?;
//! println!("{} answers to {}", sandbox.base_url(), sandbox.token());
//! sandbox.control().start_timer(StartTimer { workspace_id: 7400001, user_id: 9500004, ..StartTimer::default() })?;
//! sandbox.control().flush(Flush::default()).await;
//! sandbox.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! From outside, the same is done with the [control API](control).

#![deny(missing_docs)]

mod activity;
mod api_error;
mod api_v9;
mod auth;
mod call;
pub mod control;
mod faults;
mod gate;
mod lies;
mod quota;
mod reports;
mod requests;
pub mod scenario;
mod server;
mod shapes;
mod shared;
mod webhooks;
mod world;

pub use crate::{
    activity::Activity,
    faults::CallFault,
    lies::{Lie, Lies},
    requests::RequestRecord,
    scenario::Scenario,
    server::{RunningSandbox, Sandbox, StartError},
    webhooks::{
        outbox::{Attempt, DeliveryFault, DeliveryRecord, DeliveryState},
        signature,
    },
    world::{EntryEdit, NewEntry, model},
};
