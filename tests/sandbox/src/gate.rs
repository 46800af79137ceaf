//! What happens to every Toggl call before it reaches its handler: faults, authentication, rate limit, quota, the log.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header, request::Parts};
use jiff::Timestamp;

use crate::{
    api_error::ApiError,
    auth::authenticate,
    call::Call,
    faults::{SecondHalf, half_sent},
    lies::{Lie, tell},
    quota::Standing,
    requests::{RequestRecord, body_text},
    shared::Shared,
    world::World,
};

/// Larger bodies than any client has reason to send.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The layer around Toggl's three APIs.
pub(crate) async fn gate(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY_BYTES).await else {
        return ApiError::text(StatusCode::PAYLOAD_TOO_LARGE, "Request body is too large")
            .into_response();
    };
    let mut record = record(&parts, &body);
    let fault =
        shared.change(|world| world.take_call_fault(parts.method.as_str(), parts.uri.path()));
    if let Some(delay) = fault
        .as_ref()
        .map(|fault| fault.delay_ms)
        .filter(|delay| *delay > 0)
    {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    let mut response = if fault.as_ref().is_none_or(|fault| fault.runs_the_call()) {
        run_or_lie(&shared, parts, body, next, &mut record).await
    } else {
        record.user_id = shared
            .read(|world| authenticate(world, &parts.headers))
            .ok();
        Response::new(Body::empty())
    };
    if let Some(fault) = fault {
        response = fault.replacement().unwrap_or(response);
        fault.write_headers(response.headers_mut());
        if fault.truncate {
            response = half_sent(response, SecondHalf::Break).await;
        } else if fault.stall {
            response = half_sent(response, SecondHalf::Silence).await;
        }
    }
    record.status = response.status().as_u16();
    shared.change(|world| world.requests.push(record));
    response
}

/// Runs a call, and answers with the truth or with a lie.
async fn run_or_lie(
    shared: &Arc<Shared>,
    parts: Parts,
    body: Bytes,
    next: Next,
    record: &mut RequestRecord,
) -> Response {
    let told =
        shared.change_quietly(|world| world.choose_lie(parts.method.as_str(), parts.uri.path()));
    let question = format!(
        "{} {} {}",
        parts.method,
        parts.uri,
        String::from_utf8_lossy(&body)
    );
    let Some(told) = told else {
        let response = admit_and_run(shared, parts, body, next, record).await;
        return tell(shared, None, &question, response).await;
    };
    if told.lie == Lie::Slow {
        // Whoever asked may have gone by then: what was asked for happens all the same.
        let shared = Arc::clone(shared);
        let mut late = record.clone();
        let running = tokio::spawn(async move {
            tokio::time::sleep(told.delay()).await;
            let response = admit_and_run(&shared, parts, body, next, &mut late).await;
            (response, late)
        });
        return match running.await {
            Ok((response, late)) => {
                *record = late;
                response
            }
            Err(_) => Response::new(Body::empty()),
        };
    }
    let before =
        (told.lie == Lie::NotDone).then(|| shared.read(|world| world.subscriptions.clone()));
    let response = admit_and_run(shared, parts, body, next, record).await;
    if let Some(before) = before {
        shared.change(|world| world.subscriptions = before);
    }
    tell(shared, Some(&told), &question, response).await
}

async fn admit_and_run(
    shared: &Shared,
    mut parts: Parts,
    body: Bytes,
    next: Next,
    record: &mut RequestRecord,
) -> Response {
    let path = parts.uri.path().to_owned();
    if is_public(&path) {
        return next.run(Request::from_parts(parts, Body::from(body))).await;
    }
    let admitted = shared.change(|world| admit(world, &parts.headers, &path, record));
    let (user_id, standing) = match admitted {
        Ok(admitted) => admitted,
        Err((refusal, standing)) => return with_standing(refusal.into_response(), standing),
    };
    parts.extensions.insert(Call {
        user_id,
        method: parts.method.clone(),
        path,
    });
    with_standing(
        next.run(Request::from_parts(parts, Body::from(body))).await,
        standing,
    )
}

type Refusal = (ApiError, Option<Standing>);

fn admit(
    world: &mut World,
    headers: &HeaderMap,
    path: &str,
    record: &mut RequestRecord,
) -> Result<(i64, Option<Standing>), Refusal> {
    let user_id = authenticate(world, headers).map_err(|refusal| (refusal, None))?;
    record.user_id = Some(user_id);
    world
        .spend_burst(user_id)
        .map_err(|refusal| (refusal, None))?;
    if path.starts_with("/webhooks/") && !world.limits.webhook_calls_count {
        return Ok((user_id, None));
    }
    match world.spend_quota(user_id, organization_of(world, path)) {
        None => Ok((user_id, None)),
        Some((standing, None)) => Ok((user_id, Some(standing))),
        Some((standing, Some(refusal))) => Err((refusal, Some(standing))),
    }
}

fn with_standing(mut response: Response, standing: Option<Standing>) -> Response {
    if let Some(standing) = standing {
        standing.write(response.headers_mut());
    }
    response
}

/// The calls the Webhooks API answers without credentials.
fn is_public(path: &str) -> bool {
    let Some(rest) = path.strip_prefix("/webhooks/api/v1/") else {
        return false;
    };
    matches!(
        rest.split('/').next(),
        Some("event_filters" | "limits" | "status" | "validate")
    )
}

/// Whose quota a call uses up: an organisation's, or the bucket of `/me` (`None`).
fn organization_of(world: &World, path: &str) -> Option<i64> {
    let mut segments = path.split('/');
    while let Some(segment) = segments.next() {
        match segment {
            "organizations" => return segments.next()?.parse().ok(),
            "workspaces" | "workspace" | "subscriptions" | "ping" => {
                let workspace_id = segments.next()?.parse().ok()?;
                return world
                    .organization_of(workspace_id)
                    .map(|organization| organization.id);
            }
            _ => {}
        }
    }
    None
}

fn record(parts: &Parts, body: &Bytes) -> RequestRecord {
    let header = |name| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    RequestRecord {
        number: 0,
        at: Timestamp::now(),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(str::to_owned),
        user_id: None,
        user_agent: header(header::USER_AGENT),
        content_type: header(header::CONTENT_TYPE),
        body: body_text(body),
        status: 0,
    }
}
