//! How many connections are open, in total and by source.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::client::Source;

/// How often the log says that connections are turned away.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// Counts open connections and turns away those that are too many. Those turned away are closed at once: to
/// let them wait would let whoever has the others open keep everybody else waiting.
pub(super) struct OpenConnections {
    most: u32,
    most_per_source: u32,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Default)]
struct Counts {
    total: u32,
    by_source: HashMap<Source, u32>,
    warned: Option<Instant>,
}

/// A connection that counts as open until this is dropped.
pub(super) struct OpenConnection {
    source: Option<Source>,
    counts: Arc<Mutex<Counts>>,
}

impl OpenConnections {
    pub(super) fn new(most: u32, most_per_source: u32) -> Self {
        Self {
            most,
            most_per_source,
            counts: Arc::default(),
        }
    }

    /// Counts a connection; `None` if it is one too many. Without a source only the total counts.
    pub(super) fn admit(&self, source: Option<Source>) -> Option<OpenConnection> {
        let mut counts = lock(&self.counts);
        let of_source = source.and_then(|source| counts.by_source.get(&source));
        if counts.total >= self.most {
            counts.warn(
                "too many connections are open; further ones are closed",
                source,
            );
            return None;
        }
        if of_source.is_some_and(|count| *count >= self.most_per_source) {
            counts.warn(
                "one source has too many connections open; further ones of it are closed",
                source,
            );
            return None;
        }
        counts.total += 1;
        if let Some(source) = source {
            *counts.by_source.entry(source).or_default() += 1;
        }
        Some(OpenConnection {
            source,
            counts: Arc::clone(&self.counts),
        })
    }
}

impl Counts {
    fn warn(&mut self, what: &str, source: Option<Source>) {
        let now = Instant::now();
        if self
            .warned
            .is_none_or(|warned| now.saturating_duration_since(warned) >= WARNING_INTERVAL)
        {
            self.warned = Some(now);
            let source = source.map(|source| source.to_string());
            tracing::warn!(source, open = self.total, "{what}");
        }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        counts.total = counts.total.saturating_sub(1);
        let Some(source) = self.source else { return };
        if let Some(count) = counts.by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                counts.by_source.remove(&source);
            }
        }
    }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> Option<Source> {
        Some(Source::of([192, 0, 2, last].into()))
    }

    #[test]
    fn a_source_leaves_room_for_others_and_all_together_for_the_host() {
        let connections = OpenConnections::new(5, 2);
        let mut open: Vec<_> = (0..2)
            .map(|_| connections.admit(source(1)).unwrap())
            .collect();
        assert!(connections.admit(source(1)).is_none());
        open.push(connections.admit(source(2)).unwrap());
        // A trusted proxy has no source of its own.
        open.push(connections.admit(None).unwrap());
        open.push(connections.admit(None).unwrap());
        assert!(connections.admit(source(3)).is_none());
        assert!(connections.admit(None).is_none());
        open.remove(0);
        open.push(connections.admit(source(1)).unwrap());
        drop(open);
        let counts = lock(&connections.counts);
        assert_eq!((counts.total, counts.by_source.len()), (0, 0));
    }
}
