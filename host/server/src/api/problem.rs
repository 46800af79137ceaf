//! Errors.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An error, as RFC 9457 `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: `code` tells problems apart.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "about:blank")]
    pub kind: Cow<'static, str>,
    /// The status in words.
    #[schema(example = "Conflict")]
    pub title: String,
    /// The HTTP status.
    #[schema(example = 409)]
    pub status: u16,
    /// What happened and what helps, in a sentence.
    pub detail: String,
    /// The contract's name of the error: `unauthorized`, `forbidden`, `not-found`, `invalid-input`,
    /// `conflict`, `rate-limited`, `quota-exhausted`, `plan-limit`, `upstream`, `unavailable` or `internal`. Or
    /// `feed-restarted`: the change feed is to be read from its beginning.
    #[schema(value_type = String, example = "conflict")]
    pub code: Cow<'static, str>,
    /// After how many seconds trying again may help; the header `Retry-After` says the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
}

impl Problem {
    /// The code of a place in the change feed that is of another life of the feed, or beyond its end. Events of streams
    /// that say the same are called so too.
    pub const FEED_RESTARTED: &'static str = "feed-restarted";
}
