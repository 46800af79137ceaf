//! What changes while a page is open: the change feed, as rows that belong into that page.

use axum::extract::State;
use axum::http::request::Parts;
use axum::response::Response;
use axum::response::sse::Event;
use serde::Serialize;

use super::days::Range;
use super::query::{Permalink, TimelineQuery, View};
use super::rows::{RowStyle, entry, entry_id};
use crate::console::problem::ConsoleError;
use crate::console::viewer::Viewer;
use crate::console::visitor::is_still_signed_in;
use crate::error::ApiError;
use crate::extract::ApiQuery;
use crate::follow;
use crate::follow::last_event_id;
use crate::state::AppState;
use integration_host::FeedPlace;
use integration_host_ledger::LedgerActivity;

/// An entry that changed.
#[derive(Serialize)]
struct Change {
    id: String,
    /// Its row; null: it does not belong into the page, or no longer.
    html: Option<String>,
}

/// Events `entry` with the place in the feed as their id. The parameters are those of the page, and
/// `after`: the place at which the page was made. An event `feed-restarted` says that the page is to be made anew.
pub(super) async fn events(
    State(state): State<AppState>,
    viewer: Viewer,
    parts: Parts,
    ApiQuery(query): ApiQuery<TimelineQuery>,
) -> Result<Response, ConsoleError> {
    let link = Permalink::parse(&query)?;
    let range = Range::of(&link, state.service.now(), &viewer.zone);
    let after = last_event_id(&parts.headers).unwrap_or(&query.after);
    let after: FeedPlace = after.parse().map_err(|_| {
        ApiError::malformed("load the page again: it does not say when it was made")
    })?;
    let mut filter = link.filter(state.service.lists_deleted());
    (filter.from, filter.to) = (range.from, range.to);
    let style = style(&link, &range, &viewer);
    let service = state.service.clone();
    let render = move |activity: LedgerActivity| {
        let row = activity
            .matches(&filter)
            .then(|| entry(&activity, &style, service.now()).into_string());
        Event::default().event("entry").json_data(Change {
            id: entry_id(&activity),
            html: row,
        })
    };
    // Whoever signs out does not want to be followed.
    let asked = (state.clone(), parts);
    let is_allowed = move || {
        let (state, parts) = asked.clone();
        async move { is_still_signed_in(&state, &parts).await }
    };
    Ok(follow::open(&state, after, is_allowed, render)?)
}

/// How the rows of a page are written.
pub(super) fn style(link: &Permalink, range: &Range, viewer: &Viewer) -> RowStyle {
    let day = range.from.zip(range.to).filter(|_| link.view == View::Day);
    RowStyle {
        zone: viewer.zone.clone(),
        day,
    }
}
