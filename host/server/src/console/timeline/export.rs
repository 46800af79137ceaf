//! The entries of a page as a file, written as it is read, so that it may be as long as it likes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use serde::Serialize;

use super::days::{Range, hours};
use super::query::{Permalink, TimelineQuery};
use super::spreadsheet;
use crate::console::problem::ConsoleError;
use crate::console::viewer::Viewer;
use crate::extract::ApiQuery;
use crate::state::AppState;
use integration_host::{Host, HostError};
use integration_host_contract::ErrorCode;
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::{ActivityFilter, LedgerActivity, MAX_PAGE, Page};

/// An entry in a file.
#[derive(Serialize)]
struct Entry {
    id: String,
    connection: String,
    user_id: Option<String>,
    person: Option<String>,
    /// Client, project, task and description, as far as each is known.
    title: Vec<String>,
    tags: Vec<String>,
    billable: bool,
    /// RFC 3339, with the offset of the viewer's zone.
    start: Option<String>,
    stop: Option<String>,
    /// Until now while it runs.
    duration_seconds: Option<u64>,
    duration: Option<String>,
    running: bool,
    deleted: bool,
    /// The names of the title one by one; of a name that is not known, its id.
    client: Option<String>,
    project: Option<String>,
    task: Option<String>,
    description: Option<String>,
    /// Of the user, where the platform tells one.
    email: Option<String>,
    /// The day and the times of day in the viewer's zone, as a spreadsheet takes them.
    date: Option<String>,
    start_time: Option<String>,
    end_time: Option<String>,
    /// What counts, in hours: nothing of what was deleted.
    hours: f64,
    /// The name of the connected scope.
    workspace: Option<String>,
    /// Whether it ran when its connection was disconnected, so that nobody knows how long it took.
    frozen: bool,
}

impl Entry {
    fn of(
        activity: LedgerActivity,
        zone: &TimeZone,
        now: Timestamp,
        workspaces: &HashMap<ConnectionId, String>,
    ) -> Self {
        let running = activity.runs();
        // What was deleted counts nothing: whoever adds the column up would count it.
        let duration = activity.length(now).map(|length| match activity.deleted {
            true => Duration::ZERO,
            false => length,
        });
        let local = |time: Timestamp| rfc3339(&time.to_zoned_datetime(zone.clone()));
        let as_told = |format: &'static str, time: Timestamp| {
            time.to_zoned_datetime(zone.clone())
                .strftime(format)
                .to_string()
        };
        let part = |kind: &str| {
            let part = activity
                .subjects
                .iter()
                .find(|part| part.id.kind() == Some(kind))?;
            Some(part.name.clone().unwrap_or_else(|| part.id.to_string()))
        };
        let (client, project, task) = (part("client"), part("project"), part("task"));
        let description = activity.description().map(str::to_owned);
        let email = activity.user.as_ref().and_then(|user| user.email.clone());
        let remote_name = activity.remote_user_name;
        Self {
            id: format!("{}:{}", activity.connection_id, activity.entry_id),
            connection: activity.connection_id.to_string(),
            user_id: activity.user.as_ref().map(|user| user.id.to_string()),
            person: activity.user.map(|user| user.name).or(remote_name),
            title: activity.title,
            tags: activity.tags,
            billable: activity.billable,
            start: activity.start.map(local),
            stop: activity.stop.map(local),
            duration_seconds: duration.map(|duration| duration.as_secs()),
            duration: duration.map(hours),
            running,
            deleted: activity.deleted,
            client,
            project,
            task,
            description,
            email,
            date: activity.start.map(|time| as_told("%Y-%m-%d", time)),
            start_time: activity.start.map(|time| as_told("%H:%M:%S", time)),
            end_time: activity.stop.map(|time| as_told("%H:%M:%S", time)),
            hours: decimal(duration.unwrap_or_default()),
            workspace: workspaces.get(&activity.connection_id).cloned(),
            frozen: activity.frozen,
        }
    }

    /// The fields of [`COLUMNS`].
    fn fields(&self) -> [Cow<'_, str>; 24] {
        let yes = |yes: bool| Cow::from(if yes { "yes" } else { "no" });
        let or_empty = |text: &'_ Option<String>| Cow::from(text.clone().unwrap_or_default());
        [
            Cow::from(self.id.as_str()),
            Cow::from(self.connection.as_str()),
            or_empty(&self.user_id),
            or_empty(&self.person),
            Cow::from(self.title.join(" › ")),
            Cow::from(self.tags.join(", ")),
            yes(self.billable),
            or_empty(&self.start),
            or_empty(&self.stop),
            Cow::from(
                self.duration_seconds
                    .map(|seconds| seconds.to_string())
                    .unwrap_or_default(),
            ),
            or_empty(&self.duration),
            yes(self.running),
            yes(self.deleted),
            or_empty(&self.client),
            or_empty(&self.project),
            or_empty(&self.task),
            or_empty(&self.description),
            or_empty(&self.email),
            or_empty(&self.date),
            or_empty(&self.start_time),
            or_empty(&self.end_time),
            Cow::from(self.hours.to_string()),
            or_empty(&self.workspace),
            yes(self.frozen),
        ]
    }
}

