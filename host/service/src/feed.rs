//! The change feed, as those follow it who read it.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::{Service, ServiceError};
use integration_host_contract::id::FeedLife;
use integration_host_ledger::{LedgerActivity, LedgerIdentity};

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
    Service(#[from] ServiceError),
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

impl Service {
    /// Activities that changed after a place in the change feed.
    ///
    /// # Errors
    /// The place is not of the feed as it is now, or the ledger does not answer.
    pub async fn changes(&self, after: &FeedPlace, limit: usize) -> Result<FeedPage, FeedError> {
        // Asked before reading: if the ledger is restored in between, the next call notices.
        let identity = self.ledger_identity().await?;
        let number = after.number_in(&identity).ok_or(FeedError::Restarted)?;
        let changes = self.ledger.changes(number, limit).await;
        let activities = changes.map_err(ServiceError::from)?;
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

    /// The end of the change feed: whoever reads on from there is told what changes from now on.
    ///
    /// # Errors
    /// The ledger does not answer.
    pub async fn end_of_feed(&self) -> Result<FeedPlace, ServiceError> {
        let identity = self.ledger_identity().await?;
        Ok(FeedPlace::new(identity.life, self.last_number().await?))
    }

    async fn last_number(&self) -> Result<u64, ServiceError> {
        Ok(self.ledger.last_change().await?)
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
