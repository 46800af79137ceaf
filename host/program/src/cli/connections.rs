//! Connections: list, show, check, take over, separate, reconcile, rename, disconnect.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde::Serialize;
use serde_json::json;

use super::client::Client;
use super::failure::Failure;
use super::output::{Output, printable};
use super::secrets::variables;
use super::table::{Table, facts};
use integration_host_contract::sentence::{capitalised, duration_in_words};
use integration_host_server::api::time::{parse_from, parse_to};
use integration_host_server::api::{
    ConnectionEventView, ConnectionList, ConnectionLog, ConnectionStatus, ConnectionView,
    DisconnectedView, HealthView, NounView, ReconcileRequest, ReconcileResult, RenameRequest,
};

/// As much of an answer to a question as is read, in bytes.
const MOST_TYPED: u64 = 100;

pub(super) const SHOW_EXAMPLES: &str = "\
Examples:
  integration-host show Studio
  integration-host show k7m2p9x4bd --json";

pub(super) const RECONCILE_EXAMPLES: &str = "\
Examples:
  integration-host reconcile Studio
  integration-host reconcile Studio --from 2026-03-01 --to 2026-03-07";

pub(super) const RENAME_EXAMPLES: &str = "\
Example:
  integration-host rename Studio \"Studio Berlin\"";

/// How many lines of a connection's log are shown.
const LOG_LINES: &str = "10";

#[derive(Args, Debug)]
pub(super) struct ListArguments {}

#[derive(Args, Debug)]
pub(super) struct ShowArguments {
    /// The connection's id or name
    connection: String,
}

#[derive(Args, Debug)]
pub(super) struct CheckArguments {
    /// The connection's id or name
    connection: String,
}

#[derive(Args, Debug)]
pub(super) struct CopyArguments {
    /// The connection's id or name
    connection: String,
}

#[derive(Args, Debug)]
pub(super) struct ReconcileArguments {
    /// The connection's id or name
    connection: String,
    /// RFC 3339 time, or a date for the beginning of that day in UTC [default: 24 hours before the end]
    #[arg(long, value_name = "TIME", value_parser = parse_from)]
    from: Option<Timestamp>,
    /// RFC 3339 time, or a date for the end of that day in UTC [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_to)]
    to: Option<Timestamp>,
}

#[derive(Args, Debug)]
pub(super) struct RenameArguments {
    /// The connection's id or name
    connection: String,
    /// The new name
    name: String,
}

#[derive(Args, Debug)]
pub(super) struct DisconnectArguments {
    /// The connection's id or name
    connection: String,
    /// Ask nothing, for scripts that run in a terminal
    #[arg(long, short)]
    yes: bool,
}

/// `connections`
pub(super) async fn list(client: &Client, output: &Output) -> Result<(), Failure> {
    let list: ConnectionList = client.get(&["connections"], &[]).await?;
    let integration = client.integration().await.ok();
    output.answer(&list, |list| {
        if list.connections.is_empty() {
            let needed = integration.as_ref().map(|integration| {
                let secrets = integration.secrets.iter();
                variables(&integration.id, secrets.map(|secret| secret.name.as_str()))
            });
            return format!(
                "Nothing is connected yet.\n\nNext: {}integration-host test",
                needed.unwrap_or_default()
            );
        }
        let scope = integration
            .as_ref()
            .map_or("SCOPE".to_owned(), |integration| {
                integration.scope_noun.singular.to_uppercase()
            });
        let mut table = Table::new(&["ID", "NAME", "STATUS", &scope, "MAPPED", "LAST DELIVERY"]);
        for one in &list.connections {
            table.row([
                one.id.clone(),
                one.name.clone(),
                status(one).to_owned(),
                format!("{} ({})", one.scope.name, one.scope.id),
                format!("{} of {}", one.users.mapped, one.users.total),
                one.last_delivery_at.map_or("none yet".to_owned(), moment),
            ]);
        }
        let mut text = table.render();
        for one in &list.connections {
            if let Some(attention) = &one.attention {
                text.push_str(&format!(
                    "\n{}: {}\n",
                    printable(&one.name),
                    printable(&attention.message)
                ));
            }
        }
        text
    })
}

