//! Teams and mappings.

use clap::{ArgGroup, Args};
use reqwest::Method;

use super::client::Client;
use super::failure::Failure;
use super::output::{Output, printable};
use super::table::Table;
use crate::api::{
    MapRequest, MatchedByView, MemberList, MemberStateView, MemberView, UserList, UserView,
};

pub(super) const USERS_EXAMPLES: &str = "\
Examples:
  integration-host users Studio
  integration-host users Studio --unmapped
  integration-host users Studio --query grace";

pub(super) const MAP_EXAMPLES: &str = "\
Examples:
  integration-host map Studio 8812301 grace@example.com
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
}

#[derive(Args, Debug)]
pub(super) struct RefreshArguments {
    /// The connection's id or name
    connection: String,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("whom").required(true).args(["user", "none"]))]
pub(super) struct MapArguments {
    /// The connection's id or name
    connection: String,
    /// The team member's id at Toggl, from `users`
    remote_user: String,
    /// The user's id or e-mail address on the platform
    user: Option<String>,
    /// Map to nobody, and let no import change that
    #[arg(long)]
    none: bool,
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
    let list: MemberList = client
        .post(&["connections", &connection.id, "users", "refresh"])
        .await?;
    output.answer(&list, show_members)
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
    let member: MemberView = client
        .send(
            Method::PUT,
            &[
                "connections",
                &connection.id,
                "users",
                &arguments.remote_user,
            ],
            &MapRequest { user_id },
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
            member.note.clone().unwrap_or_default(),
        ]);
    }
    format!(
        "{}\n{} of {} members are mapped to users.",
        table.render(),
        list.mapped,
        list.total
    )
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
