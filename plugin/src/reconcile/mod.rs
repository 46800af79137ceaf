//! Reading activities back from the Reports API, to close a gap in deliveries.

mod lookup;

use crate::time::Timestamp;
use serde::Serialize;

use crate::capability::Capabilities;
use crate::json::{self, Json, Read};
use crate::model::{
    Activity, Error, Quota, Reconciliation, Selection, SoughtActivity, TimeLog, TimeRange,
};
use crate::names::{NameCache, Reference};
use crate::toggl::{Api, Listed, ReportEntry, ReportPage, ReportRow, ReportSearch};
use crate::{health, revision, state, text, time, webhook};

/// Rows of one page, and of one when that many were too much for one answer.
const PAGE_SIZE: u64 = 200;
const SMALL_PAGE_SIZE: u64 = 20;

/// The contract's bound of notes.
const MAX_NOTES: usize = 10;

/// Why entries without an owner cannot be read.
const NAMELESS: &str = "Toggl does not say whose they are, as when somebody's account was deleted";

/// The Reports API takes ranges up to a year.
const WINDOW_DAYS: i64 = 364;

/// How far ahead activities are looked for whose time is not known: people log planned time, too.
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
    let reader = Reader {
        capabilities,
        api: Api::new(capabilities),
        connection: state::connection(capabilities)?,
    };
    match selection {
        Selection::Range(range) => reader.range(range, cursor),
        Selection::Changed(since) => reader.changed(*since, cursor),
        Selection::Activities(sought) => reader.activities(sought),
    }
}

struct Reader<'a> {
    capabilities: &'a dyn Capabilities,
    api: Api<'a>,
    connection: state::Connection,
}

/// How rows are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// By when they began, the first first.
    Start,
    /// By when they were changed, the last first.
    Change,
}

impl Reader<'_> {
    fn range(&self, range: &TimeRange, cursor: Option<&str>) -> Result<Reconciliation, Error> {
        let TimeRange {
            since,
            until,
            connected_at,
        } = *range;
        if since > until {
            return Err(Error::InvalidInput(
                "The range ends before it begins.".into(),
            ));
        }
        // Dates are in the account's time zone, which is at most a day away.
        let first = since.day().saturating_sub(1).max(FIRST_DAY);
        let last = until.day().saturating_add(1).max(first);
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
        let page = self.page(cursor, end, Order::Start)?;
        let next = match next_page(cursor, page.next) {
            None if end < last => Some(Cursor {
                from: end.saturating_add(1),
                row: None,
                id: None,
            }),
            next => next,
        };
        // Entries begin, end and change on whole seconds, so one that ends within the first second belongs to it.
        let since = Timestamp::from_seconds(since.seconds());
        let connected_at = Timestamp::from_seconds(connected_at.seconds());
        let rows = with_entries(page.rows, |entry| {
            let Some((start, stop)) = entry.start.zip(times(entry)) else {
                // It may belong to the range.
                return true;
            };
            // One that stopped before it began belongs where it began.
            let ends_after = |time| stop.is_none_or(|stop| stop.max(start) >= time);
            let is_changed = entry.at.is_some_and(|at| at >= connected_at);
            start <= until && ends_after(since) && (is_changed || ends_after(connected_at))
        });
        self.reconciled(&rows, next)
    }

    /// Reads the latest changes first, up to those before `since`. Ranges by the time of change are unknown to the Reports
    /// API, but it can order by that time.
    fn changed(&self, since: Timestamp, cursor: Option<&str>) -> Result<Reconciliation, Error> {
        let last = self.today().saturating_add(LOOKUP_DAYS_AHEAD);
        let cursor = match cursor {
            Some(text) => parse_cursor(text)?,
            None => Cursor {
                from: last.saturating_sub(WINDOW_DAYS),
                row: None,
                id: None,
            },
        };
        if cursor.from < FIRST_DAY || cursor.from > last {
            return Err(Error::InvalidInput(
                "The cursor does not belong to what was changed since a time.".into(),
            ));
        }
        let end = cursor.from.saturating_add(WINDOW_DAYS);
        let page = self.page(cursor, end, Order::Change)?;
        let since = Timestamp::from_seconds(since.seconds());
        let is_older = |entry: &ReportEntry| entry.at.is_some_and(|at| at < since);
        let reaches_back = page
            .rows
            .rows
            .last()
            .is_some_and(|row| row.time_entries.iter().any(is_older));
        let next = next_page(cursor, page.next).filter(|_| !reaches_back);
        let rows = with_entries(page.rows, |entry| !is_older(entry));
        self.reconciled(&rows, next)
    }

    /// What a page led to.
    fn reconciled(
        &self,
        rows: &Listed<ReportRow>,
        next: Option<Cursor>,
    ) -> Result<Reconciliation, Error> {
        let mut result = Reconciliation {
            quotas: self.quotas()?,
            next: next.map(|cursor| write_cursor(&cursor)).transpose()?,
            ..Reconciliation::default()
        };
        self.take_in(rows, &[], &mut result)?;
        Ok(result)
    }

    /// The page of a window where a cursor stands.
    fn page(&self, cursor: Cursor, end: i64, order: Order) -> Result<ReportPage, Error> {
        let ask = |page_size| {
            let search = ReportSearch {
                first_row_number: cursor.row,
                first_id: cursor.id,
                page_size,
                ..search(cursor.from, end, order)
            };
            let workspace = self.connection.workspace_id;
            self.api.search_time_entries(workspace, &search)
        };
        match ask(PAGE_SIZE) {
            // What people wrote may be so long that a page of it is more than the host takes.
            Err(failure) if failure.hit_a_limit() => Ok(ask(SMALL_PAGE_SIZE)?),
            page => Ok(page?),
        }
    }

    /// The number of the present day.
    fn today(&self) -> i64 {
        self.capabilities.now().day()
    }

    /// What the last answer said of the organisation's quota, if its size is known.
    fn quotas(&self) -> Result<Vec<Quota>, Error> {
        let Some(reading) = self.api.quota() else {
            return Ok(Vec::new());
        };
        self.capabilities
            .write(vec![state::put(state::QUOTA, &reading)?])?;
        let quota = health::organization_quota(self.capabilities, &reading)?;
        Ok(quota.into_iter().collect())
    }

    /// Adds what rows tell, and what of it could not be taken as it was. An entry that cannot be read is only known to
    /// exist, so that nobody takes it for missing.
    fn take_in(
        &self,
        listed: &Listed<ReportRow>,
        sought: &[(u64, &SoughtActivity)],
        result: &mut Reconciliation,
    ) -> Result<(), Error> {
        let now = self.capabilities.now();
        let mut cache = NameCache::new(self.capabilities);
        let mut unread: usize = 0;
        let mut nameless: usize = 0;
        for row in &listed.rows {
            let reference = Reference {
                task: row.task_id,
                project: row.project_id,
                task_name: row.task_name.as_deref(),
                project_name: row.project_name.as_deref(),
                client_name: row.client_name.as_deref(),
            };
            for subject in cache.chain(reference)?.0 {
                if !result.changes.subjects.contains(&subject) {
                    result.changes.subjects.push(subject);
                }
            }
            for entry in &row.time_entries {
                let outdated = sought
                    .iter()
                    .find(|(id, _)| entry.id == Some(*id))
                    .and_then(|(_, sought)| sought.outdated.as_deref());
                let read = entry
                    .at
                    .map(|at| revision::asked(at, now, outdated))
                    .and_then(|revision| to_activity(row, entry, reference, revision));
                let mut activity = match (read, entry.id) {
                    (Some(activity), _) => activity,
                    (None, id) => {
                        unread = unread.saturating_add(1);
                        nameless = nameless.saturating_add(usize::from(row.user_id.is_none()));
                        let Some(id) = id else { continue };
                        known_to_exist(id)
                    }
                };
                let content = activity.content.as_mut();
                result
                    .notes
                    .extend(content.and_then(|log| text::fit(&activity.id, log)));
                result.changes.activities.push(activity);
            }
        }
        if unread > 0 {
            let why = match nameless {
                0 => "an id, a time or an owner is missing".to_owned(),
                all if all == unread => NAMELESS.to_owned(),
                some => format!("of {some} {NAMELESS}; of the others an id or a time is missing"),
            };
            let note = format!("{unread} time entries that Toggl listed could not be read: {why}.");
            result.notes.insert(0, note);
        }
        let note = listed.note("rows of time entries", "entries");
        result.notes.splice(0..0, note);
        result.notes.truncate(MAX_NOTES);
        let unread = u32::try_from(unread.saturating_add(listed.left_out)).unwrap_or(u32::MAX);
        result.unread = result.unread.saturating_add(unread);
        cache.save()
    }
}

