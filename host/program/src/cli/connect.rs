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
    ConnectRequestBody, ConnectionView, ReplaceSecretsRequest, ScopeView, TestReportView,
    TestRequest,
};

pub(super) const TEST_EXAMPLES: &str = "\
Examples:
  TOGGL_API_TOKEN=… integration-host test
  pass show toggl | integration-host test --token-stdin";

pub(super) const CONNECT_EXAMPLES: &str = "\
Examples:
  TOGGL_API_TOKEN=… integration-host connect
  TOGGL_API_TOKEN=… integration-host connect --workspace 43 --name Studio";

pub(super) const SET_TOKEN_EXAMPLES: &str = "\
Example:
  TOGGL_API_TOKEN=… integration-host set-token Studio";

#[derive(Args, Debug)]
pub(super) struct TestArguments {
    #[command(flatten)]
    token: TokenSource,
}

#[derive(Args, Debug)]
pub(super) struct ConnectArguments {
    /// The workspace's id, from `test`; needed if the token could connect several
    #[arg(long, value_name = "ID")]
    workspace: Option<String>,
    /// What to call the connection [default: the workspace's name]
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
    let secrets = arguments.token.read()?;
    let report: TestReportView = client
        .send(Method::POST, &["test"], &TestRequest { secrets })
        .await?;
    output.answer(&report, show_report)
}

fn show_report(report: &TestReportView) -> String {
    let mut text = format!(
        "The token is accepted. It belongs to {}{}.\n\n",
        printable(&report.account.name),
        match &report.account.email {
            Some(email) => format!(" <{}>", printable(email)),
            None => String::new(),
        }
    );
    if report.scopes.is_empty() {
        text.push_str("It reaches no workspace.");
        return text;
    }
    let mut table = Table::new(&[
        "WORKSPACE",
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
            "\nNext: integration-host connect --workspace {}",
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
    let secrets = arguments.token.read()?;
    let scope_id = match arguments.workspace {
        Some(id) => id,
        None => {
            output.progress("Looking for the workspace …");
            let request = TestRequest {
                secrets: secrets.clone(),
            };
            let report: TestReportView = client.send(Method::POST, &["test"], &request).await?;
            only_connectable(report.scopes)?
        }
    };
    output.progress(&format!(
        "Connecting workspace {} … (a large one takes a minute, because Toggl limits how fast it may be read)",
        printable(&scope_id)
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
            describe(connection),
            id = printable(&connection.id)
        )
    })
}

fn only_connectable(scopes: Vec<ScopeView>) -> Result<String, Failure> {
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
        ([], []) => Err(Failure::failed("the token reaches no workspace")),
        ([], others) => Err(Failure::failed(format!(
            "no workspace can be connected: {}",
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
            "the token could connect several workspaces: {}; choose one with --workspace ID",
            list(several)
        ))),
    }
}

/// `set-token`
pub(super) async fn set_token(
    arguments: SetTokenArguments,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let secrets = arguments.token.read()?;
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
        format!("The token was replaced.\n\n{}", describe(connection))
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

    #[test]
    fn a_single_connectable_workspace_needs_no_choice() {
        let scopes = vec![scope("1", Some("You are no admin.")), scope("2", None)];
        assert_eq!(only_connectable(scopes).unwrap(), "2");
    }

    #[test]
    fn several_are_listed_and_none_is_explained() {
        match only_connectable(vec![scope("1", None), scope("2", None)]) {
            Err(Failure::Usage(sentence)) => assert!(sentence.contains("2 (Workspace 2)")),
            other => panic!("{other:?}"),
        }
        match only_connectable(vec![scope("1", Some("You are no admin."))]) {
            Err(Failure::Failed(sentence)) => assert!(sentence.contains("You are no admin.")),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_report_names_the_next_step() {
        let text = show_report(&TestReportView {
            account: integration_host_server::api::AccountView {
                id: "7".into(),
                name: "Ada".into(),
                email: Some("ada@example.com".into()),
            },
            scopes: vec![scope("1", Some("You are no admin.")), scope("2", None)],
        });
        assert!(text.contains("Ada <ada@example.com>"));
        assert!(text.contains("Workspace 1 cannot be connected: You are no admin."));
        assert!(text.ends_with("Next: integration-host connect --workspace 2"));
    }
}
