//! Indexes, as the steps of a schema make them. An import sets some aside until it is complete, so a later step that
//! drops one does so `IF EXISTS`, and has to be known here.

/// An index that answers questions and forbids nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: &'static str,
    /// What it is of, as from its name on in the statement that makes it.
    definition: &'static str,
}

impl Index {
    /// The statement that makes it, unless it is there.
    pub fn statement(&self) -> String {
        format!("CREATE INDEX IF NOT EXISTS {}", self.definition)
    }
}

/// The indexes of a table that are not unique, by the steps that have been taken.
pub(super) fn indexes(
    steps: impl IntoIterator<Item = &'static str>,
    table: &str,
) -> impl Iterator<Item = Index> {
    let statements = steps.into_iter().flat_map(|step| step.split(';'));
    statements.filter_map(move |statement| {
        let (_, definition) = statement.split_once("CREATE INDEX ")?;
        let mut words = definition.split_whitespace();
        let name = words.next()?;
        let is_of_table = words.next() == Some("ON") && words.next() == Some(table);
        is_of_table.then_some(Index { name, definition })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_those_of_the_table_that_are_not_unique() {
        let step = "-- A table; with indexes.
            CREATE TABLE a (b text);
            CREATE UNIQUE INDEX one ON a (b);
            -- Most have it.
            CREATE INDEX two ON a (b) WHERE b IS NOT NULL;
            CREATE INDEX three ON aa (b);";
        let found: Vec<Index> = indexes([step], "a").collect();
        let names: Vec<&str> = found.iter().map(|index| index.name).collect();
        assert_eq!(names, ["two"]);
        let statements: Vec<String> = found.iter().map(Index::statement).collect();
        assert_eq!(
            statements,
            ["CREATE INDEX IF NOT EXISTS two ON a (b) WHERE b IS NOT NULL"]
        );
    }
}
