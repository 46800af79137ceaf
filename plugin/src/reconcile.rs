//! Reading activities back from the Reports API, to close a gap in deliveries.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::capability::Capabilities;
use crate::model::{Activity, Changes, Error, Reconciliation, Selection, Subject, TimeLog};
use crate::names::{NameCache, Reference};
use crate::toggl::{Api, ReportEntry, ReportRow, ReportSearch};
use crate::{revision, state, time, webhook};

/// Rows of one page.
const PAGE_SIZE: u64 = 200;

/// The contract's bound of a selection by id.
const MAX_IDS: usize = 100;

/// The Reports API takes ranges up to a year.
const WINDOW_DAYS: i64 = 364;

/// How far back single activities are looked for, in windows.
const LOOKUP_WINDOWS: u32 = 3;

/// How far ahead: people log planned time, too.
const LOOKUP_DAYS_AHEAD: i64 = 90;

/// Toggl's reports begin here.
const FIRST_DAY: Date = date(2006, 1, 1);

/// Where a reconciliation stopped; the contract's cursor is its JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Cursor {
    /// The first day of the window.
    from: Date,
    /// Where its next page begins; `None`: at its beginning.
    row: Option<u64>,
    id: Option<u64>,
}

/// Reads one page.
pub(crate) fn reconcile(
    capabilities: &dyn Capabilities,
    selection: &Selection,
    cursor: Option<&str>,
) -> Result<Reconciliation, Error> {
    let connection = state::connection(capabilities)?;
    let reader = Reader {
        capabilities,
        api: Api::new(capabilities),
        workspace: connection.workspace_id,
    };
    match selection {
        Selection::Range(from, to) => reader.range(*from, *to, cursor),
        Selection::Activities(ids) => reader.activities(ids),
    }
}

struct Reader<'a> {
    capabilities: &'a dyn Capabilities,
    api: Api<'a>,
    workspace: u64,
}

