//! The entries of a page as a file, written as it is read, so that it may be as long as it likes.

use std::borrow::Cow;
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
use crate::contract::ErrorCode;
use crate::ledger::{ActivityFilter, LedgerActivity, MAX_PAGE, Page};
use crate::server::console::problem::ConsoleError;
use crate::server::console::viewer::Viewer;
use crate::server::extract::ApiQuery;
use crate::server::state::AppState;
use crate::service::{Service, ServiceError};

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
}

impl Entry {
    fn of(activity: LedgerActivity, zone: &TimeZone, now: Timestamp) -> Self {
        let running = !activity.deleted && activity.start.is_some() && activity.stop.is_none();
        let stop = activity.stop.or(running.then_some(now));
        let duration = activity.start.zip(stop).map(|(start, stop)| {
            Duration::try_from(stop.duration_since(start)).unwrap_or_default()
        });
        let local = |time: Timestamp| rfc3339(&time.to_zoned_datetime(zone.clone()));
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
        }
    }

    /// The fields of [`COLUMNS`].
    fn fields(&self) -> [Cow<'_, str>; 13] {
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
        ]
        .map(inert)
    }
}

const COLUMNS: [&str; 13] = [
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

fn rfc3339(time: &ZonedDateTime) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// A text that a spreadsheet would take for a formula begins with an apostrophe instead.
fn inert(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        format!("'{text}").into()
    } else {
        text
    }
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
    // Whatever fails at once fails as a page.
    let first = state.service.activities(&filter, None, MAX_PAGE).await?;
    let writing = Writing {
        service: state.service.clone(),
        filter,
        zone: viewer.zone,
        now,
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
    service: Service,
    filter: ActivityFilter,
    zone: TimeZone,
    now: Timestamp,
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
    async fn piece(mut self) -> Result<Option<(Bytes, Self)>, ServiceError> {
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
            .map(|activity| Entry::of(activity, &self.zone, self.now))
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

fn unwritable(error: String) -> ServiceError {
    ServiceError::new(ErrorCode::Internal, error)
}

fn csv_piece(entries: &[Entry], is_first: bool) -> Result<Vec<u8>, String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if is_first {
        writer
            .write_record(COLUMNS)
            .map_err(|error| error.to_string())?;
    }
    for entry in entries {
        let fields = entry.fields();
        let fields = fields.iter().map(|field| field.as_bytes());
        writer
            .write_record(fields)
            .map_err(|error| error.to_string())?;
    }
    writer.into_inner().map_err(|error| error.to_string())
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
        }
    }

    #[test]
    fn no_name_becomes_a_formula_in_a_spreadsheet() {
        for title in [
            "=HYPERLINK(\"http://x\")",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
        ] {
            let text = csv_piece(&[entry(title)], true).unwrap();
            let mut reader = csv::Reader::from_reader(text.as_slice());
            let record = reader.records().next().unwrap().unwrap();
            assert_eq!(record[4], format!("'{title}"), "a formula would run");
            assert_eq!((&record[2], &record[3]), ("'-1+1", "'@Mara"));
            assert_eq!(&record[5], "a,b, \"c\"");
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
        assert_eq!(
            csv::Reader::from_reader(text.as_slice()).records().count(),
            2
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
