//! The list of a team's members.

use maud::{Markup, html};

use super::change::{Address, code_of};
use super::name;
use super::view::{Show, View};
use crate::console::elements::{Tone, badge, email_address, empty_state};
use crate::console::timeline::time_of;
use integration_host_contract::MemberState;
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::{Connection, Mapping, MatchedBy, Member, MemberPage};

/// The tab's content. The script takes what is new from `team-counts` and `team` and leaves the rest, so
/// that whoever types goes on typing.
pub(super) fn render(
    connection: &Connection,
    view: &View,
    page: &MemberPage,
    in_doubt: u64,
    message: Markup,
) -> Markup {
    let team = html! {
        (message)
        p id="team-found" class="subtle" { (found(connection, view, page)) }
        @if page.members.is_empty() {
            (nobody(connection, view))
        } @else {
            (table(connection, view, &page.members))
            (pager(connection, view, page))
        }
    };
    html! {
        section class="card" aria-labelledby="team-title" {
            div class="card-head" {
                div {
                    h2 id="team-title" { "Team" }
                    p id="team-counts" class="subtle" {
                        (connection.users_mapped) " of " (connection.users_total) " mapped"
                        @if in_doubt > 0 {
                            " · "
                            a href=(View::in_doubt().address(&connection.id, &[])) { (in_doubt) " to be looked at" }
                        }
                    }
                }
                (import_form(connection, view, "secondary"))
            }
            (search_form(connection, view))
            div id="team" class="team" { (team) }
        }
        p id="team-live" class="unseen" role="status" {}
        (chooser())
    }
}

fn import_form(connection: &Connection, view: &View, class: &str) -> Markup {
    html! {
        form method="post" action=(view.address(&connection.id, &[])) data-busy="Importing…" {
            button class=(class) {
                @if connection.users_total == 0 { "Import the team" } @else { "Import again" }
            }
        }
    }
}

fn search_form(connection: &Connection, view: &View) -> Markup {
    html! {
        form id="team-search" class="toolbar" role="search" aria-label="Members" action=(format!("connections/{}/users", connection.id)) {
            div class="field" {
                label for="search" { "Search" }
                input id="search" name="search" type="search" value=(view.search) autocomplete="off"
                    spellcheck="false" placeholder="Name, e-mail or mapped user" maxlength="200";
            }
            div class="field" {
                label for="show" { "Show" }
                select id="show" name="show" {
                    @for show in Show::ALL {
                        option value=(show.code()) selected[show == view.show()] { (show.name()) }
                    }
                }
            }
            button class="secondary" { "Search" }
        }
    }
}

fn found(connection: &Connection, view: &View, page: &MemberPage) -> String {
    match (view.is_narrowed(), page.matching) {
        (false, 1) => "1 member".to_owned(),
        (false, count) => format!("{count} members"),
        (true, 1) => format!("1 of {} members", connection.users_total),
        (true, count) => format!("{count} of {} members", connection.users_total),
    }
}

fn nobody(connection: &Connection, view: &View) -> Markup {
    let everybody = View::default().address(&connection.id, &[]);
    if connection.users_total == 0 {
        return empty_state(
            "The team is not imported yet",
            html! {
                p { "Import it, and its members are mapped to the users who have the same e-mail address." }
                (import_form(connection, view, ""))
            },
        );
    }
    if view.show() == Show::InDoubt && view.search.trim().is_empty() {
        return empty_state(
            "No mapping needs to be looked at",
            html! { p { a class="button secondary" href=(everybody) { "Show everybody" } } },
        );
    }
    if view.show() == Show::Unmapped && view.search.trim().is_empty() {
        return empty_state(
            "Everybody is mapped",
            html! { p { a class="button secondary" href=(everybody) { "Show everybody" } } },
        );
    }
    empty_state(
        "No member is like that",
        html! {
            p { "Try a part of the name, or look among all." }
            p { a class="button secondary" href=(everybody) { "Show everybody" } }
        },
    )
}

fn table(connection: &Connection, view: &View, members: &[Member]) -> Markup {
    html! {
        table class="stacked members" {
            caption class="unseen" { "Members of the team and the users they are mapped to" }
            thead {
                tr {
                    th scope="col" { "Member" }
                    th scope="col" { "Mapped to" }
                    th scope="col" { span class="unseen" { "Change" } }
                }
            }
            tbody {
                @for member in members { (row(connection, view, member)) }
            }
        }
    }
}

fn row(connection: &Connection, view: &View, member: &Member) -> Markup {
    let remote_user = &member.remote_user;
    let address = Address {
        id: &connection.id,
        member: &remote_user.id,
    };
    let address = view.append_to(address.to_string(), &[]);
    html! {
        tr data-member=(remote_user.id) {
            th scope="row" { (who(&connection.id, member)) }
            td data-label="Mapped to" { (mapped_to(member)) }
            td class="row-actions" {
                a class="button secondary" href=(address) data-choose=(name(member)) {
                    @if member.user.is_some() { "Change…" } @else { "Map…" }
                    span class="unseen" { " " (name(member)) }
                }
                (keep_form(member, &address))
                @if member.user.is_some() {
                    form method="post" action=(address) data-inplace {
                        input type="hidden" name="before" value=(code_of(&member.mapping()));
                        input type="hidden" name="after" value=(code_of(&nobody_by_hand()));
                        button class="quiet" { "Remove" span class="unseen" { " the mapping of " (name(member)) } }
                    }
                }
            }
        }
    }
}

