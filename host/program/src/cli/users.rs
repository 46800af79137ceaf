//! Teams and mappings.

use clap::{ArgGroup, Args};
use reqwest::Method;

use super::client::Client;
use super::failure::Failure;
use super::output::{Output, printable};
use super::table::Table;
use integration_host_server::api::{
    Earlier, ImportedTeam, MapRequest, MatchedByView, MemberList, MemberStateView, MemberView,
    UserList, UserView,
};

pub(super) const USERS_EXAMPLES: &str = "\
Examples:
  integration-host users Studio
  integration-host users Studio --unmapped
  integration-host users Studio --in-doubt
  integration-host users Studio --query grace";

pub(super) const REFRESH_EXAMPLES: &str = "\
Examples:
  integration-host refresh-users Studio
  integration-host refresh-users Studio --moves 12";

pub(super) const MAP_EXAMPLES: &str = "\
Examples:
  integration-host map Studio 8812301 grace@example.com
  integration-host map Studio 8812301 grace@example.com --keep-earlier
  integration-host map Studio 8812301 --none";

#[derive(Args, Debug)]
pub(super) struct UsersArguments {
    /// The connection's id or name
    connection: String,
    /// Only members with this in their name or e-mail address, or in the name of the user they are mapped to
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
    /// Only members who are mapped to nobody
    #[arg(long)]
    unmapped: bool,
    /// Only members whose mapping is no longer confirmed by e-mail, or whose address went to another user
    #[arg(long)]
    in_doubt: bool,
}

#[derive(Args, Debug)]
pub(super) struct RefreshArguments {
    /// The connection's id or name
    connection: String,
    /// Give up to so many members to the users who have their e-mail addresses now: what is new, from now on. If there are
    /// more, none is. Without this, a few
    #[arg(long, value_name = "N")]
    moves: Option<u64>,
    /// Remove up to so many mappings that no e-mail address confirms any more. If there are more, none is. Without this,
    /// none
    #[arg(long, value_name = "N")]
    removals: Option<u64>,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("whom").required(true).args(["user", "none"]))]
pub(super) struct MapArguments {
    /// The connection's id or name
    connection: String,
    /// The team member's id at the remote service, from `users`
    remote_user: String,
    /// The user's id or e-mail address on the platform
    user: Option<String>,
    /// Map to nobody, and let no import change that
    #[arg(long)]
    none: bool,
    /// Leave what belongs to a user already with that user: only what is new is the other's
    #[arg(long)]
    keep_earlier: bool,
}

/// `users`
pub(super) async fn list(
    arguments: UsersArguments,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let connection = client.connection(&arguments.connection).await?;
    let mut query = Vec::new();
    query.extend(arguments.query.as_deref().map(|text| ("query", text)));
    query.extend(arguments.unmapped.then_some(("unmapped", "true")));
    query.extend(arguments.in_doubt.then_some(("in_doubt", "true")));
    let list: MemberList = client
        .get(&["connections", &connection.id, "users"], &query)
        .await?;
    output.answer(&list, show_members)
}

/// `refresh-users`
pub(super) async fn refresh(
    arguments: RefreshArguments,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let connection = client.connection(&arguments.connection).await?;
    output.progress(&format!(
        "Importing the team of {} …",
        printable(&connection.name)
    ));
    let limits = [
        arguments.moves.map(|moves| ("moves", moves.to_string())),
        (arguments.removals).map(|removals| ("removals", removals.to_string())),
    ];
    let limits: Vec<_> = limits.into_iter().flatten().collect();
    let imported: ImportedTeam = client
        .post_with(
            &["connections", &connection.id, "users", "refresh"],
            &limits,
        )
        .await?;
    output.answer(&imported, show_import)
}

/// `map`
pub(super) async fn map(
    arguments: MapArguments,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let connection = client.connection(&arguments.connection).await?;
    let user_id = match &arguments.user {
        Some(user) => Some(find_user(client, user).await?.id),
        None => None,
    };
    let earlier = if arguments.keep_earlier {
        Earlier::Stays
    } else {
        Earlier::Moves
    };
    let member: MemberView = client
        .send(
            Method::PUT,
            &[
                "connections",
                &connection.id,
                "users",
                &arguments.remote_user,
            ],
            &MapRequest { user_id, earlier },
        )
        .await?;
    output.answer(&member, |member| {
        let name = printable(&member.remote_user.name);
        match &member.user {
            Some(user) => format!("{name} is mapped to {}.", printable(&user.name)),
            None => format!("{name} is mapped to nobody."),
        }
    })
}

