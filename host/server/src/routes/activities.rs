//! Activities: the list, the change feed and the event stream.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::response::sse::Event;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{given, parse_flag, parse_limit};
use crate::api::time::{parse_from, parse_to};
use crate::api::{ActivityList, ActivityView, ChangeList, Problem};
use crate::error::ApiError;
use crate::extract::ApiQuery;
use crate::follow;
use crate::follow::last_event_id;
use crate::openapi::Problems;
use crate::state::AppState;
use integration_host::FeedPlace;
use integration_host_contract::id::{ConnectionId, RemoteUserId, SubjectId, UserId};
use integration_host_contract::sentence::shorten;
use integration_host_ledger::ActivityFilter;

/// The place at the end of the change feed.
const NOW: &str = "now";

/// Which activities to list.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct ActivityQuery {
    /// Of this connection only.
    connection: Option<String>,
    /// Of this user of the platform only.
    user: Option<String>,
    /// Of this member of the remote team only. It needs a connection.
    remote_user: Option<String>,
    /// Spent on this subject, or on one below it; the ids are in `subjects` of an activity.
    /// It needs a connection.
    subject: Option<String>,
    /// With this tag.
    tag: Option<String>,
    /// Billable, or not billable.
    #[param(value_type = Option<bool>)]
    billable: Option<String>,
    /// With this in the title; case does not matter.
    text: Option<String>,
    /// That ended, or still run, after this: an RFC 3339 time, or a date for the beginning of that day in UTC.
    from: Option<String>,
    /// That began before this: an RFC 3339 time, or a date for the end of that day in UTC.
    to: Option<String>,
    /// What is left out otherwise: `unmapped`, `deleted`, or both with a comma between them.
    include: Option<String>,
    /// At most so many, 100 unless given.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Activities, newest start first. A page may be short, or empty, although more match: there are no more
/// when `next` is null. So a rare match in a large ledger costs several short requests, not a long one;
/// `from` and `to` bound how much is looked at.
#[utoipa::path(get, path = "/api/v1/activities", operation_id = "list_activities", tag = "activities", params(ActivityQuery),
    responses((status = 200, body = ActivityList), Problems))]
pub(crate) async fn list(
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<ActivityQuery>,
) -> Result<Json<ActivityList>, ApiError> {
    let filter = query.filter()?;
    let limit = parse_limit(query.limit.as_deref())?;
    let cursor = given(query.cursor.as_deref());
    let page = state.service.activities(&filter, cursor, limit).await?;
    Ok(Json(page.into()))
}

impl ActivityQuery {
    fn filter(&self) -> Result<ActivityFilter, ApiError> {
        let field =
            |name: &'static str| move |what| ApiError::malformed(format!("`{name}`: {what}"));
        let mut filter = ActivityFilter {
            connection: given(self.connection.as_deref()).map(ConnectionId::new),
            user: given(self.user.as_deref()).map(UserId::new),
            from: given(self.from.as_deref())
                .map(parse_from)
                .transpose()
                .map_err(field("from"))?,
            to: given(self.to.as_deref())
                .map(parse_to)
                .transpose()
                .map_err(field("to"))?,
            remote_user: given(self.remote_user.as_deref()).map(RemoteUserId::new),
            subject: given(self.subject.as_deref()).map(SubjectId::new),
            tag: given(self.tag.as_deref()).map(str::to_owned),
            billable: parse_flag("billable", self.billable.as_deref())?,
            text: given(self.text.as_deref()).map(str::to_owned),
            include_unmapped: false,
            only_unmapped: false,
            include_deleted: false,
        };
        for word in self.include.iter().flat_map(|include| include.split(',')) {
            match word.trim() {
                "unmapped" => filter.include_unmapped = true,
                "deleted" => filter.include_deleted = true,
                "" => {}
                other => {
                    return Err(ApiError::malformed(format!(
                        "`include` has “{}”; it may have unmapped and deleted, with a comma between them",
                        shorten(other)
                    )));
                }
            }
        }
        Ok(filter)
    }
}

/// Where to go on in the change feed.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChangeQuery {
    /// The `next` of the answer before; the beginning unless given, the end if it is `now`.
    after: Option<String>,
    /// At most so many, 100 unless given.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