/// Further ones go to the end: programs know the others by their place.
const COLUMNS: [&str; 24] = [
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
    "client",
    "project",
    "task",
    "description",
    "email",
    "date",
    "start_time",
    "end_time",
    "hours",
    "workspace",
    "frozen",
];

/// Without it Excel takes the text for one of an older encoding.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Hours to a ten-thousandth, which is less than a second.
fn decimal(duration: Duration) -> f64 {
    (duration.as_secs_f64() / 3600.0 * 10_000.0).round() / 10_000.0
}

fn rfc3339(time: &ZonedDateTime) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// How entries are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Csv,
    Json,
}

/// As comma-separated values.
pub(super) async fn csv(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiQuery(query): ApiQuery<TimelineQuery>,
) -> Result<Response, ConsoleError> {
    export(state, viewer, &query, Format::Csv).await
}

/// As a JSON array.
pub(super) async fn json(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiQuery(query): ApiQuery<TimelineQuery>,
) -> Result<Response, ConsoleError> {
    export(state, viewer, &query, Format::Json).await
}

async fn export(
    state: AppState,
    viewer: Viewer,
    query: &TimelineQuery,
    format: Format,
) -> Result<Response, ConsoleError> {
    let link = Permalink::parse(query)?;
    let now = state.service.now();
    let range = Range::of(&link, now, &viewer.zone);
    let mut filter = link.filter(state.service.lists_deleted());
    (filter.from, filter.to) = (range.from, range.to);
    let workspaces = state.service.scope_names().await?;
    // Whatever fails at once fails as a page.
    let first = state.service.activities(&filter, None, MAX_PAGE).await?;
    let writing = Writing {
        service: state.service.clone(),
        filter,
        zone: viewer.zone,
        now,
        workspaces,
        format,
        next: Next::First(first),
        is_begun: false,
    };
    let pieces = stream::try_unfold(writing, Writing::piece);
    let (kind, extension) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "csv"),
        Format::Json => ("application/json", "json"),
    };
    let name = format!(
        "attachment; filename=\"{}.{extension}\"",
        range.file_name(&link)
    );
    let headers = [(CONTENT_TYPE, kind.to_owned()), (CONTENT_DISPOSITION, name)];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// A file that is being written.
struct Writing {
    service: Host,
    filter: ActivityFilter,
    zone: TimeZone,
    now: Timestamp,
    workspaces: HashMap<ConnectionId, String>,
    format: Format,
    next: Next,
    /// Whether an entry was written.
    is_begun: bool,
}

enum Next {
    First(Page<LedgerActivity>),
    After(String),
    End,
}

impl Writing {
    /// The next piece. A file that cannot be completed ends in an error of the connection, so that
    /// nobody takes it for the whole.
    async fn piece(mut self) -> Result<Option<(Bytes, Self)>, HostError> {
        let (page, is_first) = match std::mem::replace(&mut self.next, Next::End) {
            Next::First(page) => (page, true),
            Next::After(cursor) => {
                let page = self
                    .service
                    .activities(&self.filter, Some(&cursor), MAX_PAGE)
                    .await?;
                (page, false)
            }
            Next::End => return Ok(None),
        };
        let is_last = page.next.is_none();
        self.next = page.next.map_or(Next::End, Next::After);
        let entries = page.items.into_iter();
        let entries: Vec<_> = entries
            .map(|activity| Entry::of(activity, &self.zone, self.now, &self.workspaces))
            .collect();
        let bytes = match self.format {
            Format::Csv => csv_piece(&entries, is_first).map_err(unwritable)?,
            Format::Json => {
                json_piece(&entries, is_first, is_last, self.is_begun).map_err(unwritable)?
            }
        };
        self.is_begun |= !entries.is_empty();
        Ok(Some((bytes.into(), self)))
    }
}

fn unwritable(error: String) -> HostError {
    HostError::new(ErrorCode::Internal, error)
}

fn csv_piece(entries: &[Entry], is_first: bool) -> Result<Vec<u8>, String> {
    let header = is_first.then(|| COLUMNS.map(Cow::from));
    let rows = spreadsheet::rows(header.into_iter().chain(entries.iter().map(Entry::fields)))?;
    Ok(match is_first {
        true => [BYTE_ORDER_MARK.as_bytes(), &rows].concat(),
        false => rows,
    })
}

