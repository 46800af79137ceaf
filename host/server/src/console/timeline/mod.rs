//! The timeline: who spent how much time on what, as it happens.
//!
//! What a page shows is all in its address. The ledger is asked a bounded number of questions, whatever it
//! holds; changes arrive by the change feed, from the place on at which the page was made.

mod charts;
mod columns;
mod day;
mod days;
mod empty;
mod export;
mod filters;
mod list;
mod live;
mod query;
mod rows;
mod spreadsheet;
mod standing;
mod week;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;
use maud::{Markup, html};

use self::days::{Range, end_of};
use self::filters::Filters;
use self::query::{Permalink, PersonFilter, TimelineQuery, View};
use super::elements::heading;
use super::page::{self, Section};
use super::problem::ConsoleError;
use super::viewer::Viewer;
use crate::extract::ApiQuery;
use crate::state::AppState;
use integration_host::HostError;
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::{ActivityFilter, Connection, Member, Summary};

/// The address of a member's time: of whom they are mapped to, or of the member alone.
pub(super) fn time_of(connection: &ConnectionId, member: &Member) -> String {
    let whose = match &member.user {
        Some(user) => PersonFilter::User(user.id.clone()),
        None => PersonFilter::Member(connection.clone(), member.remote_user.id.clone()),
    };
    let link = Permalink {
        whose: Some(whose),
        ..Permalink::default()
    };
    link.page()
}

/// Its pages.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/timeline", get(show))
        .route("/timeline/events", get(live::events))
        .route("/timeline/export.csv", get(export::csv))
        .route("/timeline/export.json", get(export::json))
}

async fn show(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiQuery(query): ApiQuery<TimelineQuery>,
) -> Result<Response, ConsoleError> {
    let service = &state.service;
    let link = Permalink::parse(&query)?;
    let now = service.now();
    let range = Range::of(&link, now, &viewer.zone);
    // Read before everything else: what changes meanwhile is sent, not missed.
    let place = service.end_of_feed().await?;
    let connections = service.connections().await?;
    let mut filter = link.filter(service.lists_deleted());
    let summary = service.summary(&filter, &range.boundaries).await?;
    (filter.from, filter.to) = (range.from, range.to);
    let filters = Filters::read(&state, &link, &summary.facets).await?;
    let asked = Asked {
        state: &state,
        viewer: &viewer,
        link: &link,
        range: &range,
        connections: &connections,
        now,
    };
    let results = asked.results(&filter, &summary).await?;
    // A page of today is one of yesterday after that.
    let over = end_of(range.today, &viewer.zone).as_millisecond();
    let over = link.date.is_none().then_some(over);
    let content = html! {
        (heading("Timeline", exports(&link)))
        (navigation(&link, &range))
        (filters.form(&link, &range, &connections, service.lists_deleted()))
        (filters.chips(&link, &connections))
        p class="live small subtle" {
            span class="live-mark" aria-hidden="true" {}
            span id="live-status" role="status" { "Load the page again to see what is new." }
        }
        p class="unseen" id="live-news" role="status" {}
        div id="timeline" data-events=(link.address("timeline/events")) data-place=(place.to_string())
            data-now=(now.as_millisecond())
            data-over=[over] {
            (results)
        }
    };
    Ok(page::Page::new("Timeline")
        .section(Section::Timeline)
        .script("timeline.js")
        .render(&viewer, content))
}

/// What somebody asked to see.
struct Asked<'a> {
    state: &'a AppState,
    viewer: &'a Viewer,
    link: &'a Permalink,
    range: &'a Range,
    connections: &'a [Connection],
    now: Timestamp,
}

impl Asked<'_> {
    async fn results(
        &self,
        filter: &ActivityFilter,
        summary: &Summary,
    ) -> Result<Markup, HostError> {
        let Self {
            link, range, now, ..
        } = *self;
        let most = match link.view {
            View::Day => day::MOST_ENTRIES,
            View::Week => week::LATEST,
            View::List => list::PAGE,
        };
        // A day that has too many anyway need not be read.
        let is_busy = link.view == View::Day && summary.entries > day::MOST_ENTRIES as u64;
        if is_busy {
            let standing = self.standing(filter, false).await?;
            return Ok(html! { (standing) (day::show_busy(link, range, summary)) });
        }
        let cursor = link.cursor.as_deref();
        let page = self.state.service.activities(filter, cursor, most).await?;
        let style = live::style(link, range, self.viewer);
        let is_first = link.cursor.is_none();
        if is_first
            && page.items.is_empty()
            && (page.next.is_none() || link.view == View::Week)
            && summary.entries == 0
        {
            let standing = self.standing(filter, true).await?;
            let empty = empty::show(self.state, self.viewer, link, range, self.connections);
            let empty = empty.await?;
            return Ok(html! { (standing) (empty) });
        }
        let standing = self.standing(filter, false).await?;
        let entries = match link.view {
            // Deleted entries, which are not counted, can fill a day too.
            View::Day if page.next.is_some() => day::show_busy(link, range, summary),
            View::Day => day::show(&page.items, range, &style, now),
            View::Week => {
                let charted = self.state.service.manifest().charted();
                week::show(link, range, summary, &page.items, charted, &style, now)
            }
            View::List => list::show(link, &page, &style, now),
        };
        Ok(html! { (standing) (entries) })
    }

    async fn standing(&self, filter: &ActivityFilter, is_empty: bool) -> Result<Markup, HostError> {
        let Self {
            state,
            viewer,
            link,
            connections,
            ..
        } = *self;
        standing::show(state, viewer, link, filter, connections, is_empty).await
    }
}

fn exports(link: &Permalink) -> Markup {
    html! {
        a class="button secondary" href=(link.at(link.date).address("timeline/export.csv")) download { "Export CSV" }
        a class="button secondary" href=(link.at(link.date).address("timeline/export.json")) download { "Export JSON" }
    }
}

/// The views, and the way to other days.
fn navigation(link: &Permalink, range: &Range) -> Markup {
    let step = |steps| {
        range
            .neighbour(steps)
            .map(|date| link.at(Some(date)).page())
    };
    let unit = if link.view == View::Day {
        "day"
    } else {
        "week"
    };
    let is_now = link.date.is_none() || range.days.contains(&range.today);
    html! {
        div class="time-bar" {
            nav class="views" aria-label="View" {
                @for view in View::ALL {
                    a href=(link.seen_as(view).page()) aria-current=[(link.view == view).then_some("page")] { (view.name()) }
                }
            }
            h2 class="time-title" { (range.title(link)) }
            nav class="time-steps" aria-label="Time" {
                @if link.view != View::List {
                    @if let Some(target) = step(-1) { a class="button secondary" rel="prev" href=(target) { "‹ Previous" span class="unseen" { " " (unit) } } }
                }
                @if !is_now || link.view == View::List && link.date.is_some() {
                    a class="button secondary" href=(link.at(None).page()) { @if link.view == View::List { "Newest" } @else { "Today" } }
                }
                @if link.view != View::List {
                    @if let Some(target) = step(1) { a class="button secondary" rel="next" href=(target) { "Next" span class="unseen" { " " (unit) } " ›" } }
                }
            }
        }
    }
}
