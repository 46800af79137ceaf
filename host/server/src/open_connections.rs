//! Which connections are open, and which of them ends when there are too many.
//!
//! Whoever opens connections and says nothing must not keep others out. So a new connection is not turned away
//! while there is one that does nothing: the one that has been waiting for longest makes room, of the network and
//! the source that have the most. Only what was opened within the last second stays where it is, unless the new one
//! is of somebody known or of somebody who has far fewer: otherwise those who come back at once would keep the host
//! busy with taking each other's places. What is asked by somebody who is known (a delivery whose signature holds, a
//! request with the admin token, a person who is signed in) is never cut off for that, and a connection that
//! carried such a request goes only after those that did not.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::client::{Network, Source};

/// How often the log says that connections are closed or turned away.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// One in so many places is kept for deliveries and health checks, when nothing can make room.
const KEPT_SHARE: u32 = 16;

/// How long a connection has after it was opened, before it makes room for one of a stranger who has about as many.
const TENURE: Duration = Duration::from_secs(1);

/// Who has fewer than one in so many of another's connections has far fewer.
const FAR_FEWER: usize = 2;

/// What a source may have in any case, however few places are left.
const FEWEST_PER_SOURCE: u32 = 4;

/// Counts open connections, and makes room for new ones.
pub(super) struct OpenConnections {
    most: u32,
    most_per_source: u32,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    next: u64,
    open: HashMap<u64, Open>,
    /// Connections that nobody known is using, by where they come from.
    networks: HashMap<Network, OfNetwork>,
    /// Those of trusted proxies that carry no request.
    at_proxies: Waiting,
    warned: HashMap<&'static str, Instant>,
}

/// Connections of a network that nobody known is using.
#[derive(Default)]
struct OfNetwork {
    connections: usize,
    sources: HashMap<Source, Waiting>,
}

/// What a source has waiting, and what its network has.
struct OfSource {
    of_network: usize,
    of_source: usize,
    /// What has waited for longest, and since when it is open.
    first: (Instant, u64),
    opened: Instant,
}

/// Connections that may be closed, by since when they wait. There may be thousands of attempts a second to open one, so
/// that all are never looked at one by one.
#[derive(Default)]
struct Waiting {
    unproven: BTreeSet<(Instant, u64)>,
    proven: BTreeSet<(Instant, u64)>,
}

struct Open {
    /// Whose it is: of a trusted proxy's connection only known while it carries a request.
    source: Option<Source>,
    is_proxied: bool,
    opened: Instant,
    /// Since when it waits for what it is doing now: for a request, or for a request's end.
    since: Instant,
    /// Carries a request of somebody known.
    is_kept: bool,
    /// Carried one before.
    is_proven: bool,
    /// Was taken when nearly everything was in use.
    is_last: bool,
    closed: Arc<Notify>,
}

/// A connection that counts as open until this is dropped.
pub(super) struct OpenConnection {
    handle: ConnectionHandle,
    closed: Arc<Notify>,
}

/// What a request says of the connection that carries it.
#[derive(Clone)]
pub(super) struct ConnectionHandle {
    id: u64,
    most: u32,
    most_per_source: u32,
    state: Arc<Mutex<State>>,
}

/// A request under way, until this is dropped.
pub(super) struct RequestUnderWay(ConnectionHandle);

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooMany {
    /// What is left is kept for deliveries and health checks.
    Connections,
    /// Its source has too many under way.
    OfSource,
}

impl OpenConnections {
    pub(super) fn new(most: u32, most_per_source: u32) -> Self {
        Self {
            most,
            most_per_source,
            state: Arc::default(),
        }
    }

