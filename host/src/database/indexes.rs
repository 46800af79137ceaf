//! Indexes, as the steps of a schema make them.

/// An index that answers questions and forbids nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) name: &'static str,
    /// What it is of, as from its name on in the statement that makes it.
    definition: &'static str,
}

impl Index {
    /// The statement that makes it, unless it is there.
    pub(crate) fn statement(&self) -> String {
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