/// A button that decides by hand for the mapping that should be looked at, as it is.
pub(super) fn keep_form(member: &Member, address: &str) -> Markup {
    let as_it_is = Mapping {
        matched_by: Some(MatchedBy::Manual),
        ..member.mapping()
    };
    html! {
        @if member.doubt().is_some() {
            form method="post" action=(address) data-inplace {
                input type="hidden" name="before" value=(code_of(&member.mapping()));
                input type="hidden" name="after" value=(code_of(&as_it_is));
                input type="hidden" name="earlier" value="stays";
                button class="secondary" { "Keep" span class="unseen" { " the mapping of " (name(member)) " as it is" } }
            }
        }
    }
}

/// What a person decides who removes a mapping: an import does not bring it back.
pub(super) fn nobody_by_hand() -> Mapping {
    Mapping {
        user: None,
        matched_by: Some(MatchedBy::Manual),
    }
}

/// A member, whose name leads to their time.
pub(super) fn who(connection: &ConnectionId, member: &Member) -> Markup {
    let remote_user = &member.remote_user;
    html! {
        a class="who" href=(time_of(connection, member)) { (name(member)) }
        @if !member.present {
            " " (badge(Tone::Neutral, "No longer in the team"))
        } @else {
            @match remote_user.state {
                MemberState::Active => {}
                MemberState::Invited => { " " (badge(Tone::Busy, "Invited")) }
                MemberState::Deactivated => { " " (badge(Tone::Neutral, "Deactivated")) }
            }
        }
        @if let Some(email) = &remote_user.email { span class="subtle small below" { (email_address(email)) } }
    }
}

/// Whom a member is mapped to, who decided, or why nobody.
pub(super) fn mapped_to(member: &Member) -> Markup {
    html! {
        @match (&member.user, member.matched_by) {
            (Some(user), matched_by) => {
                span class="who" { (user.name) }
                span class="subtle small below" {
                    @match matched_by {
                        Some(MatchedBy::Email) => "By e-mail",
                        _ => "By hand",
                    }
                    @if let Some(email) = &user.email { " · " (email_address(email)) }
                }
                @if let Some(doubt) = member.doubt() {
                    span class="below" { (badge(Tone::Bad, doubt_title(member))) }
                    span class="subtle small below" { (doubt) }
                }
            }
            (None, Some(_)) => {
                (badge(Tone::Neutral, "Nobody"))
                span class="subtle small below" { "By hand" }
            }
            (None, None) => {
                (badge(Tone::Busy, "Not mapped"))
                span class="subtle small below" {
                    @match (&member.note, &member.remote_user.email) {
                        (Some(note), _) => (note),
                        (None, Some(_)) => "No user has this e-mail address.",
                        (None, None) => "No e-mail address is known.",
                    }
                }
            }
        }
    }
}

/// What to see at a glance of a mapping that should be looked at.
fn doubt_title(member: &Member) -> &'static str {
    if member.claimed_by.is_some() {
        "Address of another user"
    } else if member.unconfirmed {
        "No longer confirmed by e-mail"
    } else {
        "Earlier time to be decided"
    }
}

fn pager(connection: &Connection, view: &View, page: &MemberPage) -> Markup {
    let address = |cursor: &str| view.after(cursor).address(&connection.id, &[]);
    html! {
        @if page.previous.is_some() || page.next.is_some() {
            nav class="pager" aria-label="Pages" {
                @if let Some(cursor) = &page.previous {
                    a class="button secondary" rel="prev" href=(address(cursor)) { "Previous" }
                } @else { span {} }
                @if let Some(cursor) = &page.next {
                    a class="button secondary" rel="next" href=(address(cursor)) { "Next" }
                }
            }
        }
    }
}

/// What the script puts into a row to choose a user: a combobox as the ARIA Authoring Practices describe it.
fn chooser() -> Markup {
    html! {
        template id="chooser" {
            form class="chooser" method="post" {
                input type="hidden" name="before";
                input type="hidden" name="after";
                label for="chooser-input" { "User for " span data-name {} }
                input id="chooser-input" type="text" role="combobox" aria-autocomplete="list" aria-expanded="false"
                    aria-controls="chooser-list" aria-describedby="chooser-state" autocomplete="off" spellcheck="false"
                    maxlength="200" placeholder="Name or e-mail";
                div class="chooser-popup" {
                    p id="chooser-state" class="subtle small" role="status" {}
                    ul id="chooser-list" role="listbox" aria-label="Users" hidden {}
                }
                button type="button" class="quiet" { "Cancel" }
            }
        }
    }
}