    /// Counts a connection, for which another one may have to end; `None` if it is one too many. A trusted
    /// proxy's connection has no source.
    pub(super) fn admit(&self, source: Option<Source>, now: Instant) -> Option<OpenConnection> {
        let mut state = self.state.lock();
        if let Some(source) = source
            && state.count(source) >= state.allowed(self.most, self.most_per_source)
        {
            state.warn(
                "one source has many connections open; those of it that wait for longest are closed",
                source,
                now,
            );
            state.make_room_of(source)?;
        }
        let kept = kept_places(self.most);
        let is_full = state.total() >= self.most.saturating_sub(kept);
        let is_last = is_full && !state.make_room_for(source, now);
        if is_last && state.total() >= self.most {
            state.warn(
                "too many connections are open; further ones are closed",
                source,
                now,
            );
            return None;
        }
        let closed = Arc::new(Notify::new());
        let id = state.next;
        state.next += 1;
        let open = Open {
            source,
            is_proxied: source.is_none(),
            opened: now,
            since: now,
            is_kept: false,
            is_proven: false,
            is_last,
            closed: Arc::clone(&closed),
        };
        state.open.insert(id, open);
        state.count_in(id);
        Some(OpenConnection {
            handle: ConnectionHandle {
                id,
                most: self.most,
                most_per_source: self.most_per_source,
                state: Arc::clone(&self.state),
            },
            closed,
        })
    }
}

impl OpenConnection {
    /// What its requests carry.
    pub(super) fn handle(&self) -> ConnectionHandle {
        self.handle.clone()
    }

    /// Completes when the connection has to make room.
    pub(super) async fn closed(&self) {
        self.closed.notified().await;
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.handle.state.lock().remove(self.handle.id);
    }
}

impl ConnectionHandle {
    /// A request has come, from this source. `is_urgent`: it may be a delivery or a health check, for which some
    /// places are kept.
    pub(super) fn begin(
        &self,
        source: Source,
        is_urgent: bool,
        now: Instant,
    ) -> Result<RequestUnderWay, TooMany> {
        let mut state = self.state.lock();
        let allowed = state.allowed(self.most, self.most_per_source);
        let is_full = state.total() > self.most.saturating_sub(kept_places(self.most));
        let of_source = state.count(source);
        let Some(open) = state.open.get_mut(&self.id) else {
            return Ok(RequestUnderWay(self.clone()));
        };
        open.is_last &= is_full;
        if open.is_last && !is_urgent {
            return Err(TooMany::Connections);
        }
        if open.is_proxied && of_source >= allowed {
            return Err(TooMany::OfSource);
        }
        state.change(self.id, |open| {
            open.since = now;
            if open.is_proxied {
                open.source = Some(source);
            }
        });
        Ok(RequestUnderWay(self.clone()))
    }

    /// The request is one of somebody known: until its end the connection counts against nobody, and stays.
    pub(super) fn keep(&self) {
        self.state.lock().change(self.id, |open| {
            open.is_proven = true;
            open.is_kept = true;
        });
    }
}

impl Drop for RequestUnderWay {
    fn drop(&mut self) {
        let now = Instant::now();
        self.0.state.lock().change(self.0.id, |open| {
            open.since = now;
            open.is_kept = false;
            if open.is_proxied {
                open.source = None;
            }
        });
    }
}

impl State {
    fn total(&self) -> u32 {
        u32::try_from(self.open.len()).unwrap_or(u32::MAX)
    }

    fn count(&self, source: Source) -> u32 {
        let waiting = self
            .networks
            .get(&source.network())
            .and_then(|network| network.sources.get(&source));
        waiting.map_or(0, |waiting| {
            u32::try_from(waiting.len()).unwrap_or(u32::MAX)
        })
    }

    /// How many a source may have: no more than are left, so that what is scarce goes to many.
    fn allowed(&self, most: u32, most_per_source: u32) -> u32 {
        let left = most.saturating_sub(self.total());
        most_per_source.min(left.max(FEWEST_PER_SOURCE))
    }

    /// Ends the connection of a source that has waited for longest; `None` if all carry requests of somebody known.
    fn make_room_of(&mut self, source: Source) -> Option<()> {
        let network = self.networks.get(&source.network())?;
        let waiting = network.sources.get(&source)?;
        let first = waiting.first(false).or_else(|| waiting.first(true))?;
        self.end(first);
        Some(())
    }

