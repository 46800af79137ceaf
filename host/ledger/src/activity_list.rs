//! How a list of activities is put together.
//!
//! It comes from a few runs of an index, one for each combination of visibility and class of duration (see the
//! schemas). Within a run everything is in the order of the list, and what still ran at a time is found among what began at
//! most the class's width earlier. So a page costs the same whatever the ledger holds.

use jiff::Timestamp;

use super::{ActivityFilter, LedgerError};

/// The widths of the classes of duration, in milliseconds, by their number in the schemas. `None`: no bound.
pub const SPANS: [Option<i64>; 5] = [
    Some(3_600_000),
    Some(86_400_000),
    Some(2_764_800_000),
    None,
    None,
];

/// The place of what has no content: before every start.
pub const WITHOUT_CONTENT: i64 = -1_000_000_000_000_000;

/// Where an activity is in a list: its start, then its number.
pub type Place = (i64, i64);

/// The `next` of a page that ends with this place.
pub fn cursor_after((start, number): Place) -> String {
    format!("{start}.{number}")
}

/// The place that a page's `next` names.
///
/// # Errors
/// It is not a cursor of a list of activities.
pub fn parse_cursor(cursor: &str) -> Result<Place, LedgerError> {
    let parse = || {
        let (start, number) = cursor.split_once('.')?;
        Some((start.parse().ok()?, number.parse().ok()?))
    };
    parse().ok_or_else(|| {
        LedgerError::Invalid(format!(
            "`{cursor}` is not a cursor of a list of activities"
        ))
    })
}

/// Before which place a list begins, or goes on after a cursor.
pub fn begins_before(filter: &ActivityFilter, cursor: Option<Place>) -> Place {
    let to = filter.to.map(|to| (to.as_millisecond(), 0));
    cursor.into_iter().chain(to).min().unwrap_or((i64::MAX, 0))
}

/// After which start nothing is missed that has not the bound of a class of duration. What has no content has no time
/// either.
pub fn ends_after(filter: &ActivityFilter) -> i64 {
    WITHOUT_CONTENT - i64::from(filter.from.is_none() && filter.to.is_none())
}

/// After which start a list's activities of a class of duration began.
pub fn began_after(filter: &ActivityFilter, width: Option<i64>) -> i64 {
    match (filter.from.map(Timestamp::as_millisecond), width) {
        (Some(from), Some(width)) => from - width,
        _ => ends_after(filter),
    }
}

/// The visibilities that a list has: 1 for unmapped and 2 for deleted, added up.
pub fn visibilities(filter: &ActivityFilter) -> &'static [i64] {
    if filter.only_unmapped {
        return if filter.include_deleted {
            &[1, 3]
        } else {
            &[1]
        };
    }
    match (
        // What is of a user is mapped.
        filter.include_unmapped && filter.user.is_none(),
        filter.include_deleted,
    ) {
        (false, false) => &[0],
        (true, false) => &[0, 1],
        (false, true) => &[0, 2],
        (true, true) => &[0, 1, 2, 3],
    }
}
