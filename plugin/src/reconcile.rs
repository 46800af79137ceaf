//! Reading activities back from the Reports API, to close a gap in deliveries.

use crate::time::Timestamp;
use serde::Serialize;

use crate::capability::Capabilities;
use crate::json::{self, Json, Read};
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

/// Toggl's reports begin on 2006-01-01.
const FIRST_DAY: i64 = 13149;

/// Where a reconciliation stopped; the contract's cursor is its JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Cursor {
    /// The first day of the window, as its number since 1970-01-01.
    from: i64,
    /// Where its next page begins; `None`: at its beginning.
    row: Option<u64>,
    id: Option<u64>,
}

impl Read for Cursor {
    fn read(json: &Json<'_>) -> Option<Self> {
        Some(Self {
            from: json.get("from").integer()?,
            row: json.get("row").unsigned(),
            id: json.get("id").id(),
        })
    }
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
        let first = from.day().saturating_sub(1).max(FIRST_DAY);
        let last = to.day().saturating_add(1).max(first);
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
        let end = cursor.from.saturating_add(WINDOW_DAYS).min(last);
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
                from: end.saturating_add(1),
                row: None,
                id: None,
            }),
            _ => None,
        };
        let mut changes = self.take_in(&page.rows)?;
        // Entries begin and end on whole seconds, so one that ends within the first second belongs to it.
        let from = Timestamp::from_seconds(from.seconds());
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
        let mut end = now.day().saturating_add(LOOKUP_DAYS_AHEAD);
        for _ in 0..LOOKUP_WINDOWS {
            if wanted.is_empty() {
                break;
            }
            let start = end.saturating_sub(WINDOW_DAYS);
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
            end = start.saturating_sub(1);
        }
        changes
            .activities
            .retain(|activity| ids.contains(&activity.id));
        // Reports do not hold deleted entries.
        changes
            .activities
            .extend(wanted.into_iter().map(|id| Activity {
                id: id.to_string(),
                revision: revision::read(now, now),
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
        let now = self.capabilities.now();
        let mut cache = NameCache::new(self.capabilities);
        let mut activities = Vec::new();
        let mut subjects: Vec<Subject> = Vec::new();
        for row in rows {
            let reference = Reference {
                task: row.task_id,
                project: row.project_id,
                task_name: row.task_name.as_deref(),
                project_name: row.project_name.as_deref(),
            };
            for subject in cache.chain(reference)?.0 {
                if !subjects.contains(&subject) {
                    subjects.push(subject);
                }
            }
            activities.extend(
                row.time_entries
                    .iter()
                    .filter_map(|entry| to_activity(row, entry, reference, now)),
            );
        }
        cache.save()?;
        if let Some(quota) = self.api.quota() {
            self.capabilities
                .write(vec![state::put(state::QUOTA, &quota)?])?;
        }
        Ok(Changes {
            activities,
            subjects,
        })
    }
}

/// The activity a row tells of; `None` if it lacks what one needs.
fn to_activity(
    row: &ReportRow,
    entry: &ReportEntry,
    reference: Reference<'_>,
    now: Timestamp,
) -> Option<Activity> {
    Some(Activity {
        id: entry.id.to_string(),
        revision: revision::read(entry.at?, now),
        event_id: None,
        deleted: false,
        content: Some(TimeLog {
            remote_user_id: row.user_id?.to_string(),
            subject: reference.subject(),
            description: row.description.clone().unwrap_or_default(),
            start: entry.start?,
            stop: webhook::stop(entry.start?, entry.stop, entry.seconds)?,
            billable: row.billable.unwrap_or(false),
            tags: row.tag_names.clone(),
        }),
    })
}

fn search(from: i64, to: i64, ids: &[u64]) -> ReportSearch<'_> {
    ReportSearch {
        start_date: time::day_text(from),
        end_date: time::day_text(to),
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
    json::read(text.as_bytes())
        .ok_or_else(|| Error::InvalidInput("The cursor is none that this function gave.".into()))
}

fn write_cursor(cursor: &Cursor) -> Result<String, Error> {
    serde_json::to_string(cursor)
        .map_err(|error| Error::Internal(format!("A cursor could not be written: {error}")))
}