    /// Ends a connection that waits, of anybody, for a new one of this source; false if none has to make room.
    fn make_room_for(&mut self, source: Option<Source>, now: Instant) -> bool {
        let of_network = source.and_then(|source| self.networks.get(&source.network()));
        let of_source = source.and_then(|source| of_network?.sources.get(&source));
        let is_known = of_source.is_none_or(|waiting| !waiting.proven.is_empty());
        let unproven = |waiting: &Waiting| waiting.unproven.len();
        let new_source = of_source.map_or(0, unproven);
        let new_network =
            of_network.map_or(0, |network| network.sources.values().map(unproven).sum());
        let may_end = |waiting: &OfSource| {
            is_known
                || now.saturating_duration_since(waiting.opened) >= TENURE
                || new_network.saturating_mul(FAR_FEWER) < waiting.of_network
                || new_source.saturating_mul(FAR_FEWER) < waiting.of_source
        };
        for proven in [false, true] {
            let mut is_empty = true;
            let first = self
                .waiting(proven)
                .inspect(|_| is_empty = false)
                .filter(may_end)
                .min_by_key(|waiting| {
                    let (network, source) = (waiting.of_network, waiting.of_source);
                    (Reverse(network), Reverse(source), waiting.first)
                });
            if let Some(OfSource { first, .. }) = first {
                self.end(first);
                return true;
            }
            if !is_empty {
                return false;
            }
        }
        let at_proxies = (self.at_proxies.first(false)).or_else(|| self.at_proxies.first(true));
        at_proxies.is_some_and(|first| {
            self.end(first);
            true
        })
    }

    /// What each source has waiting.
    fn waiting(&self, proven: bool) -> impl Iterator<Item = OfSource> {
        self.networks.values().flat_map(move |network| {
            network.sources.values().filter_map(move |waiting| {
                let first = waiting.first(proven)?;
                Some(OfSource {
                    of_network: network.connections,
                    of_source: waiting.len(),
                    first,
                    opened: self.open.get(&first.1)?.opened,
                })
            })
        })
    }

    fn end(&mut self, (_, id): (Instant, u64)) {
        if let Some(open) = self.remove(id) {
            open.closed.notify_one();
        }
    }

    fn remove(&mut self, id: u64) -> Option<Open> {
        self.count_out(id);
        self.open.remove(&id)
    }

    /// Changes what is known of a connection, and counts it as it is then.
    fn change(&mut self, id: u64, change: impl FnOnce(&mut Open)) {
        self.count_out(id);
        if let Some(open) = self.open.get_mut(&id) {
            change(open);
        }
        self.count_in(id);
    }

    fn count_in(&mut self, id: u64) {
        let Some(open) = self.open.get(&id).filter(|open| !open.is_kept) else {
            return;
        };
        let waiting = match open.source {
            Some(source) => {
                let network = self.networks.entry(source.network()).or_default();
                network.connections += 1;
                network.sources.entry(source).or_default()
            }
            None => &mut self.at_proxies,
        };
        waiting.of(open.is_proven).insert((open.since, id));
    }

    fn count_out(&mut self, id: u64) {
        let Some(open) = self.open.get(&id).filter(|open| !open.is_kept) else {
            return;
        };
        let key = (open.since, id);
        let Some(source) = open.source else {
            self.at_proxies.of(open.is_proven).remove(&key);
            return;
        };
        let Entry::Occupied(mut network) = self.networks.entry(source.network()) else {
            return;
        };
        let of_network = network.get_mut();
        of_network.connections = of_network.connections.saturating_sub(1);
        if let Entry::Occupied(mut waiting) = of_network.sources.entry(source) {
            waiting.get_mut().of(open.is_proven).remove(&key);
            if waiting.get().len() == 0 {
                waiting.remove();
            }
        }
        if of_network.sources.is_empty() {
            network.remove();
        }
    }

    fn warn(&mut self, what: &'static str, source: impl Into<Option<Source>>, now: Instant) {
        let warned = self.warned.get(what);
        if warned.is_none_or(|at| now.saturating_duration_since(*at) >= WARNING_INTERVAL) {
            self.warned.insert(what, now);
            let source = source.into().map(|source| source.to_string());
            tracing::warn!(source, open = self.total(), "{what}");
        }
    }
}

/// How many of so many places are kept.
fn kept_places(most: u32) -> u32 {
    (most / KEPT_SHARE).max(1)
}

impl Waiting {
    fn of(&mut self, proven: bool) -> &mut BTreeSet<(Instant, u64)> {
        match proven {
            true => &mut self.proven,
            false => &mut self.unproven,
        }
    }

    fn first(&self, proven: bool) -> Option<(Instant, u64)> {
        let set = match proven {
            true => &self.proven,
            false => &self.unproven,
        };
        set.first().copied()
    }

