//! What a file tells of each entry: one column for each kind of subject that the integration has, among those that
//! every integration's entries have.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use serde::{Serialize, Serializer};

use super::days::hours;
use integration_host_contract::id::ConnectionId;
use integration_host_contract::{Manifest, SubjectKind};
use integration_host_ledger::LedgerActivity;

/// The columns before those of the kinds of subject.
const FIRST: [&str; 13] = [
    "id",
    "connection",
    "user_id",
    "person",
    "title",
    "tags",
    "billable",
    "start",
    "stop",
    "duration_seconds",
    "duration",
    "running",
    "deleted",
];

/// The columns behind those of the kinds of subject. Then come the scope's and [`LAST`]. Further ones go to the end:
/// programs know the others by their place.
const NEXT: [&str; 6] = [
    "description",
    "email",
    "date",
    "start_time",
    "end_time",
    "hours",
];

const LAST: &str = "frozen";

/// The columns of a file, and what is needed to fill them.
pub(super) struct Columns {
    names: Vec<String>,
    kinds: Vec<SubjectKind>,
    scope_names: HashMap<ConnectionId, String>,
    zone: TimeZone,
    now: Timestamp,
}

impl Columns {
    /// Those of an integration. A running entry is told as it is now.
    pub(super) fn of(
        manifest: &Manifest,
        scope_names: HashMap<ConnectionId, String>,
        zone: TimeZone,
        now: Timestamp,
    ) -> Self {
        let kinds = &manifest.subject_kinds;
        let is_fixed = |name: &str| name == LAST || FIRST.contains(&name) || NEXT.contains(&name);
        // No column is there twice, whatever an integration calls its things.
        let of_kind = |kind: &SubjectKind| match is_fixed(&kind.id) {
            true => format!("subject_{}", kind.id),
            false => kind.id.clone(),
        };
        let mut scope = manifest
            .scope_noun
            .singular
            .to_lowercase()
            .replace(' ', "_");
        if is_fixed(&scope) || kinds.iter().any(|kind| kind.id == scope) {
            scope = format!("scope_{scope}");
        }
        let fixed = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let names: [Vec<String>; 4] = [
            fixed(&FIRST),
            kinds.iter().map(of_kind).collect(),
            fixed(&NEXT),
            vec![scope, LAST.to_owned()],
        ];
        Self {
            names: names.concat(),
            kinds: kinds.clone(),
            scope_names,
            zone,
            now,
        }
    }

    /// What they are called.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// What they hold for an activity.
    pub(super) fn entry(&self, activity: &LedgerActivity) -> Entry<'_> {
        // What was deleted counts nothing: whoever adds the column up would count it.
        let duration = activity
            .length(self.now)
            .map(|length| match activity.deleted {
                true => Duration::ZERO,
                false => length,
            });
        let local = |time: Timestamp| rfc3339(&time.to_zoned_datetime(self.zone.clone()));
        let as_told = |format: &'static str, time: Option<Timestamp>| {
            let time = time?.to_zoned_datetime(self.zone.clone());
            Some(time.strftime(format).to_string())
        };
        // Of a name that is not known, its id.
        let part = |kind: &SubjectKind| {
            let mut parts = activity.subjects.iter();
            let part = parts.find(|part| part.id.kind() == Some(&kind.id))?;
            Some(part.name.clone().unwrap_or_else(|| part.id.to_string()))
        };
        let parts: Vec<_> = self
            .kinds
            .iter()
            .map(|kind| Cell::Text(part(kind)))
            .collect();
        let description = activity.description().map(str::to_owned);
        let scope_name = self.scope_names.get(&activity.connection_id).cloned();
        let (user_id, user_name, email) = match &activity.user {
            Some(user) => (
                Some(user.id.to_string()),
                Some(user.name.clone()),
                user.email.clone(),
            ),
            None => (None, None, None),
        };
        let cells = [
            vec![
                Cell::Text(Some(format!(
                    "{}:{}",
                    activity.connection_id, activity.entry_id
                ))),
                Cell::Text(Some(activity.connection_id.to_string())),
                Cell::Text(user_id),
                Cell::Text(user_name.or(activity.remote_user_name.clone())),
                Cell::Title(activity.title.clone()),
                Cell::Tags(activity.tags.clone()),
                Cell::Yes(activity.billable),
                // RFC 3339, with the offset of the viewer's zone.
                Cell::Text(activity.start.map(local)),
                Cell::Text(activity.stop.map(local)),
                // Until now while it runs.
                Cell::Seconds(duration.map(|duration| duration.as_secs())),
                Cell::Text(duration.map(hours)),
                Cell::Yes(activity.runs()),
                Cell::Yes(activity.deleted),
            ],
            parts,
            vec![
                Cell::Text(description),
                Cell::Text(email),
                // The day and the times of day in the viewer's zone, as a spreadsheet takes them.
                Cell::Text(as_told("%Y-%m-%d", activity.start)),
                Cell::Text(as_told("%H:%M:%S", activity.start)),
                Cell::Text(as_told("%H:%M:%S", activity.stop)),
                Cell::Hours(decimal(duration.unwrap_or_default())),
            ],
            vec![
                Cell::Text(scope_name),
                // Whether it ran when its connection was disconnected, so that nobody knows how long it took.
                Cell::Yes(activity.frozen),
            ],
        ];
        Entry {
            names: &self.names,
            cells: cells.into_iter().flatten().collect(),
        }
    }
}

/// An entry in a file.
pub(super) struct Entry<'a> {
    names: &'a [String],
    cells: Vec<Cell>,
}

impl Entry<'_> {
    /// The fields of a row, in the order of the columns.
    pub(super) fn fields(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.cells.iter().map(Cell::field)
    }
}

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.names.iter().zip(&self.cells))
    }
}