/// The page after this one. One that does not lead on would be read for ever.
fn next_page(cursor: Cursor, next: Option<(u64, Option<u64>)>) -> Option<Cursor> {
    let (row, id) = next.filter(|(row, _)| cursor.row.is_none_or(|before| *row > before))?;
    Some(Cursor {
        from: cursor.from,
        row: Some(row),
        id,
    })
}

/// The rows with those of their entries that count; rows without any are not wanted.
fn with_entries(
    mut listed: Listed<ReportRow>,
    counts: impl Fn(&ReportEntry) -> bool,
) -> Listed<ReportRow> {
    listed.rows.retain_mut(|row| {
        row.time_entries.retain(&counts);
        !row.time_entries.is_empty()
    });
    listed
}

/// An entry of which no more could be read.
fn known_to_exist(id: u64) -> Activity {
    Activity {
        id: id.to_string(),
        revision: String::new(),
        event_id: None,
        deleted: false,
        content: None,
    }
}

/// When an entry stopped, as [`webhook::stop`] says.
fn times(entry: &ReportEntry) -> Option<Option<Timestamp>> {
    webhook::stop(entry.start?, entry.stop, entry.seconds)
}

/// The activity a row tells of; `None` if it lacks what one needs.
fn to_activity(
    row: &ReportRow,
    entry: &ReportEntry,
    reference: Reference<'_>,
    revision: String,
) -> Option<Activity> {
    Some(Activity {
        id: entry.id?.to_string(),
        revision,
        event_id: None,
        deleted: false,
        content: Some(TimeLog {
            remote_user_id: row.user_id?.to_string(),
            subject: reference.subject(),
            description: row.description.clone().unwrap_or_default(),
            start: entry.start?,
            stop: times(entry)?,
            billable: row.billable.unwrap_or(false),
            tags: row.tag_names.clone(),
        }),
    })
}

fn search(from: i64, to: i64, order: Order) -> ReportSearch<'static> {
    let (order_by, order_dir) = match order {
        Order::Start => ("date", "ASC"),
        Order::Change => ("last_update", "DESC"),
    };
    ReportSearch {
        start_date: time::day_text(from),
        end_date: time::day_text(to),
        order_by,
        order_dir,
        page_size: PAGE_SIZE,
        enrich_response: true,
        first_row_number: None,
        first_id: None,
        time_entry_ids: &[],
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
