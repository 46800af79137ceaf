//! The server of a host, and its routes for the server of a platform.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum::http::HeaderValue;
use ipnet::IpNet;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use url::Url;

#[cfg(feature = "console")]
use crate::SignInLinks;
use crate::browser::OwnAddress;
use crate::client::TrustedProxies;
use crate::listener::Listener;
use crate::state::AppState;
use crate::sub_path::SubPath;
use crate::{AdminToken, Authenticator, router};
use integration_host::{Host, Limits};

/// The HTTP server of a host, or its routes.
///
/// A program of its own [serves](Self::serve) it. A platform mounts [`hooks`](Self::hooks), [`api`](Self::api) and
/// [`console`](Self::console) into its own router, wherever it likes, or all of them as [`routes`](Self::routes):
///
/// ```no_run
/// # async fn example(host: integration_host::Host, token: String) -> anyhow::Result<()> {
/// use axum::Router;
/// use integration_host_server::{AdminToken, Server};
///
/// let server = Server::new(&host).admin_token(AdminToken::new(token)?);
/// let app = Router::new().nest_service("/time", server.routes());
/// // What limits count by is where requests come from.
/// let app = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
/// axum::serve(tokio::net::TcpListener::bind("127.0.0.1:8080").await?, app).await?;
/// server.finish(std::time::Duration::from_secs(10)).await;
/// # Ok(()) }
/// ```
///
/// (`Router::nest` leaves out `/time/`, with the slash.) The public URL of the host leads to where `hooks` is mounted.
/// Whoever gets in is decided by an [admin token](Self::admin_token), an [`Authenticator`], or both; without either, nobody
/// gets in. Cloning it gives another handle to the same server.
#[derive(Clone)]
pub struct Server {
    host: Host,
    options: Options,
    /// Made with the first routes; options that are given later change nothing.
    running: Arc<OnceLock<Running>>,
}

#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) admin_token: Option<AdminToken>,
    pub(crate) authenticator: Option<Arc<dyn Authenticator>>,
    pub(crate) limits: Limits,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) allowed_origins: Vec<HeaderValue>,
    #[cfg(feature = "console")]
    pub(crate) sign_in_links: SignInLinks,
}

#[derive(Clone)]
struct Running {
    state: AppState,
    proxies: Arc<TrustedProxies>,
    /// Use cases, and connections that are served here.
    tasks: TaskTracker,
    stop: watch::Sender<bool>,
}

impl Server {
    /// A server for this host.
    pub fn new(host: &Host) -> Self {
        Self {
            host: host.clone(),
            options: Options {
                admin_token: None,
                authenticator: None,
                limits: host.limits().clone(),
                trusted_proxies: Vec::new(),
                allowed_origins: Vec::new(),
                #[cfg(feature = "console")]
                sign_in_links: SignInLinks::default(),
            },
            running: Arc::default(),
        }
    }

    /// What requests to the API carry and people sign in to the console with.
    #[must_use]
    pub fn admin_token(mut self, token: AdminToken) -> Self {
        self.options.admin_token = Some(token);
        self
    }

    /// Who gets in by the platform's own sign-in. The console then leads to that instead of its own.
    #[must_use]
    pub fn authenticator(mut self, authenticator: impl Authenticator) -> Self {
        self.options.authenticator = Some(Arc::new(authenticator));
        self
    }

