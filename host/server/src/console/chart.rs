//! Charts as inline pictures: one picture to whoever cannot see it, described by a sentence.

use maud::{Markup, html};

/// The height of the tallest column in the picture's own units. The page stretches the picture.
const HEIGHT: f64 = 100.0;

/// The width of a column with the space beside it.
const STEP: f64 = 10.0;

/// The width of a column.
const WIDTH: f64 = 8.0;

/// What a part of a column stands for, as a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Usual,
    Bad,
}

/// One column of a chart, from left to right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// What it says when the pointer rests on it.
    pub(super) title: String,
    /// What it is made of, from the ground up.
    pub(super) parts: Vec<(Part, u64)>,
}

impl Column {
    fn total(&self) -> u64 {
        self.parts.iter().map(|(_, amount)| amount).sum()
    }
}

/// Amounts over time. `summary` says in a sentence what a look at it tells.
pub(super) fn columns(summary: &str, columns: &[Column]) -> Markup {
    let most = columns.iter().map(Column::total).max().unwrap_or_default();
    let width = STEP * columns.len().max(1) as f64;
    html! {
        svg class="chart" role="img" aria-label=(summary) viewBox=(format!("0 0 {width} {HEIGHT}"))
            preserveAspectRatio="none" {
            @for (index, column) in columns.iter().enumerate().filter(|(_, column)| column.total() > 0) {
                g {
                    title { (column.title) }
                    @for bar in bars(index, column, most) { (bar) }
                }
            }
        }
    }
}

fn bars(index: usize, column: &Column, most: u64) -> Vec<Markup> {
    let x = STEP * index as f64 + (STEP - WIDTH) / 2.0;
    let mut ground = HEIGHT;
    column
        .parts
        .iter()
        .filter(|(_, amount)| *amount > 0)
        .map(|(part, amount)| {
            let height = HEIGHT * *amount as f64 / most.max(1) as f64;
            ground -= height;
            let class = match part {
                Part::Usual => "bar-usual",
                Part::Bad => "bar-bad",
            };
            html! {
                rect class=(class) x=(x) y=(format!("{ground:.2}")) width=(WIDTH) height=(format!("{height:.2}")) {}
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(usual: u64, bad: u64) -> Column {
        Column {
            title: "<b>".into(),
            parts: vec![(Part::Usual, usual), (Part::Bad, bad)],
        }
    }

    #[test]
    fn the_tallest_column_fills_the_picture_and_parts_stand_on_each_other() {
        let picture = columns("sum", &[column(1, 1), column(0, 0), column(3, 1)]).into_string();
        for bar in [
            r#"<rect class="bar-usual" x="1" y="75.00" width="8" height="25.00">"#,
            r#"<rect class="bar-bad" x="1" y="50.00" width="8" height="25.00">"#,
            r#"<rect class="bar-usual" x="21" y="25.00" width="8" height="75.00">"#,
            r#"<rect class="bar-bad" x="21" y="0.00" width="8" height="25.00">"#,
        ] {
            assert!(picture.contains(bar), "{bar} is not in {picture}");
        }
        assert_eq!(picture.matches("<rect").count(), 4, "{picture}");
        assert!(picture.contains("&lt;b&gt;") && picture.contains(r#"viewBox="0 0 30 100""#));
    }

    #[test]
    fn nothing_at_all_is_an_empty_picture() {
        let picture = columns("No deliveries.", &[column(0, 0)]).into_string();
        assert!(picture.contains(r#"aria-label="No deliveries.""#));
        assert!(
            !picture.contains("rect") && !picture.contains("NaN"),
            "{picture}"
        );
    }
}
