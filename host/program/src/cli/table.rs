//! Aligned tables.

use super::output::printable;
use integration_host_contract::sentence::cut;

/// The most characters of a cell; what is longer is cut.
const WIDEST: usize = 60;

/// A table with a heading, its columns as wide as they need to be.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(headings: &[&str]) -> Self {
        Self {
            rows: vec![
                headings
                    .iter()
                    .map(|heading| (*heading).to_owned())
                    .collect(),
            ],
        }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows
            .push(cells.into_iter().map(|cell| fit(&cell)).collect());
    }

    /// The lines, without spaces at their ends.
    pub(super) fn render(&self) -> String {
        let mut widths = Vec::new();
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                let width = cell.chars().count();
                match widths.get_mut(column) {
                    Some(widest) => *widest = width.max(*widest),
                    None => widths.push(width),
                }
            }
        }
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&format!("{cell:<width$}  "));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Names with their values, one a line.
pub(super) fn facts(facts: &[(&str, String)]) -> String {
    let width = facts
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    facts
        .iter()
        .map(|(name, value)| format!("{name:<width$}  {}\n", printable(value)))
        .collect()
}

fn fit(cell: &str) -> String {
    let cell = printable(cell);
    cut(&cell, WIDEST - 1).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_trailing_space() {
        let mut table = Table::new(&["ID", "NAME"]);
        table.row(["1".into(), "Zoë".into()]);
        table.row(["1000".into(), String::new()]);
        assert_eq!(table.render(), "ID    NAME\n1     Zoë\n1000\n");
    }

    #[test]
    fn a_cell_cannot_take_over_the_terminal() {
        let mut table = Table::new(&["NAME"]);
        table.row(["\u{1b}[2Jred\nline".into()]);
        assert_eq!(table.render(), "NAME\n [2Jred line\n");
    }

    #[test]
    fn a_long_cell_is_cut() {
        let mut table = Table::new(&["NAME"]);
        table.row(["x".repeat(500)]);
        assert!(
            table
                .render()
                .lines()
                .all(|line| line.chars().count() <= WIDEST)
        );
    }
}
