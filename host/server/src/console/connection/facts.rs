//! What a connection is.

use jiff::SignedDuration;
use maud::{Markup, html};

use crate::console::elements::{email_address, moment};
use crate::console::viewer::Viewer;
use integration_host_contract::sentence::capitalised;
use integration_host_contract::{Manifest, Subscription};
use integration_host_ledger::{Connection, SeenQuotas};

/// The card.
pub(super) fn card(connection: &Connection, manifest: &Manifest, viewer: &Viewer) -> Markup {
    let zone = &viewer.zone;
    html! {
        section class="card" aria-labelledby="facts" {
            h2 id="facts" { "About it" }
            dl class="facts" {
                dt { (capitalised(&manifest.scope_noun.singular)) }
                dd { (connection.scope_name) " " span class="subtle" { "(" (connection.scope_id) ")" } }
                dt { "Owner of the token" }
                dd {
                    (connection.owner.name)
                    @if let Some(email) = &connection.owner.email { " " span class="subtle" { (email_address(email)) } }
                }
                dt { "Users" }
                dd {
                    a href=(format!("connections/{}/users", connection.id)) {
                        (connection.users_mapped) " of " (connection.users_total) " mapped"
                    }
                }
                dt { "Webhook" }
                dd { (webhook(connection.subscription.as_ref(), viewer)) }
                dt { "Last delivery" }
                dd {
                    @match connection.last_delivery_at {
                        Some(time) => (moment(time, zone)),
                        None => "None yet",
                    }
                }
                dt { "Complete up to" }
                dd { (moment(connection.coverage.covered_until, zone)) }
                dt { "Requests left" }
                dd { (quotas(connection.quotas.as_ref(), &manifest.name, viewer)) }
                dt { "Connected" }
                dd { (moment(connection.created_at, zone)) }
            }
        }
    }
}

fn webhook(subscription: Option<&Subscription>, viewer: &Viewer) -> Markup {
    let Some(subscription) = subscription else {
        return html! { "There is none. A check makes it anew." };
    };
    html! {
        @if subscription.enabled { "Switched on" } @else { "Switched off" }
        @match subscription.validated_at {
            Some(time) => { ", validated " (moment(time, &viewer.zone)) }
            None => ", not validated yet",
        }
        " " span class="subtle" { "(" (subscription.id) ")" }
    }
}

fn quotas(seen: Option<&SeenQuotas>, remote: &str, viewer: &Viewer) -> Markup {
    let Some(seen) = seen.filter(|seen| !seen.quotas.is_empty()) else {
        return html! { "Not known yet. A check asks " (remote) "." };
    };
    html! {
        @for quota in &seen.quotas {
            @let period = SignedDuration::from_secs(quota.resets_in_seconds.into());
            @let resets_at = seen.at.saturating_add(period).unwrap_or(seen.at);
            p {
                (quota.remaining.max(0)) " of " (quota.total) " (" (quota.name) "), "
                "full again " (moment(resets_at, &viewer.zone))
            }
        }
        p class="subtle small" { "Seen " (moment(seen.at, &viewer.zone)) "." }
    }
}
