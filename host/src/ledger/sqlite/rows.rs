//! Between columns and types.

use std::fmt::Display;

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::Type;

use crate::contract::{MemberState, User};
use crate::id::UserId;
use crate::ledger::{ConnectionState, MatchedBy};

/// A column that holds what this program would not have written.
pub(super) fn damaged(column: usize, what: impl Display) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, what.to_string().into())
}

/// A time, from milliseconds since 1970-01-01 UTC.
pub(super) fn timestamp(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(row.get(column)?).map_err(|error| damaged(column, error))
}

/// A time that may be absent.
pub(super) fn optional_timestamp(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<Timestamp>> {
    let milliseconds: Option<i64> = row.get(column)?;
    milliseconds
        .map(Timestamp::from_millisecond)
        .transpose()
        .map_err(|error| damaged(column, error))
}

/// A text that may be absent, without copying it.
pub(super) fn text<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<Option<&'a str>> {
    Ok(row.get_ref(column)?.as_str_or_null()?)
}

/// A list of texts, from a JSON array.
pub(super) fn texts(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<String>> {
    let json: Option<String> = row.get(column)?;
    match json.as_deref() {
        None | Some("[]") => Ok(Vec::new()),
        Some(json) => serde_json::from_str(json).map_err(|error| damaged(column, error)),
    }
}

/// A list of texts as a JSON array.
pub(super) fn to_json(texts: &[String]) -> String {
    serde_json::Value::from(texts).to_string()
}

/// A number that is never negative.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|error| damaged(column, error))
}

/// A user, from its id, name and e-mail address in the columns from `first` on.
pub(super) fn user(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<User>> {
    let id: Option<String> = row.get(first)?;
    id.map(|id| {
        Ok(User {
            id: UserId::new(id),
            name: row.get(first + 1)?,
            email: row.get(first + 2)?,
        })
    })
    .transpose()
}

pub(super) fn connection_state(row: &Row<'_>, column: usize) -> rusqlite::Result<ConnectionState> {
    match row.get_ref(column)?.as_str()? {
        "connecting" => Ok(ConnectionState::Connecting),
        "active" => Ok(ConnectionState::Active),
        "disconnected" => Ok(ConnectionState::Disconnected),
        other => Err(damaged(column, other)),
    }
}

pub(super) fn connection_state_name(state: ConnectionState) -> &'static str {
    match state {
        ConnectionState::Connecting => "connecting",
        ConnectionState::Active => "active",
        ConnectionState::Disconnected => "disconnected",
    }
}

pub(super) fn member_state(row: &Row<'_>, column: usize) -> rusqlite::Result<MemberState> {
    match row.get_ref(column)?.as_str()? {
        "active" => Ok(MemberState::Active),
        "invited" => Ok(MemberState::Invited),
        "deactivated" => Ok(MemberState::Deactivated),
        other => Err(damaged(column, other)),
    }
}

pub(super) fn member_state_name(state: MemberState) -> &'static str {
    match state {
        MemberState::Active => "active",
        MemberState::Invited => "invited",
        MemberState::Deactivated => "deactivated",
    }
}

pub(super) fn matched_by(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<MatchedBy>> {
    match row.get_ref(column)?.as_str_or_null()? {
        None => Ok(None),
        Some("email") => Ok(Some(MatchedBy::Email)),
        Some("manual") => Ok(Some(MatchedBy::Manual)),
        Some(other) => Err(damaged(column, other)),
    }
}

pub(super) fn matched_by_name(matched_by: MatchedBy) -> &'static str {
    match matched_by {
        MatchedBy::Email => "email",
        MatchedBy::Manual => "manual",
    }
}
