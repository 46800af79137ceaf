//! Activities.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::UserView;
use integration_host::{FeedPage, Reconciled};
use integration_host_ledger::{LedgerActivity, Page, SubjectName};

/// One page of activities, newest start first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActivityList {
    /// The activities.
    pub activities: Vec<ActivityView>,
    /// The `cursor` of the next page; null: this is the last.
    pub next: Option<String>,
}

/// A piece of the change feed, in order of change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeList {
    /// Activities in their latest state, including deleted and unmapped ones.
    pub activities: Vec<ActivityView>,
    /// What to pass as `after` next time, whether or not there was anything new. Keep it as it is: what it is made of
    /// may change.
    #[schema(example = "5f0c8a21b9d3e674-35")]
    pub next: String,
}

/// One time log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActivityView {
    /// The connection's id and the entry's, joined by a colon.
    #[schema(example = "k7m2p9x4bd:3141592653")]
    pub id: String,
    /// Its connection.
    pub connection_id: String,
    /// Whose time it is; null for a deletion of which nothing else is known.
    pub remote_user_id: Option<String>,
    /// That member's name; null: no import of the team has listed the member.
    #[serde(default)]
    pub remote_user_name: Option<String>,
    /// The user the member is mapped to.
    pub user: Option<UserView>,
    /// What kind of activity it is.
    #[serde(rename = "type")]
    pub kind: ActivityType,
    /// The names of what the time was spent on, outermost first, and the description, as far as each is known.
    #[schema(example = json!(["Example Ltd", "Website", "Design", "Sketches"]))]
    pub title: Vec<String>,
    /// What the time was spent on by id, outermost first, as far as each is known.
    #[serde(default)]
    pub subjects: Vec<SubjectView>,
    /// Tags, as the remote service orders them.
    pub tags: Vec<String>,
    /// Whether it is billable.
    pub billable: bool,
    /// When it began; null for a deletion of which nothing else is known.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub start: Option<Timestamp>,
    /// When it ended; null while it runs or is frozen.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub stop: Option<Timestamp>,
    /// Seconds from start to stop, 0 if it ended before it began; null while it runs or is frozen.
    pub duration_seconds: Option<i64>,
    /// Whether it still runs.
    pub running: bool,
    /// Whether it ran when its connection was disconnected. What became of it is looked up when the scope is connected
    /// again; until then it counts for nothing.
    #[serde(default)]
    pub frozen: bool,
    /// Whether it was deleted at the remote service.
    pub deleted: bool,
    /// Whether that deletion was not reported: the remote service merely does not list the entry any more, however often
    /// it was asked. Whatever shows it again takes the deletion back, and so can a person.
    #[serde(default)]
    pub missing: bool,
    /// Always false: what a person logs by hand is shown and not scored.
    pub scored: bool,
    /// Where it comes from.
    pub source: SourceView,
    /// Of two states, the one whose revision is greater bytewise is newer.
    pub revision: String,
}

/// Something time is spent on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubjectView {
    /// Its id within the connection.
    #[schema(example = "project/203458712")]
    pub id: String,
    /// Its name; null: not known yet.
    pub name: Option<String>,
}

/// What kind of activity it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum ActivityType {
    /// Time somebody logged.
    #[serde(rename = "time-log")]
    TimeLog,
}

/// Where an activity comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceView {
    /// The remote service's id of the entry.
    pub entry_id: String,
    /// The event that last changed it; null if it was read instead of delivered.
    pub event_id: Option<String>,
}

/// What to read from the remote service.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReconcileRequest {
    /// The first moment: an RFC 3339 time, or a date for the beginning of that day in UTC.
    #[schema(example = "2026-03-01")]
    pub from: String,
    /// The moment to end before, at most 366 days later: an RFC 3339 time, or a date for the end of that day
    /// in UTC.
    #[schema(example = "2026-03-02T12:00:00Z")]
    pub to: String,
}

/// What reconciling changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReconcileResult {
    /// Activities that are new or newer than what the host had.
    pub applied: u64,
    /// Activities the host already had in this or a newer state.
    pub unchanged: u64,
    /// Activities that the remote service does not list any more. They are asked for again before they are marked as
    /// deleted.
    #[serde(default)]
    pub missing: u64,
    /// Activities that the remote service listed and that could not be read, because something essential is missing of them.
    #[serde(default)]
    pub unread: u64,
}

