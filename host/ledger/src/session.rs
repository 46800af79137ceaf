//! Which sessions of the console have ended.

use async_trait::async_trait;
use auto_impl::auto_impl;

use super::LedgerError;
use integration_host_contract::id::{SessionEpoch, SessionId};

/// Of so many sessions it is remembered one by one that they ended.
pub const MAX_ENDED_SESSIONS: usize = 1_000;

/// The part of a [ledger](super::Ledger) that remembers which sessions of the console have ended, for all hosts that
/// share it. What a session may do, and until when, is told by its signed cookie; here is only what a cookie cannot say.
///
/// Each session belongs to the epoch it began in. No clock decides that an end is forgotten, because one that was ahead
/// once would bring sessions back.
///
/// - The epoch stays as it is until all sessions are ended, which begins another; no two ledgers have the same.
/// - A session has ended if it was ended, or if its epoch is not the present one, and otherwise has not.
/// - When more than [`MAX_ENDED_SESSIONS`] would have ended in one epoch, all sessions end.
#[async_trait]
#[auto_impl(Arc)]
pub trait Sessions: Send + Sync + 'static {
    /// The present epoch, which sessions that begin now belong to.
    async fn session_epoch(&self) -> Result<SessionEpoch, LedgerError>;

    /// Whether a session has ended. This is asked for each page that somebody looks at.
    async fn has_session_ended(
        &self,
        epoch: &SessionEpoch,
        id: &SessionId,
    ) -> Result<bool, LedgerError>;

    /// Ends a session of the present epoch. That it ended already is no error.
    async fn end_session(&self, id: &SessionId) -> Result<(), LedgerError>;

    /// Ends all sessions that began before.
    async fn end_all_sessions(&self) -> Result<(), LedgerError>;
}