fn json_piece(
    entries: &[Entry],
    is_first: bool,
    is_last: bool,
    is_begun: bool,
) -> Result<Vec<u8>, String> {
    let mut text = if is_first { b"[".to_vec() } else { Vec::new() };
    for (place, entry) in entries.iter().enumerate() {
        text.extend_from_slice(if place > 0 || is_begun { b",\n" } else { b"\n" });
        serde_json::to_writer(&mut text, entry).map_err(|error| error.to_string())?;
    }
    if is_last {
        text.extend_from_slice(b"\n]\n");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use integration_host_contract::id::SubjectId;
    use integration_host_ledger::SubjectName;

    fn entry(title: &str) -> Entry {
        Entry {
            id: "c:1".into(),
            connection: "c".into(),
            user_id: Some("-1+1".into()),
            person: Some("@Mara".into()),
            title: vec![title.into()],
            tags: vec!["a,b".into(), "\"c\"".into()],
            billable: true,
            start: None,
            stop: None,
            duration_seconds: Some(5400),
            duration: Some("1:30".into()),
            running: false,
            deleted: false,
            client: Some("=1".into()),
            project: None,
            task: None,
            description: Some("a".into()),
            email: None,
            date: None,
            start_time: None,
            end_time: None,
            hours: 1.5,
            workspace: None,
            frozen: false,
        }
    }

    #[test]
    fn no_name_becomes_a_formula_in_a_spreadsheet() {
        for (title, expected) in [
            ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
            ("lunch;=cmd|' /C calc'!A0", "lunch;'=cmd|' /C calc'!A0"),
        ] {
            let text = csv_piece(&[entry(title)], true).unwrap();
            let mut reader = csv::Reader::from_reader(text.as_slice());
            let record = reader.records().next().unwrap().unwrap();
            assert_eq!(&record[4], expected, "a formula would run");
            assert_eq!((&record[2], &record[3]), ("'-1+1", "'@Mara"));
            assert_eq!(&record[5], "a,b, \"c\"");
            assert_eq!((&record[0], &record[9]), ("c:1", "5400"));
            assert_eq!((&record[13], &record[21]), ("'=1", "1.5"));
            let lines = String::from_utf8(text).unwrap();
            let lines = lines.strip_prefix(BYTE_ORDER_MARK).unwrap();
            assert!(
                lines
                    .lines()
                    .all(|line| line.starts_with('"') && line.ends_with('"'))
            );
        }
    }

    #[test]
    fn pieces_make_one_document() {
        let read = |pieces: &[Vec<u8>]| {
            serde_json::from_slice::<Vec<serde_json::Value>>(&pieces.concat()).unwrap()
        };
        let one = [entry("a")];
        let whole = [
            json_piece(&[], true, false, false).unwrap(),
            json_piece(&one, false, false, false).unwrap(),
            json_piece(&[], false, false, true).unwrap(),
            json_piece(&one, false, true, true).unwrap(),
        ];
        assert_eq!(read(&whole).len(), 2);
        assert_eq!(
            read(&[json_piece(&[], true, true, false).unwrap()]).len(),
            0
        );
        let text = [
            csv_piece(&one, true).unwrap(),
            csv_piece(&one, false).unwrap(),
        ]
        .concat();
        let marks = String::from_utf8_lossy(&text)
            .matches(BYTE_ORDER_MARK)
            .count();
        assert_eq!(marks, 1, "a mark within the file is a text");
        assert_eq!(
            csv::Reader::from_reader(text.as_slice()).records().count(),
            2
        );
    }

    #[test]
    fn hours_add_up_to_the_seconds_and_what_was_deleted_counts_nothing() {
        let [short, long] = [1, 5_400].map(Duration::from_secs).map(decimal);
        assert_eq!((short, long), (0.0003, 1.5));
        let at = |time: &str| Some(time.parse().unwrap());
        let activity = |deleted| LedgerActivity {
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
        };
        let workspaces = HashMap::from([(ConnectionId::new("c"), "Studio".to_owned())]);
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let now = "2026-03-03T00:00:00Z".parse().unwrap();
        let of = |deleted| Entry::of(activity(deleted), &zone, now, &workspaces);
        let (counted, deleted) = (of(false), of(true));
        assert_eq!((counted.hours, counted.duration_seconds), (1.5, Some(5400)));
        assert_eq!((deleted.hours, deleted.duration_seconds), (0.0, Some(0)));
        let columns = counted.fields();
        let added: Vec<&str> = columns[13..].iter().map(AsRef::as_ref).collect();
        assert_eq!(
            added,
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
