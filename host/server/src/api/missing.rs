//! Activities that the remote service does not list any more.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use integration_host::{MissingActivity, MissingState};

/// Everything of a connection that is missing, the first to be missed first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MissingList {
    /// At most 5,000.
    pub missing: Vec<MissingView>,
}

/// An activity that the host has and the remote service does not list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MissingView {
    /// The remote service's id of the entry.
    #[schema(example = "3141592653")]
    pub entry_id: String,
    /// What was concluded from that.
    pub state: MissingStateView,
    /// When it was first missed.
    #[schema(value_type = String, format = DateTime)]
    pub first_missed_at: Timestamp,
    /// When it was last asked for.
    #[schema(value_type = String, format = DateTime)]
    pub asked_at: Timestamp,
    /// How often it was asked for in vain.
    pub times: u32,
}

/// What was concluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MissingStateView {
    /// Nothing yet: it is asked for again.
    Suspected,
    /// It is marked as deleted.
    Marked,
    /// It was marked, and a person took that back: it stays until the remote service tells of its deletion.
    Kept,
}

/// Which marks to take back.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TakeBackRequest {
    /// Of these entries; null: all.
    pub entry_ids: Option<Vec<String>>,
}

/// What was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TakenBack {
    /// So many activities are no longer marked as deleted.
    pub taken_back: u64,
}

impl From<Vec<MissingActivity>> for MissingList {
    fn from(missing: Vec<MissingActivity>) -> Self {
        let missing = missing.into_iter().map(|one| MissingView {
            entry_id: one.entry_id,
            state: match one.state {
                MissingState::Suspected => MissingStateView::Suspected,
                MissingState::Marked => MissingStateView::Marked,
                MissingState::Kept => MissingStateView::Kept,
            },
            first_missed_at: one.first_missed_at,
            asked_at: one.asked_at,
            times: one.times,
        });
        Self {
            missing: missing.collect(),
        }
    }
}
