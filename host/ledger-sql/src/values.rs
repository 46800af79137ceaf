//! What statements are given, and what their columns hold. Neither depends on the database.

use std::borrow::Cow;
use std::fmt::Display;

use jiff::Timestamp;

use crate::failure::{Failure, Result};
use integration_host_contract::User;
use integration_host_contract::id::{
    ConnectionId, DeliveryId, FeedLife, HookId, LedgerId, RemoteUserId, ScopeId, SessionEpoch,
    UserId,
};
use integration_host_ledger::LedgerError;

/// What a statement is given in the place of `$1` and so on.
pub enum Value<'a> {
    Null,
    Integer(i64),
    Boolean(bool),
    Text(Cow<'a, str>),
    Bytes(&'a [u8]),
    /// For [`Dialect::is_one_of`](crate::backend::Dialect::is_one_of).
    Integers(&'a [i64]),
    /// For the same.
    Texts(&'a [String]),
}

/// The values of a statement, in order.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        &[$($crate::values::Value::from($value)),*]
    };
}
pub(crate) use values;

macro_rules! from {
    ($($type:ty: $value:pat => $made:expr;)*) => {$(
        impl<'a> From<$type> for Value<'a> {
            fn from($value: $type) -> Self {
                $made
            }
        }
    )*};
}

from! {
    i64: number => Self::Integer(number);
    u32: number => Self::Integer(number.into());
    bool: truth => Self::Boolean(truth);
    Timestamp: time => Self::Integer(time.as_millisecond());
    // What is greater than a database can say becomes the greatest it can.
    u64: number => Self::Integer(signed(number));
    usize: number => Self::Integer(signed(number as u64));
    String: text => Self::Text(Cow::Owned(text));
    &'a str: text => Self::Text(Cow::Borrowed(text));
    &'a String: text => Self::Text(Cow::Borrowed(text));
    &'a [u8]: bytes => Self::Bytes(bytes);
    &'a Vec<u8>: bytes => Self::Bytes(bytes);
    &'a [i64]: numbers => Self::Integers(numbers);
    &'a Vec<i64>: numbers => Self::Integers(numbers);
    &'a [String]: texts => Self::Texts(texts);
    &'a Vec<String>: texts => Self::Texts(texts);
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A number as a database has it; what is greater than it can say becomes the greatest it can.
pub fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A column that holds what this program would not have written.
pub fn damaged(what: impl Display) -> Failure {
    LedgerError::Unavailable(format!("a stored value is damaged: {what}")).into()
}

/// The columns of a row; `None`: NULL.
pub trait Columns {
    fn integer(&self, column: usize) -> Result<Option<i64>>;
    fn boolean(&self, column: usize) -> Result<Option<bool>>;
    fn text(&self, column: usize) -> Result<Option<&str>>;
    fn bytes(&self, column: usize) -> Result<Option<&[u8]>>;
}

impl dyn Columns + '_ {
    /// The value of a column.
    pub fn get<'a, T: Column<'a>>(&'a self, column: usize) -> Result<T> {
        T::find(self, column)?.ok_or_else(|| damaged(format_args!("column {column} is NULL")))
    }

    /// A value of few, from its name.
    pub fn named<T>(&self, column: usize, from_name: fn(&str) -> Option<T>) -> Result<T> {
        let name: &str = self.get(column)?;
        from_name(name).ok_or_else(|| damaged(name))
    }

    /// A value of few that may be absent, from its name.
    pub fn optional_named<T>(
        &self,
        column: usize,
        from_name: fn(&str) -> Option<T>,
    ) -> Result<Option<T>> {
        match self.text(column)? {
            None => Ok(None),
            Some(_) => self.named(column, from_name).map(Some),
        }
    }

    /// A user, from its id, name and e-mail address in the columns from `first` on.
    pub fn user(&self, first: usize) -> Result<Option<User>> {
        let id: Option<UserId> = self.get(first)?;
        id.map(|id| {
            Ok(User {
                id,
                name: self.get(first + 1)?,
                email: self.get(first + 2)?,
            })
        })
        .transpose()
    }
}

/// What a column may hold.
pub trait Column<'a>: Sized {
    /// `None`: NULL, where that is no value of the type.
    fn find(row: &'a (dyn Columns + 'a), column: usize) -> Result<Option<Self>>;
}

macro_rules! columns {
    ($($type:ty: $read:ident, $value:ident => $made:expr;)*) => {$(
        impl<'a> Column<'a> for $type {
            fn find(row: &'a (dyn Columns + 'a), column: usize) -> Result<Option<Self>> {
                row.$read(column)?.map(|$value| Ok($made)).transpose()
            }
        }
    )*};
}

columns! {
    i64: integer, number => number;
    u64: integer, number => u64::try_from(number).map_err(damaged)?;
    u32: integer, number => u32::try_from(number).map_err(damaged)?;
    bool: boolean, truth => truth;
    // From milliseconds since 1970-01-01 UTC.
    Timestamp: integer, number => Timestamp::from_millisecond(number).map_err(damaged)?;
    &'a str: text, text => text;
    String: text, text => text.to_owned();
    Vec<u8>: bytes, bytes => bytes.to_owned();
    ConnectionId: text, id => Self::new(id);
    DeliveryId: text, id => Self::new(id);
    FeedLife: text, id => Self::new(id);
    HookId: text, id => Self::new(id);
    LedgerId: text, id => Self::new(id);
    RemoteUserId: text, id => Self::new(id);
    ScopeId: text, id => Self::new(id);
    SessionEpoch: text, id => Self::new(id);
    UserId: text, id => Self::new(id);
}

impl<'a, T: Column<'a>> Column<'a> for Option<T> {
    fn find(row: &'a (dyn Columns + 'a), column: usize) -> Result<Option<Self>> {
        T::find(row, column).map(Some)
    }
}
