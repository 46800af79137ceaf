//! Where a connection stands, in sentences, and what to do about it.

use maud::{Markup, html};

use crate::contract::ErrorCode;
use crate::ledger::{Attention, Connection, Gap};
use crate::sentence::sentence;
use crate::server::console::elements::{busy, moment};
use crate::server::console::viewer::Viewer;

/// The card. `remote` is what the remote service is called.
pub(super) fn card(
    connection: &Connection,
    remote: &str,
    names_are_loading: bool,
    viewer: &Viewer,
) -> Markup {
    html! {
        section class="card" aria-labelledby="status" {
            @match (&connection.attention, &connection.coverage.gap) {
                (Some(attention), gap) => (needs_attention(connection, attention, gap.as_ref(), viewer)),
                (None, Some(gap)) => (catching_up(connection, gap, remote, viewer)),
                (None, None) => (working(connection, viewer)),
            }
            @if names_are_loading {
                p { "Names are still loading from " (remote) ". Titles complete themselves as they arrive." }
            }
        }
    }
}

fn needs_attention(
    connection: &Connection,
    attention: &Attention,
    gap: Option<&Gap>,
    viewer: &Viewer,
) -> Markup {
    let token = format!("connections/{}/token", connection.id);
    html! {
        h2 id="status" { "Something needs you" }
        div class="notice notice-bad" { p { (sentence(&attention.message)) } }
        @if let Some(gap) = gap {
            p {
                "Deliveries may be missing since " (moment(gap.from, &viewer.zone))
                ". They are read as soon as this is put right."
            }
        }
        div class="actions" {
            @if attention.code == ErrorCode::Unauthorized.as_str() {
                a class="button" href=(token) { "Give a new token" }
                (check_form(connection, "Check again", "secondary"))
            } @else {
                (check_form(connection, "Check again", ""))
                a class="button secondary" href=(token) { "Give a new token" }
            }
        }
    }
}

fn catching_up(connection: &Connection, gap: &Gap, remote: &str, viewer: &Viewer) -> Markup {
    html! {
        h2 id="status" { "Catching up" }
        p { "Deliveries may be missing since " (moment(gap.from, &viewer.zone)) ": " (sentence(&gap.reason)) }
        p { "What is missing is being read from " (remote) ". There is nothing to do." }
        div class="actions" { (check_form(connection, "Check now", "secondary")) }
    }
}

fn working(connection: &Connection, viewer: &Viewer) -> Markup {
    html! {
        h2 id="status" { "Working" }
        p {
            "Time that " (connection.scope_name) " logs arrives here as it is logged. Everything up to "
            (moment(connection.coverage.covered_until, &viewer.zone)) " is here."
        }
        @if connection.users_mapped < connection.users_total {
            p {
                "Time of members who are mapped to nobody is kept, and shown once they are mapped. "
                a href=(format!("connections/{}/users?show=unmapped", connection.id)) { "Map them" } "."
            }
        }
        div class="actions" { (check_form(connection, "Check now", "secondary")) }
    }
}

fn check_form(connection: &Connection, label: &str, class: &str) -> Markup {
    html! {
        form class="action" method="post" action=(format!("connections/{}/check", connection.id)) {
            button class=(class) { (label) }
            (busy("Checking…"))
        }
    }
}
