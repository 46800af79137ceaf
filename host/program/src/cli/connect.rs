//! Testing, connecting and replacing tokens.

use clap::Args;
use reqwest::Method;

use super::client::Client;
use super::connections::describe;
use super::failure::Failure;
use super::output::{Output, printable};
use super::secrets::TokenSource;
use super::table::Table;
use integration_host_server::api::{
    ConnectRequestBody, ConnectionView, NounView, ReplaceSecretsRequest, ScopeView, TestReportView,
    TestRequest,
};

pub(super) const TEST_EXAMPLES: &str = "\
Examples:
  TOGGL_API_TOKEN=… integration-host test
  pass show token | integration-host test --token-stdin";

pub(super) const CONNECT_EXAMPLES: &str = "\
Examples:
  TOGGL_API_TOKEN=… integration-host connect
  TOGGL_API_TOKEN=… integration-host connect --workspace 43 --name Studio";

pub(super) const SET_TOKEN_EXAMPLES: &str = "\
Example:
  TOGGL_API_TOKEN=… integration-host set-token Studio";

/// What integrations call a scope: words by which the flag `--scope` goes too.
const SCOPE_ALIASES: [&str; 1] = ["workspace"];

/// The flag that names a scope, in the integration's word if it goes by that.
fn scope_flag(noun: &str) -> &str {
    match SCOPE_ALIASES.contains(&noun) {
        true => noun,
        false => "scope",
    }
}

#[derive(Args, Debug)]
pub(super) struct TestArguments {
    #[command(flatten)]
    token: TokenSource,
}

#[derive(Args, Debug)]
pub(super) struct ConnectArguments {
    /// The id of what to connect, from `test`; needed if the token could connect several
    #[arg(long, value_name = "ID", visible_aliases = SCOPE_ALIASES)]
    scope: Option<String>,
    /// What to call the connection [default: the name at the remote service]
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    token: TokenSource,
}

#[derive(Args, Debug)]
pub(super) struct SetTokenArguments {
    /// The connection's id or name
    connection: String,
    #[command(flatten)]
    token: TokenSource,
}

/// `test`
pub(super) async fn test(
    arguments: TestArguments,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let integration = client.integration().await?;
    let secrets = arguments.token.read(&integration)?;
    let report: TestReportView = client
        .send(Method::POST, &["test"], &TestRequest { secrets })
        .await?;
    output.answer(&report, |report| {
        show_report(report, &integration.scope_noun)
    })
}

fn show_report(report: &TestReportView, noun: &NounView) -> String {
    let mut text = format!(
        "The token is accepted. It belongs to {}{}.\n\n",
        printable(&report.account.name),
        match &report.account.email {
            Some(email) => format!(" <{}>", printable(email)),
            None => String::new(),
        }
    );
    if report.scopes.is_empty() {
        text.push_str(&format!("It reaches no {}.", noun.singular));
        return text;
    }
    let mut table = Table::new(&[
        &noun.singular.to_uppercase(),
        "NAME",
        "ORGANIZATION",
        "PLAN",
        "ROLE",
        "CONNECTABLE",
    ]);
    for scope in &report.scopes {
        table.row([
            scope.id.clone(),
            scope.name.clone(),
            scope.organization.clone().unwrap_or_default(),
            scope.plan.clone().unwrap_or_default(),
            scope.role.clone().unwrap_or_default(),
            if scope.connectable { "yes" } else { "no" }.to_owned(),
        ]);
    }
    text.push_str(&table.render());
    for scope in &report.scopes {
        if let Some(reason) = &scope.reason {
            text.push_str(&format!(
                "\n{} cannot be connected: {}\n",
                printable(&scope.name),
                printable(reason)
            ));
        }
    }
    if let Some(scope) = report.scopes.iter().find(|scope| scope.connectable) {
        text.push_str(&format!(
            "\nNext: integration-host connect --{} {}",
            scope_flag(&noun.singular),
            printable(&scope.id)
        ));
    }
    text
}