    fn len(&self) -> usize {
        self.unproven.len() + self.proven.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(network: u8, last: u8) -> Source {
        Source::of([192, 0, network, last].into())
    }

    fn later(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    /// Whether it was closed to make room.
    fn is_closed(open: &OpenConnection) -> bool {
        !open.handle.state.lock().open.contains_key(&open.handle.id)
    }

    #[test]
    fn who_waits_for_longest_makes_room_for_others_of_its_source() {
        let connections = OpenConnections::new(100, 2);
        let start = Instant::now();
        let open: Vec<_> = (0..3)
            .map(|at| connections.admit(Some(source(0, 1)), later(start, at)))
            .map(Option::unwrap)
            .collect();
        assert_eq!(
            open.iter().map(is_closed).collect::<Vec<_>>(),
            [true, false, false]
        );
    }

    #[test]
    fn whoever_has_the_most_makes_room_when_all_places_are_taken() {
        let connections = OpenConnections::new(18, 100);
        let start = Instant::now();
        let lone = connections.admit(Some(source(1, 1)), start).unwrap();
        // Of two networks that have as many, one has a source with more.
        let spread: Vec<_> = (0..8)
            .map(|at| {
                connections
                    .admit(Some(source(2, at)), later(start, 1))
                    .unwrap()
            })
            .collect();
        let dense: Vec<_> = (0..8)
            .map(|at| {
                connections
                    .admit(Some(source(3, at / 2)), later(start, 2))
                    .unwrap()
            })
            .collect();
        let mut new = Vec::new();
        for number in 0..8 {
            new.push(
                connections
                    .admit(Some(source(4 + number, 1)), later(start, 3))
                    .unwrap(),
            );
        }
        assert!(!is_closed(&lone), "one connection is no reason to go");
        let closed = |open: &[OpenConnection]| open.iter().filter(|open| is_closed(open)).count();
        assert_eq!((closed(&spread), closed(&dense)), (4, 4));
        assert_eq!(closed(&new), 0);
    }

    #[test]
    fn who_comes_back_at_once_finds_the_place_taken_for_a_moment() {
        let connections = OpenConnections::new(16, 100);
        let start = Instant::now();
        let open: Vec<_> = (0..15)
            .map(|at| {
                connections
                    .admit(Some(source(at / 5, at % 5)), start)
                    .unwrap()
            })
            .collect();
        let again = |at| connections.admit(Some(source(0, 0)), later(start, at));
        let last = again(1).expect("a place is kept");
        assert!(again(2).is_none(), "it took somebody's place");
        assert!(open.iter().all(|open| !is_closed(open)));
        let other = connections.admit(Some(source(9, 1)), later(start, 3));
        assert!(other.is_some(), "who has none is kept out");
        assert!(again(1001).is_some(), "who waits for long is not replaced");
        drop(last);
    }

    /// Strangers that ask for little all the time, so that none of their connections has waited for long.
    #[test]
    fn somebody_known_finds_another_place_however_busy_strangers_are() {
        let connections = OpenConnections::new(800, 200);
        let start = Instant::now();
        let known = source(99, 1);
        let admit_known = |at| {
            let open = connections.admit(Some(known), later(start, at))?;
            let request = open.handle().begin(known, true, later(start, at)).ok()?;
            open.handle().keep();
            drop(request);
            Some(open)
        };
        let kept: Vec<_> = (0..3).map(|at| admit_known(at).unwrap()).collect();
        let strangers: Vec<_> = (0..900_u64)
            .filter_map(|number| {
                let from = source((number % 50) as u8, (number % 250) as u8);
                let open = connections.admit(Some(from), later(start, 10))?;
                Some((open, from))
            })
            .collect();
        for round in 1..5 {
            for (open, from) in &strangers {
                drop(open.handle().begin(*from, true, later(start, round * 900)));
            }
            let another = admit_known(round * 900 + 1);
            assert!(another.is_some(), "a delivery finds no place");
            // Nor is anybody else kept out who has about as many: those that are open have been so for long.
            let stranger = connections.admit(Some(source(1, 1)), later(start, round * 900 + 200));
            assert!(round == 1 || stranger.is_some());
        }
        assert!(kept.iter().all(|open| !is_closed(open)));
    }

    #[test]
    fn a_hundred_sources_that_do_little_never_keep_anybody_out() {
        let connections = OpenConnections::new(800, 200);
        let start = Instant::now();
        let mut idle = Vec::new();
        for round in 0..20_u64 {
            for number in 0..100_u8 {
                let at = later(start, round * 1000 + u64::from(number));
                let from = source(number % 10, number);
                let open = connections
                    .admit(Some(from), at)
                    .expect("it is turned away");
                // One small request, and then nothing.
                drop(open.handle().begin(from, false, at).unwrap());
                idle.push(open);
            }
            let genuine = connections.admit(Some(source(99, 1)), later(start, round * 1000 + 500));
            let genuine = genuine.expect("a delivery finds no place");
            let request =
                genuine
                    .handle()
                    .begin(source(99, 1), true, later(start, round * 1000 + 501));
            assert!(request.is_ok());
            assert!(!is_closed(&genuine));
        }
        assert!(connections.state.lock().total() <= 800);
    }

    #[test]
    fn what_is_known_stays_and_what_was_known_goes_last() {
        let connections = OpenConnections::new(16, 100);
        let start = Instant::now();
        let admit = |last, at| connections.admit(Some(source(1, last)), later(start, at));
        let proven = admit(1, 0).unwrap();
        let request = proven.handle().begin(source(1, 1), true, start).unwrap();
        proven.handle().keep();
        drop(request);
        let kept: Vec<_> = (0..14)
            .map(|_| {
                let open = admit(2, 0).unwrap();
                let request = open.handle().begin(source(1, 2), false, start).unwrap();
                open.handle().keep();
                (open, request)
            })
            .collect();
        // Full but for the place that is kept: the one that was known makes room, since nobody else can.
        let idle = admit(3, 1).unwrap();
        assert!(is_closed(&proven));
        let other = admit(4, 2).unwrap();
        assert!(is_closed(&idle), "who is not known goes first");
        let request = other.handle().begin(source(1, 4), false, start).unwrap();
        other.handle().keep();
        // Nobody can make room any more; what is left is for deliveries and health checks.
        let last = admit(5, 3).unwrap();
        let begun = |is_urgent| {
            last.handle()
                .begin(source(1, 5), is_urgent, start)
                .map(|_| ())
        };
        assert_eq!(begun(false), Err(TooMany::Connections));
        assert_eq!(begun(true), Ok(()));
        last.handle().keep();
        assert!(admit(6, 4).is_none());
        drop((kept, request));
        assert!(admit(7, 5).is_some());
    }

    #[test]
    fn a_proxys_clients_count_while_they_ask_for_something() {
        let connections = OpenConnections::new(100, 2);
        let start = Instant::now();
        let open: Vec<_> = (0..4)
            .map(|_| connections.admit(None, start).unwrap())
            .collect();
        let client = source(1, 1);
        let begin = |index: usize, from| open[index].handle().begin(from, false, start);
        let (_first, second) = (begin(0, client).unwrap(), begin(1, client).unwrap());
        assert_eq!(begin(2, client).map(|_| ()), Err(TooMany::OfSource));
        assert!(begin(2, source(1, 2)).is_ok());
        drop(second);
        let third = begin(2, client).unwrap();
        // What is known of a client does not count against it.
        open[2].handle().keep();
        assert!(begin(3, client).is_ok());
        drop(third);
        drop(open);
    }

    #[test]
    fn whatever_happened_nothing_is_left_when_all_is_closed() {
        let connections = OpenConnections::new(40, 5);
        let start = Instant::now();
        let mut all = Vec::new();
        for number in 0..500_u64 {
            let from = source((number % 7) as u8, (number % 3) as u8);
            let is_proxied = number.is_multiple_of(5);
            let Some(open) = connections.admit((!is_proxied).then_some(from), later(start, number))
            else {
                continue;
            };
            let request = open
                .handle()
                .begin(from, number.is_multiple_of(2), later(start, number));
            if number.is_multiple_of(3) {
                open.handle().keep();
            }
            all.push((open, (!number.is_multiple_of(4)).then_some(request)));
        }
        drop(all);
        let state = connections.state.lock();
        assert_eq!(
            (
                state.open.len(),
                state.networks.len(),
                state.at_proxies.len()
            ),
            (0, 0, 0)
        );
    }
}
