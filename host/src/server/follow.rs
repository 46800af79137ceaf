//! The change feed as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse as _, Response, Sse};
use futures_util::Stream;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::error::ApiError;
use super::state::AppState;
use crate::contract::ErrorCode;
use crate::ledger::LedgerActivity;
use crate::service::ServiceError;

/// How long a client waits before it connects again.
const RECONNECT: Duration = Duration::from_secs(2);
/// How often an idle stream shows that it lives; proxies cut silent connections after a minute or so.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How many changes a stream reads at once.
const STREAM_PIECE: usize = 100;
/// The header of a client that comes back.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The id of the last event a client saw that comes back.
pub(super) fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(LAST_EVENT_ID)?.to_str().ok()?;
    (!id.is_empty()).then_some(id)
}

/// Opens a stream of what changes after a place in the feed, each as the event that `render` makes of it. It
/// ends with a problem when it is allowed no longer.
///
/// # Errors
/// Too many streams are open.
pub(super) fn open<A, E>(
    state: &AppState,
    after: u64,
    is_allowed: A,
    render: E,
) -> Result<Response, ApiError>
where
    A: Fn() -> bool + Send + 'static,
    E: Fn(LedgerActivity) -> Result<Event, axum::Error> + Send + 'static,
{
    let permit = Arc::clone(&state.streams)
        .try_acquire_owned()
        .map_err(|_| ApiError::busy("too many event streams are open; try again later", 10))?;
    let service = state.service.clone();
    let follow = Follow {
        changes: state.service.watch_changes(),
        stopping: state.stopping.clone(),
        after,
        _permit: Some(permit),
        render,
        fetch: move |after| {
            let service = service.clone();
            let is_allowed = is_allowed();
            async move {
                if !is_allowed {
                    let ended = "the session has ended; sign in again";
                    return Err(ServiceError::new(ErrorCode::Unauthorized, ended));
                }
                service.changes(after, STREAM_PIECE).await
            }
        },
    };
    let events = Sse::new(follow.into_stream())
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("alive"));
    // Some proxies collect an answer before they pass it on unless told not to.
    Ok(([("x-accel-buffering", "no")], events).into_response())
}

/// One open event stream.
struct Follow<F, E> {
    /// Reads a bounded piece of the feed after a place.
    fetch: F,
    /// Makes an event of a change.
    render: E,
    /// Tells when the feed may have grown.
    changes: watch::Receiver<u64>,
    /// Tells when the host stops.
    stopping: watch::Receiver<bool>,
    /// The last place that was sent.
    after: u64,
    /// What keeps the number of streams bounded.
    _permit: Option<OwnedSemaphorePermit>,
}

impl<F, R, E> Follow<F, E>
where
    F: Fn(u64) -> R + Send + 'static,
    R: Future<Output = Result<Vec<LedgerActivity>, ServiceError>> + Send,
    E: Fn(LedgerActivity) -> Result<Event, axum::Error> + Send + 'static,
{
    /// Events with the place in the feed as their id. It ends when the host stops, or after an event
    /// `problem`; a client then comes back with the last id it saw and misses nothing.
    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> + Send {
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

struct Running<F, E> {
    follow: Follow<F, E>,
    pending: VecDeque<LedgerActivity>,
    ended: bool,
}

impl<F, R, E> Running<F, E>
where
    F: Fn(u64) -> R + Send + 'static,
    R: Future<Output = Result<Vec<LedgerActivity>, ServiceError>> + Send,
    E: Fn(LedgerActivity) -> Result<Event, axum::Error> + Send + 'static,
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
        (self.follow.render)(activity)
            .map(|event| event.id(place).retry(RECONNECT))
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures_util::StreamExt as _;

    use super::*;
    use crate::id::ConnectionId;

    fn change(cursor: u64) -> LedgerActivity {
        LedgerActivity {
            connection_id: ConnectionId::new("c"),
            entry_id: cursor.to_string(),
            event_id: None,
            remote_user_id: None,
            remote_user_name: None,
            user: None,
            subjects: Vec::new(),
            title: Vec::new(),
            tags: Vec::new(),
            billable: false,
            start: None,
            stop: None,
            deleted: true,
            revision: String::new(),
            cursor,
        }
    }

    /// A feed that can grow, and a stream of it.
    struct Feed {
        places: Arc<Mutex<Vec<u64>>>,
        grown: watch::Sender<u64>,
        stop: watch::Sender<bool>,
        stream: axum::body::BodyDataStream,
    }

    fn feed(after: u64) -> Feed {
        let places = Arc::new(Mutex::new(Vec::<u64>::new()));
        let (grown, changes) = watch::channel(0);
        let (stop, stopping) = watch::channel(false);
        let source = Arc::clone(&places);
        let follow = Follow {
            fetch: move |after| {
                let found: Vec<_> = source
                    .lock()
                    .unwrap()
                    .iter()
                    .filter(|cursor| **cursor > after)
                    .take(2)
                    .map(|cursor| change(*cursor))
                    .collect();
                async move {
                    if found.iter().any(|change| change.cursor == 666) {
                        return Err(ServiceError::new(ErrorCode::Unavailable, "gone"));
                    }
                    Ok(found)
                }
            },
            changes,
            stopping,
            after,
            render: |activity: LedgerActivity| {
                Ok(Event::default().event("activity").data(activity.entry_id))
            },
            _permit: None,
        };
        let body = Sse::new(follow.into_stream()).into_response().into_body();
        Feed {
            places,
            grown,
            stop,
            stream: body.into_data_stream(),
        }
    }

    async fn next(stream: &mut axum::body::BodyDataStream) -> Option<String> {
        let chunk = stream.next().await?.unwrap();
        Some(String::from_utf8(chunk.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_stream_sends_what_was_missed_and_then_what_arrives() {
        let mut feed = feed(2);
        feed.places.lock().unwrap().extend([1, 2, 3, 4, 5]);
        for cursor in [3, 4, 5] {
            let event = next(&mut feed.stream).await.unwrap();
            assert!(event.contains(&format!("id: {cursor}\n")), "{event}");
            assert!(event.contains("event: activity\n"), "{event}");
            assert!(event.contains(&format!("data: {cursor}\n")), "{event}");
        }
        let waiting = tokio::spawn(async move { next(&mut feed.stream).await });
        tokio::task::yield_now().await;
        feed.places.lock().unwrap().push(6);
        feed.grown.send_replace(6);
        assert!(waiting.await.unwrap().unwrap().contains("id: 6\n"));
    }

    #[tokio::test]
    async fn a_stream_ends_when_the_host_stops() {
        let mut feed = feed(0);
        let waiting = tokio::spawn(async move { next(&mut feed.stream).await });
        tokio::task::yield_now().await;
        feed.stop.send_replace(true);
        assert_eq!(waiting.await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_stream_that_cannot_go_on_says_so_and_ends() {
        let mut feed = feed(0);
        feed.places.lock().unwrap().push(666);
        let event = next(&mut feed.stream).await.unwrap();
        assert!(event.contains("event: problem\n"), "{event}");
        assert!(event.contains("\"code\":\"unavailable\""), "{event}");
        assert!(
            !event.contains("id:"),
            "it is no place to go on from: {event}"
        );
        assert_eq!(next(&mut feed.stream).await, None);
    }
}
