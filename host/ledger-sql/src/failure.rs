//! Why something could not be done.

use integration_host_contract::id::ConnectionId;
use integration_host_ledger::LedgerError;

pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why something could not be done.
#[derive(Debug)]
pub enum Failure {
    /// The ledger's own reason.
    Ledger(LedgerError),
    /// The database did not answer.
    Unavailable(String),
    /// Somebody else's change was in the way: the same may succeed if it is made again at once.
    Conflict(String),
}

impl Failure {
    pub fn no_connection(id: &ConnectionId) -> Self {
        LedgerError::NotFound(format!("there is no connection {id}")).into()
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl From<Failure> for LedgerError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Ledger(error) => error,
            Failure::Unavailable(message) | Failure::Conflict(message) => {
                Self::Unavailable(message)
            }
        }
    }
}
