//! A host with the misbehaving component, and places in its network that it should not get to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use integration_host_contract::clock::SystemClock;
use integration_host_contract::id::{ConnectionId, ScopeId};
use integration_host_contract::limits::Limits;
use integration_host_contract::{Header, Selection, WebhookRequest};
use integration_host_directory::EmptyDirectory;
use integration_host_engine::capability::http::SecretSource;
use integration_host_engine::{CallContext, CallError, Engine, Integration};
use integration_host_http::{
    AllowList, HttpLimits, HttpMetrics, OutboundHttp, ReqwestClient, Upstream,
};
use integration_host_seal::secret::Secret;
use integration_host_storage::{MemoryStore, Write};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use toggl_sandbox::{RunningSandbox, Sandbox, Scenario};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The exports that can be told to misbehave. `describe` takes part as a fixture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the contract's functions")]
pub enum Export {
    Test,
    Connect,
    Subscribe,
    HandleWebhook,
    MapUsers,
    RefreshNames,
    Check,
    Reconcile,
    Disconnect,
}

impl Export {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::Test,
        Self::Connect,
        Self::Subscribe,
        Self::HandleWebhook,
        Self::MapUsers,
        Self::RefreshNames,
        Self::Check,
        Self::Reconcile,
        Self::Disconnect,
    ];

    /// Its name in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Connect => "connect",
            Self::Subscribe => "subscribe",
            Self::HandleWebhook => "handle-webhook",
            Self::MapUsers => "map-users",
            Self::RefreshNames => "refresh-names",
            Self::Check => "check",
            Self::Reconcile => "reconcile",
            Self::Disconnect => "disconnect",
        }
    }
}

/// The misbehaving component, with everything it is lent.
pub struct Cage {
    /// The component.
    pub integration: Integration,
    /// What it is lent.
    pub context: CallContext,
    /// In Toggl's place.
    pub sandbox: RunningSandbox,
}

impl Cage {
    /// Limits with which all cases together do not take long.
    pub fn limits() -> Limits {
        Limits {
            cpu: Duration::from_millis(500),
            call_timeout: Duration::from_secs(8),
            http_requests_per_call: 5,
            storage_bytes_per_connection: 16 << 20,
            ..Limits::default()
        }
    }

    /// Locks the misbehaving component in.
    pub async fn new(engine: &Engine) -> Result<Self> {
        let limits = Self::limits();
        let sandbox = Sandbox::start(Scenario::default()).await?;
        let bytes = std::fs::read(crate::misbehaving_component()?)?;
        let integration = Integration::load(engine, &bytes).await?;
        let upstreams: [Upstream; 2] = [
            format!("api.track.toggl.com={}", sandbox.base_url()).parse()?,
            format!("odd.example.com=http://{}", odd_server().await?).parse()?,
        ];
        let client =
            ReqwestClient::with_resolver(Duration::from_secs(5), Arc::<Rebinding>::default())?;
        let manifest = integration.manifest();
        let http = OutboundHttp::new(
            Arc::new(client),
            manifest,
            AllowList::new(&manifest.hosts, None, &upstreams)?,
            HttpLimits {
                max_requests: limits.http_requests_per_call,
                max_response_bytes: limits.http_response_bytes,
                ..HttpLimits::default()
            },
            Arc::new(HttpMetrics::default()),
        );
        let secret = Secret::new(sandbox.token());
        let context = CallContext {
            connection: ConnectionId::new("attacker"),
            store: Arc::new(MemoryStore::new(Arc::new(SystemClock))),
            secrets: SecretSource::Given(BTreeMap::from([("api-token".to_owned(), secret)])),
            lease_deadlines: Vec::new(),
            asked_by_person: false,
            unanswered: Arc::default(),
            directory: Arc::new(EmptyDirectory),
            http: Arc::new(http),
            clock: Arc::new(SystemClock),
        };
        Ok(Self {
            integration,
            context,
            sandbox,
        })
    }

