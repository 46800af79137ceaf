//! Query parameters, read leniently as the real API does: what cannot be understood counts as absent.

use std::collections::HashMap;

use axum::extract::Query;
use jiff::{Timestamp, civil::Date, tz::TimeZone};

pub(crate) type Parameters = Query<HashMap<String, String>>;

/// A whole number.
pub(crate) fn number(parameters: &Parameters, name: &str) -> Option<i64> {
    parameters
        .get(name)
        .and_then(|text| text.trim().parse().ok())
}

/// `true` or `false`; absent counts as `false`.
pub(crate) fn flag(parameters: &Parameters, name: &str) -> bool {
    parameters
        .get(name)
        .is_some_and(|text| text == "true" || text == "1")
}

/// Comma-separated ids.
pub(crate) fn ids(parameters: &Parameters, name: &str) -> Option<Vec<i64>> {
    parameters.get(name).map(|text| {
        text.split(',')
            .filter_map(|id| id.trim().parse().ok())
            .collect()
    })
}

/// A UNIX time in seconds.
pub(crate) fn since(parameters: &Parameters) -> Option<Timestamp> {
    number(parameters, "since").and_then(|seconds| Timestamp::from_second(seconds).ok())
}

/// A date (its first instant, UTC) or an RFC 3339 time.
pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>()
        .ok()
        .or_else(|| start_of_day(text.parse().ok()?))
}

/// The first instant of a day, UTC.
pub(crate) fn start_of_day(date: Date) -> Option<Timestamp> {
    TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()
}

/// `active=true|false|both`; `None` lets everything pass.
pub(crate) fn active(parameters: &Parameters, default: Option<bool>) -> Option<bool> {
    match parameters.get("active").map(String::as_str) {
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => None,
        None => default,
    }
}

/// One page (counting from 1) of a list.
pub(crate) fn page<T>(rows: Vec<T>, page: i64, per_page: i64) -> Vec<T> {
    let per_page = usize::try_from(per_page.max(1)).unwrap_or(usize::MAX);
    let skipped = usize::try_from(page.max(1) - 1)
        .unwrap_or(usize::MAX)
        .saturating_mul(per_page);
    rows.into_iter().skip(skipped).take(per_page).collect()
}
