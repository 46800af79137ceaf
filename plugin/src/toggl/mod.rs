//! Toggl's three APIs: REST v9, Reports v3 and Webhooks v1.

mod api;
mod failure;
mod quota;
mod types;

pub(crate) use api::{Api, NewSubscription, PAGE_SIZE, ReportPage, ReportSearch};
pub(crate) use failure::{Failure, excerpt};
pub(crate) use quota::{QUOTA_WINDOW_SECONDS, QuotaReading};
pub(crate) use types::*;

/// The one host that serves all three.
pub(crate) const API_HOST: &str = "api.track.toggl.com";

/// The secret that holds the API token.
pub(crate) const TOKEN_SECRET: &str = "api-token";
