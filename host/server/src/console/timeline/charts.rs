//! Hours as bars. A chart is a table that can be read without seeing the bars.

use std::time::Duration;

use maud::{Markup, html};

use super::days::hours;

/// The most bars of a chart; what is left becomes one more.
const MOST_BARS: usize = 12;

/// One bar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) label: String,
    /// Where a click on it leads, relative to the console's root.
    pub(super) target: Option<String>,
    pub(super) time: Duration,
}

/// A chart of the longest bars, whose times add up to `total`. `rest` is what it calls the time that has
/// no bar of its own.
pub(super) fn bars(id: &str, title: &str, all: Vec<Bar>, total: Duration, rest: &str) -> Markup {
    let (bars, left) = longest(all, total);
    let most = bars.iter().map(|bar| bar.time).max().unwrap_or_default();
    html! {
        section class="card" id=(id) data-summary aria-labelledby=(format!("{id}-title")) {
            h2 id=(format!("{id}-title")) { (title) }
            @if bars.is_empty() && left.is_none() {
                p class="subtle" { "No time yet." }
            } @else {
                table class="bars" {
                    thead class="unseen" { tr { th scope="col" { "Name" } th scope="col" { "Bar" } th scope="col" { "Hours" } } }
                    tbody {
                        @for bar in &bars {
                            tr {
                                th scope="row" {
                                    @match &bar.target {
                                        Some(target) => a href=(target) { (bar.label) },
                                        None => (bar.label),
                                    }
                                }
                                td class="bar-cell" aria-hidden="true" {
                                    svg class="bar-track" viewBox="0 0 1000 10" preserveAspectRatio="none" focusable="false" {
                                        rect class="bar-fill" width=(width(bar.time, most)) height="10" {}
                                    }
                                }
                                td class="number" { (hours(bar.time)) }
                            }
                        }
                        @if let Some(left) = left {
                            // Of many together no bar: beside it none of the others could be told from another.
                            tr class="bars-rest" {
                                th scope="row" { (rest) }
                                td class="bar-cell" {}
                                td class="number" { (hours(left)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// In thousandths of the longest. What is there can be seen.
fn width(time: Duration, most: Duration) -> u128 {
    let share = time.as_millis() * 1000 / most.as_millis().max(1);
    if time.is_zero() { 0 } else { share.max(4) }
}

/// The longest bars, and the time that has none, if it is so long that it would be told.
fn longest(mut all: Vec<Bar>, total: Duration) -> (Vec<Bar>, Option<Duration>) {
    all.retain(|bar| !bar.time.is_zero());
    all.sort_by(|one, other| {
        other
            .time
            .cmp(&one.time)
            .then_with(|| one.label.cmp(&other.label))
    });
    all.truncate(MOST_BARS);
    let shown: Duration = all.iter().map(|bar| bar.time).sum();
    let left = total.saturating_sub(shown);
    // Less than a minute would say 0:00.
    (
        all,
        Some(left).filter(|left| *left >= Duration::from_secs(60)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(label: &str, minutes: u64) -> Bar {
        Bar {
            label: label.into(),
            target: None,
            time: Duration::from_secs(minutes * 60),
        }
    }

    #[test]
    fn the_bars_add_up_to_all_time() {
        let all: Vec<_> = (1..=20)
            .map(|minutes| bar(&format!("p{minutes}"), minutes))
            .collect();
        let (bars, left) = longest(all, Duration::from_secs(60 * 210));
        assert_eq!(bars.len(), MOST_BARS);
        assert_eq!(bars[0], bar("p20", 20));
        assert_eq!(left, Some(Duration::from_secs(60 * 36)));
    }

    #[test]
    fn the_time_of_everybody_else_flattens_nobodys_bar() {
        let all: Vec<_> = (1..=500)
            .map(|number| bar(&format!("p{number}"), 60))
            .collect();
        let chart = bars(
            "c",
            "Hours",
            all,
            Duration::from_hours(500),
            "Everybody else",
        );
        let chart = chart.into_string();
        assert_eq!(
            chart.matches(r#"width="1000""#).count(),
            MOST_BARS,
            "{chart}"
        );
        assert!(
            chart.contains("Everybody else") && chart.contains("488:00"),
            "{chart}"
        );
        assert_eq!(chart.matches("<rect").count(), MOST_BARS);
    }

    #[test]
    fn a_little_can_be_seen_beside_much() {
        let (little, much) = (Duration::from_secs(1), Duration::from_hours(1000));
        assert!(width(little, much) > 0);
        assert_eq!(width(much, much), 1000);
        assert_eq!(width(Duration::ZERO, Duration::ZERO), 0);
    }
}
