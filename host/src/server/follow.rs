//! The change feed as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use axum::response::sse::Event;
use futures_util::Stream;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::error::ApiError;
use crate::api::ActivityView;
use crate::ledger::LedgerActivity;
use crate::service::ServiceError;

/// How long a client waits before it connects again.
const RECONNECT: Duration = Duration::from_secs(2);

/// One open event stream.
pub(super) struct Follow<F> {
    /// Reads a bounded piece of the feed after a place.
    pub(super) fetch: F,
    /// Tells when the feed may have grown.
    pub(super) changes: watch::Receiver<u64>,
    /// Tells when the host stops.
    pub(super) stopping: watch::Receiver<bool>,
    /// The last place that was sent.
    pub(super) after: u64,
    /// What keeps the number of streams bounded.
    pub(super) _permit: Option<OwnedSemaphorePermit>,
}

impl<F, R> Follow<F>
where
    F: Fn(u64) -> R + Send + 'static,
    R: Future<Output = Result<Vec<LedgerActivity>, ServiceError>> + Send,
{
    /// Events `activity` with the place in the feed as their id. It ends when the host stops, or after
    /// an event `problem`; a client then comes back with the last id it saw and misses nothing.
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> + Send {
        let running = Running {
            follow: self,
            pending: VecDeque::new(),
            ended: false,
        };
        futures_util::stream::unfold(running, |mut running| async move {
            let event = running.next().await?;
            Some((Ok(event), running))
        })
    }
}

struct Running<F> {
    follow: Follow<F>,
    pending: VecDeque<LedgerActivity>,
    ended: bool,
}

impl<F, R> Running<F>
where
    F: Fn(u64) -> R + Send + 'static,
    R: Future<Output = Result<Vec<LedgerActivity>, ServiceError>> + Send,
{
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.ended || *self.follow.stopping.borrow() {
                return None;
            }
            if let Some(activity) = self.pending.pop_front() {
                self.follow.after = activity.cursor;
                return Some(self.activity(activity));
            }
            // Marked as seen before reading: what is added meanwhile wakes the wait below.
            self.follow.changes.mark_unchanged();
            match (self.follow.fetch)(self.follow.after).await {
                Ok(changes) if changes.is_empty() => tokio::select! {
                    changed = self.follow.changes.changed() => self.ended |= changed.is_err(),
                    _ = self.follow.stopping.wait_for(|stopping| *stopping) => return None,
                },
                Ok(changes) => self.pending = changes.into(),
                Err(error) => return Some(self.problem(error.into())),
            }
        }
    }

    fn activity(&mut self, activity: LedgerActivity) -> Event {
        let place = activity.cursor.to_string();
        Event::default()
            .event("activity")
            .id(place)
            .retry(RECONNECT)
            .json_data(ActivityView::from(activity))
            .unwrap_or_else(|_| self.problem(ApiError::defect()))
    }

    fn problem(&mut self, error: ApiError) -> Event {
        self.ended = true;
        Event::default()
            .event("problem")
            .retry(RECONNECT)
            .json_data(error.problem())
            .unwrap_or_else(|_| Event::default().event("problem"))
    }
}
