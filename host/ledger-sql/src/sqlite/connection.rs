//! One connection to the database, lent to one change or question.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use rusqlite::types::{FromSqlError, ToSqlOutput, ValueRef};
use rusqlite::{Connection as Database, Row, Statement, ToSql, ffi};

use crate::backend::Read;
use crate::failure::{Failure, Result};
use crate::values::{Columns, Value, damaged};
use integration_host_database::DatabaseError;
use integration_host_ledger::{LedgerError, stored};

/// A connection that whoever has it uses alone. The lock is never waited for: it lets what holds a connection between two
/// statements go from thread to thread, as asynchronous code must be able to.
pub struct Sqlite<'a>(Mutex<&'a mut Database>);

impl<'a> Sqlite<'a> {
    pub fn new(database: &'a mut Database) -> Self {
        Self(Mutex::new(database))
    }

    /// Does what only this database does in this way.
    pub fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T>) -> Result<T> {
        work(&self.0.lock())
    }

    pub fn query_now(&self, sql: &str, values: &[Value<'_>], read: &mut Read<'_>) -> Result<()> {
        self.with(|database| {
            let mut statement = database.prepare_cached(sql)?;
            bind(&mut statement, values)?;
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next()? {
                read(row)?;
            }
            Ok(())
        })
    }

    pub fn execute_now(&self, sql: &str, values: &[Value<'_>]) -> Result<u64> {
        self.with(|database| {
            let mut statement = database.prepare_cached(sql)?;
            bind(&mut statement, values)?;
            Ok(statement.raw_execute()? as u64)
        })
    }
}

/// SQLite counts `$1` as a name, whose number is that of its first appearance. So values are bound by their names.
const NAMES: [&str; 20] = [
    "$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15",
    "$16", "$17", "$18", "$19", "$20",
];

fn bind(statement: &mut Statement<'_>, values: &[Value<'_>]) -> Result<()> {
    for (name, value) in NAMES.iter().zip(values) {
        if let Some(index) = statement.parameter_index(name)? {
            statement.raw_bind_parameter(index, value)?;
        }
    }
    Ok(())
}

/// The outcome of work on a connection, which waits for nothing: each statement has ended when its call returns.
pub fn finished<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => Err(Failure::Unavailable(
            "a defect in this program made the database wait".to_owned(),
        )),
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Integer(number) => (*number).into(),
            Self::Boolean(truth) => (*truth).into(),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            // A list is a JSON array.
            Self::Integers(numbers) => json(numbers).into(),
            Self::Texts(texts) => stored::to_json(texts).into(),
        })
    }
}

/// A JSON array.
pub fn json(numbers: &[i64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
    format!("[{}]", numbers.join(","))
}

impl Columns for Row<'_> {
    fn integer(&self, column: usize) -> Result<Option<i64>> {
        Ok(self.get_ref(column)?.as_i64_or_null()?)
    }

    fn boolean(&self, column: usize) -> Result<Option<bool>> {
        Ok(self.integer(column)?.map(|number| number != 0))
    }

    fn text(&self, column: usize) -> Result<Option<&str>> {
        Ok(self.get_ref(column)?.as_str_or_null()?)
    }

    fn bytes(&self, column: usize) -> Result<Option<&[u8]>> {
        Ok(self.get_ref(column)?.as_blob_or_null()?)
    }
}

impl From<FromSqlError> for Failure {
    fn from(error: FromSqlError) -> Self {
        damaged(error)
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        if is_doubled(&error) {
            let message = format!("it is there already ({error})");
            return LedgerError::Invalid(message).into();
        }
        DatabaseError::from(error).into()
    }
}

/// Whether something that there may be once was to be added again.
fn is_doubled(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(
        code,
        Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY)
    )
}
