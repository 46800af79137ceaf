//! What secrets reach, and what of it can be connected.

use maud::{Markup, html};

use super::super::problem::ConsoleError;
use crate::state::AppState;
use integration_host_contract::sentence::sentence;
use integration_host_contract::{Scope, TestReport};
use integration_host_ledger::Connection;

/// A scope, and whether it can be connected.
pub(super) struct Offer<'a> {
    pub(super) scope: &'a Scope,
    pub(super) availability: Availability<'a>,
}

/// Whether a scope can be connected.
#[derive(Clone, Copy)]
pub(super) enum Availability<'a> {
    Open,
    Connected(&'a Connection),
    /// Why not.
    Impossible(&'a str),
}

/// The connections of this integration.
pub(super) async fn connected(state: &AppState) -> Result<Vec<Connection>, ConsoleError> {
    let mut connections = state.service.connections().await?;
    let manifest = state.service.manifest();
    connections.retain(|connection| connection.integration == manifest.id);
    Ok(connections)
}

/// The scopes of a report: first what can be connected, then what is, then what cannot be.
pub(super) fn offers<'a>(report: &'a TestReport, connections: &'a [Connection]) -> Vec<Offer<'a>> {
    let mut offers: Vec<_> = report
        .scopes
        .iter()
        .map(|scope| Offer {
            scope,
            availability: Availability::of(scope, connections),
        })
        .collect();
    offers.sort_by_key(|offer| match offer.availability {
        Availability::Open => 0,
        Availability::Connected(_) => 1,
        Availability::Impossible(_) => 2,
    });
    offers
}

impl<'a> Availability<'a> {
    fn of(scope: &'a Scope, connections: &'a [Connection]) -> Self {
        let connection = connections
            .iter()
            .find(|connection| connection.scope_id == scope.id);
        match (connection, &scope.obstacle) {
            (Some(connection), _) => Self::Connected(connection),
            (None, Some(obstacle)) => Self::Impossible(obstacle),
            (None, None) => Self::Open,
        }
    }
}

impl Offer<'_> {
    pub(super) fn is_open(&self) -> bool {
        matches!(self.availability, Availability::Open)
    }

    /// The offer as a card with a radio button.
    pub(super) fn card(&self, index: usize, is_chosen: bool) -> Markup {
        let id = |part: &str| format!("scope-{index}-{part}");
        let (name_id, details_id, reason_id) = (id("name"), id("details"), id("reason"));
        let details: Vec<_> = [
            self.scope.organization.clone(),
            self.scope.plan.as_ref().map(|plan| format!("{plan} plan")),
            self.scope
                .role
                .as_ref()
                .map(|role| format!("your role: {role}")),
        ]
        .into_iter()
        .flatten()
        .collect();
        html! {
            li class="choice" {
                label {
                    input type="radio" name="scope" value=(self.scope.id) required
                        checked[is_chosen && self.is_open()] disabled[!self.is_open()]
                        aria-labelledby=(name_id) aria-describedby=(format!("{details_id} {reason_id}"));
                    span {
                        span class="choice-name" id=(name_id) { (self.scope.name) }
                        span class="subtle" id=(details_id) { (details.join(" · ")) }
                    }
                }
                @match self.availability {
                    Availability::Open => {}
                    Availability::Connected(connection) => {
                        p class="choice-reason" id=(reason_id) {
                            "Connected already: "
                            a href=(format!("connections/{}", connection.id)) { (connection.name) }
                        }
                    }
                    Availability::Impossible(reason) => {
                        p class="choice-reason" id=(reason_id) { (sentence(reason)) }
                    }
                }
            }
        }
    }
}
