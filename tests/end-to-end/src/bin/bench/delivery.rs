//! One delivery: in a fresh instance of the component, and in the same logic compiled natively.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use end_to_end::{Embedded, NORTHWIND, delivery, load_component};
use integration_host_contract::clock::SystemClock;
use integration_host_contract::limits::Limits;
use integration_host_contract::{DeliveryOutcome, Header, WebhookRequest};
use integration_host_directory::EmptyDirectory;
use integration_host_engine::CallContext;
use integration_host_engine::capability::http::SecretSource;
use integration_host_storage::SealedStore;
use serde_json::json;
use toggl_integration::Toggl;
use toggl_integration::capability::Header as NativeHeader;
use toggl_integration::model::{DeliveryOutcome as NativeOutcome, WebhookRequest as NativeRequest};
use toggl_sandbox::model::Subscription;

use super::{median, native::Native, print};

const ROUNDS: usize = 60;
const PER_ROUND: u32 = 100;

pub async fn measure() -> Result<()> {
    let connected = Connected::new().await?;
    let integration = load_component(&end_to_end::component()?, Limits::default()).await?;
    let (mut fresh, mut native, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for _ in 0..PER_ROUND {
            let result = integration
                .handle_webhook(&connected.context, connected.request.clone())
                .await?;
            ensure!(
                result.outcome == DeliveryOutcome::Accepted,
                "{}",
                result.detail
            );
        }
        let in_component = started.elapsed() / PER_ROUND;

        let started = Instant::now();
        for _ in 0..PER_ROUND {
            let capabilities = Native::new(
                Arc::clone(&connected.context.store),
                connected.context.connection.clone(),
            );
            let result = Toggl::new(&capabilities)
                .handle_webhook(&connected.native_request.clone())
                .map_err(|error| anyhow::anyhow!("{error:?}"))?;
            ensure!(
                result.outcome == NativeOutcome::Accepted,
                "{}",
                result.detail
            );
            ensure!(
                capabilities.finish().await,
                "the unit of work was not committed"
            );
        }
        let natively = started.elapsed() / PER_ROUND;
        fresh.push(in_component);
        native.push(natively);
        ratios.push((in_component.as_secs_f64() / natively.as_secs_f64() * 100.0) as u64);
    }
    print(
        "delivery, component in a fresh instance (median)",
        micros(median(fresh)),
        "",
    );
    print(
        "delivery, same logic and storage natively (median)",
        micros(median(native)),
        "",
    );
    let ratio = format!("{:.2}×", median(ratios) as f64 / 100.0);
    print("  ratio, round by round (median)", ratio, "≤ 6×");
    Ok(())
}

fn micros(time: Duration) -> String {
    format!("{:.1} µs", time.as_secs_f64() * 1e6)
}

/// A connected workspace, and a delivery that both twins take.
struct Connected {
    context: CallContext,
    request: WebhookRequest,
    native_request: NativeRequest,
    _embedded: Embedded,
}

impl Connected {
    async fn new() -> Result<Self> {
        let embedded = Embedded::builder(&end_to_end::component()?).start().await?;
        let (connection, subscription) = embedded.connect().await?;
        let (signature, body) = event(&subscription);
        let store = Arc::clone(&embedded.store);
        let context = CallContext {
            connection: connection.id,
            store: Arc::new(SealedStore::new(store, Arc::clone(&embedded.keys))),
            secrets: SecretSource::Given(BTreeMap::new()),
            directory: Arc::new(EmptyDirectory),
            lease_deadlines: Vec::new(),
            asked_by_person: false,
            unanswered: Arc::default(),
            http: Arc::clone(&embedded.http),
            clock: Arc::new(SystemClock),
        };
        let name = "x-webhook-signature-256";
        Ok(Self {
            context,
            request: WebhookRequest {
                callback_url: subscription.url_callback.clone(),
                headers: vec![Header {
                    name: name.into(),
                    value: signature.clone(),
                }],
                body: body.clone(),
            },
            native_request: NativeRequest {
                callback_url: subscription.url_callback,
                headers: vec![NativeHeader {
                    name: name.into(),
                    value: signature,
                }],
                body,
            },
            _embedded: embedded,
        })
    }
}

/// A delivery like the recorded one: a started timer.
fn event(subscription: &Subscription) -> (String, Vec<u8>) {
    let event = json!({
        "event_id": 8_023_169_274_704_072_u64, "created_at": "2026-03-02T11:43:32.827Z",
        "creator_id": 9_500_002,
        "metadata": {
            "action": "created", "event_user_id": "9500002", "model": "time_entry",
            "model_owner_id": "9500002", "path": "/api/v9/workspaces/7400001/time_entries",
            "request_body": "{\"at\":\"2026-03-02T11:43:32.445Z\",\"billable\":false,\"description\":\"test\",\"duration\":-1772451812,\"start\":\"2026-03-02T11:43:32.445Z\",\"tags\":[],\"workspace_id\":7400001,\"created_with\":\"TrackExtension/3.0.11\"}",
            "request_type": "POST", "time_entry_id": "3050537739", "workspace_id": "7400001"
        },
        "payload": {
            "at": "2026-03-02T11:43:32+00:00", "billable": false, "description": "test",
            "duration": -1_772_451_812, "duronly": true, "id": 3_050_537_739_u64,
            "project_id": null, "server_deleted_at": null, "start": "2026-03-02T11:43:32Z",
            "stop": null, "tag_ids": null, "tags": [], "task_id": null, "uid": 9_500_002,
            "user_id": 9_500_002, "wid": NORTHWIND, "workspace_id": NORTHWIND
        },
        "subscription_id": subscription.id, "timestamp": "2026-03-02T11:43:33.170443406Z",
        "url_callback": subscription.url_callback
    });
    delivery(&subscription.secret, &event)
}
