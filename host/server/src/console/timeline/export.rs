//! The entries of a page as a file, written as it is read, so that it may be as long as it likes.

use std::borrow::Cow;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;

use super::columns::{Columns, Entry};
use super::days::Range;
use super::query::{Permalink, TimelineQuery};
use super::spreadsheet;
use crate::console::problem::ConsoleError;
use crate::console::viewer::Viewer;
use crate::extract::ApiQuery;
use crate::state::AppState;
use integration_host::{Host, HostError};
use integration_host_contract::ErrorCode;
use integration_host_ledger::{ActivityFilter, LedgerActivity, MAX_PAGE, Page};

/// Without it Excel takes the text for one of an older encoding.
const BYTE_ORDER_MARK: &str = "\u{feff}";

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
    let columns = Columns::of(
        state.service.manifest(),
        state.service.scope_names().await?,
        viewer.zone,
        now,
    );
    // Whatever fails at once fails as a page.
    let first = state.service.activities(&filter, None, MAX_PAGE).await?;
    let writing = Writing {
        service: state.service.clone(),
        filter,
        columns,
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
    columns: Columns,
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
        let entries = page.items.iter();
        let entries: Vec<_> = entries
            .map(|activity| self.columns.entry(activity))
            .collect();
        let bytes = match self.format {
            Format::Csv => csv_piece(&self.columns, &entries, is_first).map_err(unwritable)?,
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

fn csv_piece(columns: &Columns, entries: &[Entry], is_first: bool) -> Result<Vec<u8>, String> {
    let header = || columns.names().map(Cow::from).collect();
    let header: Option<Vec<_>> = is_first.then(header);
    let fields = entries.iter().map(|entry| entry.fields().collect());
    let rows = spreadsheet::rows(header.into_iter().chain(fields))?;
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
    use crate::console::timeline::columns::tests::{columns, entry};

    #[test]
    fn no_name_becomes_a_formula_in_a_spreadsheet() {
        for (title, expected) in [
            ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
            ("lunch;=cmd|' /C calc'!A0", "lunch;'=cmd|' /C calc'!A0"),
        ] {
            let text = csv_piece(&columns(), &[entry(title)], true).unwrap();
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
            csv_piece(&columns(), &one, true).unwrap(),
            csv_piece(&columns(), &one, false).unwrap(),
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
}