/// Activities that changed after a place in the change feed, in order of change. Deleted and unmapped
/// ones are included: what was read earlier may have become either.
///
/// When the host's data was restored from a backup, brought back to an earlier moment, moved or copied, the feed begins
/// anew, and places that were given out before are answered 410 with the code `feed-restarted`: read it from the
/// beginning, without `after`, and take what it tells instead of all that was read before.
#[utoipa::path(get, path = "/api/v1/activities/changes", operation_id = "list_changes", tag = "activities", params(ChangeQuery),
    responses(
        (status = 200, body = ChangeList),
        (status = 410, content_type = "application/problem+json", body = Problem,
            description = "The feed began anew, code `feed-restarted`: read it from the beginning"),
        Problems))]
pub(crate) async fn changes(
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<ChangeQuery>,
) -> Result<Json<ChangeList>, ApiError> {
    let after = state.place("after", query.after.as_deref()).await?;
    let limit = parse_limit(query.limit.as_deref())?;
    let page = state.service.changes(&after, limit).await?;
    Ok(Json(page.into()))
}

/// Where a stream begins.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamQuery {
    /// A place in the change feed; the beginning unless given, the end if it is `now`. The header
    /// `Last-Event-ID` wins over it.
    after: Option<String>,
}

/// The change feed as server-sent events: each event `activity` has an activity as its data and the place
/// in the feed as its id. It ends with an event `problem`, whose data is a problem, if the host cannot go on.
///
/// It ends with an event `feed-restarted`, whose data is a problem with that code and whose id is empty, when the place is
/// not one of this feed any more, as described for `/api/v1/activities/changes`: come back without a place, as browsers do
/// by themselves after an empty id.
#[utoipa::path(get, path = "/api/v1/activities/stream", operation_id = "stream_changes", tag = "activities",
    params(
        StreamQuery,
        ("last-event-id" = Option<String>, Header, description = "The id of the last event a returning client saw")),
    responses((status = 200, content_type = "text/event-stream", body = ActivityView), Problems))]
pub(crate) async fn stream(
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiQuery(query): ApiQuery<StreamQuery>,
) -> Result<Response, ApiError> {
    let after = match last_event_id(&headers) {
        Some(id) => state.place("Last-Event-ID", Some(id)).await?,
        None => state.place("after", query.after.as_deref()).await?,
    };
    let render = |activity| {
        let event = Event::default().event("activity");
        event.json_data(ActivityView::from(activity))
    };
    follow::open(&state, after, async || Ok(true), render)
}

impl AppState {
    /// A place in the change feed.
    async fn place(&self, name: &str, text: Option<&str>) -> Result<FeedPlace, ApiError> {
        match given(text) {
            None => Ok(FeedPlace::BEGINNING),
            Some(NOW) => Ok(self.service.end_of_feed().await?),
            Some(text) => text.parse().map_err(|_| {
                ApiError::malformed(format!(
                    "`{name}` is “{}”; it must be the `next` of an earlier answer, or {NOW}",
                    shorten(text)
                ))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> ActivityQuery {
        ActivityQuery {
            include: Some(text.to_owned()),
            ..ActivityQuery::default()
        }
    }

    #[test]
    fn unmapped_and_deleted_are_left_out_unless_asked_for() {
        let plain = query("").filter().unwrap();
        assert!(!plain.include_unmapped && !plain.include_deleted);
        let both = query("unmapped, deleted").filter().unwrap();
        assert!(both.include_unmapped && both.include_deleted);
        assert!(query("everything").filter().is_err());
    }

    #[test]
    fn a_range_of_one_date_is_that_day() {
        let query = ActivityQuery {
            from: Some("2026-03-01".into()),
            to: Some("2026-03-01".into()),
            user: Some(String::new()),
            billable: Some("false".into()),
            ..ActivityQuery::default()
        };
        let filter = query.filter().unwrap();
        assert_eq!(filter.billable, Some(false));
        assert_eq!(filter.from.unwrap().to_string(), "2026-03-01T00:00:00Z");
        assert_eq!(filter.to.unwrap().to_string(), "2026-03-02T00:00:00Z");
        assert_eq!(filter.user, None, "an empty parameter is an absent one");
    }
}
