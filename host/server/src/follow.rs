//! The change feed as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse as _, Response, Sse};
use futures_util::{Stream, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::error::ApiError;
use super::state::AppState;
use crate::api::Problem;
use integration_host::{FeedError, FeedPage, FeedPlace, HostError};
use integration_host_contract::ErrorCode;
use integration_host_ledger::LedgerActivity;

/// How long a client waits before it connects again.
const RECONNECT: Duration = Duration::from_secs(2);
/// How often an idle stream shows that it lives; proxies cut silent connections after a minute or so.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often a stream looks at the feed when nothing says that it has grown: the ledger may have been restored under a host
/// that runs.
const LOOK: Duration = Duration::from_secs(10);
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
/// ends with a problem when it is allowed no longer, and with another event when the place is not of this feed any more.
///
/// # Errors
/// Too many streams are open.
pub(super) fn open<A, R, E>(
    state: &AppState,
    after: FeedPlace,
    is_allowed: A,
    render: E,
) -> Result<Response, ApiError>
where
    A: Fn() -> R + Send + 'static,
    R: Future<Output = Result<bool, HostError>> + Send + 'static,
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
        fetch: move |after: FeedPlace| {
            let service = service.clone();
            let is_allowed = is_allowed();
            async move {
                if !is_allowed.await? {
                    let ended = "the session has ended; sign in again";
                    return Err(HostError::new(ErrorCode::Unauthorized, ended).into());
                }
                service.changes(&after, STREAM_PIECE).await
            }
        },
    };
    // So whoever follows, and any proxy in between, knows at once that it works.
    let begin = Ok(Event::default().comment("connected"));
    let begin = futures_util::stream::once(std::future::ready(begin));
    let events = Sse::new(begin.chain(follow.into_stream()))
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("alive"));
    // Some proxies collect an answer before they pass it on unless told not to.
    let headers = [
        (HeaderName::from_static("x-accel-buffering"), "no"),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, events).into_response())
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
    /// Up to where everything was sent.
    after: FeedPlace,
    /// What keeps the number of streams bounded.
    _permit: Option<OwnedSemaphorePermit>,
}

impl<F, R, E> Follow<F, E>
where
    F: Fn(FeedPlace) -> R + Send + 'static,
    R: Future<Output = Result<FeedPage, FeedError>> + Send,
    E: Fn(LedgerActivity) -> Result<Event, axum::Error> + Send + 'static,
{
    /// Events with the place in the feed as their id. It ends when the host stops, or after an event
    /// `problem`; a client then comes back with the last id it saw and misses nothing. It ends too after an event
    /// `feed-restarted`, which takes the client's last id away, so that it begins anew.
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
    pending: VecDeque<(FeedPlace, LedgerActivity)>,
    ended: bool,
}

