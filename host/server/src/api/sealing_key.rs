//! Sealing keys, by their ids: the keys themselves are never answered.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use integration_host::{FormerKeys, Rotation, RotationProgress, SealingKeyStatus};

/// Which sealing keys there are, and whether they are being exchanged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SealingKeyView {
    /// Where the keys come from, for people.
    pub source: String,
    /// The id of the key that seals.
    pub key_id: String,
    /// The ids of keys that only open.
    pub older_key_ids: Vec<String>,
    /// How far a rotation is; null: there is none.
    pub rotation: Option<RotationProgressView>,
}

/// How far a rotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotationProgressView {
    /// Connections whose stored values were looked through.
    pub connections_done: u64,
    /// Connections there are.
    pub connections_total: u64,
    /// Values looked at, in all passes.
    pub values: u64,
}

/// What a rotation has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotationView {
    /// Where the keys come from, for people.
    pub source: String,
    /// The id of the key that seals.
    pub key_id: String,
    /// Whether that key is new; otherwise it was there already.
    pub key_is_new: bool,
    /// Values that were sealed again.
    pub resealed: u64,
    /// The ids of connections with values that do not open and therefore could not be sealed again.
    pub unreadable_connections: Vec<String>,
    /// What became of the keys that sealed before.
    pub former_keys: FormerKeysView,
}

/// What became of the keys that sealed before a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FormerKeysView {
    /// They are gone.
    Removed,
    /// Nothing needs them any more; who keeps them can remove them.
    Dispensable,
    /// Something that does not open was sealed with one of them, so they stay.
    Kept,
}

impl From<SealingKeyStatus> for SealingKeyView {
    fn from(status: SealingKeyStatus) -> Self {
        Self {
            source: status.source.to_string(),
            key_id: status.key_id,
            older_key_ids: status.older_key_ids,
            rotation: status.rotation.map(RotationProgressView::from),
        }
    }
}

impl From<RotationProgress> for RotationProgressView {
    fn from(progress: RotationProgress) -> Self {
        Self {
            connections_done: progress.connections_done,
            connections_total: progress.connections_total,
            values: progress.values,
        }
    }
}

impl From<Rotation> for RotationView {
    fn from(rotation: Rotation) -> Self {
        Self {
            source: rotation.source.to_string(),
            key_id: rotation.key_id,
            key_is_new: rotation.key_is_new,
            resealed: rotation.resealed,
            unreadable_connections: rotation
                .unreadable
                .iter()
                .map(ToString::to_string)
                .collect(),
            former_keys: match rotation.former_keys {
                FormerKeys::Removed => FormerKeysView::Removed,
                FormerKeys::Dispensable => FormerKeysView::Dispensable,
                FormerKeys::Kept => FormerKeysView::Kept,
            },
        }
    }
}
