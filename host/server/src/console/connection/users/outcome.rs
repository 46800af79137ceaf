//! What the list says about the change before it, and how to take that back.
//!
//! The address carries codes and ids, and the page says what is true now: nobody can make it say something
//! else with a link. What Undo would restore stands beside it.

use maud::{Markup, html};
use serde::Deserialize;

use super::change::{Address, code_of, mapping_of};
use super::name;
use super::view::View;
use crate::api::Earlier;
use integration_host::{Host, HostError};
use integration_host_contract::id::{ConnectionId, RemoteUserId};
use integration_host_ledger::{Mapping, MatchedBy, Member, TeamChanges};

/// What the address says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OutcomeQuery {
    notice: String,
    member: String,
    /// The mapping before the change.
    was: String,
    /// What became of activities that belonged to a user; taking the change back does the same with them.
    earlier: Earlier,
    joined: String,
    left: String,
    unconfirmed: String,
    held_back: String,
}

/// The parameters that tell of a change.
pub(super) struct Outcome(Vec<(&'static str, String)>);

impl Outcome {
    /// The list, with what was done.
    pub(super) fn on(&self, view: &View, id: &ConnectionId) -> String {
        let further: Vec<_> = self
            .0
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        view.address(id, &further)
    }
}

/// A mapping was changed, and can be changed back.
pub(super) fn changed(member: &RemoteUserId, was: &Mapping, earlier: Earlier) -> Outcome {
    let mut parameters = vec![
        ("notice", "changed".into()),
        ("member", member.to_string()),
        ("was", code_of(was)),
    ];
    if earlier == Earlier::Stays {
        parameters.push(("earlier", "stays".into()));
    }
    Outcome(parameters)
}

/// A change was taken back.
pub(super) fn restored(member: &RemoteUserId) -> Outcome {
    Outcome(vec![
        ("notice", "restored".into()),
        ("member", member.to_string()),
    ])
}

/// Nothing was changed, because somebody else was faster.
pub(super) fn overtaken(member: &RemoteUserId) -> Outcome {
    Outcome(vec![
        ("notice", "overtaken".into()),
        ("member", member.to_string()),
    ])
}

/// The team was imported.
pub(super) fn imported(changes: &TeamChanges) -> Outcome {
    Outcome(vec![
        ("notice", "imported".into()),
        ("joined", changes.joined.to_string()),
        ("left", changes.left.to_string()),
        ("unconfirmed", changes.unconfirmed.to_string()),
        ("held_back", changes.claimed.to_string()),
    ])
}

/// What to say. What cannot be true any more is left out.
pub(super) async fn show(
    service: &Host,
    id: &ConnectionId,
    view: &View,
    query: &OutcomeQuery,
) -> Result<Markup, HostError> {
    match query.notice.as_str() {
        "imported" => Ok(import_notice(id, view, query)),
        "changed" | "restored" | "overtaken" => {
            let remote_user = RemoteUserId::new(query.member.as_str());
            let Ok(member) = service.member(id, &remote_user).await else {
                return Ok(Markup::default());
            };
            Ok(match query.notice.as_str() {
                "changed" => change_notice(service, id, view, &member, query).await?,
                "restored" => notice("good", "Undone: ", &member, html! {}, html! {}),
                _ => {
                    let more = html! { " Nothing was overwritten. If this is not right, change it again." };
                    notice("busy", "Changed meanwhile: ", &member, more, html! {})
                }
            })
        }
        _ => Ok(Markup::default()),
    }
}

async fn change_notice(
    service: &Host,
    id: &ConnectionId,
    view: &View,
    member: &Member,
    query: &OutcomeQuery,
) -> Result<Markup, HostError> {
    let now = member.mapping();
    let stays = query.earlier == Earlier::Stays;
    let Some(was) = mapping_of(&query.was).filter(|was| *was != now) else {
        return Ok(Markup::default());
    };
    let before = match &was.user {
        None => Some("nobody".to_owned()),
        Some(user) => service.user(user).await?.map(|user| user.name),
    };
    let more = html! {
        @if let Some(before) = &before { " Before: " (before) (decided(was.matched_by)) "." }
        @if stays {
            " What was received before stays with whom it belongs to."
        } @else if let Some(user) = &member.user {
            " Time they logged before counts too: "
            a href=(format!("timeline?{}", person(user.id.as_str()))) { "see it in the timeline" } "."
        } @else {
            " Importing the team again leaves it so."
        }
    };
    let address = Address {
        id,
        member: &member.remote_user.id,
    };
    let undo = html! {
        @if before.is_some() {
            form method="post" action=(view.append_to(address.to_string(), &[])) data-inplace
                data-member=(member.remote_user.id) {
                input type="hidden" name="before" value=(code_of(&now));
                input type="hidden" name="after" value=(code_of(&was));
                input type="hidden" name="undo" value="yes";
                @if stays { input type="hidden" name="earlier" value="stays"; }
                button class="secondary" { "Undo" }
            }
        }
    };
    Ok(notice("good", "", member, more, undo))
}

fn person(id: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("person", id)
        .finish()
}

fn notice(tone: &str, lead: &str, member: &Member, more: Markup, action: Markup) -> Markup {
    html! {
        div class=(format!("notice notice-{tone} outcome")) role="status" {
            p {
                (lead) strong { (name(member)) }
                @match &member.user {
                    Some(user) => { " is mapped to " strong { (user.name) } }
                    None => " is mapped to nobody",
                }
                (decided(member.matched_by)) "." (more)
            }
            (action)
        }
    }
}

fn decided(matched_by: Option<MatchedBy>) -> &'static str {
    match matched_by {
        Some(MatchedBy::Email) => ", by e-mail",
        Some(MatchedBy::Manual) => ", by hand",
        None => "",
    }
}

fn import_notice(id: &ConnectionId, view: &View, query: &OutcomeQuery) -> Markup {
    let (Ok(joined), Ok(left)) = (query.joined.parse::<u64>(), query.left.parse::<u64>()) else {
        return Markup::default();
    };
    let asked = TeamChanges {
        unconfirmed: query.unconfirmed.parse().unwrap_or_default(),
        claimed: query.held_back.parse().unwrap_or_default(),
        ..TeamChanges::default()
    };
    html! {
        div class="notice notice-good" role="status" {
            p {
                "The team was imported again: "
                @if joined == 0 && left == 0 {
                    "nobody joined or left."
                } @else {
                    (joined) " joined, " (left) " left."
                }
                " What was decided by hand stays."
            }
        }
        @if let Some(question) = asked.question() {
            div class="notice notice-busy" role="status" {
                p { (question) }
                @if asked.claimed > 0 {
                    (confirm_form(id, view, "moves", asked.claimed, &format!("Move {}", members(asked.claimed))))
                }
                @if asked.unconfirmed > 0 {
                    (confirm_form(id, view, "removals", asked.unconfirmed,
                        &format!("Remove {}", mappings(asked.unconfirmed))))
                }
            }
        }
    }
}

/// Imports once more and allows as many changes as the page said, and no more.
fn confirm_form(id: &ConnectionId, view: &View, what: &str, number: u64, button: &str) -> Markup {
    html! {
        form method="post" action=(view.address(id, &[])) data-busy="Importing…" {
            input type="hidden" name=(what) value=(number);
            button class="secondary" { (button) }
        }
    }
}

fn members(number: u64) -> String {
    match number {
        1 => "1 member".to_owned(),
        many => format!("{many} members"),
    }
}

fn mappings(number: u64) -> String {
    match number {
        1 => "1 mapping".to_owned(),
        many => format!("{many} mappings"),
    }
}
