//! Between columns and values, and types of the driver.

use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::failure::{Failure, Result};
use crate::values::{Columns, Value};
use integration_host_database::postgres::{ChangeError, PostgresError};
use integration_host_ledger::LedgerError;

/// The value of a column.
pub fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T> {
    Ok(row.try_get(column)?)
}

/// An integer of whatever width.
struct Integer(i64);

impl<'a> FromSql<'a> for Integer {
    fn from_sql(type_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(match *type_ {
            Type::INT2 => i16::from_sql(type_, raw)?.into(),
            Type::INT4 => i32::from_sql(type_, raw)?.into(),
            _ => i64::from_sql(type_, raw)?,
        }))
    }

    fn accepts(type_: &Type) -> bool {
        matches!(*type_, Type::INT2 | Type::INT4 | Type::INT8)
    }
}

impl Columns for Row {
    fn integer(&self, column: usize) -> Result<Option<i64>> {
        let integer: Option<Integer> = get(self, column)?;
        Ok(integer.map(|Integer(number)| number))
    }

    fn boolean(&self, column: usize) -> Result<Option<bool>> {
        get(self, column)
    }

    fn text(&self, column: usize) -> Result<Option<&str>> {
        get(self, column)
    }

    fn bytes(&self, column: usize) -> Result<Option<&[u8]>> {
        get(self, column)
    }
}

impl std::fmt::Debug for Value<'_> {
    /// Nothing of it: it may be what must not be in a log.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Value")
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        type_: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => match *type_ {
                Type::INT2 => i16::try_from(*number)?.to_sql(type_, out),
                Type::INT4 => i32::try_from(*number)?.to_sql(type_, out),
                _ => number.to_sql_checked(type_, out),
            },
            Self::Boolean(truth) => truth.to_sql_checked(type_, out),
            Self::Text(text) => text.to_sql_checked(type_, out),
            Self::Bytes(bytes) => bytes.to_sql_checked(type_, out),
            Self::Integers(numbers) => numbers.to_sql_checked(type_, out),
            Self::Texts(texts) => texts.to_sql_checked(type_, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // Each value looks for itself.
        true
    }

    to_sql_checked!();
}

impl From<PostgresError> for Failure {
    fn from(error: PostgresError) -> Self {
        match error {
            PostgresError::Conflict(message) => Self::Conflict(message),
            // What no column holds was not given out by the ledger, such as an id with U+0000.
            PostgresError::Refused(message) => LedgerError::Invalid(message).into(),
            error => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        PostgresError::from(error).into()
    }
}

impl ChangeError for Failure {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }
}
