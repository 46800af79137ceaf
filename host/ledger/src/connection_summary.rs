//! A short row of each connection, in pages: for whoever maintains all of them and needs little of each.

use super::{ConnectionState, Ledger, LedgerError, MAX_PAGE};
use integration_host_contract::id::ConnectionId;

/// What maintaining a connection begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionSummary {
    /// The connection's id.
    pub id: ConnectionId,
    /// The id of the integration that it was made with.
    pub integration: String,
    /// Where it stands.
    pub state: ConnectionState,
    /// Whether deliveries may be missing that have not been read since.
    pub has_gap: bool,
    /// Whether a webhook may still come into being at the remote service that nothing here knows of.
    pub is_unsettled: bool,
}

/// An integration as it last ran on a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegrationVersion {
    /// Its id, by which connections remember it.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl IntegrationVersion {
    /// Whether this is an older version than another: numbers between dots are compared, and what is none tells nothing.
    pub fn is_older_than(&self, other: &Self) -> bool {
        match (numbers(&self.version), numbers(&other.version)) {
            (Some(own), Some(others)) => own < others,
            _ => false,
        }
    }
}

/// The numbers of a version such as 1.12.0, without what follows them.
fn numbers(version: &str) -> Option<Vec<u64>> {
    let version = version.trim_start_matches('v');
    let numbers = version.split(['-', '+']).next().unwrap_or_default();
    let mut numbers: Vec<u64> = (numbers.split('.'))
        .map(|number| number.parse().ok())
        .collect::<Option<_>>()?;
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    Some(numbers)
}

/// Goes through the summaries of all connections, of which there may be many, a page at a time.
pub struct ConnectionScan<'a> {
    ledger: &'a dyn Ledger,
    after: Option<ConnectionId>,
}

impl<'a> ConnectionScan<'a> {
    /// Those of a ledger.
    pub fn of(ledger: &'a dyn Ledger) -> Self {
        Self {
            ledger,
            after: None,
        }
    }

    /// How many connections there are.
    ///
    /// # Errors
    /// The ledger does not answer.
    pub async fn count(ledger: &dyn Ledger) -> Result<u64, LedgerError> {
        let (mut scan_connections, mut count) = (ConnectionScan::of(ledger), 0);
        loop {
            match scan_connections.next().await?.len() {
                0 => return Ok(count),
                more => count += more as u64,
            }
        }
    }

    /// The next page; an empty one is the end.
    ///
    /// # Errors
    /// The ledger does not answer. Asking again goes on at the same place.
    pub async fn next(&mut self) -> Result<Vec<ConnectionSummary>, LedgerError> {
        let page = self
            .ledger
            .scan_connections(self.after.as_ref(), MAX_PAGE)
            .await?;
        if let Some(last) = page.last() {
            self.after = Some(last.id.clone());
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let version = |version: &str| IntegrationVersion {
            id: "x".to_owned(),
            name: "X".to_owned(),
            version: version.to_owned(),
        };
        let is_older = |one, other| version(one).is_older_than(&version(other));
        assert!(is_older("0.9.0", "0.10.0"));
        assert!(is_older("1", "1.0.1"));
        assert!(is_older("1.2.3-beta", "1.2.4"));
        for (one, other) in [
            ("1.0", "1"),
            ("0.10.0", "0.9.9"),
            ("1.2.3", "1.2.3"),
            ("2026-march", "2026-april"),
            ("", "1.0"),
            ("nightly", "1.0"),
        ] {
            assert!(
                !is_older(one, other),
                "{one} is taken for older than {other}"
            );
        }
    }
}
