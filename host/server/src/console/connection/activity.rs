//! Activity: what happened to a connection.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::paging::older;
use super::{Tab, find, frame};
use crate::console::elements::{Tone, badge, empty_state, moment};
use crate::console::notice::NoticeQuery;
use crate::console::page::{Page, Section};
use crate::console::problem::ConsoleError;
use crate::console::told::told;
use crate::console::viewer::Viewer;
use crate::extract::{ApiPath, ApiQuery};
use crate::state::AppState;
use integration_host_ledger::{Connection, ConnectionEvent, EventKind};

/// Events of one page.
const PAGE: usize = 50;

/// Which page.
#[derive(Deserialize)]
pub(super) struct ActivityQuery {
    cursor: Option<String>,
    #[serde(flatten)]
    notice: NoticeQuery,
}

/// The log, newest first.
pub(super) async fn show(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath(id): ApiPath<String>,
    ApiQuery(query): ApiQuery<ActivityQuery>,
) -> Result<Response, ConsoleError> {
    let connection = find(&state, id).await?;
    let cursor = query.cursor.as_deref();
    let log = state.service.events(&connection.id, cursor, PAGE).await?;
    let content = html! {
        (query.notice.show())
        section class="card" aria-labelledby="log" {
            div class="card-head" {
                div {
                    h2 id="log" { "What happened" }
                    p class="subtle" { "To the connection itself. The time that was logged is in the timeline." }
                }
                a class="button secondary" href=(timeline(&connection)) { "Open the timeline" }
            }
            @if log.items.is_empty() {
                (empty_state("Nothing has happened yet", html! {
                    p { "Gaps, repairs and whatever needs you will stand here." }
                }))
            } @else {
                ul class="rows" { @for event in &log.items { (row(event, &viewer)) } }
            }
            (older(&Tab::Activity.address(&connection), cursor, log.next.as_deref(), &[]))
        }
    };
    let title = format!("Activity of {}", connection.name);
    Ok(Page::new(&title)
        .section(Section::Services)
        .render(&viewer, frame(&connection, Tab::Activity, content)))
}

fn timeline(connection: &Connection) -> String {
    format!("timeline?connection={}", connection.id)
}

fn row(event: &ConnectionEvent, viewer: &Viewer) -> Markup {
    let (tone, words) = words(event.kind);
    html! {
        li class="event" {
            span class="subtle small" { (moment(event.at, &viewer.zone)) }
            (badge(tone, words))
            p { (told(&event.message, &viewer.zone)) }
        }
    }
}

fn words(kind: EventKind) -> (Tone, &'static str) {
    match kind {
        EventKind::Connected => (Tone::Good, "Connected"),
        EventKind::Disconnected => (Tone::Neutral, "Disconnected"),
        EventKind::SecretsReplaced => (Tone::Good, "New token"),
        EventKind::GapNoticed => (Tone::Busy, "Gap noticed"),
        EventKind::SubscriptionRepaired => (Tone::Good, "Webhook repaired"),
        EventKind::GapReconciled => (Tone::Good, "Gap read"),
        EventKind::SilenceFound => (Tone::Busy, "Silence"),
        EventKind::DifferenceFound => (Tone::Busy, "Difference found"),
        EventKind::ActivitiesMissing => (Tone::Busy, "Not listed"),
        EventKind::ActivitiesMarked => (Tone::Busy, "Marked as deleted"),
        EventKind::ActivitiesReturned => (Tone::Good, "Not deleted after all"),
        EventKind::Reconciled => (Tone::Neutral, "Days read again"),
        EventKind::AttentionRaised => (Tone::Bad, "Needs attention"),
        EventKind::AttentionCleared => (Tone::Good, "Put right"),
        EventKind::TeamFailed => (Tone::Bad, "Team not imported"),
        EventKind::TeamImported => (Tone::Neutral, "Team imported"),
        EventKind::NotTakenWhole => (Tone::Busy, "Not taken whole"),
    }
}
