//! One member: choosing the user it is mapped to. The list's combobox takes its options from here.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::change::{Address, code_of};
use super::list::{keep_form, mapped_to, nobody_by_hand, who};
use super::name;
use super::view::View;
use crate::console::connection::{Tab, frame};
use crate::console::elements::empty_state;
use crate::console::page::{Page, Section};
use crate::console::problem::ConsoleError;
use crate::console::viewer::Viewer;
use crate::extract::{ApiPath, ApiQuery};
use crate::state::AppState;
use integration_host::{Host, HostError, MAX_FOUND_USERS};
use integration_host_contract::User;
use integration_host_contract::id::{ConnectionId, RemoteUserId};
use integration_host_ledger::{Mapping, MatchedBy, Member};

/// Which users are looked for.
#[derive(Debug, Deserialize)]
pub(super) struct FindQuery {
    /// `None`: those who are called like the member, or else all.
    find: Option<String>,
}

/// Users to choose from.
struct Choice {
    find: String,
    users: Vec<User>,
}

pub(super) async fn show(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath((id, member)): ApiPath<(String, String)>,
    ApiQuery(view): ApiQuery<View>,
    ApiQuery(query): ApiQuery<FindQuery>,
) -> Result<Response, ConsoleError> {
    let (id, member) = (ConnectionId::new(id), RemoteUserId::new(member));
    let connection = super::super::find(&state, id.as_str()).await?;
    let member = state.service.member(&id, &member).await?;
    let choice = find(&state.service, &member, query.find).await?;
    let title = format!("Map {}", name(&member));
    let content = render(&id, &view, &member, &choice);
    Ok(Page::new(&title)
        .section(Section::Services)
        .render(&viewer, frame(&connection, Tab::Users, content)))
}

async fn find(
    service: &Host,
    member: &Member,
    wanted: Option<String>,
) -> Result<Choice, HostError> {
    if let Some(find) = wanted {
        let users = service.search_users(&find).await?;
        return Ok(Choice { find, users });
    }
    let find = name(member).to_owned();
    let users = service.search_users(&find).await?;
    if !users.is_empty() {
        return Ok(Choice { find, users });
    }
    let users = service.search_users("").await?;
    let find = String::new();
    Ok(Choice { find, users })
}

fn render(id: &ConnectionId, view: &View, member: &Member, choice: &Choice) -> Markup {
    let address = Address {
        id,
        member: &member.remote_user.id,
    }
    .to_string();
    let change = view.append_to(address.clone(), &[]);
    let before = code_of(&member.mapping());
    html! {
        section class="card" aria-labelledby="member" {
            div class="card-head" {
                h2 id="member" { "Map " (name(member)) }
                a class="button quiet" href=(view.address(id, &[])) { "Back to the team" }
            }
            dl class="facts" {
                dt { "Member" } dd { (who(id, member)) }
                dt { "Mapped to" } dd { (mapped_to(member)) }
            }
            (keep_form(member, &change))
            @if member.user.is_some() {
                form method="post" action=(change) {
                    input type="hidden" name="before" value=(before);
                    input type="hidden" name="after" value=(code_of(&nobody_by_hand()));
                    button class="secondary" { "Remove the mapping" }
                }
            }
            form class="toolbar" role="search" aria-label="Users" action=(address) {
                @for (name, value) in view.parameters() {
                    @if !value.is_empty() { input type="hidden" name=(name) value=(value); }
                }
                div class="field" {
                    label for="find" { "Find a user" }
                    input id="find" name="find" type="search" value=(choice.find) autocomplete="off" spellcheck="false"
                        placeholder="Name, e-mail or id" maxlength="200";
                }
                button class="secondary" { "Find" }
            }
            p id="users-found" class="subtle" { (found(choice)) }
            @if choice.users.is_empty() {
                (empty_state("No user is like that", html! {
                    p { "Try a part of the name or of the e-mail address. Users come from the platform's directory." }
                }))
            } @else {
                form id="users" method="post" action=(change) {
                    input type="hidden" name="before" value=(before);
                    ul class="picks" {
                        @for user in &choice.users { li { (option(user, member)) } }
                    }
                }
            }
        }
    }
}

fn option(user: &User, member: &Member) -> Markup {
    let mapping = Mapping {
        user: Some(user.id.clone()),
        matched_by: Some(MatchedBy::Manual),
    };
    let is_current = member.user.as_ref().is_some_and(|now| now.id == user.id);
    html! {
        button class="pick" name="after" value=(code_of(&mapping)) aria-current=[is_current.then_some("true")] {
            span class="who" { (user.name) }
            span class="subtle small" {
                @if is_current { "Mapped now · " }
                // In the name of a control the places at which an address may break would be read out as spaces.
                (user.email.as_deref().unwrap_or(user.id.as_str()))
            }
        }
    }
}

fn found(choice: &Choice) -> String {
    match choice.users.len() {
        MAX_FOUND_USERS.. => {
            format!("The first {MAX_FOUND_USERS} users; type more of the name to find others")
        }
        0 => "No user found".to_owned(),
        1 => "1 user found".to_owned(),
        count => format!("{count} users found"),
    }
}
