//! Activities, as a list or as they arrive.

use clap::Args;
use jiff::Timestamp;

use super::client::Client;
use super::connections::moment;
use super::failure::Failure;
use super::follow::follow;
use super::output::{Output, printable};
use super::table::Table;
use super::users::find_user;
use integration_host_ledger::{MAX_PAGE, TextQuery};
use integration_host_server::api::time::{parse_from, parse_to};
use integration_host_server::api::{ActivityList, ActivityView};

pub(super) const EXAMPLES: &str = "\
Examples:
  integration-host activities --from 2026-03-01 --to 2026-03-07
  integration-host activities --user grace@example.com --unmapped --json
  integration-host activities --connection Studio --tag invoice --billable --text redesign
  integration-host activities --follow";

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Of this connection only: its id or name
    #[arg(long)]
    connection: Option<String>,
    /// Of this user only: their id or e-mail address on the platform
    #[arg(long)]
    user: Option<String>,
    /// That ended, or still run, after this: RFC 3339 time, or a date for the beginning of that day in UTC
    #[arg(long, value_name = "TIME", value_parser = parse_from)]
    from: Option<Timestamp>,
    /// That began before this: RFC 3339 time, or a date for the end of that day in UTC
    #[arg(long, value_name = "TIME", value_parser = parse_to)]
    to: Option<Timestamp>,
    /// With this tag only
    #[arg(long)]
    tag: Option<String>,
    /// Billable ones only, or with `--billable false` the others
    #[arg(long, num_args = 0..=1, require_equals = false, default_missing_value = "true", value_name = "BOOL")]
    billable: Option<bool>,
    /// With this in the title only; case does not matter
    #[arg(long)]
    text: Option<String>,
    /// On this subject, or one below it only: an id from `subjects` in the JSON
    #[arg(long, value_name = "ID", requires = "connection")]
    subject: Option<String>,
    /// Also those of team members who are mapped to nobody
    #[arg(long)]
    unmapped: bool,
    /// Also deleted ones, where the host hides them; following shows them anyway
    #[arg(long)]
    deleted: bool,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Show activities as they arrive, until interrupted; JSON is one object a line
    #[arg(long, conflicts_with_all = ["from", "to", "limit"])]
    follow: bool,
}

/// Which of the activities that arrive to show.
#[derive(Debug, Default)]
pub(super) struct Selection {
    connection: Option<String>,
    user: Option<String>,
    tag: Option<String>,
    billable: Option<bool>,
    text: Option<String>,
    subject: Option<String>,
    unmapped: bool,
    deleted: bool,
}

/// `activities`
pub(super) async fn run(
    arguments: Arguments,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let selection = Selection {
        connection: match &arguments.connection {
            Some(connection) => Some(client.connection(connection).await?.id),
            None => None,
        },
        user: match &arguments.user {
            Some(user) => Some(find_user(client, user).await?.id),
            None => None,
        },
        tag: arguments.tag.clone(),
        billable: arguments.billable,
        text: arguments.text.clone(),
        subject: arguments.subject.clone(),
        unmapped: arguments.unmapped,
        deleted: arguments.deleted,
    };
    if arguments.follow {
        output.progress("Waiting for activities … (Ctrl-C ends)");
        return follow(client, async |activity: &ActivityView| {
            if selection.has(activity) {
                output.item(activity, show_one)?;
            }
            Ok(())
        })
        .await;
    }
    let list = list(&arguments, &selection, client).await?;
    output.answer(&list, show_list)
}

/// Reads as many pages as it takes.
async fn list(
    arguments: &Arguments,
    selection: &Selection,
    client: &Client,
) -> Result<ActivityList, Failure> {
    let from = arguments.from.map(|time| time.to_string());
    let to = arguments.to.map(|time| time.to_string());
    let billable = selection.billable.map(|billable| billable.to_string());
    let include = match (selection.unmapped, selection.deleted) {
        (true, true) => Some("unmapped,deleted"),
        (true, false) => Some("unmapped"),
        (false, true) => Some("deleted"),
        (false, false) => None,
    };
    let wanted = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let mut whole = ActivityList {
        activities: Vec::new(),
        next: None,
    };
    loop {
        let limit = MAX_PAGE.min(wanted - whole.activities.len()).to_string();
        let optional = [
            ("connection", selection.connection.as_deref()),
            ("user", selection.user.as_deref()),
            ("tag", selection.tag.as_deref()),
            ("billable", billable.as_deref()),
            ("text", selection.text.as_deref()),
            ("subject", selection.subject.as_deref()),
            ("from", from.as_deref()),
            ("to", to.as_deref()),
            ("include", include),
            ("cursor", whole.next.as_deref()),
            ("limit", Some(limit.as_str())),
        ];
        let query: Vec<_> = optional
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let page: ActivityList = client.get(&["activities"], &query).await?;
        whole.activities.extend(page.activities);
        whole.next = page.next;
        if whole.next.is_none() || whole.activities.len() >= wanted {
            return Ok(whole);
        }
    }
}