/// The user with this id or e-mail address.
pub(super) async fn find_user(client: &Client, id_or_email: &str) -> Result<UserView, Failure> {
    let found: UserList = client.get(&["users"], &[("query", id_or_email)]).await?;
    choose(found.users, id_or_email)
}

fn choose(users: Vec<UserView>, id_or_email: &str) -> Result<UserView, Failure> {
    if let Some(user) = users.iter().find(|user| user.id == id_or_email) {
        return Ok(user.clone());
    }
    let mut same: Vec<_> = users
        .into_iter()
        .filter(|user| {
            user.email
                .as_ref()
                .is_some_and(|email| email.to_lowercase() == id_or_email.to_lowercase())
        })
        .collect();
    match (same.pop(), same.len()) {
        (Some(user), 0) => Ok(user),
        (Some(_), others) => Err(Failure::usage(format!(
            "{} users have the e-mail address {id_or_email}; give the user's id",
            others + 1
        ))),
        (None, _) => Err(Failure::failed(format!(
            "no user has the id or e-mail address “{id_or_email}”; the host's directory lists them"
        ))),
    }
}

fn show_members(list: &MemberList) -> String {
    let mut table = Table::new(&[
        "REMOTE USER",
        "NAME",
        "E-MAIL",
        "STATE",
        "USER",
        "MATCHED BY",
        "NOTE",
    ]);
    for member in &list.users {
        table.row([
            member.remote_user.id.clone(),
            member.remote_user.name.clone(),
            member.remote_user.email.clone().unwrap_or_default(),
            state(member).to_owned(),
            member.user.as_ref().map_or("–".to_owned(), |user| {
                format!("{} ({})", user.name, user.id)
            }),
            match member.matched_by {
                Some(MatchedByView::Email) => "e-mail",
                Some(MatchedByView::Manual) => "hand",
                None => "",
            }
            .to_owned(),
            note(member).to_owned(),
        ]);
    }
    let mut text = format!(
        "{}\n{} of {} members are mapped to users.",
        table.render(),
        list.mapped,
        list.total
    );
    // What to do about a mapping is longer than a cell.
    for member in &list.users {
        if let Some(doubt) = &member.doubt {
            let name = printable(&member.remote_user.name);
            text.push_str(&format!("\n{name}: {}", printable(doubt)));
        }
    }
    text
}

/// What to see at a glance beside a member.
fn note(member: &MemberView) -> &str {
    match (&member.doubt, &member.claimed_by, &member.earlier_user) {
        (None, ..) => member.note.as_deref().unwrap_or_default(),
        (_, Some(_), _) => "the address went to another user",
        (_, None, Some(_)) => "earlier time stays with another user",
        (_, None, None) => "no longer confirmed by e-mail",
    }
}

fn show_import(imported: &ImportedTeam) -> String {
    let import = &imported.import;
    let mut text = show_members(&imported.team);
    if let Some(question) = &import.question {
        text.push_str(&format!("\n\n{}", printable(question)));
        if import.held_back > 0 {
            text.push_str(&format!(
                "\nTo move: refresh-users … --moves {}",
                import.held_back
            ));
        }
        if import.unconfirmed > 0 {
            text.push_str(&format!(
                "\nTo remove: refresh-users … --removals {}",
                import.unconfirmed
            ));
        }
    }
    text
}

fn state(member: &MemberView) -> &'static str {
    if !member.present {
        return "left";
    }
    match member.remote_user.state {
        MemberStateView::Active => "active",
        MemberStateView::Invited => "invited",
        MemberStateView::Deactivated => "deactivated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str, email: &str) -> UserView {
        UserView {
            id: id.into(),
            name: id.into(),
            email: Some(email.into()),
        }
    }

    #[test]
    fn a_user_is_found_by_id_or_by_an_address_only_they_have() {
        let all = || {
            vec![
                user("u1", "ada@example.com"),
                user("u2", "shared@example.com"),
                user("u3", "Shared@example.com"),
            ]
        };
        assert_eq!(choose(all(), "u2").unwrap().id, "u2");
        assert_eq!(choose(all(), "ADA@example.com").unwrap().id, "u1");
        assert!(matches!(
            choose(all(), "shared@example.com"),
            Err(Failure::Usage(_))
        ));
        assert!(
            matches!(choose(all(), "ada"), Err(Failure::Failed(_))),
            "part of an address is not enough to map somebody"
        );
    }
}
