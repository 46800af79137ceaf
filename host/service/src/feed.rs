//! The change feed, as those follow it who read it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use futures_util::{Stream, stream};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{Host, HostError};
use integration_host_contract::backoff::Backoff;
use integration_host_contract::id::FeedLife;
use integration_host_ledger::{LedgerActivity, LedgerIdentity};

/// How many changes a page has at most.
const PAGE: usize = 1_000;
/// How often the feed is looked at when nothing says that it has grown: the ledger may have been restored under a host that
/// runs.
const LOOK: Duration = Duration::from_secs(10);
/// How long to wait after reading failed.
const PAUSE: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));

/// A place in the change feed, as a reader keeps it: the life of the feed that it belongs to and a number, such as
/// `5f0c8a21b9d3e674-35`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedPlace {
    /// `None`: of the first life, as places were given out before they named one. The number 0 is the beginning of any.
    life: Option<FeedLife>,
    number: u64,
}

/// Why a text is no place in the change feed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("it is no place in the change feed")]
pub struct NoPlace;

/// Why the change feed cannot be read on.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedError {
    /// The place is of another life of the feed, or beyond its end.
    #[error(
        "the change feed began anew after this place was given out, because the host's data was restored, moved or copied: read the feed from the beginning, without a place, and take what it tells instead of all that you had read of it"
    )]
    Restarted,
    /// Anything else.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// A piece of the change feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedPage {
    /// What changed, in order of change.
    pub activities: Vec<LedgerActivity>,
    /// The life of the feed that the places of these are in.
    pub life: FeedLife,
    /// Where to read on.
    pub next: FeedPlace,
}

impl FeedPlace {
    /// Where everything begins.
    pub const BEGINNING: Self = Self {
        life: None,
        number: 0,
    };

    /// A place of a life.
    pub fn new(life: FeedLife, number: u64) -> Self {
        Self {
            life: Some(life),
            number,
        }
    }

    /// The number, if the place is of the present life.
    fn number_in(&self, identity: &LedgerIdentity) -> Option<u64> {
        let is_present = match &self.life {
            Some(life) => *life == identity.life,
            None => self.number == 0 || identity.is_first_life,
        };
        is_present.then_some(self.number)
    }
}

impl fmt::Display for FeedPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.life {
            Some(life) => write!(formatter, "{life}-{}", self.number),
            None => write!(formatter, "{}", self.number),
        }
    }
}

impl FromStr for FeedPlace {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (life, number) = match text.rsplit_once('-') {
            Some((life, number)) => (Some(life), number),
            None => (None, text),
        };
        let is_life =
            |life: &str| !life.is_empty() && life.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_place = life.is_none_or(is_life) && number.bytes().all(|byte| byte.is_ascii_digit());
        match number.parse() {
            Ok(number) if is_place => Ok(Self {
                life: life.map(FeedLife::new),
                number,
            }),
            _ => Err(NoPlace),
        }
    }
}

impl Host {
    /// Activities that changed after a place in the change feed.
    ///
    /// # Errors
    /// The place is not of the feed as it is now, or the ledger does not answer.
    pub async fn changes(&self, after: &FeedPlace, limit: usize) -> Result<FeedPage, FeedError> {
        // Asked before reading: if the ledger is restored in between, the next call notices.
        let identity = self.ledger_identity().await?;
        let number = after.number_in(&identity).ok_or(FeedError::Restarted)?;
        let changes = self.ledger.changes(number, limit).await;
        let activities = changes.map_err(HostError::from)?;
        let next = match activities.last() {
            Some(last) => last.cursor,
            None if number > self.last_number().await? => return Err(FeedError::Restarted),
            None => number,
        };
        Ok(FeedPage {
            activities,
            next: FeedPlace::new(identity.life.clone(), next),
            life: identity.life,
        })
    }