impl From<LedgerActivity> for ActivityView {
    fn from(activity: LedgerActivity) -> Self {
        let duration = (activity.stop)
            .and_then(|stop| activity.length(stop))
            .map(|length| i64::try_from(length.as_secs()).unwrap_or(i64::MAX));
        let running = activity.runs();
        Self {
            id: format!("{}:{}", activity.connection_id, activity.entry_id),
            connection_id: activity.connection_id.to_string(),
            remote_user_id: activity.remote_user_id.map(|id| id.to_string()),
            remote_user_name: activity.remote_user_name,
            user: activity.user.map(UserView::from),
            kind: ActivityType::TimeLog,
            title: activity.title,
            subjects: activity
                .subjects
                .into_iter()
                .map(SubjectView::from)
                .collect(),
            tags: activity.tags,
            billable: activity.billable,
            start: activity.start,
            stop: activity.stop,
            duration_seconds: duration,
            running,
            frozen: activity.frozen,
            deleted: activity.deleted,
            missing: activity.missing,
            scored: false,
            source: SourceView {
                entry_id: activity.entry_id,
                event_id: activity.event_id,
            },
            revision: activity.revision,
        }
    }
}

impl From<SubjectName> for SubjectView {
    fn from(subject: SubjectName) -> Self {
        Self {
            id: subject.id.to_string(),
            name: subject.name,
        }
    }
}

impl From<Page<LedgerActivity>> for ActivityList {
    fn from(page: Page<LedgerActivity>) -> Self {
        Self {
            activities: page.items.into_iter().map(ActivityView::from).collect(),
            next: page.next,
        }
    }
}

impl From<FeedPage> for ChangeList {
    fn from(page: FeedPage) -> Self {
        let activities = page.activities.into_iter().map(ActivityView::from);
        Self {
            activities: activities.collect(),
            next: page.next.to_string(),
        }
    }
}

impl From<Reconciled> for ReconcileResult {
    fn from(reconciled: Reconciled) -> Self {
        Self {
            applied: reconciled.applied.applied,
            unchanged: reconciled.applied.unchanged,
            missing: reconciled.missing,
            unread: reconciled.unread,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use integration_host_contract::id::{ConnectionId, RemoteUserId, SubjectId};

    fn activity() -> LedgerActivity {
        LedgerActivity {
            connection_id: ConnectionId::new("c1"),
            entry_id: "99".into(),
            event_id: Some("9007199254740993".into()),
            remote_user_id: Some(RemoteUserId::new("11")),
            remote_user_name: Some("Grace".into()),
            user: None,
            subjects: vec![SubjectName {
                id: SubjectId::new("project/7"),
                name: None,
            }],
            title: vec!["Client".into(), "Project".into()],
            tags: vec!["deep work".into()],
            billable: true,
            start: Some("2026-03-01T08:00:00Z".parse().unwrap()),
            stop: Some("2026-03-01T09:30:00Z".parse().unwrap()),
            deleted: false,
            frozen: false,
            missing: false,
            revision: "r".into(),
            cursor: 17,
        }
    }

    #[test]
    fn an_activity_has_the_published_fields() {
        assert_eq!(
            serde_json::to_value(ActivityView::from(activity())).unwrap(),
            json!({
                "id": "c1:99", "connection_id": "c1", "remote_user_id": "11",
                "remote_user_name": "Grace", "user": null, "type": "time-log",
                "title": ["Client", "Project"], "subjects": [{"id": "project/7", "name": null}],
                "tags": ["deep work"],
                "billable": true, "start": "2026-03-01T08:00:00Z", "stop": "2026-03-01T09:30:00Z",
                "duration_seconds": 5400, "running": false, "frozen": false, "deleted": false, "missing": false,
                "scored": false,
                "source": {"entry_id": "99", "event_id": "9007199254740993"}, "revision": "r"
            })
        );
    }

    #[test]
    fn a_running_entry_has_no_duration_yet() {
        let view = ActivityView::from(LedgerActivity {
            stop: None,
            ..activity()
        });
        assert!(view.running);
        assert_eq!(view.duration_seconds, None);
    }

    #[test]
    fn what_ended_before_it_began_lasted_no_time() {
        let mut activity = activity();
        activity.stop = activity
            .start
            .map(|start| start - jiff::SignedDuration::from_secs(260));
        let view = ActivityView::from(activity);
        assert_eq!((view.running, view.duration_seconds), (false, Some(0)));
    }

    #[test]
    fn a_deletion_without_content_is_not_running() {
        let view = ActivityView::from(LedgerActivity {
            start: None,
            stop: None,
            deleted: true,
            ..activity()
        });
        assert!(!view.running);
    }
}
