//! What is used of a delivery's body.
//!
//! Values in `metadata` are strings in events and numbers in pings, and the body holds much else;
//! `request_body`, for one, is whatever a person sent to Toggl.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::json::{Scalar, Texts};

/// A delivery's body.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(default, borrow)]
    pub event_id: Scalar<'a>,
    /// Stays the same when a delivery is repeated, unlike `timestamp`.
    #[serde(default, borrow)]
    pub created_at: Scalar<'a>,
    #[serde(default, borrow)]
    pub metadata: Option<Metadata<'a>>,
    #[serde(default, borrow)]
    pub payload: Payload<'a>,
    #[serde(default, borrow)]
    pub subscription_id: Scalar<'a>,
    #[serde(default, borrow)]
    pub url_callback: Scalar<'a>,
    /// In a ping to a subscription that is not validated.
    #[serde(default, borrow)]
    pub validation_code: Scalar<'a>,
}

/// What happened to what.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    pub action: Scalar<'a>,
    #[serde(borrow)]
    pub model: Scalar<'a>,
    #[serde(borrow)]
    pub model_owner_id: Scalar<'a>,
    #[serde(borrow)]
    pub time_entry_id: Scalar<'a>,
    #[serde(borrow)]
    pub project_id: Scalar<'a>,
    #[serde(borrow)]
    pub task_id: Scalar<'a>,
    #[serde(borrow)]
    pub client_id: Scalar<'a>,
    #[serde(borrow)]
    pub workspace_id: Scalar<'a>,
}

/// `"ping"`, or the entity after what happened to it.
#[derive(Debug, Default)]
pub(super) enum Payload<'a> {
    Text(Cow<'a, str>),
    Entity(Box<Entity<'a>>),
    #[default]
    Other,
}

/// The fields of a time entry, project, client or task that are used.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Entity<'a> {
    #[serde(borrow)]
    pub id: Scalar<'a>,
    #[serde(borrow)]
    pub at: Scalar<'a>,
    #[serde(borrow)]
    pub server_deleted_at: Scalar<'a>,
    #[serde(borrow)]
    pub workspace_id: Scalar<'a>,
    /// The older name of `workspace_id`, as `uid`, `pid`, `tid` and `cid` are of theirs.
    #[serde(borrow)]
    pub wid: Scalar<'a>,
    #[serde(borrow)]
    pub user_id: Scalar<'a>,
    #[serde(borrow)]
    pub uid: Scalar<'a>,
    #[serde(borrow)]
    pub project_id: Scalar<'a>,
    #[serde(borrow)]
    pub pid: Scalar<'a>,
    #[serde(borrow)]
    pub task_id: Scalar<'a>,
    #[serde(borrow)]
    pub tid: Scalar<'a>,
    #[serde(borrow)]
    pub client_id: Scalar<'a>,
    #[serde(borrow)]
    pub cid: Scalar<'a>,
    #[serde(borrow)]
    pub name: Scalar<'a>,
    #[serde(borrow)]
    pub description: Scalar<'a>,
    #[serde(borrow)]
    pub billable: Scalar<'a>,
    #[serde(borrow)]
    pub start: Scalar<'a>,
    #[serde(borrow)]
    pub stop: Scalar<'a>,
    #[serde(borrow)]
    pub duration: Scalar<'a>,
    pub tags: Texts,
}

impl Entity<'_> {
    pub fn workspace(&self) -> Option<u64> {
        self.workspace_id.id().or_else(|| self.wid.id())
    }

    pub fn project(&self) -> Option<u64> {
        self.project_id.id().or_else(|| self.pid.id())
    }

    pub fn task(&self) -> Option<u64> {
        self.task_id.id().or_else(|| self.tid.id())
    }
}

struct PayloadVisitor;

impl<'de> Visitor<'de> for PayloadVisitor {
    type Value = Payload<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Payload::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Payload::Text(Cow::Borrowed(value)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let entity = Entity::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Payload::Entity(Box::new(entity)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Payload::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Payload::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Payload::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Payload::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Payload::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Payload::Other)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Payload<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PayloadVisitor)
    }
}
