//! Pages of lists, and where they begin.

use super::LedgerError;

/// The most rows one page returns.
pub const MAX_PAGE: usize = 1000;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// What to pass to get the next page; `None`: this is the last.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of rows, each with the number that it is known by; one more than `limit` tells that there are more.
    pub fn of_numbered(mut rows: Vec<(i64, T)>, limit: usize) -> Self {
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| has_more);
        Self {
            next: last.map(|(number, _)| number.to_string()),
            items: rows.into_iter().map(|(_, item)| item).collect(),
        }
    }
}

/// How many rows a page has for which so many are asked.
pub fn in_page(limit: usize) -> usize {
    limit.clamp(1, MAX_PAGE)
}

/// What the numbers of a page's rows are smaller than, from the `next` of the page before. `list` is what the list is
/// called.
///
/// # Errors
/// The cursor is not one of such a list.
pub fn number_before(cursor: Option<&str>, list: &str) -> Result<i64, LedgerError> {
    cursor.map_or(Ok(i64::MAX), |cursor| {
        cursor
            .parse()
            .map_err(|_| LedgerError::Invalid(format!("`{cursor}` is not a cursor of {list}")))
    })
}