/// What a column holds for an entry.
#[derive(Clone, Serialize)]
#[serde(untagged)]
enum Cell {
    Text(Option<String>),
    Title(Vec<String>),
    Tags(Vec<String>),
    Yes(bool),
    Seconds(Option<u64>),
    Hours(f64),
}

impl Cell {
    fn field(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => text.as_deref().unwrap_or_default().into(),
            Self::Title(names) => names.join(" › ").into(),
            Self::Tags(tags) => tags.join(", ").into(),
            Self::Yes(yes) => if *yes { "yes" } else { "no" }.into(),
            Self::Seconds(None) => "".into(),
            Self::Seconds(Some(seconds)) => seconds.to_string().into(),
            Self::Hours(hours) => hours.to_string().into(),
        }
    }
}

/// Hours to a ten-thousandth, which is less than a second.
fn decimal(duration: Duration) -> f64 {
    (duration.as_secs_f64() / 3600.0 * 10_000.0).round() / 10_000.0
}

fn rfc3339(time: &ZonedDateTime) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::LazyLock;

    use serde_json::json;

    use super::*;
    use crate::api::integration_tests::manifest;
    use integration_host_contract::User;
    use integration_host_contract::id::{SubjectId, UserId};
    use integration_host_ledger::SubjectName;

    fn columns_of(manifest: &Manifest) -> Columns {
        let scopes = HashMap::from([(ConnectionId::new("c"), "Studio".to_owned())]);
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let now = "2026-03-03T00:00:00Z".parse().unwrap();
        Columns::of(manifest, scopes, zone, now)
    }

    pub(in crate::console::timeline) fn columns() -> Columns {
        columns_of(&manifest("workspace", &["client", "project", "task"]))
    }

    static COLUMNS: LazyLock<Columns> = LazyLock::new(columns);

    fn activity(deleted: bool) -> LedgerActivity {
        let at = |time: &str| Some(time.parse().unwrap());
        LedgerActivity {
            connection_id: ConnectionId::new("c"),
            entry_id: "1".into(),
            event_id: None,
            remote_user_id: None,
            remote_user_name: None,
            user: None,
            subjects: [
                ("client/1", Some("Acme")),
                ("project/2", None),
                ("task/3", Some("Draft")),
            ]
            .map(|(id, name)| SubjectName {
                id: SubjectId::new(id),
                name: name.map(str::to_owned),
            })
            .into(),
            title: ["Acme", "Draft", "Tea › time"].map(str::to_owned).into(),
            tags: Vec::new(),
            billable: false,
            start: at("2026-03-01T23:00:00Z"),
            stop: at("2026-03-02T00:30:00Z"),
            deleted,
            frozen: false,
            missing: false,
            revision: String::new(),
            cursor: 0,
        }
    }

    /// An entry that somebody wrote who means no good.
    pub(in crate::console::timeline) fn entry(title: &str) -> Entry<'static> {
        COLUMNS.entry(&LedgerActivity {
            user: Some(User {
                id: UserId::new("-1+1"),
                name: "@Mara".into(),
                email: None,
            }),
            subjects: vec![SubjectName {
                id: SubjectId::new("client/1"),
                name: Some("=1".into()),
            }],
            title: vec![title.into()],
            tags: vec!["a,b".into(), "\"c\"".into()],
            ..activity(false)
        })
    }

    #[test]
    fn hours_add_up_to_the_seconds_and_what_was_deleted_counts_nothing() {
        let [short, long] = [1, 5_400].map(Duration::from_secs).map(decimal);
        assert_eq!((short, long), (0.0003, 1.5));
        let [counted, deleted] = [false, true].map(|deleted| COLUMNS.entry(&activity(deleted)));
        let told = |entry: &Entry<'_>| {
            let told = serde_json::to_value(entry).unwrap();
            (told["hours"].clone(), told["duration_seconds"].clone())
        };
        assert_eq!(told(&counted), (json!(1.5), json!(5400)));
        assert_eq!(told(&deleted), (json!(0.0), json!(0)));
        let fields: Vec<_> = counted.fields().skip(13).collect();
        assert_eq!(
            fields,
            [
                "Acme",
                "project/2",
                "Draft",
                "Tea › time",
                "",
                "2026-03-02",
                "00:00:00",
                "01:30:00",
                "1.5",
                "Studio",
                "no"
            ],
            "nobody can tell a task from a description"
        );
    }

    #[test]
    fn each_kind_of_subject_and_the_scope_has_a_column_of_its_own() {
        let names = |scope, kinds: &[&str]| {
            let columns = columns_of(&manifest(scope, kinds));
            let names: Vec<_> = columns.names().skip(13).map(str::to_owned).collect();
            assert_eq!(
                columns.entry(&activity(false)).fields().count(),
                13 + names.len()
            );
            names.join(" ")
        };
        assert_eq!(
            names("workspace", &["client", "project", "task"]),
            "client project task description email date start_time end_time hours workspace frozen"
        );
        assert_eq!(
            names("Team space", &[]),
            "description email date start_time end_time hours team_space frozen"
        );
        assert_eq!(
            names("person", &["tags", "card"]),
            "subject_tags card description email date start_time end_time hours scope_person frozen"
        );
        assert!(names("card", &["card"]).contains("scope_card"));
    }

    #[test]
    fn times_are_the_viewers_with_their_offset() {
        let time: Timestamp = "2026-03-29T01:00:00Z".parse().unwrap();
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(
            rfc3339(&time.to_zoned_datetime(zone)),
            "2026-03-29T03:00:00+02:00"
        );
        assert_eq!(
            rfc3339(&time.to_zoned_datetime(TimeZone::UTC)),
            "2026-03-29T01:00:00+00:00"
        );
    }
}