impl Reader<'_> {
    fn range(
        &self,
        from: Timestamp,
        to: Timestamp,
        cursor: Option<&str>,
    ) -> Result<Reconciliation, Error> {
        if from > to {
            return Err(Error::InvalidInput(
                "The range ends before it begins.".into(),
            ));
        }
        // Dates are in the account's time zone, which is at most a day away.
        let first = add_days(time::date(from), -1).max(FIRST_DAY);
        let last = add_days(time::date(to), 1).max(first);
        let cursor = match cursor {
            Some(text) => parse_cursor(text)?,
            None => Cursor {
                from: first,
                row: None,
                id: None,
            },
        };
        if cursor.from < first || cursor.from > last {
            return Err(Error::InvalidInput(
                "The cursor belongs to another range.".into(),
            ));
        }
        let end = add_days(cursor.from, WINDOW_DAYS).min(last);
        let page = self.api.search_time_entries(
            self.workspace,
            &ReportSearch {
                first_row_number: cursor.row,
                first_id: cursor.id,
                ..search(cursor.from, end, &[])
            },
        )?;
        let next = match page.next {
            // A page that does not lead on would be read forever.
            Some((row, id)) if cursor.row.is_none_or(|before| row > before) => Some(Cursor {
                from: cursor.from,
                row: Some(row),
                id,
            }),
            _ if end < last => Some(Cursor {
                from: add_days(end, 1),
                row: None,
                id: None,
            }),
            _ => None,
        };
        let mut changes = self.take_in(&page.rows)?;
        changes.activities.retain(|activity| {
            let overlaps =
                |log: &TimeLog| log.start <= to && log.stop.is_none_or(|stop| stop >= from);
            activity.content.as_ref().is_some_and(overlaps)
        });
        Ok(Reconciliation {
            changes,
            next: next.map(|cursor| write_cursor(&cursor)).transpose()?,
        })
    }

    fn activities(&self, ids: &[String]) -> Result<Reconciliation, Error> {
        if ids.len() > MAX_IDS {
            return Err(Error::InvalidInput(format!(
                "At most {MAX_IDS} activities can be read at once."
            )));
        }
        let mut wanted = Vec::with_capacity(ids.len());
        for id in ids {
            let Ok(number) = id.parse::<u64>() else {
                return Err(Error::InvalidInput(
                    "An activity's id is no time entry's id.".into(),
                ));
            };
            wanted.push(number);
        }
        let now = self.capabilities.now();
        let mut changes = Changes::default();
        let mut end = add_days(time::date(now), LOOKUP_DAYS_AHEAD);
        for _ in 0..LOOKUP_WINDOWS {
            if wanted.is_empty() {
                break;
            }
            let start = add_days(end, -WINDOW_DAYS);
            let page = self
                .api
                .search_time_entries(self.workspace, &search(start, end, &wanted))?;
            let found = self.take_in(&page.rows)?;
            wanted.retain(|id| {
                found
                    .activities
                    .iter()
                    .all(|activity| activity.id != id.to_string())
            });
            changes.activities.extend(found.activities);
            changes.subjects.extend(found.subjects);
            end = add_days(start, -1);
        }
        changes
            .activities
            .retain(|activity| ids.contains(&activity.id));
        // Reports do not hold deleted entries.
        changes
            .activities
            .extend(wanted.into_iter().map(|id| Activity {
                id: id.to_string(),
                revision: revision::read(now),
                event_id: None,
                deleted: true,
                content: None,
            }));
        Ok(Reconciliation {
            changes,
            next: None,
        })
    }

    fn take_in(&self, rows: &[ReportRow]) -> Result<Changes, Error> {
        let mut cache = NameCache::new(self.capabilities);
        let mut activities = Vec::new();
        let mut subjects: BTreeMap<String, Subject> = BTreeMap::new();
        for row in rows {
            let reference = Reference {
                task: row.task_id.filter(|id| *id != 0),
                project: row.project_id.filter(|id| *id != 0),
                task_name: row.task_name.as_deref(),
                project_name: row.project_name.as_deref(),
            };
            for subject in cache.chain(reference)?.0 {
                subjects.entry(subject.id.clone()).or_insert(subject);
            }
            let entries = row.time_entries.as_deref().unwrap_or_default();
            activities.extend(
                entries
                    .iter()
                    .filter_map(|entry| to_activity(row, entry, reference)),
            );
        }
        cache.save()?;
        if let Some(quota) = self.api.quota() {
            self.capabilities
                .write(vec![state::put(state::QUOTA, &quota)?])?;
        }
        Ok(Changes {
            activities,
            subjects: subjects.into_values().collect(),
        })
    }
}

/// The activity a row tells of; `None` if it lacks what one needs.
fn to_activity(row: &ReportRow, entry: &ReportEntry, reference: Reference<'_>) -> Option<Activity> {
    let parse = |text: &Option<String>| text.as_deref().and_then(time::parse);
    let start = parse(&entry.start)?;
    let tags = row.tag_names.as_deref().unwrap_or_default();
    Some(Activity {
        id: entry.id.to_string(),
        revision: revision::read(parse(&entry.at)?),
        event_id: None,
        deleted: false,
        content: Some(TimeLog {
            remote_user_id: row.user_id?.to_string(),
            subject: reference.subject(),
            description: row.description.clone().unwrap_or_default(),
            start,
            stop: webhook::stop(start, parse(&entry.stop), entry.seconds)?,
            billable: row.billable.unwrap_or(false),
            tags: tags.iter().flatten().cloned().collect(),
        }),
    })
}

fn search(from: Date, to: Date, ids: &[u64]) -> ReportSearch<'_> {
    ReportSearch {
        start_date: from.to_string(),
        end_date: to.to_string(),
        order_by: "date",
        order_dir: "ASC",
        page_size: PAGE_SIZE,
        enrich_response: true,
        first_row_number: None,
        first_id: None,
        time_entry_ids: ids,
    }
}

fn parse_cursor(text: &str) -> Result<Cursor, Error> {
    serde_json::from_str(text)
        .map_err(|_| Error::InvalidInput("The cursor is none that this function gave.".into()))
}

fn write_cursor(cursor: &Cursor) -> Result<String, Error> {
    serde_json::to_string(cursor)
        .map_err(|error| Error::Internal(format!("A cursor could not be written: {error}")))
}

fn add_days(day: Date, days: i64) -> Date {
    let span = Span::new().try_days(days);
    span.and_then(|span| day.checked_add(span)).unwrap_or(day)
}
