//! Reports API v3 (`/reports/api/v3`): the detailed search that shows a whole team's time entries.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderName, HeaderValue, StatusCode};
use jiff::{Span, civil::Date};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    api_error::ApiError,
    call::{Call, parse},
    shapes::{microseconds, seconds_with_offset},
    shared::Shared,
    world::{World, model::TimeEntry},
};

/// The routes below `/reports/api/v3`.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new().route(
        "/workspace/{workspace}/search/time_entries",
        post(search_time_entries),
    )
}

/// Reports are made for a year at most; the text of the refusal is not documented.
const LONGEST_RANGE_DAYS: i64 = 366;

/// OpenAPI `detailed.Post`, as far as it changes the answer here. `startTime` and `endTime` have no documented meaning and are ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Search {
    start_date: Option<Date>,
    end_date: Option<Date>,
    user_ids: Option<Vec<i64>>,
    time_entry_ids: Option<Vec<i64>>,
    /// A `null` among them asks for entries without a project.
    project_ids: Option<Vec<Option<i64>>>,
    client_ids: Option<Vec<Option<i64>>>,
    task_ids: Option<Vec<Option<i64>>>,
    tag_ids: Option<Vec<Option<i64>>>,
    billable: Option<bool>,
    description: Option<String>,
    grouped: bool,
    enrich_response: bool,
    order_by: Option<String>,
    order_dir: Option<String>,
    page_size: Option<usize>,
    first_row_number: Option<usize>,
    first_id: Option<i64>,
    first_timestamp: Option<i64>,
}

/// `POST /workspace/{ws}/search/time_entries`: rows of deleted entries are absent, the next page is named in headers.
async fn search_time_entries(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path(workspace_id): Path<i64>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let given: Map<String, Value> = parse(&body)?;
    if given.is_empty() {
        return Err(ApiError::bad_request("At least one parameter must be set"));
    }
    let search: Search = parse(&body)?;
    for (name, value, allowed) in [
        (
            "order_by",
            &search.order_by,
            "date, user, duration, description, last_update",
        ),
        ("order_dir", &search.order_dir, "ASC, DESC"),
    ] {
        if let Some(value) = value
            && !allowed
                .split(", ")
                .any(|one| one.eq_ignore_ascii_case(value))
        {
            return Err(ApiError::bad_request(&format!(
                "Invalid '{name}' value, allowed values are: '{allowed}'"
            )));
        }
    }
    if let (Some(from), Some(to)) = (search.start_date, search.end_date)
        && to > from.saturating_add(Span::new().days(LONGEST_RANGE_DAYS))
    {
        return Err(ApiError::bad_request(
            "The date range is longer than a year",
        ));
    }
    shared.read(|world| {
        let not_accessible =
            |_| ApiError::literal(StatusCode::FORBIDDEN, "Workspace not found/accessible");
        let admin = world
            .access(workspace_id, call.user_id)
            .map_err(not_accessible)?
            .is_admin();
        if !world
            .workspaces
            .get(&workspace_id)
            .is_some_and(|workspace| workspace.reports)
        {
            return Err(ApiError::literal(
                StatusCode::PAYMENT_REQUIRED,
                "Workspace needs to have this feature enabled",
            ));
        }
        let mut entries: Vec<&TimeEntry> = world
            .entries
            .values()
            .filter(|entry| entry.workspace_id == workspace_id && entry.deleted_at.is_none())
            .filter(|entry| admin || entry.user_id == call.user_id)
            .filter(|entry| !entry.is_running() || world.behaviour.reports_include_running)
            .filter(|entry| search.wants(world, entry))
            .collect();
        search.sort(world, &mut entries);
        Ok(answer(world, &search, &group(&entries, search.grouped)))
    })
}

fn answer(world: &World, search: &Search, groups: &[Vec<&TimeEntry>]) -> Response {
    let first = search.first_row(groups);
    let size = search.page_size.unwrap_or(50).max(1);
    let page = groups.iter().enumerate().skip(first).take(size);
    let rows: Vec<Value> = page
        .filter_map(|(index, entries)| {
            row(
                world,
                search.enrich_response,
                index.saturating_add(1),
                entries,
            )
        })
        .collect();
    let mut response = Json(Value::Array(rows)).into_response();
    let next = first.saturating_add(size);
    let headers = response.headers_mut();
    let mut put = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    if let Some(entry) = groups.get(next).and_then(|entries| entries.first()) {
        put("x-next-id", entry.id.to_string());
        put("x-next-row-number", next.saturating_add(1).to_string());
    }
    if let Some(date) = search.start_date {
        put("x-range-start", date.to_string());
    }
    if let Some(date) = search.end_date {
        put("x-range-end", date.to_string());
    }
    response
}

impl Search {
    fn wants(&self, world: &World, entry: &TimeEntry) -> bool {
        let day = entry
            .start
            .strftime("%Y-%m-%d")
            .to_string()
            .parse::<Date>()
            .ok();
        let client = entry
            .project_id
            .and_then(|id| world.projects.get(&id))
            .and_then(|project| project.client_id);
        let listed = |ids: &Option<Vec<i64>>, id: i64| {
            ids.as_ref()
                .is_none_or(|ids| ids.is_empty() || ids.contains(&id))
        };
        let matching = |ids: &Option<Vec<Option<i64>>>, id: Option<i64>| {
            ids.as_ref()
                .is_none_or(|ids| ids.is_empty() || ids.contains(&id))
        };
        let tagged = self.tag_ids.as_ref().is_none_or(|ids| {
            ids.iter().any(|id| match id {
                Some(id) => entry.tag_ids.contains(id),
                None => entry.tag_ids.is_empty(),
            })
        });
        // Both dates are part of the range.
        self.start_date
            .is_none_or(|from| day.is_some_and(|day| day >= from))
            && self
                .end_date
                .is_none_or(|to| day.is_some_and(|day| day <= to))
            && listed(&self.user_ids, entry.user_id)
            && listed(&self.time_entry_ids, entry.id)
            && matching(&self.project_ids, entry.project_id)
            && matching(&self.task_ids, entry.task_id)
            && matching(&self.client_ids, client)
            && tagged
            && self
                .billable
                .is_none_or(|billable| entry.billable == billable)
            && self.description.as_deref().is_none_or(|text| {
                entry
                    .description
                    .as_deref()
                    .unwrap_or_default()
                    .contains(text)
            })
    }