/// `connect`
pub(super) async fn connect(
    arguments: ConnectArguments,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let integration = client.integration().await?;
    let noun = &integration.scope_noun;
    let secrets = arguments.token.read(&integration)?;
    let scope_id = match arguments.scope {
        Some(id) => id,
        None => {
            output.progress(&format!("Looking for the {} …", noun.singular));
            let request = TestRequest {
                secrets: secrets.clone(),
            };
            let report: TestReportView = client.send(Method::POST, &["test"], &request).await?;
            only_connectable(report.scopes, noun)?
        }
    };
    output.progress(&format!(
        "Connecting {} {} … (a large one takes a minute, because {} limits how fast it may be read)",
        noun.singular,
        printable(&scope_id),
        printable(&integration.name)
    ));
    let request = ConnectRequestBody {
        secrets,
        scope_id,
        name: arguments.name,
    };
    let connection: ConnectionView = client
        .send(Method::POST, &["connections"], &request)
        .await?;
    output.answer(&connection, |connection| {
        format!(
            "Connected.\n\n{}\nNext: integration-host users {id}\n      integration-host activities --connection {id} --follow",
            describe(connection, noun),
            id = printable(&connection.id)
        )
    })
}

fn only_connectable(scopes: Vec<ScopeView>, noun: &NounView) -> Result<String, Failure> {
    let (connectable, others): (Vec<_>, Vec<_>) =
        scopes.into_iter().partition(|scope| scope.connectable);
    let list = |scopes: &[ScopeView]| {
        scopes
            .iter()
            .map(|scope| format!("{} ({})", printable(&scope.id), printable(&scope.name)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (connectable.as_slice(), others.as_slice()) {
        ([scope], _) => Ok(scope.id.clone()),
        ([], []) => Err(Failure::failed(format!(
            "the token reaches no {}",
            noun.singular
        ))),
        ([], others) => Err(Failure::failed(format!(
            "no {} can be connected: {}",
            noun.singular,
            others
                .iter()
                .map(|scope| format!(
                    "{}: {}",
                    printable(&scope.name),
                    printable(scope.reason.as_deref().unwrap_or("not connectable"))
                ))
                .collect::<Vec<_>>()
                .join(" ")
        ))),
        (several, _) => Err(Failure::usage(format!(
            "the token could connect several {}: {}; choose one with --{} ID",
            noun.plural,
            list(several),
            scope_flag(&noun.singular)
        ))),
    }
}

/// `set-token`
pub(super) async fn set_token(
    arguments: SetTokenArguments,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let integration = client.integration().await?;
    let secrets = arguments.token.read(&integration)?;
    let connection = client.connection(&arguments.connection).await?;
    output.progress("Checking the new token …");
    let connection: ConnectionView = client
        .send(
            Method::PUT,
            &["connections", &connection.id, "secrets"],
            &ReplaceSecretsRequest { secrets },
        )
        .await?;
    output.answer(&connection, |connection| {
        format!(
            "The token was replaced.\n\n{}",
            describe(connection, &integration.scope_noun)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(id: &str, reason: Option<&str>) -> ScopeView {
        ScopeView {
            id: id.into(),
            name: format!("Workspace {id}"),
            organization: None,
            plan: None,
            role: None,
            connectable: reason.is_none(),
            reason: reason.map(str::to_owned),
        }
    }

    fn noun() -> NounView {
        NounView {
            singular: "workspace".into(),
            plural: "workspaces".into(),
        }
    }

    #[test]
    fn a_single_connectable_workspace_needs_no_choice() {
        let scopes = vec![scope("1", Some("You are no admin.")), scope("2", None)];
        assert_eq!(only_connectable(scopes, &noun()).unwrap(), "2");
    }

    #[test]
    fn several_are_listed_and_none_is_explained() {
        match only_connectable(vec![scope("1", None), scope("2", None)], &noun()) {
            Err(Failure::Usage(sentence)) => assert_eq!(
                sentence,
                "the token could connect several workspaces: 1 (Workspace 1), 2 (Workspace 2); choose one with --workspace ID"
            ),
            other => panic!("{other:?}"),
        }
        match only_connectable(vec![scope("1", Some("You are no admin."))], &noun()) {
            Err(Failure::Failed(sentence)) => assert!(sentence.contains("You are no admin.")),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_report_names_the_next_step() {
        let report = TestReportView {
            account: integration_host_server::api::AccountView {
                id: "7".into(),
                name: "Ada".into(),
                email: Some("ada@example.com".into()),
            },
            scopes: vec![scope("1", Some("You are no admin.")), scope("2", None)],
        };
        let text = show_report(&report, &noun());
        assert!(text.contains("Ada <ada@example.com>"));
        assert!(text.contains("Workspace 1 cannot be connected: You are no admin."));
        assert!(text.ends_with("Next: integration-host connect --workspace 2"));
        let noun = NounView {
            singular: "team space".into(),
            plural: "team spaces".into(),
        };
        let text = show_report(&report, &noun);
        assert!(text.contains("TEAM SPACE"), "{text}");
        assert!(
            text.ends_with("connect --scope 2"),
            "no flag has a blank in it: {text}"
        );
    }
}