impl<F, R, E> Running<F, E>
where
    F: Fn(FeedPlace) -> R + Send + 'static,
    R: Future<Output = Result<FeedPage, FeedError>> + Send,
    E: Fn(LedgerActivity) -> Result<Event, axum::Error> + Send + 'static,
{
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.ended || *self.follow.stopping.borrow() {
                return None;
            }
            if let Some((place, activity)) = self.pending.pop_front() {
                self.follow.after = place;
                return Some(self.activity(activity));
            }
            // Marked as seen before reading: what is added meanwhile wakes the wait below.
            self.follow.changes.mark_unchanged();
            match (self.follow.fetch)(self.follow.after.clone()).await {
                Ok(page) if page.activities.is_empty() => {
                    self.follow.after = page.next;
                    tokio::select! {
                        changed = self.follow.changes.changed() => self.ended |= changed.is_err(),
                        () = tokio::time::sleep(LOOK) => {}
                        _ = self.follow.stopping.wait_for(|stopping| *stopping) => return None,
                    }
                }
                Ok(page) => {
                    let life = page.life;
                    let placed = page.activities.into_iter();
                    self.pending = placed
                        .map(|activity| (FeedPlace::new(life.clone(), activity.cursor), activity))
                        .collect();
                }
                Err(FeedError::Restarted) => return Some(self.restarted()),
                Err(error) => return Some(self.problem(error.into())),
            }
        }
    }

    fn activity(&mut self, activity: LedgerActivity) -> Event {
        let place = self.follow.after.to_string();
        (self.follow.render)(activity)
            .map(|event| event.id(place).retry(RECONNECT))
            .unwrap_or_else(|_| self.problem(ApiError::defect()))
    }

    fn problem(&mut self, error: ApiError) -> Event {
        self.last("problem", &error)
    }

    /// The empty id is what makes browsers forget the last one.
    fn restarted(&mut self) -> Event {
        let error = FeedError::Restarted.into();
        self.last(Problem::FEED_RESTARTED, &error).id("")
    }

    fn last(&mut self, name: &str, error: &ApiError) -> Event {
        self.ended = true;
        Event::default()
            .event(name)
            .retry(RECONNECT)
            .json_data(error.problem())
            .unwrap_or_else(|_| Event::default().event(name))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures_util::StreamExt as _;

    use super::*;
    use integration_host_contract::id::{ConnectionId, FeedLife};

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
            frozen: false,
            missing: false,
            revision: String::new(),
            cursor,
        }
    }

    /// A feed that can grow, and a stream of it.
    struct Feed {
        life: Arc<Mutex<FeedLife>>,
        places: Arc<Mutex<Vec<u64>>>,
        grown: watch::Sender<u64>,
        stop: watch::Sender<bool>,
        stream: axum::body::BodyDataStream,
    }

    fn feed(after: u64) -> Feed {
        let places = Arc::new(Mutex::new(Vec::<u64>::new()));
        let life = Arc::new(Mutex::new(FeedLife::new("life")));
        let (grown, changes) = watch::channel(0);
        let (stop, stopping) = watch::channel(false);
        let source = Arc::clone(&places);
        let present = Arc::clone(&life);
        let follow = Follow {
            fetch: move |place: FeedPlace| {
                let life = present.lock().unwrap().clone();
                let place = place.to_string();
                let after = place
                    .strip_prefix(&format!("{life}-"))
                    .map(str::parse::<u64>);
                let after = after.transpose().unwrap();
                let found: Vec<_> = source
                    .lock()
                    .unwrap()
                    .iter()
                    .filter(|cursor| **cursor > after.unwrap_or_default())
                    .take(2)
                    .map(|cursor| change(*cursor))
                    .collect();
                async move {
                    if found.iter().any(|change| change.cursor == 666) {
                        return Err(HostError::new(ErrorCode::Unavailable, "gone").into());
                    }
                    let after = after.ok_or(FeedError::Restarted)?;
                    let next = found.last().map_or(after, |last| last.cursor);
                    Ok(FeedPage {
                        activities: found,
                        next: FeedPlace::new(life.clone(), next),
                        life,
                    })
                }
            },
            changes,
            stopping,
            after: FeedPlace::new(FeedLife::new("life"), after),
            render: |activity: LedgerActivity| {
                Ok(Event::default().event("activity").data(activity.entry_id))
            },
            _permit: None,
        };
        let body = Sse::new(follow.into_stream()).into_response().into_body();
        Feed {
            life,
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
            assert!(event.contains(&format!("id: life-{cursor}\n")), "{event}");
            assert!(event.contains("event: activity\n"), "{event}");
            assert!(event.contains(&format!("data: {cursor}\n")), "{event}");
        }
        let waiting = tokio::spawn(async move { next(&mut feed.stream).await });
        tokio::task::yield_now().await;
        feed.places.lock().unwrap().push(6);
        feed.grown.send_replace(6);
        assert!(waiting.await.unwrap().unwrap().contains("id: life-6\n"));
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

    #[tokio::test]
    async fn a_stream_of_a_feed_that_began_anew_says_so_and_takes_the_last_id_away() {
        let mut feed = feed(0);
        feed.places.lock().unwrap().extend([1]);
        assert!(
            next(&mut feed.stream)
                .await
                .unwrap()
                .contains("id: life-1\n")
        );
        let waiting = tokio::spawn(async move {
            let event = next(&mut feed.stream).await.unwrap();
            (event, next(&mut feed.stream).await)
        });
        tokio::task::yield_now().await;
        *feed.life.lock().unwrap() = FeedLife::new("another");
        feed.grown.send_replace(1);
        let (event, end) = waiting.await.unwrap();
        assert!(event.contains("event: feed-restarted\n"), "{event}");
        assert!(event.contains("\"status\":410"), "{event}");
        assert!(
            event.contains("\nid:\n") || event.contains("\nid: \n"),
            "{event}"
        );
        assert_eq!(end, None);
    }
}
