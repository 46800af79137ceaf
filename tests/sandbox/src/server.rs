//! Starting and stopping a sandbox.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, middleware, routing::get};
use http::StatusCode;
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::{AbortHandle, JoinHandle},
    time::timeout,
};

use crate::{
    api_error::ApiError, api_v9, control, control::Control, gate::gate, reports,
    scenario::Scenario, shared::Shared, webhooks, world::World,
};

/// How long requests under way may take when the sandbox is stopped.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// Why a sandbox did not start; the text is one sentence for a person.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is taken or not this machine's.
    #[error("the sandbox cannot listen on {address}: {cause}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// The HTTP client for callbacks could not be made.
    #[error("the client for webhook deliveries cannot be set up: {0}")]
    Callbacks(#[from] reqwest::Error),
}

/// Starts sandboxes.
pub struct Sandbox;

/// A sandbox that answers; dropping it shuts it down.
pub struct RunningSandbox {
    base_url: String,
    token: String,
    control: Control,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
    worker: AbortHandle,
}

impl Sandbox {
    /// Starts on a free loopback port.
    ///
    /// # Errors
    /// As [`Sandbox::start_on`].
    pub async fn start(scenario: Scenario) -> Result<RunningSandbox, StartError> {
        Self::start_on(scenario, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts on an address; port 0 takes a free one.
    ///
    /// # Errors
    /// [`StartError::Listen`] when the address cannot be had.
    pub async fn start_on(
        scenario: Scenario,
        address: SocketAddr,
    ) -> Result<RunningSandbox, StartError> {
        let listen = |cause| StartError::Listen { address, cause };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let base_url = format!("http://{}", listener.local_addr().map_err(listen)?);
        let shared = Arc::new(Shared::new(
            World::new(&scenario),
            callback_client()?,
            base_url.clone(),
        ));
        let worker = tokio::spawn(webhooks::deliver::run(Arc::clone(&shared))).abort_handle();
        let (stop, stopped) = oneshot::channel::<()>();
        let app = router(&shared);
        let server = tokio::spawn(async move {
            // A sender that is dropped counts as a signal too.
            let signal = async { stopped.await.unwrap_or_default() };
            if let Err(error) = axum::serve(listener, app)
                .with_graceful_shutdown(signal)
                .await
            {
                tracing::error!(%error, "the sandbox stopped serving");
            }
        });
        let token = scenario.users.first().and_then(|user| {
            shared.read(|world| world.users.get(&user.id).map(|user| user.token.clone()))
        });
        Ok(RunningSandbox {
            base_url,
            token: token.unwrap_or_default(),
            control: Control::new(shared),
            stop: Some(stop),
            server,
            worker,
        })
    }
}

impl RunningSandbox {
    /// Where it is reached, without a trailing slash: `http://127.0.0.1:PORT`.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The token of the scenario's first user, who owns the built-in workspaces.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Any user's token as it is now.
    pub fn token_of(&self, user_id: i64) -> Option<String> {
        self.control
            .state()
            .users
            .into_iter()
            .find(|user| user.id == user_id)
            .map(|user| user.token)
    }

    /// Scripts it.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Stops answering and waits a moment for the requests under way; what takes longer is cut off.
    pub async fn stop(mut self) {
        self.end();
        if timeout(STOP_PATIENCE, &mut self.server).await.is_err() {
            self.server.abort();
        }
    }

    /// Runs until the server ends by itself.
    pub async fn finished(&mut self) {
        let _ = (&mut self.server).await;
    }

    fn end(&mut self) {
        self.control.stop_activities();
        self.worker.abort();
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

impl Drop for RunningSandbox {
    fn drop(&mut self) {
        self.end();
    }
}

fn router(shared: &Arc<Shared>) -> Router {
    let toggl = Router::new()
        .nest("/api/v9", api_v9::routes())
        .nest("/reports/api/v3", reports::routes())
        .nest("/webhooks/api/v1", webhooks::routes())
        .fallback(async || ApiError::text(StatusCode::NOT_FOUND, "404 page not found"))
        .layer(middleware::from_fn_with_state(Arc::clone(shared), gate));
    Router::new()
        .nest("/sandbox", control::http::routes())
        .route(
            "/",
            get(async || "A sandbox Toggl. Start it with --help to see its control API.\n"),
        )
        .merge(toggl)
        .with_state(Arc::clone(shared))
}

/// Deliveries follow no redirects: the callback itself must answer.
fn callback_client() -> Result<reqwest::Client, reqwest::Error> {
    // Fails when a provider is installed already, and then there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("toggl-sandbox/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .build()
}