/// `show`
pub(super) async fn show(
    arguments: ShowArguments,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let connection = client.connection(&arguments.connection).await?;
    // Lists leave some of it out.
    let connection: ConnectionView = client.get(&["connections", &connection.id], &[]).await?;
    let noun = client.scope_noun().await;
    let log: ConnectionLog = client
        .get(
            &["connections", &connection.id, "log"],
            &[("limit", LOG_LINES)],
        )
        .await?;
    let shown = Shown {
        connection,
        log: log.events,
    };
    output.answer(&shown, |shown| {
        let mut text = describe(&shown.connection, &noun);
        if !shown.log.is_empty() {
            text.push_str("\nWhat happened, newest first:\n");
        }
        for event in &shown.log {
            let line = format!("{}  {}\n", moment(event.at), printable(&event.message));
            text.push_str(&line);
        }
        text
    })
}

/// A connection with the end of its log.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    connection: ConnectionView,
    log: Vec<ConnectionEventView>,
}

/// `check`
pub(super) async fn check(
    arguments: CheckArguments,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let connection = client.connection(&arguments.connection).await?;
    output.progress(&format!("Checking {} …", printable(&connection.name)));
    let health: HealthView = client
        .post(&["connections", &connection.id, "check"])
        .await?;
    output.answer(&health, describe_health)?;
    if health.healthy {
        Ok(())
    } else {
        Err(Failure::Reported)
    }
}

/// `take-over` and `separate`: what can be done about another copy of the host
pub(super) async fn settle_copy(
    arguments: CopyArguments,
    action: &'static str,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let connection = client.connection(&arguments.connection).await?;
    output.progress(&format!(
        "Asking for the webhook of {} …",
        printable(&connection.name)
    ));
    let health: HealthView = client
        .post(&["connections", &connection.id, action])
        .await?;
    output.answer(&health, describe_health)?;
    if health.healthy {
        Ok(())
    } else {
        Err(Failure::Reported)
    }
}

/// `reconcile`
pub(super) async fn reconcile(
    arguments: ReconcileArguments,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let (from, to) = range(arguments.from, arguments.to, Timestamp::now())?;
    let connection = client.connection(&arguments.connection).await?;
    output.progress(&format!(
        "Reading {} from {} to {} …",
        printable(&connection.name),
        moment(from),
        moment(to)
    ));
    let request = ReconcileRequest {
        from: from.to_string(),
        to: to.to_string(),
    };
    let result: ReconcileResult = client
        .send(
            Method::POST,
            &["connections", &connection.id, "reconcile"],
            &request,
        )
        .await?;
    output.answer(&result, |result| {
        let missing = match result.missing {
            0 => "",
            _ => " Some are not listed any more: `missing` shows them.",
        };
        let unread = match result.unread {
            0 => String::new(),
            unread => format!(" {unread} that were listed could not be read; `show` says why."),
        };
        format!(
            "{} activities were new or newer, {} were known already.{missing}{unread}",
            result.applied, result.unchanged
        )
    })
}

fn range(
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), Failure> {
    let to = to.unwrap_or(now);
    let from = match from {
        Some(from) => from,
        None => to
            .checked_sub(SignedDuration::from_hours(24))
            .map_err(|_| Failure::usage("--to is too early"))?,
    };
    if from < to {
        Ok((from, to))
    } else {
        Err(Failure::usage("--from must be before --to"))
    }
}

/// `rename`
pub(super) async fn rename(
    arguments: RenameArguments,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let connection = client.connection(&arguments.connection).await?;
    let request = RenameRequest {
        name: arguments.name,
    };
    let renamed: ConnectionView = client
        .send(Method::PATCH, &["connections", &connection.id], &request)
        .await?;
    output.answer(&renamed, |renamed| {
        format!(
            "{} is now called {}.",
            printable(&connection.name),
            printable(&renamed.name)
        )
    })
}

/// Whether whoever sits at the terminal wants it; nobody is asked where there is none.
fn agrees(connection: &ConnectionView) -> Result<bool, Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Ok(true);
    }
    eprint!(
        "Disconnect {}? Its webhook is deleted and its token erased, so no more time arrives; what has arrived stays. [y/N] ",
        printable(&connection.name)
    );
    let mut answer = String::new();
    let read = stdin.lock().take(MOST_TYPED).read_line(&mut answer);
    read.map_err(|error| Failure::usage(format!("cannot read the answer: {error}; say --yes")))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// `disconnect`
