//! Which rows of a database are users, and which of their columns say what.

use std::str::FromStr;

use thiserror::Error;

/// The most characters of a name, as Postgres has it.
const MAX_NAME: usize = 63;

/// Which rows are users, and which columns say what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The rows.
    pub rows: Rows,
    /// Their columns.
    pub columns: Columns,
}

/// Which rows are users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    /// All of a table or view, named from the outermost: a schema, if it is given, and the table.
    Table(Vec<Identifier>),
    /// Those a query of the operator finds. It runs as it is, inside a larger one.
    Query(String),
}

/// Which columns say what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The user's id.
    pub id: Identifier,
    /// The e-mail address; it may be null.
    pub email: Identifier,
    /// The name; it may be null.
    pub name: Identifier,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            rows: Rows::Table(vec![Identifier("users".to_owned())]),
            columns: Columns::default(),
        }
    }
}

impl Default for Columns {
    fn default() -> Self {
        let named = |name: &str| Identifier(name.to_owned());
        Self {
            id: named("id"),
            email: named("email"),
            name: named("name"),
        }
    }
}

/// The name of a table or column, as the database spells it. It may hold any letters: in a statement it is
/// always quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identifier(String);

/// Why a text names no table or column: the end of a sentence.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("a name must have 1 to {MAX_NAME} characters, none of them a control character")]
pub struct IdentifierError;

impl Identifier {
    /// The name as a statement has it.
    pub(super) fn quoted(&self) -> String {
        format!("\"{}\"", self.0.replace('"', "\"\""))
    }
}

impl FromStr for Identifier {
    type Err = IdentifierError;

    fn from_str(name: &str) -> Result<Self, IdentifierError> {
        let length = name.chars().count();
        if length == 0 || length > MAX_NAME || name.contains(char::is_control) {
            return Err(IdentifierError);
        }
        Ok(Self(name.to_owned()))
    }
}

impl Rows {
    /// A table from its name, such as `users` or `hr.people`.
    ///
    /// # Errors
    /// It is no name.
    pub fn table(name: &str) -> Result<Self, IdentifierError> {
        name.split('.')
            .map(Identifier::from_str)
            .collect::<Result<_, _>>()
            .map(Self::Table)
    }

    /// What a query finds. A semicolon at its end is left out.
    pub fn query(text: &str) -> Self {
        Self::Query(text.trim().trim_end_matches(';').to_owned())
    }
}

/// A table's name as a statement has it.
pub(super) fn quote(table: &[Identifier]) -> String {
    let parts: Vec<_> = table.iter().map(Identifier::quoted).collect();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_become_anything_else() {
        for (name, quoted) in [
            ("people", "\"people\""),
            ("hr.People", "\"hr\".\"People\""),
            ("a\"; DROP TABLE b; --", "\"a\"\"; DROP TABLE b; --\""),
        ] {
            let Ok(Rows::Table(table)) = Rows::table(name) else {
                panic!("{name} is refused")
            };
            assert_eq!(quote(&table), quoted);
        }
        for name in ["", ".", "hr.", "a\0b", "a\nb", &"x".repeat(64)] {
            assert_eq!(Rows::table(name), Err(IdentifierError), "{name:?}");
        }
        assert_eq!(
            Rows::query(" SELECT 1; "),
            Rows::Query("SELECT 1".to_owned())
        );
    }
}
