//! What is asked of a database.

use super::MOST_ROWS;
use super::selection::{Identifier, Rows, Selection, quote};

/// Where databases differ.
#[derive(Clone, Copy)]
pub(super) struct Dialect {
    /// A value as text, as it is compared in lower case and searched.
    pub(super) text: fn(&str) -> String,
    /// A text in lower case, beyond ASCII letters too.
    pub(super) lower: fn(&str) -> String,
    /// Whether a value is one of those in the first parameter.
    pub(super) is_listed: fn(&str) -> String,
    /// The position of the first parameter in a text, from 1; 0 if it is not in it.
    pub(super) position: fn(&str) -> String,
    /// Whether a text has a space or a character beyond those of ASCII that can be seen.
    pub(super) is_odd: fn(&str) -> String,
    /// The first and the second parameter.
    pub(super) parameters: [&'static str; 2],
}

/// Every statement, with names quoted and values as parameters.
pub(super) struct Statements {
    source: String,
    /// Finds by addresses in lower case that are ASCII only. An index on `lower(email)` serves it.
    pub(super) by_ascii_email: String,
    /// Finds by any addresses in lower case.
    pub(super) by_email: String,
    /// Finds everybody whose address is not as it would be typed, such as one with a space or something invisible in it.
    pub(super) with_odd_email: String,
    pub(super) by_id: String,
    /// Finds by a part in lower case, ordered by name.
    pub(super) search: String,
    pub(super) count: String,
}

impl Statements {
    pub(super) fn new(selection: &Selection, dialect: Dialect) -> Self {
        let source = match &selection.rows {
            Rows::Table(table) => format!("{} AS u", quote(table)),
            // On lines of its own: the query may end with a comment.
            Rows::Query(query) => format!("(\n{query}\n) AS u"),
        };
        let Dialect {
            text,
            lower,
            is_listed,
            position,
            is_odd,
            parameters: [first, second],
        } = dialect;
        let columns = &selection.columns;
        let [id, email, name] = [&columns.id, &columns.email, &columns.name].map(column);
        let selected = [&id, &email, &name].map(|column| format!("CAST({column} AS TEXT)"));
        let users = format!(
            "SELECT {} FROM {source} WHERE {id} IS NOT NULL",
            selected.join(", ")
        );
        let at_most = MOST_ROWS + 1;
        let is_asked = |email: String| is_listed(&email);
        let holds = [&name, &email, &id]
            .map(|column| format!("coalesce({}, 0) > 0", position(&lower(&text(column)))));
        let shown = [&name, &email].map(|column| format!("nullif(trim({}), '')", text(column)));
        let order = lower(&format!("coalesce({}, {})", shown.join(", "), text(&id)));
        Self {
            by_ascii_email: format!(
                "{users} AND {} LIMIT {at_most}",
                is_asked(format!("lower({})", text(&email)))
            ),
            by_email: format!(
                "{users} AND {} LIMIT {at_most}",
                is_asked(lower(&text(&email)))
            ),
            with_odd_email: format!("{users} AND {} LIMIT {at_most}", is_odd(&text(&email))),
            by_id: format!("{users} AND CAST({id} AS TEXT) = {first} LIMIT 1"),
            search: format!(
                "{users} AND ({}) ORDER BY {order}, 1 LIMIT {second}",
                holds.join(" OR ")
            ),
            count: format!("SELECT count(*) FROM {source} WHERE {id} IS NOT NULL"),
            source,
        }
    }

    /// Finds nothing, to see whether the rows can be read.
    pub(super) fn nothing(&self) -> String {
        format!("SELECT 1 FROM {} LIMIT 0", self.source)
    }

    /// Finds nothing, to see whether a column can be read.
    pub(super) fn nothing_of(&self, name: &Identifier) -> String {
        format!("SELECT {} FROM {} LIMIT 0", column(name), self.source)
    }

    /// What lookups need.
    pub(super) fn all(&self) -> [&str; 6] {
        [
            &self.by_ascii_email,
            &self.by_email,
            &self.with_odd_email,
            &self.by_id,
            &self.search,
            &self.count,
        ]
    }
}

/// A column of the rows. With `u` before it, SQLite cannot take an unknown name for a text.
fn column(name: &Identifier) -> String {
    format!("u.{}", name.quoted())
}