pub(super) async fn disconnect(
    arguments: DisconnectArguments,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let connection = client.connection(&arguments.connection).await?;
    if !arguments.yes && !agrees(&connection)? {
        return Err(Failure::usage("nothing was changed"));
    }
    let noun = client.scope_noun().await;
    output.progress(&format!("Disconnecting {} …", printable(&connection.name)));
    let ended = client.delete(&["connections", &connection.id]).await?;
    let stays = ended.map(|DisconnectedView { stays }| stays);
    let answer = json!({"disconnected": connection.id, "stays": stays});
    output.answer(&answer, |_| {
        let name = printable(&connection.name);
        let kept = format!(
            "Activities and mappings are kept, and connecting the {} again continues them.",
            noun.singular
        );
        match &stays {
            None => format!(
                "{name} is disconnected: the webhook is removed and the token erased. {kept}"
            ),
            Some(stays) => {
                format!(
                    "{name} is disconnected, and the token erased. {}\n{kept}",
                    printable(stays)
                )
            }
        }
    })
}

/// A connection in full.
pub(super) fn describe(connection: &ConnectionView, noun: &NounView) -> String {
    let owner = match &connection.owner.email {
        Some(email) => format!("{} <{email}>", connection.owner.name),
        None => connection.owner.name.clone(),
    };
    let subscription = match &connection.subscription {
        None => "none".to_owned(),
        Some(subscription) => format!(
            "{}, {}, {}",
            subscription.id,
            if subscription.enabled {
                "enabled"
            } else {
                "disabled"
            },
            match subscription.validated_at {
                Some(at) => format!("validated {}", moment(at)),
                None => "not validated".to_owned(),
            }
        ),
    };
    let scope_heading = capitalised(&noun.singular);
    let mut lines = vec![
        ("Connection", connection.id.clone()),
        ("Name", connection.name.clone()),
        ("Status", status(connection).to_owned()),
    ];
    if let Some(attention) = &connection.attention {
        lines.push(("To do", attention.message.clone()));
    }
    lines.extend([
        (
            scope_heading.as_str(),
            format!("{} ({})", connection.scope.name, connection.scope.id),
        ),
        ("Owner", owner),
        (
            "Users",
            format!(
                "{} of {} mapped",
                connection.users.mapped, connection.users.total
            ),
        ),
        ("Subscription", subscription),
        ("Callback", connection.callback_url.clone()),
        ("Created", moment(connection.created_at)),
        (
            "Last delivery",
            connection
                .last_delivery_at
                .map_or("none yet".to_owned(), moment),
        ),
        ("Complete until", moment(connection.covered_until)),
    ]);
    if let Some(gap) = &connection.gap {
        let mut text = format!("since {}: {}", moment(gap.from), gap.reason);
        if let Some(wait) = &gap.waits_for {
            text.push_str(&format!(
                ". Reading waits until {}: the rest of the quota “{}” is kept for people, and `check` reads it at once",
                moment(wait.until),
                wait.quota
            ));
        }
        lines.push(("Gap", text));
    }
    if let Some(unread) = &connection.unread {
        let (from, to) = (moment(unread.from), moment(unread.to));
        lines.push((
            "Not read",
            format!(
                "{from} to {to}, when it was disconnected; `reconcile --from … --to …` reads it"
            ),
        ));
    }
    facts(&lines)
}

fn describe_health(health: &HealthView) -> String {
    let mut text = match &health.problem {
        None => "Everything works.\n".to_owned(),
        Some(problem) => format!("{}\n", printable(&problem.message)),
    };
    for quota in &health.quotas {
        text.push_str(&format!(
            "{}: {} of {} requests left, full again in {}\n",
            printable(&quota.name),
            quota.remaining,
            quota.total,
            duration_in_words(Duration::from_secs(quota.resets_in_seconds.into()))
        ));
    }
    text
}

fn status(connection: &ConnectionView) -> &'static str {
    match connection.status {
        ConnectionStatus::Active => "active",
        ConnectionStatus::Attention => "attention",
    }
}

/// A time without fractions of a second.
pub(super) fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_day_is_reconciled_unless_a_range_is_given() {
        let now: Timestamp = "2026-03-02T12:00:00Z".parse().unwrap();
        let early: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        let (from, to) = range(None, None, now).unwrap();
        assert_eq!(
            (from.to_string(), to),
            ("2026-03-01T12:00:00Z".to_owned(), now)
        );
        assert_eq!(range(Some(early), None, now).unwrap(), (early, now));
        assert!(range(Some(now), Some(early), now).is_err());
    }
}
