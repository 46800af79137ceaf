//! Answers that look right and are not: what a service says while its indexes, caches and replicas are behind.
//!
//! A failure ([`CallFault`](crate::CallFault)) is noticed by whoever gets it; a lie is not. Lies are told for a limited time to some of
//! the calls. A seed decides which, so that a run can be repeated.

mod lists;
mod numbers;

use std::collections::HashMap;
use std::time::Duration;

use axum::{body::Body, response::Response};
use http::StatusCode;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::{faults::matches_pattern, world::World};

/// Answers that are remembered, so that an old one can be given again.
const MAX_REMEMBERED: usize = 500;

/// Larger answers are passed on as they are.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// What is said that is not so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lie {
    /// A list is empty.
    Empty,
    /// A list is `null`.
    Null,
    /// A list ends before its end, and names no next page.
    CutShort,
    /// Rows are missing from a list.
    RowsMissing,
    /// Rows are in a list twice.
    RowsDoubled,
    /// A list is as it was some time ago: [`Lies::behind_ms`].
    Late,
    /// Quotas and delays are numbers that make no sense.
    Nonsense,
    /// Something is created, changed or deleted long after it was asked for ([`Lies::slow_ms`]), also when nobody waits any more.
    Slow,
    /// Something is said to be created or deleted, and is not.
    NotDone,
}

impl Lie {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Empty,
        Self::Null,
        Self::CutShort,
        Self::RowsMissing,
        Self::RowsDoubled,
        Self::Late,
        Self::Nonsense,
        Self::Slow,
        Self::NotDone,
    ];

    /// Whether it is told about what a call changes; the others are told about what a call asks for.
    fn is_about_changes(self) -> bool {
        matches!(self, Self::Slow | Self::NotDone)
    }
}

/// Which lies are told, to how many calls, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lies {
    /// Decides which calls are lied to, and how.
    pub seed: u64,
    /// How many of a thousand calls are lied to.
    pub per_mille: u32,
    /// What is told; empty: anything.
    pub kinds: Vec<Lie>,
    /// Only to calls whose path matches; `*` stands for any text, as in `/reports/*`. Absent: to any.
    pub path: Option<String>,
    /// For how long, in milliseconds.
    pub for_ms: u64,
    /// How far a list is behind, in milliseconds.
    pub behind_ms: u64,
    /// How long a slow change takes, in milliseconds.
    pub slow_ms: u64,
}

impl Default for Lies {
    fn default() -> Self {
        Self {
            seed: 0,
            per_mille: 1_000,
            kinds: Vec::new(),
            path: None,
            for_ms: 60_000,
            behind_ms: 15_000,
            slow_ms: 25_000,
        }
    }
}

/// The lies that are being told, and what is needed to tell them.
pub(crate) struct Telling {
    lies: Lies,
    random: StdRng,
    until: Instant,
    /// True answers, by question: when they were given, and the list.
    remembered: HashMap<String, (Instant, Value)>,
}

impl Telling {
    pub(crate) fn new(lies: Lies) -> Self {
        Self {
            random: StdRng::seed_from_u64(lies.seed),
            until: Instant::now() + Duration::from_millis(lies.for_ms),
            remembered: HashMap::new(),
            lies,
        }
    }
}

/// What is done to one call.
pub(crate) struct Told {
    pub lie: Lie,
    /// Decides on the details.
    seed: u64,
    behind: Duration,
    slow: Duration,
}

impl Told {
    /// For how long the call is put off.
    pub(crate) fn delay(&self) -> Duration {
        match self.lie {
            Lie::Slow => self.slow,
            _ => Duration::ZERO,
        }
    }
}

impl World {
    /// The lie that this call is told, if any.
    pub fn choose_lie(&mut self, method: &str, path: &str) -> Option<Told> {
        let telling = self.lies.as_mut()?;
        if Instant::now() >= telling.until {
            self.lies = None;
            return None;
        }
        let changes = method != "GET" && !path.starts_with("/reports/");
        let kinds = match telling.lies.kinds.as_slice() {
            [] => Lie::ALL.as_slice(),
            kinds => kinds,
        };
        let fitting: Vec<Lie> = kinds
            .iter()
            .copied()
            .filter(|lie| lie.is_about_changes() == changes || *lie == Lie::Nonsense)
            .collect();
        let is_meant =
            (telling.lies.path.as_deref()).is_none_or(|pattern| matches_pattern(pattern, path));
        // The dice are thrown for every call, so that one call more shifts no other's.
        let is_told = telling.random.random_range(0..1_000) < telling.lies.per_mille;
        let choice = telling.random.random_range(0..fitting.len().max(1));
        let seed = telling.random.random();
        let lie = fitting
            .get(choice)
            .copied()
            .filter(|_| is_told && is_meant)?;
        Some(Told {
            lie,
            seed,
            behind: Duration::from_millis(telling.lies.behind_ms),
            slow: Duration::from_millis(telling.lies.slow_ms),
        })
    }

    /// Keeps a true answer, to give it again when it is not true any more. The oldest one kept stays, unless it is older than
    /// what a late list is behind.
    fn remember(&mut self, question: &str, answer: &Value) {
        let Some(telling) = self.lies.as_mut() else {
            return;
        };
        let behind = Duration::from_millis(telling.lies.behind_ms);
        let has_one = telling
            .remembered
            .get(question)
            .is_some_and(|(at, _)| at.elapsed() < behind);
        if !has_one && telling.remembered.len() < MAX_REMEMBERED {
            telling
                .remembered
                .insert(question.to_owned(), (Instant::now(), answer.clone()));
        }
    }

    fn remembered(&self, question: &str) -> Option<Value> {
        let telling = self.lies.as_ref()?;
        telling
            .remembered
            .get(question)
            .map(|(_, answer)| answer.clone())
    }
}

/// Replaces a true answer by what is told instead. `question` identifies what was asked.
pub(crate) async fn tell(
    shared: &crate::shared::Shared,
    told: Option<&Told>,
    question: &str,
    response: Response,
) -> Response {
    if !shared.read(|world| world.lies.is_some()) || response.status() != StatusCode::OK {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, MAX_BYTES).await else {
        return Response::from_parts(parts, Body::empty());
    };
    let Ok(mut value) = serde_json::from_slice::<Value>(&bytes) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    let truth = value.clone();
    if let Some(told) = told {
        let mut random = StdRng::seed_from_u64(told.seed);
        if told.lie == Lie::Nonsense {
            numbers::confuse(&mut parts.headers, &mut value, &mut random);
        } else {
            let earlier = shared.read(|world| world.remembered(question));
            let since = shared.read(World::now);
            lists::change(
                told.lie,
                &mut value,
                earlier,
                (since, told.behind),
                &mut random,
            );
            if told.lie == Lie::CutShort {
                lists::forget_next_page(&mut parts.headers);
            }
        }
    }
    shared.change_quietly(|world| world.remember(question, &truth));
    if value == truth {
        return Response::from_parts(parts, Body::from(bytes));
    }
    parts.headers.remove(http::header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(value.to_string()))
}
