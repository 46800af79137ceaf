//! Between columns and types.

use std::fmt::Display;

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::Type;

use integration_host_contract::User;
use integration_host_contract::id::UserId;
use integration_host_ledger::stored;

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
    stored::texts(text(row, column)?).map_err(|error| damaged(column, error))
}

/// A number that is never negative.
pub(super) fn to_u64(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
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

/// A value of few, from its name.
pub(super) fn named<T>(
    row: &Row<'_>,
    column: usize,
    from_name: fn(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let name = row.get_ref(column)?.as_str()?;
    from_name(name).ok_or_else(|| damaged(column, name))
}

/// A value of few that may be absent, from its name.
pub(super) fn optional_named<T>(
    row: &Row<'_>,
    column: usize,
    from_name: fn(&str) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    match text(row, column)? {
        None => Ok(None),
        Some(_) => named(row, column, from_name).map(Some),
    }
}
