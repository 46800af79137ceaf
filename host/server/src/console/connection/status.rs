//! Where a connection stands, in sentences, and what to do about it.

use maud::{Markup, html};

use super::deliveries;
use crate::console::elements::{busy, moment};
use crate::console::told::told;
use crate::console::viewer::Viewer;
use integration_host::{FAILING, GapWait, UNREADABLE, UnreadTime};
use integration_host_contract::ErrorCode;
use integration_host_contract::sentence::sentence;
use integration_host_ledger::{Attention, Connection, DeliveryStatus, Gap};

/// What goes on, and what does not, beside what the ledger says.
pub(super) struct Background {
    pub(super) names_are_loading: bool,
    pub(super) gap_waits_for: Option<GapWait>,
    pub(super) unread: Option<UnreadTime>,
}

/// The card. `remote` is what the remote service is called.
pub(super) fn card(
    connection: &Connection,
    remote: &str,
    background: &Background,
    viewer: &Viewer,
) -> Markup {
    html! {
        section class="card" aria-labelledby="status" {
            @match (&connection.attention, &connection.coverage.gap) {
                (Some(attention), gap) => (needs_attention(connection, attention, gap.as_ref(), viewer)),
                (None, Some(gap)) => (catching_up(connection, gap, remote, background, viewer)),
                (None, None) => (working(connection, viewer)),
            }
            @if let Some(unread) = &background.unread {
                p {
                    "From " (moment(unread.from, &viewer.zone)) " to " (moment(unread.to, &viewer.zone))
                    " it was disconnected. What was logged then is not here."
                }
                div class="actions" { (action_form(connection, "read-unread", "Read that time", "secondary", "Reading…")) }
            }
            @if background.names_are_loading {
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
        div class="notice notice-bad" { p { (told(&sentence(&attention.message), &viewer.zone)) } }
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
            } @else if matches!(attention.code.as_str(), FAILING | UNREADABLE) {
                a class="button" href=(deliveries::address(connection, Some(DeliveryStatus::Failed))) { "See the failed deliveries" }
                (check_form(connection, "Check again", "secondary"))
            } @else {
                (check_form(connection, "Check again", ""))
                @if attention.code == ErrorCode::Conflict.as_str() {
                    (action_form(connection, "take-over", "Take the webhook over", "secondary", "Checking…"))
                    (action_form(connection, "separate", "Make it a separate connection", "secondary", "Checking…"))
                }
                a class="button secondary" href=(token) { "Give a new token" }
            }
        }
    }
}

fn catching_up(
    connection: &Connection,
    gap: &Gap,
    remote: &str,
    background: &Background,
    viewer: &Viewer,
) -> Markup {
    html! {
        h2 id="status" { "Catching up" }
        p { "Deliveries may be missing since " (moment(gap.from, &viewer.zone)) ": " (told(&sentence(&gap.reason), &viewer.zone)) }
        @match &background.gap_waits_for {
            None => p { "What is missing is being read from " (remote) ". There is nothing to do." },
            Some(wait) => p {
                "Less than a third is left of the requests that " (remote) " allows (" (wait.quota) "), and these are kept for people. "
                "Reading goes on by itself " (moment(wait.until, &viewer.zone)) "."
            },
        }
        div class="actions" {
            @if background.gap_waits_for.is_some() {
                (action_form(connection, "read-gap", "Read now", "", "Reading…"))
            }
            (check_form(connection, "Check now", "secondary"))
            a class="button secondary" href=(format!("connections/{}/token", connection.id)) { "Give a new token" }
        }
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
        div class="actions" {
            (check_form(connection, "Check now", "secondary"))
            a class="button secondary" href=(format!("connections/{}/token", connection.id)) { "Give a new token" }
        }
    }
}

fn check_form(connection: &Connection, label: &str, class: &str) -> Markup {
    action_form(connection, "check", label, class, "Checking…")
}

/// A button that takes a while.
pub(super) fn action_form(
    connection: &Connection,
    action: &str,
    label: &str,
    class: &str,
    meanwhile: &str,
) -> Markup {
    html! {
        form class="action" method="post" action=(format!("connections/{}/{action}", connection.id)) {
            button class=(class) { (label) }
            (busy(meanwhile))
        }
    }
}