impl Selection {
    /// Deletions are news to whoever follows, so they always pass.
    fn has(&self, activity: &ActivityView) -> bool {
        let user = activity.user.as_ref().map(|user| &user.id);
        let text = self.text.as_deref().and_then(TextQuery::new);
        self.connection
            .as_ref()
            .is_none_or(|connection| *connection == activity.connection_id)
            && self.user.as_ref().is_none_or(|wanted| Some(wanted) == user)
            && (self.tag.as_ref()).is_none_or(|wanted| activity.tags.contains(wanted))
            && self
                .billable
                .is_none_or(|wanted| activity.billable == wanted)
            && text.is_none_or(|wanted| activity.title.iter().any(|part| wanted.is_in(part)))
            && (self.subject.as_ref())
                .is_none_or(|wanted| activity.subjects.iter().any(|part| part.id == *wanted))
            && (self.unmapped || user.is_some())
    }
}

fn show_list(list: &ActivityList) -> String {
    if list.activities.is_empty() {
        return "No activities. Those of members who are mapped to nobody show with --unmapped."
            .to_owned();
    }
    let mut table = Table::new(&["START", "DURATION", "WHO", "WHAT", "TAGS", ""]);
    for activity in &list.activities {
        table.row([
            activity.start.map_or(String::new(), moment),
            duration(activity),
            who(activity),
            activity.title.join(" › "),
            activity.tags.join(", "),
            marks(activity),
        ]);
    }
    let mut text = table.render();
    if list.next.is_some() {
        text.push_str("\nThere are more; show them with a larger --limit.");
    }
    text
}

fn show_one(activity: &ActivityView) -> String {
    let mut parts = vec![
        activity.start.map_or("–".to_owned(), moment),
        duration(activity),
        who(activity),
        activity.title.join(" › "),
    ];
    parts.extend((!activity.tags.is_empty()).then(|| format!("[{}]", activity.tags.join(", "))));
    parts.push(marks(activity));
    parts.retain(|part| !part.is_empty());
    printable(&parts.join("  "))
}

fn who(activity: &ActivityView) -> String {
    match (&activity.user, &activity.remote_user_id) {
        (Some(user), _) => user.name.clone(),
        (None, Some(remote)) => match &activity.remote_user_name {
            Some(name) => format!("{name} (unmapped)"),
            None => format!("member {remote} (unmapped)"),
        },
        (None, None) => "unknown".to_owned(),
    }
}

fn duration(activity: &ActivityView) -> String {
    match activity.duration_seconds {
        Some(seconds) => format!(
            "{}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        ),
        None if activity.running => "running".to_owned(),
        None if activity.frozen => "unknown".to_owned(),
        None => String::new(),
    }
}

fn marks(activity: &ActivityView) -> String {
    let marks = [
        (activity.billable, "billable"),
        (activity.deleted, "deleted"),
        (activity.frozen, "ran when disconnected"),
    ];
    marks
        .into_iter()
        .filter(|(applies, _)| *applies)
        .map(|(_, mark)| mark)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use integration_host_server::api::{ActivityType, SourceView, UserView};

    fn activity() -> ActivityView {
        ActivityView {
            id: "c:1".into(),
            connection_id: "c".into(),
            remote_user_id: Some("11".into()),
            remote_user_name: Some("Grace H.".into()),
            user: Some(UserView {
                id: "u1".into(),
                name: "Grace".into(),
                email: None,
            }),
            kind: ActivityType::TimeLog,
            title: vec!["Client".into(), "Project".into()],
            subjects: Vec::new(),
            tags: vec!["deep".into()],
            billable: true,
            start: Some("2026-03-01T08:00:00.5Z".parse().unwrap()),
            stop: None,
            duration_seconds: Some(3723),
            running: false,
            deleted: false,
            frozen: false,
            missing: false,
            scored: false,
            source: SourceView {
                entry_id: "1".into(),
                event_id: None,
            },
            revision: "r".into(),
        }
    }

    #[test]
    fn an_activity_is_one_readable_line() {
        assert_eq!(
            show_one(&activity()),
            "2026-03-01 08:00:00Z  1:02:03  Grace  Client › Project  [deep]  billable"
        );
    }

    #[test]
    fn following_shows_what_was_asked_for_and_every_deletion() {
        let plain = Selection::default();
        assert!(plain.has(&activity()));
        let deleted = ActivityView {
            deleted: true,
            ..activity()
        };
        assert!(plain.has(&deleted));
        let unmapped = ActivityView {
            user: None,
            ..activity()
        };
        assert!(!plain.has(&unmapped));
        let other = Selection {
            connection: Some("d".into()),
            ..plain
        };
        assert!(!other.has(&activity()));
        for (text, shown) in [("CLIENT", true), ("cloud", false)] {
            let text = Some(text.to_owned());
            let selection = Selection {
                text,
                ..Selection::default()
            };
            assert_eq!(selection.has(&activity()), shown);
        }
    }
}
