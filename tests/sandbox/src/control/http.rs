//! The control API's routes: each reads JSON, calls one method of [`Control`] and answers JSON.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use http::StatusCode;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{Control, ControlError, Flush};
use crate::{activity::Activity, shared::Shared};

/// The routes below `/sandbox`.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route(
            "/entries/start",
            command(|control, body| control.start_timer(body)),
        )
        .route(
            "/entries/stop",
            command(|control, body| control.stop_timer(body)),
        )
        .route(
            "/entries/log",
            command(|control, body| control.log_time(body)),
        )
        .route(
            "/entries/edit",
            command(|control, body| control.edit_entry(body)),
        )
        .route(
            "/entries/delete",
            command(|control, body| control.delete_entry(body)),
        )
        .route(
            "/names/create",
            command(|control, body| control.create_name(body).map(|id| json!({ "id": id }))),
        )
        .route(
            "/names/rename",
            command(|control, body| control.rename(body)),
        )
        .route(
            "/names/delete",
            command(|control, body| control.delete_name(body)),
        )
        .route(
            "/members",
            command(|control, body| control.set_member(body)),
        )
        .route("/users", command(|control, body| control.set_user(body)))
        .route("/plan", command(|control, body| control.set_plan(body)))
        .route("/token", command(|control, body| control.set_token(body)))
        .route(
            "/workspaces",
            command(|control, body| control.set_workspace(body)),
        )
        .route(
            "/subscriptions",
            command(|control, body| control.set_subscription(body)),
        )
        .route(
            "/settings",
            command(|control, body| control.set_settings(body)),
        )
        .route(
            "/clock",
            command(|control, body| {
                control.advance_clock(body);
                Ok(())
            }),
        )
        .route(
            "/faults/calls",
            command(|control, body| {
                control.fail_calls(body);
                Ok(())
            }),
        )
        .route(
            "/faults/deliveries",
            command(|control, body| {
                control.fail_deliveries(body);
                Ok(())
            }),
        )
        .route(
            "/faults/clear",
            post(async |control: Control| control.clear_faults()),
        )
        .route(
            "/lies",
            command(|control, body| {
                control.tell_lies(body);
                Ok(())
            }),
        )
        .route(
            "/truth",
            post(async |control: Control| control.tell_the_truth()),
        )
        .route(
            "/state",
            get(async |control: Control| Json(control.state())),
        )
        .route(
            "/deliveries",
            get(async |control: Control| Json(control.deliveries())),
        )
        .route(
            "/requests",
            get(async |control: Control| Json(control.requests())),
        )
        .route(
            "/requests/clear",
            post(async |control: Control| control.clear_requests()),
        )
        .route("/flush", post(flush))
        .route("/activity", post(activity))
        .route(
            "/activity/stop",
            post(async |control: Control| control.stop_activities()),
        )
}

impl axum::extract::FromRequestParts<Arc<Shared>> for Control {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        _parts: &mut http::request::Parts,
        shared: &Arc<Shared>,
    ) -> Result<Self, Self::Rejection> {
        Ok(Self::new(Arc::clone(shared)))
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        (
            StatusCode::UNPROCESSABLE_ENTITY,
            Json(json!({ "error": self.to_string() })),
        )
            .into_response()
    }
}

fn command<T, R>(run: fn(&Control, T) -> Result<R, ControlError>) -> MethodRouter<Arc<Shared>>
where
    T: DeserializeOwned + 'static,
    R: Serialize + 'static,
{
    post(
        async move |State(shared): State<Arc<Shared>>,
                    body: Bytes|
                    -> Result<Response, ControlError> {
            let answer = run(&Control::new(shared), read(&body)?)?;
            Ok(Json(answer).into_response())
        },
    )
}

async fn flush(control: Control, body: Bytes) -> Result<Response, ControlError> {
    let flush: Flush = read(&body)?;
    Ok(Json(control.flush(flush).await).into_response())
}

async fn activity(control: Control, body: Bytes) -> Result<Response, ControlError> {
    let activity: Activity = read(&body)?;
    if activity.wait {
        return Ok(Json(json!({ "changes": control.activity(activity).await? })).into_response());
    }
    tokio::spawn(async move {
        if let Err(refusal) = control.activity(activity).await {
            tracing::warn!(%refusal, "the traffic generator did not run");
        }
    });
    Ok((StatusCode::ACCEPTED, Json(json!({ "running": true }))).into_response())
}

/// An empty body stands for `{}`.
fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, ControlError> {
    let body = if body.is_empty() {
        b"{}".as_slice()
    } else {
        body
    };
    serde_json::from_slice(body)
        .map_err(|error| ControlError::Refused(format!("the request is not understood: {error}")))
}
