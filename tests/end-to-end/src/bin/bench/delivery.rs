//! One delivery: in a fresh instance of the component, and in the same logic compiled natively.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use end_to_end::{NORTHWIND, delivery, load_component};
use integration_host::capability::http::{
    AllowList, HttpLender, HttpLimits, HttpMetrics, ReqwestClient, SecretSource,
};
use integration_host::capability::storage::{KeyValueStore, MemoryStore, SealedStore};
use integration_host::capability::user_directory::EmptyDirectory;
use integration_host::clock::SystemClock;
use integration_host::contract::{DeliveryOutcome, Header, WebhookRequest};
use integration_host::database::SqliteDatabase;
use integration_host::engine::CallContext;
use integration_host::id::{ConnectionId, ScopeId};
use integration_host::ledger::SqliteLedger;
use integration_host::limits::Limits;
use integration_host::seal::{SealingKey, SealingKeys};
use integration_host::secret::Secret;
use integration_host::server::{AdminToken, ServerOptions, serve};
use integration_host::service::{ConnectRequest, Parts, Service};
use serde_json::json;
use toggl_integration::Toggl;
use toggl_integration::capability::Header as NativeHeader;
use toggl_integration::model::{DeliveryOutcome as NativeOutcome, WebhookRequest as NativeRequest};
use toggl_sandbox::{RunningSandbox, Sandbox, Scenario};

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
    _sandbox: RunningSandbox,
    _service: Service,
}

impl Connected {
    async fn new() -> Result<Self> {
        let sandbox = Sandbox::start(Scenario::default()).await?;
        let clock = Arc::new(SystemClock);
        let store: Arc<dyn KeyValueStore> = Arc::new(MemoryStore::new(clock.clone()));
        let keys = Arc::new(SealingKeys::new(SealingKey::generate()));
        let integration = load_component(&end_to_end::component()?, Limits::default()).await?;
        let upstream = format!("api.track.toggl.com={}", sandbox.base_url()).parse()?;
        let http = Arc::new(HttpLender::new(
            Arc::new(ReqwestClient::new(Duration::from_secs(5))?),
            integration.manifest(),
            AllowList::new(&integration.manifest().hosts, None, &[upstream])?,
            HttpLimits::default(),
            Arc::new(HttpMetrics::default()),
        ));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let service = Service::start(Parts {
            integration,
            http: Arc::clone(&http),
            store: Arc::clone(&store),
            ledger: Arc::new(SqliteLedger::new(SqliteDatabase::open_in_memory()?)),
            directory: Arc::new(EmptyDirectory),
            keys: Arc::clone(&keys),
            clock: clock.clone(),
            public_url: format!("http://{}", listener.local_addr()?).parse()?,
            deleted_entries: Default::default(),
        })
        .await?;
        let folder = tempfile::tempdir()?;
        let (admin_token, _) = AdminToken::obtain(Some("bench".into()), folder.path())?;
        let options = ServerOptions {
            admin_token,
            limits: Limits::default(),
        };
        tokio::spawn(serve(
            listener,
            service.clone(),
            options,
            std::future::pending(),
        ));
        let connection = service
            .connect(ConnectRequest {
                secrets: BTreeMap::from([("api-token".to_owned(), Secret::new(sandbox.token()))]),
                scope_id: ScopeId::new(NORTHWIND.to_string()),
                name: None,
            })
            .await?;
        let (signature, body, callback_url) = event(&sandbox)?;
        let context = CallContext {
            connection: ConnectionId::new(connection.id.as_str()),
            store: Arc::new(SealedStore::new(store, keys)),
            secrets: SecretSource::Given(BTreeMap::new()),
            directory: Arc::new(EmptyDirectory),
            http,
            clock,
        };
        let name = "x-webhook-signature-256";
        Ok(Self {
            context,
            request: WebhookRequest {
                callback_url: callback_url.clone(),
                headers: vec![Header {
                    name: name.into(),
                    value: signature.clone(),
                }],
                body: body.clone(),
            },
            native_request: NativeRequest {
                callback_url,
                headers: vec![NativeHeader {
                    name: name.into(),
                    value: signature,
                }],
                body,
            },
            _sandbox: sandbox,
            _service: service,
        })
    }
}

/// A delivery like the recorded one: a started timer.
fn event(sandbox: &RunningSandbox) -> Result<(String, Vec<u8>, String)> {
    let subscription = sandbox
        .control()
        .subscriptions()
        .into_iter()
        .next()
        .context("nothing is subscribed")?;
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
    let (signature, body) = delivery(&subscription.secret, &event);
    Ok((signature, body, subscription.url_callback))
}