    /// Newest first unless `order_dir` is `ASC`; ids decide between equals, so that pages do not overlap.
    fn sort(&self, world: &World, entries: &mut [&TimeEntry]) {
        let user = |entry: &TimeEntry| {
            world
                .users
                .get(&entry.user_id)
                .map(|user| user.name.clone())
        };
        match self
            .order_by
            .as_deref()
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            Some("user") => entries.sort_by_key(|entry| (user(entry), entry.id)),
            Some("duration") => entries.sort_by_key(|entry| (entry.duration, entry.id)),
            Some("description") => {
                entries.sort_by_key(|entry| (entry.description.clone(), entry.id))
            }
            Some("last_update") => entries.sort_by_key(|entry| (entry.at, entry.id)),
            _ => entries.sort_by_key(|entry| (entry.start, entry.id)),
        }
        if !self
            .order_dir
            .as_deref()
            .is_some_and(|direction| direction.eq_ignore_ascii_case("asc"))
        {
            entries.reverse();
        }
    }

    /// Where the page starts, counting from 0: by row number, otherwise by the id (or start) of its first entry.
    fn first_row(&self, groups: &[Vec<&TimeEntry>]) -> usize {
        if let Some(row) = self.first_row_number {
            return row.saturating_sub(1);
        }
        let starts_with = |wanted: &dyn Fn(&TimeEntry) -> bool| {
            groups
                .iter()
                .position(|entries| entries.iter().any(|entry| wanted(entry)))
        };
        match (self.first_id, self.first_timestamp) {
            (Some(id), _) => starts_with(&|entry| entry.id == id).unwrap_or(groups.len()),
            (None, Some(seconds)) => {
                starts_with(&|entry| entry.start.as_second() == seconds).unwrap_or(groups.len())
            }
            (None, None) => 0,
        }
    }
}

/// One row per entry, or one per set of entries that differ in time only.
fn group<'a>(entries: &[&'a TimeEntry], grouped: bool) -> Vec<Vec<&'a TimeEntry>> {
    let alike = |a: &TimeEntry, b: &TimeEntry| {
        (
            a.user_id,
            a.project_id,
            a.task_id,
            &a.description,
            a.billable,
            &a.tag_ids,
        ) == (
            b.user_id,
            b.project_id,
            b.task_id,
            &b.description,
            b.billable,
            &b.tag_ids,
        )
    };
    let mut groups: Vec<Vec<&TimeEntry>> = Vec::new();
    for entry in entries {
        let home = groups
            .iter_mut()
            .find(|group| grouped && group.first().is_some_and(|first| alike(first, entry)));
        match home {
            Some(group) => group.push(entry),
            None => groups.push(vec![entry]),
        }
    }
    groups
}

/// OpenAPI `detailed.GroupedTimeEntry`; names and the e-mail address come only with `enrich_response`.
fn row(world: &World, enriched: bool, number: usize, entries: &[&TimeEntry]) -> Option<Value> {
    let first = entries.first()?;
    let user = world.users.get(&first.user_id);
    let times: Vec<Value> = entries
        .iter()
        .map(|entry| {
            json!({
                "id": entry.id,
                "seconds": entry.duration,
                "start": seconds_with_offset(entry.start),
                "stop": entry.effective_stop().map(seconds_with_offset),
                "at": if world.behaviour.reports_at_whole_seconds {
                    seconds_with_offset(entry.at)
                } else {
                    microseconds(entry.at)
                },
                "at_tz": seconds_with_offset(entry.at),
            })
        })
        .collect();
    let mut row = json!({
        "user_id": first.user_id,
        "username": user.map(|user| &user.name),
        "project_id": first.project_id,
        "task_id": first.task_id,
        "billable": first.billable,
        "description": first.description.clone().unwrap_or_default(),
        "tag_ids": first.tag_ids,
        "billable_amount_in_cents": null,
        "hourly_rate_in_cents": null,
        "currency": "EUR",
        "time_entries": times,
        "row_number": number,
    });
    if let Some(row) = row.as_object_mut().filter(|_| enriched) {
        let project = first.project_id.and_then(|id| world.projects.get(&id));
        let client = project
            .and_then(|project| project.client_id)
            .and_then(|id| world.clients.get(&id));
        let task = first.task_id.and_then(|id| world.tasks.get(&id));
        let tags: Vec<&str> = first
            .tag_ids
            .iter()
            .filter_map(|id| world.tags.get(id))
            .map(|tag| tag.name.as_str())
            .collect();
        let mut put = |name: &str, value: Value| row.insert(name.to_owned(), value);
        put("email", user.and_then(|user| user.email.clone()).into());
        put(
            "project_name",
            project.map(|project| project.name.clone()).into(),
        );
        put(
            "project_color",
            project.map(|project| project.color.clone()).into(),
        );
        put(
            "project_hex",
            project.map(|project| project.color.clone()).into(),
        );
        put(
            "client_name",
            client.map(|client| client.name.clone()).into(),
        );
        put("task_name", task.map(|task| task.name.clone()).into());
        put("tag_names", json!(tags));
    }
    Some(row)
}
