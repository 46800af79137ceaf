//! One activity of the host, as far as the demo shows and compares it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An activity in the host's API.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Activity {
    pub(super) id: String,
    pub(super) remote_user_id: Option<String>,
    remote_user_name: Option<String>,
    user: Option<User>,
    pub(super) title: Vec<String>,
    tags: Vec<String>,
    billable: bool,
    pub(super) start: Option<Timestamp>,
    pub(super) stop: Option<Timestamp>,
    duration_seconds: Option<i64>,
    running: bool,
    pub(super) deleted: bool,
    pub(super) source: Source,
    /// What the demo does not look at.
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct User {
    id: String,
    name: String,
    email: Option<String>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Source {
    pub(super) entry_id: String,
    event_id: Option<String>,
}

/// The activity on a line, as `integration-host activities --follow` shows it.
pub(super) fn show(activity: &Activity) -> String {
    let start = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    let tags = match activity.tags.is_empty() {
        true => String::new(),
        false => format!("[{}]", activity.tags.join(", ")),
    };
    let marks: Vec<_> = [
        (activity.billable, "billable"),
        (activity.deleted, "deleted"),
    ]
    .into_iter()
    .filter_map(|(applies, mark)| applies.then_some(mark))
    .collect();
    let parts = [
        activity.start.map_or("–".to_owned(), start),
        duration(activity),
        who(activity),
        activity.title.join(" › "),
        tags,
        marks.join(", "),
    ];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    // Nothing that people wrote takes over the terminal.
    parts.join("  ").replace(char::is_control, " ")
}

fn who(activity: &Activity) -> String {
    match (
        &activity.user,
        &activity.remote_user_id,
        &activity.remote_user_name,
    ) {
        (Some(user), ..) => user.name.clone(),
        (None, Some(_), Some(name)) => format!("{name} (unmapped)"),
        (None, Some(id), None) => format!("member {id} (unmapped)"),
        (None, None, _) => "unknown".to_owned(),
    }
}

fn duration(activity: &Activity) -> String {
    match activity.duration_seconds {
        Some(seconds) => format!(
            "{}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        ),
        None if activity.running => "running".to_owned(),
        None => String::new(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_activity_is_a_line_and_all_of_it_is_kept() {
        let told = json!({
            "id": "c:1", "connection_id": "c", "remote_user_id": "7", "remote_user_name": "Grace",
            "user": null, "type": "time-log", "title": ["Client", "Pro\u{1b}ject"], "subjects": [],
            "tags": ["deep"], "billable": true, "start": "2026-03-01T08:00:00Z",
            "stop": "2026-03-01T09:02:03Z", "duration_seconds": 3723, "running": false,
            "frozen": false, "deleted": false, "missing": false, "scored": false,
            "source": {"entry_id": "1", "event_id": null}, "revision": "r"
        });
        let activity: Activity = serde_json::from_value(told.clone()).unwrap();
        assert_eq!(
            show(&activity),
            "2026-03-01 08:00:00Z  1:02:03  Grace (unmapped)  Client › Pro ject  [deep]  billable"
        );
        assert_eq!(serde_json::to_value(&activity).unwrap(), told);
    }
}
