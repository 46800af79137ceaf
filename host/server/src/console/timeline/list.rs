//! All entries, newest first.

use jiff::Timestamp;
use maud::{Markup, html};

use super::query::Permalink;
use super::rows::{RowStyle, entry};
use integration_host_ledger::{LedgerActivity, Page};

/// The entries of a page.
pub(super) const PAGE: usize = 100;

/// One page of the list.
pub(super) fn show(
    link: &Permalink,
    page: &Page<LedgerActivity>,
    style: &RowStyle,
    now: Timestamp,
) -> Markup {
    let first = Permalink {
        cursor: None,
        ..link.clone()
    };
    // What arrives is newer than what a later page shows.
    let most = link.cursor.is_none().then_some(PAGE);
    html! {
        section class="card" aria-label="Entries" {
            @if page.items.is_empty() {
                p class="subtle" { "Nothing was found among the newest of the entries that were looked through." }
            }
            ol class="entries" data-order="descending" data-most=[most] {
                @for activity in &page.items { (entry(activity, style, now)) }
            }
            nav class="pager" aria-label="Pages" {
                @if link.cursor.is_some() { a class="button secondary" href=(first.page()) { "Newest" } }
                @else { span {} }
                @if let Some(next) = &page.next {
                    @let older = Permalink { cursor: Some(next.clone()), ..link.clone() };
                    a class="button secondary" rel="next" href=(older.page()) { "Older entries" }
                }
            }
        }
    }
}
