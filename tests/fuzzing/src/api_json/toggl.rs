//! A Toggl whose every answer is a good one, so that what a host answers is the host's own doing.

use async_trait::async_trait;
use integration_host_http::{HttpClient, HttpError, IncomingResponse, OutgoingRequest};
use serde_json::{Value, json};

use crate::lent::WORKSPACE;

pub(super) struct Toggl;

#[async_trait]
impl HttpClient for Toggl {
    async fn send(&self, request: OutgoingRequest) -> Result<IncomingResponse, HttpError> {
        let (status, body) = match answer(&request) {
            Some(body) => (200, body),
            None => (404, json!("not found")),
        };
        Ok(IncomingResponse {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            body: body.to_string().into_bytes(),
        })
    }
}

fn answer(request: &OutgoingRequest) -> Option<Value> {
    let sent = request.body.as_deref().unwrap_or_default();
    let sent: Value = serde_json::from_slice(sent).unwrap_or_default();
    let path = request.url.path();
    let path = path.replace(&WORKSPACE.to_string(), "W");
    Some(match (request.method.as_str(), path.as_str()) {
        (_, "/api/v9/me") => {
            json!({"id": 9_547_721, "email": "ada@example.com", "fullname": "Ada"})
        }
        (_, "/api/v9/me/workspaces") => json!([{
            "id": WORKSPACE, "organization_id": 5, "name": "Recorded", "role": "admin", "admin": true,
            "premium": true, "business_ws": true,
        }]),
        (_, "/api/v9/me/organizations") => {
            json!([{"id": 5, "name": "Recorded", "pricing_plan_name": "Premium"}])
        }
        (_, "/api/v9/workspaces/W/users") => json!([
            {"id": 9_547_721, "email": "ada@example.com", "fullname": "Ada", "is_active": true},
        ]),
        (_, "/api/v9/workspaces/W/tasks") => json!({"data": [], "per_page": 200, "total_count": 0}),
        (_, "/webhooks/api/v1/limits/W") => {
            json!({"max_webhooks": 10, "max_events_per_webhook": 10})
        }
        ("GET", "/webhooks/api/v1/subscriptions/W") => json!([]),
        ("POST" | "PUT" | "PATCH", path) if path.starts_with("/webhooks/api/v1/subscriptions") => {
            json!({
                "subscription_id": 10_713, "enabled": true, "event_filters": sent["event_filters"],
                "url_callback": sent["url_callback"], "validated_at": "2026-03-01T12:00:00Z",
            })
        }
        ("DELETE", _) => Value::Null,
        (_, path) if path.starts_with("/webhooks/api/v1/ping") => Value::Null,
        (_, "/api/v9/me/quota" | "/reports/api/v3/workspace/W/search/time_entries") => json!([]),
        (_, "/api/v9/workspaces/W/clients" | "/api/v9/workspaces/W/projects") => json!([]),
        _ => return None,
    })
}
