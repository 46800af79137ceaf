//! Between columns and types.

use std::fmt::Display;

use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::Result;
use integration_host_contract::User;
use integration_host_contract::id::UserId;
use integration_host_ledger::{LedgerError, stored};

/// A column that holds what this program would not have written.
pub(super) fn damaged(what: impl Display) -> LedgerError {
    LedgerError::Unavailable(format!("a stored value is damaged: {what}"))
}

/// The value of a column.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T> {
    Ok(row.try_get(column)?)
}

/// A time, from milliseconds since 1970-01-01 UTC.
pub(super) fn timestamp(row: &Row, column: usize) -> Result<Timestamp> {
    Ok(Timestamp::from_millisecond(get(row, column)?).map_err(damaged)?)
}

/// A time that may be absent.
pub(super) fn optional_timestamp(row: &Row, column: usize) -> Result<Option<Timestamp>> {
    let milliseconds: Option<i64> = get(row, column)?;
    Ok(milliseconds
        .map(Timestamp::from_millisecond)
        .transpose()
        .map_err(damaged)?)
}

/// A list of texts, from a JSON array.
pub(super) fn texts(row: &Row, column: usize) -> Result<Vec<String>> {
    Ok(stored::texts(get(row, column)?).map_err(stored::damaged)?)
}

/// A number that is never negative.
pub(super) fn to_u64(row: &Row, column: usize) -> Result<u64> {
    Ok(u64::try_from(get::<i64>(row, column)?).map_err(damaged)?)
}

/// A number as the database has it; what is greater than it can say becomes the greatest it can.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A value of few, from its name.
pub(super) fn named<T>(row: &Row, column: usize, from_name: fn(&str) -> Option<T>) -> Result<T> {
    let name: &str = get(row, column)?;
    Ok(from_name(name).ok_or_else(|| damaged(name))?)
}

/// A value of few that may be absent, from its name.
pub(super) fn optional_named<T>(
    row: &Row,
    column: usize,
    from_name: fn(&str) -> Option<T>,
) -> Result<Option<T>> {
    match get::<Option<&str>>(row, column)? {
        None => Ok(None),
        Some(_) => named(row, column, from_name).map(Some),
    }
}

/// A user, from its id, name and e-mail address in the columns from `first` on.
pub(super) fn user(row: &Row, first: usize) -> Result<Option<User>> {
    let id: Option<String> = get(row, first)?;
    id.map(|id| {
        Ok(User {
            id: UserId::new(id),
            name: get(row, first + 1)?,
            email: get(row, first + 2)?,
        })
    })
    .transpose()
}
