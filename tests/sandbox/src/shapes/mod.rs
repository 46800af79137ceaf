//! The JSON Toggl shows of each record, field for field as its OpenAPI files and recordings have them.

mod account;
mod entry;
mod names;
mod people;

use jiff::Timestamp;

pub(crate) use self::{
    account::{me, organization, workspace},
    entry::{EntryForm, entry, entry_ids, entry_in_event},
    names::{client, project, tag, task},
    people::{organization_user, simple_user, workspace_user},
};

/// Seconds with an offset, as webhooks and stored names have it: `2023-07-17T11:43:32+00:00`.
pub(crate) fn seconds_with_offset(at: Timestamp) -> String {
    format!("{}+00:00", at.strftime("%Y-%m-%dT%H:%M:%S"))
}

/// Seconds with `Z`: `2024-12-16T01:55:24Z`.
pub(crate) fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Microseconds with `Z`, as REST's `at`: `2024-12-16T02:11:58.489116Z`.
pub(crate) fn microseconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// Milliseconds with `Z`, as an event's `created_at`.
pub(crate) fn milliseconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// Nanoseconds with `Z`, as an event's `timestamp`.
pub(crate) fn nanoseconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string()
}
