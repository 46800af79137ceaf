//! Deliveries: what arrived and what became of it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::paging::{older, with_query};
use super::{Tab, delivery_row, find, frame};
use crate::console::elements::{busy, empty_state, problem};
use crate::console::notice::NoticeQuery;
use crate::console::page::{Page, Section};
use crate::console::problem::ConsoleError;
use crate::console::viewer::Viewer;
use crate::extract::{ApiPath, ApiQuery};
use crate::state::AppState;
use integration_host::HostError;
use integration_host_contract::sentence::shorten;
use integration_host_ledger::{Connection, Delivery, DeliveryStatus, Page as LogPage};

/// Deliveries of one page.
const PAGE: usize = 50;

/// How often a page that shows the newest ones is brought up to date, in seconds.
const REFRESH_SECONDS: u32 = 4;

/// Which deliveries.
#[derive(Default, Deserialize)]
pub(super) struct DeliveriesQuery {
    #[serde(default)]
    status: String,
    cursor: Option<String>,
    /// Whether only the list is wanted, by a page that shows it already.
    #[serde(default)]
    part: bool,
    #[serde(flatten)]
    notice: NoticeQuery,
}

/// The log, newest first.
pub(super) async fn show(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath(id): ApiPath<String>,
    ApiQuery(query): ApiQuery<DeliveriesQuery>,
) -> Result<Response, ConsoleError> {
    let connection = find(&state, id).await?;
    let list = List::read(&state, connection, &query.status, query.cursor).await?;
    if query.part {
        return Ok(list.render(&viewer).into_response());
    }
    Ok(list.page(&viewer, query.notice.show()))
}

/// The newest ones again, with why something could not be done.
pub(super) async fn again(
    state: &AppState,
    viewer: &Viewer,
    connection: Connection,
    status: &str,
    error: &HostError,
) -> Result<Response, ConsoleError> {
    let list = List::read(state, connection, status, None).await?;
    let page = list.page(
        viewer,
        problem(&integration_host_contract::sentence::sentence(
            &error.message,
        )),
    );
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// The address of the newest deliveries with an outcome; `None`: any.
pub(super) fn address(connection: &Connection, status: Option<DeliveryStatus>) -> String {
    let status = status.map(DeliveryStatus::as_str).unwrap_or_default();
    with_query(&Tab::Deliveries.address(connection), &[("status", status)])
}

/// The outcome with this name; empty: any.
pub(super) fn parse_status(name: &str) -> Result<Option<DeliveryStatus>, HostError> {
    if name.is_empty() {
        return Ok(None);
    }
    DeliveryStatus::from_name(name).map(Some).ok_or_else(|| {
        HostError::invalid(format!(
            "there is no outcome “{}”; choose one on the page of all deliveries",
            shorten(name)
        ))
    })
}

struct List {
    connection: Connection,
    status: Option<DeliveryStatus>,
    cursor: Option<String>,
    log: LogPage<Delivery>,
}

impl List {
    async fn read(
        state: &AppState,
        connection: Connection,
        status: &str,
        cursor: Option<String>,
    ) -> Result<Self, ConsoleError> {
        let status = parse_status(status)?;
        let log = state
            .service
            .deliveries(Some(&connection.id), status, cursor.as_deref(), PAGE)
            .await?;
        Ok(Self {
            connection,
            status,
            cursor,
            log,
        })
    }

    fn page(&self, viewer: &Viewer, notice: Markup) -> Response {
        let is_live = self.cursor.is_none();
        let address = address(&self.connection, self.status);
        let part = with_query(&address, &[("part", "true")]);
        let content = html! {
            (notice)
            section class="card" aria-labelledby="deliveries" {
                div class="card-head" {
                    div {
                        h2 id="deliveries" { "Deliveries" }
                        p class="subtle" { "What arrived at the webhook, newest first." }
                    }
                    @if is_live { (refresh_controls()) }
                }
                (self.outcomes())
                div data-refresh=[is_live.then_some(&part)] data-every=[is_live.then_some(REFRESH_SECONDS)] {
                    (self.render(viewer))
                }
            }
        };
        let title = format!("Deliveries of {}", self.connection.name);
        Page::new(&title)
            .section(Section::Services)
            .script("refresh.js")
            .render(viewer, frame(&self.connection, Tab::Deliveries, content))
    }

    fn outcomes(&self) -> Markup {
        html! {
            nav class="outcomes" aria-label="Outcome" {
                a href=(address(&self.connection, None)) aria-current=[self.status.is_none().then_some("true")] { "All" }
                @for status in DeliveryStatus::ALL {
                    @let is_chosen = self.status == Some(status);
                    a href=(address(&self.connection, Some(status))) aria-current=[is_chosen.then_some("true")] {
                        (delivery_row::outcome(status).1)
                    }
                }
            }
            @if let Some(status) = self.status {
                p class="subtle" { (meaning(status)) }
            }
        }
    }

    /// What changes while somebody looks at the page.
    fn render(&self, viewer: &Viewer) -> Markup {
        let deliveries = &self.log.items;
        let next = self.log.next.as_deref();
        let status = self.status.map(DeliveryStatus::as_str).unwrap_or_default();
        html! {
            @if deliveries.is_empty() {
                (self.empty())
            } @else {
                @if deliveries.iter().any(|delivery| delivery.replayable) {
                    form class="replay-all" method="post" action=(format!("connections/{}/deliveries/replay", self.connection.id)) {
                        input type="hidden" name="status" value=(status);
                        p { "Failed deliveries are handled again by themselves, less and less often." }
                        button class="secondary" { "Replay all failed ones now" }
                        (busy("Replaying…"))
                    }
                }
                table class="stacked deliveries" {
                    caption class="unseen" { "Deliveries, newest first" }
                    thead { (delivery_row::head()) }
                    tbody {
                        @for delivery in deliveries { (delivery_row::row(delivery, status, viewer)) }
                    }
                }
            }
            (older(&Tab::Deliveries.address(&self.connection), self.cursor.as_deref(), next, &[("status", status)]))
        }
    }

    fn empty(&self) -> Markup {
        match (self.status, &self.cursor) {
            (Some(_), None) => empty_state(
                "No delivery with this outcome",
                html! { p { a href=(address(&self.connection, None)) { "Show all deliveries" } } },
            ),
            (None, None) => empty_state(
                "No deliveries yet",
                html! {
                    p { "One arrives whenever somebody in " (self.connection.scope_name) " starts, stops or changes an entry. Try it: start a timer." }
                    p { a class="button secondary" href=(Tab::Overview.address(&self.connection)) { "Check the connection" } }
                },
            ),
            (_, Some(_)) => empty_state("No older deliveries", html! {}),
        }
    }
}

/// Shown by the script that refreshes.
fn refresh_controls() -> Markup {
    html! {
        div class="actions" data-refresh-controls hidden {
            span class="subtle small" data-refresh-state role="status" {}
            button class="secondary" type="button" data-refresh-pause aria-pressed="false" { "Pause" }
        }
    }
}

fn meaning(status: DeliveryStatus) -> &'static str {
    match status {
        DeliveryStatus::Accepted => "They are in the ledger.",
        DeliveryStatus::Ping => "The remote service made sure that somebody answers.",
        DeliveryStatus::Ignored => "They are genuine, and about nothing that is recorded.",
        DeliveryStatus::Failed => "They could not be handled, and are kept for a replay.",
        DeliveryStatus::Superseded => {
            "They failed, and then another delivery brought the same event."
        }
        DeliveryStatus::Refused => {
            "They failed, and turned out not to be genuine when they could be handled."
        }
    }
}
