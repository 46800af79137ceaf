//! What stands where no entries are: why, and the next step.

use maud::{Markup, html};

use super::days::{Range, day_of};
use super::filters::newest;
use super::query::{Permalink, View};
use crate::console::elements::empty_state;
use crate::console::services::connect_first;
use crate::console::viewer::Viewer;
use crate::state::AppState;
use integration_host::HostError;
use integration_host_ledger::Connection;

/// Why there are no entries.
pub(super) async fn show(
    state: &AppState,
    viewer: &Viewer,
    link: &Permalink,
    range: &Range,
    connections: &[Connection],
) -> Result<Markup, HostError> {
    if link.is_narrow() {
        return Ok(empty_state(
            "No entry matches the filters",
            html! {
                p { "There may be some in another time, or with fewer filters." }
                p { a class="button" href=(link.clone().without_filters().page()) { "Clear the filters" } }
            },
        ));
    }
    let all = link.filter(state.service.lists_deleted());
    let newest_shown = newest(state, &all).await?;
    if !link.unmapped {
        let mut everybody = all.clone();
        everybody.include_unmapped = true;
        (everybody.from, everybody.to) = (range.from, range.to);
        if newest(state, &everybody).await?.is_some() {
            return Ok(unmapped(link, connections));
        }
    }
    if let Some(start) = newest_shown.and_then(|activity| activity.start) {
        let date = day_of(start, &viewer.zone);
        let what = match link.view {
            View::Day => "this day",
            View::Week => "this week",
            View::List => "this time",
        };
        return Ok(empty_state(
            &format!("Nothing was logged in {what}"),
            html! {
                p { "The newest entry is of " (date.strftime("%-d %B %Y")) "." }
                p { a class="button" href=(link.at(Some(date)).page()) { "Go there" } }
            },
        ));
    }
    let Some(first) = connections.first() else {
        return Ok(empty_state(
            "Nothing is connected yet",
            html! {
                p { (connect_first(&state.service.manifest().scope_noun)) }
                p { a class="button" href="connect" { "Connect" } }
            },
        ));
    };
    if connections
        .iter()
        .all(|connection| connection.users_mapped == 0)
    {
        return Ok(empty_state(
            "Nobody is mapped to a user yet",
            html! {
                p { "The timeline shows the time of people who are mapped." }
                p { a class="button" href=(users_of(first)) { "Map the team" } }
            },
        ));
    }
    Ok(empty_state(
        "Nothing was logged yet",
        html! {
            p { "Entries appear here as soon as somebody of the team starts a timer or logs time. Earlier time can be read in too." }
            p { a class="button" href=(format!("connections/{}", first.id)) { "To the connection" } }
        },
    ))
}

fn unmapped(link: &Permalink, connections: &[Connection]) -> Markup {
    let everybody = Permalink {
        unmapped: true,
        ..link.clone()
    };
    empty_state(
        "Only people without a user logged time here",
        html! {
            p { "Map them to users, and their time is shown. It can be looked at before." }
            p class="actions" {
                @if let Some(first) = connections.first() {
                    a class="button" href=(users_of(first)) { "Map the team" }
                }
                a class="button secondary" href=(everybody.page()) { "Show them too" }
            }
        },
    )
}

fn users_of(connection: &Connection) -> String {
    format!("connections/{}/users", connection.id)
}
