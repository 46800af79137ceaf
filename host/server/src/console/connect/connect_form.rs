//! An attempt to connect a scope, which goes on whoever watches.

use tokio::sync::watch;
use tracing::Instrument as _;

use crate::state::AppState;
use integration_host::{ConnectRequest, ConnectStep, HostError};
use integration_host_contract::ErrorCode;
use integration_host_contract::id::ConnectionId;

/// How far an attempt is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// At this step.
    Running(ConnectStep),
    /// It made this connection.
    Connected(ConnectionId),
    /// It failed at this step.
    Failed(ConnectStep, HostError),
}

/// An attempt as somebody sees it who watches.
#[derive(Clone, Debug)]
pub(super) struct ConnectForm {
    /// The name that was asked for; empty: the scope's.
    pub(super) name: String,
    progress: watch::Receiver<Progress>,
}

impl ConnectForm {
    /// Starts one. It runs to its end, and holds the state until then, so that the host waits for it
    /// when it stops.
    pub(super) fn start(state: AppState, request: ConnectRequest) -> Self {
        let name = request.name.clone().unwrap_or_default();
        let (told, progress) = watch::channel(Progress::Running(ConnectStep::Saving));
        let running = async move {
            let tell = |step| {
                told.send_replace(Progress::Running(step));
            };
            let end = match state.service.connect_with(request, tell).await {
                Ok(connection) => Progress::Connected(connection.id),
                Err(error) => {
                    tracing::info!(code = error.code.as_str(), "connecting failed");
                    let step = told.borrow().step();
                    Progress::Failed(step, error)
                }
            };
            told.send_replace(end);
        };
        tokio::spawn(running.in_current_span());
        Self { name, progress }
    }

    /// How far it is.
    pub(super) fn progress(&self) -> Progress {
        let is_over = self.progress.has_changed().is_err();
        let progress = self.progress.borrow().clone();
        match progress {
            // It panicked, and nobody will tell more.
            Progress::Running(step) if is_over => {
                let message = "this is a defect in the host; its log says more";
                Progress::Failed(step, HostError::new(ErrorCode::Internal, message))
            }
            progress => progress,
        }
    }

    /// Whether another attempt would make no sense: this one goes on, or has done it.
    pub(super) fn stands(&self) -> bool {
        !matches!(self.progress(), Progress::Failed(..))
    }
}

impl Progress {
    fn step(&self) -> ConnectStep {
        match self {
            Self::Running(step) | Self::Failed(step, _) => *step,
            Self::Connected(_) => ConnectStep::ImportingTeam,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_an_attempt_that_broke_off() {
        let (told, progress) = watch::channel(Progress::Running(ConnectStep::Subscribing));
        let attempt = ConnectForm {
            name: String::new(),
            progress,
        };
        assert!(attempt.stands());
        drop(told);
        assert!(
            matches!(
                attempt.progress(),
                Progress::Failed(ConnectStep::Subscribing, _)
            ),
            "the page says for ever that it is subscribing"
        );
    }
}
