//! The control side: what a test or a demonstration does *to* the sandbox, and what it can see afterwards.
//!
//! Everything is a method of [`Control`]; the HTTP routes are a thin layer over them.
//!
#![doc = include_str!("routes.md")]

mod disturb;
pub(crate) mod http;
mod observe;
mod team;
mod time;

use std::sync::Arc;

pub use self::{
    disturb::{AdvanceClock, SetSettings, SetSubscription},
    observe::{Flush, Flushed, State},
    team::{CreateName, DeleteName, NameKind, Rename, SetMember, SetPlan, SetToken, SetWorkspace},
    time::{DeleteEntry, EditEntry, StartTimer, StopTimer},
};
use crate::{activity::Activity, api_error::ApiError, shared::Shared, world::Origin, world::World};

/// The routes of the control API, as a table for `--help`.
pub const ROUTES: &str = include_str!("routes.md");

/// How many traffic generators may run at once.
pub(crate) const MAX_ACTIVITIES: usize = 8;

/// Why a control call did nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// What was asked for does not exist or makes no sense; the text says which.
    #[error("{0}")]
    Refused(String),
}

impl From<ApiError> for ControlError {
    fn from(refusal: ApiError) -> Self {
        Self::Refused(refusal.message().to_owned())
    }
}

/// Scripts a running sandbox; cheap to clone.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

impl Control {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Plays believable team activity to its end, at the pace asked for; answers how many changes were made.
    ///
    /// # Errors
    /// When the workspace does not exist, the pace is not positive, or too many generators run already.
    pub async fn activity(&self, activity: Activity) -> Result<u64, ControlError> {
        let busy =
            |_| ControlError::Refused(format!("{MAX_ACTIVITIES} generators are running already"));
        let _permit = self.shared.activities.try_acquire().map_err(busy)?;
        tokio::select! {
            made = crate::activity::play(Arc::clone(&self.shared), activity) => made,
            () = self.shared.stop_activities.notified() => Ok(0),
        }
    }

    /// Stops every running traffic generator.
    pub fn stop_activities(&self) {
        self.shared.stop_activities.notify_waiters();
    }
}

/// The request a change seems to have come with: what Toggl's browser extension would have sent.
fn origin(user_id: i64, method: &str, path: String, body: &impl serde::Serialize) -> Origin {
    let body = serde_json::to_string(body).unwrap_or_default();
    Origin {
        user_id,
        method: method.to_owned(),
        path,
        body,
    }
}

/// The first administrator of a workspace: who changes names and memberships when nobody is named.
fn first_admin(world: &World, workspace_id: i64) -> Result<i64, ControlError> {
    world
        .members_of(workspace_id)
        .find(|member| member.is_admin())
        .map(|member| member.user_id)
        .ok_or_else(|| {
            ControlError::Refused(format!("workspace {workspace_id} has no administrator"))
        })
}