    /// The change feed from a place on, for as long as it is read: a platform that takes activities into a table of its own
    /// keeps the place beside them.
    ///
    /// - A page is never empty. Its activities are in order of change, and `next` is the place to keep once they are taken:
    ///   in one transaction with them, so that a crash takes neither twice nor not at all.
    /// - From one place on, the same is told again, to any number of readers. An activity is told as it is now: several
    ///   changes of it between two readings are one.
    /// - What is deleted at the remote service is told as deleted.
    /// - A page comes within moments of a change by this host, and within ten seconds whatever happens to the ledger.
    /// - An error does not end the stream: when it is read on, the same place is tried again, after a second and after up to
    ///   half a minute if that goes on. Only [`FeedError::Restarted`] is the last item.
    ///
    /// It never ends by itself otherwise, and keeps this host alive: drop it before [`Host::stop`].
    pub fn follow(
        &self,
        after: FeedPlace,
    ) -> impl Stream<Item = Result<FeedPage, FeedError>> + Send + 'static {
        self.follow_by(after, PAGE)
    }

    /// [`Self::follow`] in pages of at most `page` changes: a reader that is slow keeps one in memory.
    pub fn follow_by(
        &self,
        after: FeedPlace,
        page: usize,
    ) -> impl Stream<Item = Result<FeedPage, FeedError>> + Send + 'static {
        let following = Following {
            host: self.clone(),
            grown: self.watch_changes(),
            after,
            page,
            failures: 0,
            has_ended: false,
        };
        stream::unfold(following, |mut following| async move {
            let page = following.next().await?;
            Some((page, following))
        })
    }

    /// The end of the change feed: whoever reads on from there is told what changes from now on.
    ///
    /// # Errors
    /// The ledger does not answer.
    pub async fn end_of_feed(&self) -> Result<FeedPlace, HostError> {
        let identity = self.ledger_identity().await?;
        Ok(FeedPlace::new(identity.life, self.last_number().await?))
    }

    async fn last_number(&self) -> Result<u64, HostError> {
        Ok(self.ledger.last_change().await?)
    }
}

/// A reader of the change feed.
struct Following {
    host: Host,
    /// Tells when the feed may have grown.
    grown: watch::Receiver<u64>,
    after: FeedPlace,
    page: usize,
    /// How often reading failed in a row.
    failures: u32,
    has_ended: bool,
}

impl Following {
    async fn next(&mut self) -> Option<Result<FeedPage, FeedError>> {
        if self.has_ended {
            return None;
        }
        if self.failures > 0 {
            sleep(PAUSE.delay(self.failures)).await;
        }
        loop {
            // Marked as seen before reading: what is added meanwhile wakes the wait below.
            self.grown.mark_unchanged();
            match self.host.changes(&self.after, self.page).await {
                Ok(page) => {
                    self.failures = 0;
                    self.after = page.next.clone();
                    if !page.activities.is_empty() {
                        return Some(Ok(page));
                    }
                }
                Err(error) => {
                    self.failures = self.failures.saturating_add(1);
                    self.has_ended = matches!(error, FeedError::Restarted);
                    return Some(Err(error));
                }
            }
            // The host that this holds keeps the sender.
            let _ = timeout(LOOK, self.grown.changed()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use integration_host_contract::id::LedgerId;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for text in ["0", "35", "18446744073709551615", "5f0c8a21b9d3e674-35"] {
            assert_eq!(text.parse::<FeedPlace>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "-",
            "-1",
            "+1",
            "a-",
            "a-b",
            "a b-1",
            "ä-1",
            "a-b-1",
            "1.5",
            "x",
            "a-+1",
            "99999999999999999999999",
        ] {
            assert_eq!(text.parse::<FeedPlace>(), Err(NoPlace), "{text}");
        }
    }

    #[test]
    fn a_place_counts_in_its_own_life_only() {
        let identity = |life: &str, is_first_life| LedgerIdentity {
            id: LedgerId::new("ledger"),
            life: FeedLife::new(life),
            is_first_life,
        };
        let number = |place: &str, identity| {
            let place: FeedPlace = place.parse().unwrap();
            place.number_in(&identity)
        };
        assert_eq!(number("a-35", identity("a", true)), Some(35));
        assert_eq!(number("a-35", identity("b", true)), None);
        assert_eq!(number("a-0", identity("b", false)), None);
        assert_eq!(number("35", identity("a", true)), Some(35));
        assert_eq!(number("35", identity("a", false)), None);
        assert_eq!(number("0", identity("a", false)), Some(0), "the beginning");
    }
}
