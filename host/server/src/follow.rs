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
use tokio::time::sleep;

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
/// How often an idle stream makes sure that its reader may still read it.
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
    let follow = Follow {
        pages: Box::pin(state.service.follow_by(after, STREAM_PIECE)),
        is_allowed,
        stopping: state.stopping.clone(),
        pending: VecDeque::new(),
        has_ended: false,
        _permit: Some(permit),
        render,
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
struct Follow<P, A, E> {
    /// Pages of the feed.
    pages: P,
    /// Whether its reader may still read it.
    is_allowed: A,
    /// Makes an event of a change.
    render: E,
    /// Tells when the host stops.
    stopping: watch::Receiver<bool>,
    /// What was read and not sent yet.
    pending: VecDeque<(FeedPlace, LedgerActivity)>,
    has_ended: bool,
    /// What keeps the number of streams bounded.
    _permit: Option<OwnedSemaphorePermit>,
}

impl<P, A, R, E> Follow<P, A, E>
where
    P: Stream<Item = Result<FeedPage, FeedError>> + Send + Unpin,
    A: Fn() -> R + Send,
    R: Future<Output = Result<bool, HostError>> + Send,
    E: Fn(LedgerActivity) -> Result<Event, axum::Error> + Send,
{
    /// Events with the place in the feed as their id. It ends when the host stops, or after an event
    /// `problem`; a client then comes back with the last id it saw and misses nothing. It ends too after an event
    /// `feed-restarted`, which takes the client's last id away, so that it begins anew.
    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> + Send {
        futures_util::stream::unfold(self, |mut follow| async move {
            let event = follow.next().await?;
            Some((Ok(event), follow))
        })
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.has_ended || *self.stopping.borrow() {
                return None;
            }
            if let Some((place, activity)) = self.pending.pop_front() {
                return Some(self.activity(&place, activity));
            }
            let page = tokio::select! {
                page = self.pages.next() => Some(page?),
                () = sleep(LOOK) => None,
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
            };
            match (self.is_allowed)().await {
                Ok(true) => {}
                Ok(false) => {
                    let ended = "the session has ended; sign in again";
                    let error = HostError::new(ErrorCode::Unauthorized, ended);
                    return Some(self.problem(error.into()));
                }
                Err(error) => return Some(self.problem(error.into())),
            }
            match page {
                None => {}
                Some(Ok(page)) => {
                    let life = page.life;
                    let placed = page.activities.into_iter();
                    self.pending = placed
                        .map(|activity| (FeedPlace::new(life.clone(), activity.cursor), activity))
                        .collect();
                }
                Some(Err(FeedError::Restarted)) => return Some(self.restarted()),
                Some(Err(error)) => return Some(self.problem(error.into())),
            }
        }
    }

    fn activity(&mut self, place: &FeedPlace, activity: LedgerActivity) -> Event {
        (self.render)(activity)
            .map(|event| event.id(place.to_string()).retry(RECONNECT))
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
        self.has_ended = true;
        Event::default()
            .event(name)
            .retry(RECONNECT)
            .json_data(error.problem())
            .unwrap_or_else(|_| Event::default().event(name))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures_util::StreamExt as _;
    use tokio::sync::mpsc;

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

    /// A feed, and a stream of it.
    struct Feed {
        pages: mpsc::UnboundedSender<Result<FeedPage, FeedError>>,
        is_allowed: Arc<AtomicBool>,
        stop: watch::Sender<bool>,
        stream: axum::body::BodyDataStream,
    }

    impl Feed {
        fn grow(&self, places: &[u64]) {
            let life = FeedLife::new("life");
            let page = FeedPage {
                activities: places.iter().copied().map(change).collect(),
                next: FeedPlace::new(life.clone(), places.last().copied().unwrap_or_default()),
                life,
            };
            self.pages.send(Ok(page)).unwrap();
        }

        fn fail(&self, error: FeedError) {
            self.pages.send(Err(error)).unwrap();
        }
    }

    fn feed() -> Feed {
        let (pages, source) = mpsc::unbounded_channel();
        let (stop, stopping) = watch::channel(false);
        let is_allowed = Arc::new(AtomicBool::new(true));
        let allowed = Arc::clone(&is_allowed);
        let source = futures_util::stream::unfold(source, |mut source| async move {
            source.recv().await.map(|page| (page, source))
        });
        let follow = Follow {
            pages: Box::pin(source),
            is_allowed: move || std::future::ready(Ok(allowed.load(Ordering::Relaxed))),
            stopping,
            pending: VecDeque::new(),
            has_ended: false,
            render: |activity: LedgerActivity| {
                Ok(Event::default().event("activity").data(activity.entry_id))
            },
            _permit: None,
        };
        let body = Sse::new(follow.into_stream()).into_response().into_body();
        Feed {
            pages,
            is_allowed,
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
        let mut feed = feed();
        feed.grow(&[3, 4]);
        feed.grow(&[5]);
        for cursor in [3, 4, 5] {
            let event = next(&mut feed.stream).await.unwrap();
            assert!(event.contains(&format!("id: life-{cursor}\n")), "{event}");
            assert!(event.contains("event: activity\n"), "{event}");
            assert!(event.contains(&format!("data: {cursor}\n")), "{event}");
        }
        let pages = feed.pages.clone();
        let waiting = tokio::spawn(async move { next(&mut feed.stream).await });
        tokio::task::yield_now().await;
        let life = FeedLife::new("life");
        let page = FeedPage {
            activities: vec![change(6)],
            next: FeedPlace::new(life.clone(), 6),
            life,
        };
        pages.send(Ok(page)).unwrap();
        assert!(waiting.await.unwrap().unwrap().contains("id: life-6\n"));
    }

    #[tokio::test]
    async fn a_stream_ends_when_the_host_stops() {
        let mut feed = feed();
        let waiting = tokio::spawn(async move { next(&mut feed.stream).await });
        tokio::task::yield_now().await;
        feed.stop.send_replace(true);
        assert_eq!(waiting.await.unwrap(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_soon_after_its_session_however_quiet_the_feed_is() {
        let mut feed = feed();
        feed.grow(&[1]);
        assert!(next(&mut feed.stream).await.is_some());
        feed.is_allowed.store(false, Ordering::Relaxed);
        let began = tokio::time::Instant::now();
        let event = next(&mut feed.stream).await.unwrap();
        assert!(event.contains("\"code\":\"unauthorized\""), "{event}");
        assert!(began.elapsed() <= LOOK, "{:?}", began.elapsed());
        assert_eq!(next(&mut feed.stream).await, None);
    }

    #[tokio::test]
    async fn a_stream_that_cannot_go_on_says_so_and_ends() {
        let mut feed = feed();
        feed.fail(HostError::new(ErrorCode::Unavailable, "gone").into());
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
        let mut feed = feed();
        feed.grow(&[1]);
        assert!(
            next(&mut feed.stream)
                .await
                .unwrap()
                .contains("id: life-1\n")
        );
        feed.fail(FeedError::Restarted);
        let event = next(&mut feed.stream).await.unwrap();
        assert!(event.contains("event: feed-restarted\n"), "{event}");
        assert!(event.contains("\"status\":410"), "{event}");
        assert!(
            event.contains("\nid:\n") || event.contains("\nid: \n"),
            "{event}"
        );
        assert_eq!(next(&mut feed.stream).await, None);
    }
}
