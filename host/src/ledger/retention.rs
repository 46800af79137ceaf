//! How much of the delivery log is kept, and for how long.

use jiff::SignedDuration;

use crate::limits::Limits;

/// How much of the delivery log is kept, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Deliveries of one connection, beside failed ones that can be replayed.
    pub rows: u32,
    /// How long a delivery stays in the log.
    pub age: SignedDuration,
    /// Failed deliveries kept for replay, over all connections.
    pub requests: u32,
    /// Bytes these may have together, sealed.
    pub request_bytes: u64,
    /// How long a failed delivery is kept for replay.
    pub request_age: SignedDuration,
}

impl From<&Limits> for Retention {
    fn from(limits: &Limits) -> Self {
        let days = |days: u32| SignedDuration::from_hours(24 * i64::from(days));
        Self {
            rows: limits.delivery_log_rows,
            age: days(limits.delivery_log_days),
            requests: limits.failed_deliveries,
            request_bytes: u64::try_from(limits.failed_delivery_bytes).unwrap_or(u64::MAX),
            request_age: days(limits.failed_delivery_days),
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self::from(&Limits::default())
    }
}
