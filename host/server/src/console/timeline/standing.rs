//! What a page may lack: what does not arrive now, what is being read, who is not shown; and what helps.

use maud::{Markup, html};

use super::filters::newest;
use super::query::{Permalink, PersonFilter};
use crate::console::elements::moment;
use crate::console::told::told;
use crate::console::viewer::Viewer;
use crate::state::AppState;
use integration_host::HostError;
use integration_host_contract::ErrorCode;
use integration_host_contract::id::ConnectionId;
use integration_host_contract::sentence::sentence;
use integration_host_ledger::{ActivityFilter, Connection, LedgerActivity};

/// The most connections that are told of one by one.
const MOST_TOLD: usize = 3;

/// How much of what is logged arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quality {
    Whole,
    Partial,
    Nothing,
}

impl Quality {
    /// What the script marks the page with, and says of a page that follows the feed.
    fn live(self) -> (&'static str, &'static str) {
        match self {
            Self::Whole => ("live", "Live: new entries appear by themselves."),
            Self::Partial => (
                "partial",
                "Live, but some entries may be missing, as said below.",
            ),
            Self::Nothing => (
                "nothing",
                "Nothing is connected here, so no new entries arrive.",
            ),
        }
    }
}

/// What stands above the entries. `filter` is that of the page; `is_empty`: no entry is shown, which another sentence
/// explains. The script takes it anew with the sums.
pub(super) async fn show(
    state: &AppState,
    viewer: &Viewer,
    link: &Permalink,
    filter: &ActivityFilter,
    connections: &[Connection],
    is_empty: bool,
) -> Result<Markup, HostError> {
    let shown: Vec<&Connection> = connections
        .iter()
        .filter(|connection| chosen(link).is_none_or(|id| connection.id == *id))
        .collect();
    let lacking: Vec<&Connection> = shown
        .iter()
        .copied()
        .filter(|connection| connection.attention.is_some() || connection.coverage.gap.is_some())
        .collect();
    let quality = match (shown.is_empty(), lacking.is_empty()) {
        (true, _) => Quality::Nothing,
        (false, false) => Quality::Partial,
        (false, true) => Quality::Whole,
    };
    let hidden = match is_empty || filter.include_unmapped || filter.user.is_some() {
        true => None,
        false => hidden(state, filter).await?,
    };
    let (mark, live) = quality.live();
    let more = lacking.len().saturating_sub(MOST_TOLD);
    Ok(html! {
        div id="standing" class="standing" data-summary data-quality=(mark) data-live=(live) {
            @if shown.is_empty() && !is_empty {
                div class="notice notice-busy" {
                    p {
                        @if connections.is_empty() { "Nothing is connected any more" } @else { "This connection was ended" }
                        ", so what is logged now does not arrive. " a href="connect" { "Connect" }
                    }
                }
            }
            @for connection in lacking.iter().take(MOST_TOLD) { (lack(connection, viewer)) }
            @if more > 0 {
                p { a href="./" { (more) " more connections need somebody or are catching up" } }
            }
            @if let Some(activity) = &hidden { (not_shown(link, activity)) }
        }
    })
}

/// The connection that a page is of, if it is of one.
fn chosen(link: &Permalink) -> Option<&ConnectionId> {
    let of_member = match &link.whose {
        Some(PersonFilter::Member(connection, _)) => Some(connection),
        _ => None,
    };
    let of_subject = link.subject.as_ref().map(|(connection, _)| connection);
    link.connection.as_ref().or(of_subject).or(of_member)
}

/// What may be missing from one connection.
fn lack(connection: &Connection, viewer: &Viewer) -> Markup {
    let page = format!("connections/{}", connection.id);
    html! {
        @match (&connection.attention, &connection.coverage.gap) {
            (Some(attention), gap) => {
                div class="notice notice-bad" {
                    p {
                        strong { (connection.name) } " needs somebody, and entries may be missing"
                        @if let Some(gap) = gap { " since " (moment(gap.from, &viewer.zone)) }
                        ". " (told(&sentence(&attention.message), &viewer.zone)) " "
                        @if attention.code == ErrorCode::Unauthorized.as_str() {
                            a href=(format!("{page}/token")) { "Give a new token" }
                        } @else {
                            a href=(page) { "See what helps" }
                        }
                    }
                }
            }
            (None, Some(gap)) => {
                div class="notice notice-busy" {
                    p {
                        "Entries of " strong { (connection.name) } " since " (moment(gap.from, &viewer.zone))
                        " may be missing. They are being read. " a href=(page) { "See how far that is" }
                    }
                }
            }
            (None, None) => {}
        }
    }
}

/// The newest entry of the page's time that is left out because nobody is mapped.
async fn hidden(
    state: &AppState,
    filter: &ActivityFilter,
) -> Result<Option<LedgerActivity>, HostError> {
    let of_nobody = ActivityFilter {
        only_unmapped: true,
        ..filter.clone()
    };
    newest(state, &of_nobody).await
}

fn not_shown(link: &Permalink, activity: &LedgerActivity) -> Markup {
    let everybody = Permalink {
        unmapped: true,
        ..link.clone()
    };
    let team = format!("connections/{}/users?show=unmapped", activity.connection_id);
    html! {
        div class="notice" {
            p {
                "Entries of people who are mapped to no user are not shown. "
                a href=(everybody.page()) { "Show them too" } " or " a href=(team) { "map these people" } "."
            }
        }
    }
}