    /// Has a function of the component make an attempt; what `connect` and `test` return tells what came
    /// of it.
    pub async fn attempt(&self, export: Export, attempt: &str) -> Result<String, CallError> {
        let (integration, context) = (&self.integration, &self.context);
        self.store("integration/attempt", Some(attempt)).await?;
        match export {
            Export::Test => integration
                .test(context)
                .await
                .map(|report| report.account.name),
            Export::Connect => {
                let bound = integration.connect(context, &ScopeId::new(attempt)).await;
                bound.map(|bound| bound.account.name)
            }
            Export::Subscribe => integration.subscribe(context, attempt).await.map(|s| s.id),
            Export::HandleWebhook => {
                let result = integration.handle_webhook(context, delivery(attempt)).await;
                result.map(|result| result.detail)
            }
            Export::MapUsers => {
                let team = integration.map_users(context).await;
                team.map(|team| format!("{} members", team.members.len()))
            }
            Export::RefreshNames => {
                let refresh = integration
                    .refresh_names(context, |refresh| Box::pin(std::future::ready(Ok(refresh))))
                    .await;
                refresh.map(|refresh| format!("{} subjects", refresh.subjects.len()))
            }
            Export::Check => {
                let health = integration.check(context, attempt).await;
                health.map(|health| format!("{} quotas", health.quotas.len()))
            }
            Export::Reconcile => {
                let nothing = Selection::Activities(Vec::new());
                let page = integration
                    .reconcile(context, &nothing, Some(attempt))
                    .await;
                page.map(|page| format!("{} activities", page.changes.activities.len()))
            }
            Export::Disconnect => integration
                .disconnect(context, attempt)
                .await
                .map(|()| String::new()),
        }
    }

    /// Writes or removes a key of the connection, in whatever area.
    pub async fn store(&self, key: &str, value: Option<&str>) -> Result<(), CallError> {
        let write = Write {
            key: key.to_owned(),
            value: value.map(|value| value.as_bytes().to_vec()),
            expires_at: None,
        };
        let context = &self.context;
        context
            .store
            .commit(&context.connection, &[], &[write])
            .await?;
        Ok(())
    }
}

/// A delivery that tells the component what to attempt.
pub fn delivery(attempt: &str) -> WebhookRequest {
    WebhookRequest {
        callback_url: "https://host.example.com/hooks/attacker".to_owned(),
        headers: vec![Header {
            name: "x-attempt".to_owned(),
            value: attempt.to_owned(),
        }],
        body: Vec::new(),
    }
}

/// A name server that answers with this machine and with another address in turn. Neither is on the
/// internet, so this does not cover a name that turns from a public address to a private one.
#[derive(Default)]
struct Rebinding(AtomicUsize);

impl Resolve for Rebinding {
    fn resolve(&self, _: Name) -> Resolving {
        // 203.0.113.0/24 is for documentation, so not even a broken check would send anything anywhere.
        let inside: [SocketAddr; 2] = [([127, 0, 0, 1], 0).into(), ([203, 0, 113, 1], 0).into()];
        let turn = self.0.fetch_add(1, Ordering::Relaxed);
        let found = inside
            .into_iter()
            .skip(turn % 2)
            .take(1)
            .collect::<Vec<_>>();
        Box::pin(async move { Ok(Box::new(found.into_iter()) as Addrs) })
    }
}

/// A remote service that never answers at `/hang`, redirects to this machine at `/redirect`, and says far
/// too much elsewhere.
async fn odd_server() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_oddly(stream, address));
        }
    });
    Ok(address)
}

async fn answer_oddly(mut stream: TcpStream, here: SocketAddr) -> Option<()> {
    let mut request = vec![0; 4096];
    let read = stream.read(&mut request).await.ok()?;
    let request = String::from_utf8_lossy(request.get(..read)?).into_owned();
    if request.starts_with("GET /hang") {
        return std::future::pending().await;
    }
    if request.starts_with("GET /redirect") {
        let head = format!(
            "HTTP/1.1 302 Found\r\nlocation: http://{here}/followed\r\ncontent-length: 0\r\n\r\n"
        );
        return stream.write_all(head.as_bytes()).await.ok();
    }
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.ok()?;
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 16, "x".repeat(1 << 16));
    loop {
        stream.write_all(chunk.as_bytes()).await.ok()?;
    }
}