    /// Time-outs and limits of requests, in the place of those of the host.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.options.limits = limits;
        self
    }

    /// Reverse proxies whose `X-Forwarded-For` is believed. Without any, what a proxy passes on counts as one client.
    #[must_use]
    pub fn trusted_proxies(mut self, proxies: impl IntoIterator<Item = IpNet>) -> Self {
        self.options.trusted_proxies = proxies.into_iter().collect();
        self
    }

    /// Origins such as `https://app.example.com` whose pages may call the API in a browser, with what the
    /// [`Authenticator`] goes by. Without any, no page of another origin may.
    #[must_use]
    pub fn allowed_origins<'a>(mut self, origins: impl IntoIterator<Item = &'a Url>) -> Self {
        let origins = origins
            .into_iter()
            .map(|url| url.origin().ascii_serialization());
        let origins = origins.filter_map(|origin| HeaderValue::try_from(origin).ok());
        self.options.allowed_origins = origins.collect();
        self
    }

    /// Links that sign in to the console once, for a program that prints one.
    #[cfg(feature = "console")]
    #[must_use]
    pub fn sign_in_links(mut self, links: SignInLinks) -> Self {
        self.options.sign_in_links = links;
        self
    }

    /// Where deliveries arrive, `/hooks/{hook}`, and what probes ask, `/healthz` and `/readyz`: open to anybody.
    pub fn hooks(&self) -> Router {
        self.finished(router::open_routes())
    }

    /// The API below `/api`, and `/metrics`.
    pub fn api(&self) -> Router {
        let running = self.running();
        self.finished(router::api(&running.state, &self.own_address(false)))
    }

    /// The console, and an answer for every other address below it. Its pages lead to one another wherever it is mounted;
    /// where the public URL is no https, its sessions are good below the path of that alone.
    #[cfg(feature = "console")]
    pub fn console(&self) -> Router {
        let running = self.running();
        let routes = router::console(&running.state, &self.own_address(false));
        self.finished(router::with_an_end(routes))
    }

    /// All of these, and an answer for every other address below them.
    pub fn routes(&self) -> Router {
        self.all(&self.own_address(false))
    }

    /// All routes as what `axum::serve` takes, with the platform's own around them: `mount` gets them and returns the whole,
    /// such as `|routes| Router::new().nest_service("/time", routes)`. Nobody can forget then to have the server say where
    /// requests come from.
    pub fn make_service(
        &self,
        mount: impl FnOnce(Router) -> Router,
    ) -> IntoMakeServiceWithConnectInfo<Router, SocketAddr> {
        mount(self.routes()).into_make_service_with_connect_info()
    }

    /// Serves until `shutdown` completes, then takes no new request and lets those that run finish, for
    /// [`Limits::shutdown`] at most. Use cases go on when their client hangs up, so those are waited for too.
    ///
    /// # Errors
    /// The listener has no address.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let running = self.running();
        let is_loopback = listener.local_addr()?.ip().to_canonical().is_loopback();
        let own = self.own_address(is_loopback);
        let sub_path = SubPath::of(self.host.public_url());
        let limits = &self.options.limits;
        let (stop, stopping) = (running.stop.clone(), running.stop.subscribe());
        let accepting = Listener::new(
            self.all(&own),
            sub_path,
            Arc::clone(&running.proxies),
            limits,
            stopping.clone(),
            running.tasks.clone(),
        );
        let stopper = async move {
            shutdown.await;
            tracing::info!("stopping: waiting for running requests");
            stop.send_replace(true);
        };
        let finished = async {
            tokio::join!(accepting.run(listener), stopper);
            running.tasks.close();
            running.tasks.wait().await;
        };
        tokio::select! {
            () = finished => {}
            () = expiry(stopping, limits.shutdown) => unfinished(),
        }
        Ok(())
    }

    /// Ends event streams, and waits for the use cases that run, which go on when their client hangs up: half a connect
    /// would leave a webhook behind at the remote service. To be called when the platform's server takes no more requests;
    /// false if some did not finish within `grace`.
    pub async fn finish(&self, grace: Duration) -> bool {
        let running = self.running();
        running.stop.send_replace(true);
        running.tasks.close();
        let ended = tokio::time::timeout(grace, running.tasks.wait()).await;
        if ended.is_err() {
            unfinished();
        }
        ended.is_ok()
    }

    /// Has event streams end, which would keep a platform's server from coming to its end. It is part of
    /// [`finish`](Self::finish) too.
    pub fn end_streams(&self) {
        self.running().stop.send_replace(true);
    }

    fn running(&self) -> &Running {
        self.running.get_or_init(|| {
            let (stop, stopping) = watch::channel(false);
            let tasks = TaskTracker::new();
            let proxies = self.options.trusted_proxies.clone();
            let options = self.options.clone();
            Running {
                state: AppState::new(self.host.clone(), options, stopping, tasks.clone()),
                proxies: Arc::new(TrustedProxies::new(proxies)),
                tasks,
                stop,
            }
        })
    }

    fn own_address(&self, is_loopback: bool) -> OwnAddress {
        OwnAddress {
            public_url: self.host.public_url().clone(),
            allowed_origins: self.options.allowed_origins.clone().into(),
            is_loopback,
        }
    }

    fn all(&self, own: &OwnAddress) -> Router {
        let state = &self.running().state;
        let routes = router::open_routes().merge(router::api(state, own));
        #[cfg(feature = "console")]
        let routes = routes.merge(router::console(state, own));
        self.finished(router::with_an_end(routes))
    }

    fn finished(&self, routes: Router<AppState>) -> Router {
        let running = self.running();
        let is_https = self.host.public_url().scheme() == "https";
        router::finish(routes, Arc::clone(&running.proxies), is_https)
            .with_state(running.state.clone())
    }
}

fn unfinished() {
    tracing::warn!("stopping: some requests did not finish in time");
}

/// Completes when stopping has taken too long.
async fn expiry(mut stopping: watch::Receiver<bool>, grace: Duration) {
    if stopping.wait_for(|stopping| *stopping).await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(grace).await;
}
