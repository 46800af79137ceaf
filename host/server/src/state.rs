//! What handlers share.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::authentication::Admission;
use super::body::RequestLimits;
#[cfg(feature = "console")]
use super::console::Console;
use super::error::ApiError;
use super::login_throttle::LoginThrottle;
use super::routes::Readiness;
use super::server::Options;
use super::signature_throttle::SignatureThrottle;
use integration_host::{Host, HostError};

/// How many event streams may be open. Each is a person looking at a timeline or a platform following
/// the feed; a leak somewhere must not take the host's connections.
const MAX_STREAMS: usize = 256;

/// What handlers share.
#[derive(Clone)]
pub(super) struct AppState {
    pub(super) service: Host,
    pub(super) admission: Admission,
    pub(super) limits: RequestLimits,
    #[cfg(feature = "console")]
    pub(super) console: Console,
    pub(super) signature_throttle: Arc<SignatureThrottle>,
    pub(super) readiness: Arc<Readiness>,
    /// When a refused delivery is answered, counted from its arrival.
    pub(super) refusal_delay: Duration,
    /// How long whoever fetches a backup may take to read on.
    pub(super) backup_stall: Duration,
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) streams: Arc<Semaphore>,
    use_cases: TaskTracker,
}

impl AppState {
    /// The state. Use cases that change something are tracked.
    pub(super) fn new(
        service: Host,
        options: Options,
        stopping: watch::Receiver<bool>,
        use_cases: TaskTracker,
    ) -> Self {
        let limits = &options.limits;
        let login_throttle = LoginThrottle::new(limits.wrong_admin_tokens, limits.lock_out);
        Self {
            #[cfg(feature = "console")]
            console: Console::new(
                &service,
                options.admin_token.as_ref(),
                options.sign_in_links,
            ),
            service,
            limits: RequestLimits::from(limits),
            signature_throttle: Arc::new(SignatureThrottle::new(
                limits.refused_deliveries_per_second,
            )),
            readiness: Arc::default(),
            refusal_delay: limits.refusal_delay,
            admission: Admission::new(options.admin_token, options.authenticator, login_throttle),
            backup_stall: limits.backup_stall,
            stopping,
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            use_cases,
        }
    }

    /// Runs a use case that changes something to its end, even if the client hangs up: half a
    /// connect would leave a webhook behind at the remote service.
    pub(super) async fn complete<T, F>(
        &self,
        use_case: impl FnOnce(Host) -> F,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let running = use_case(self.service.clone());
        self.use_cases
            .spawn(running.in_current_span())
            .await
            .map_err(|_| ApiError::defect())
    }

    /// [`Self::complete`] for a use case that can fail.
    pub(super) async fn try_complete<T, F>(
        &self,
        use_case: impl FnOnce(Host) -> F,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, HostError>> + Send + 'static,
    {
        Ok(self.complete(use_case).await??)
    }
}

impl FromRef<AppState> for RequestLimits {
    fn from_ref(state: &AppState) -> Self {
        state.limits.clone()
    }
}
