//! Ledgers that get wrong which sessions have ended.

use integration_host_contract::id::{SessionEpoch, SessionId};
use integration_host_ledger::{MAX_ENDED_SESSIONS, Sessions as _};

use super::*;

noticed! {
    every_ledger_has_the_same_epoch: KnowsOneEpoch => an_epoch_lasts_until_all_sessions_end,
    ending_all_ends_nothing: EndsNothing => a_session_that_was_ended_stays_so,
    a_beginning_is_taken_for_the_whole: ComparesBeginnings => a_session_that_was_ended_stays_so,
    the_oldest_end_is_forgotten: ForgetsTheFirst => many_sign_outs_bring_no_session_back,
    ends_pile_up: KeepsAll => many_sign_outs_bring_no_session_back,
}

struct KnowsOneEpoch;
#[async_trait]
impl Flaw for KnowsOneEpoch {
    async fn session_epoch(&self, _: &SqliteLedger) -> Result<SessionEpoch> {
        Ok(SessionEpoch::new("1"))
    }
}

struct EndsNothing;
#[async_trait]
impl Flaw for EndsNothing {
    async fn end_all_sessions(&self, _: &SqliteLedger) -> Result<()> {
        Ok(())
    }
}

struct ComparesBeginnings;
#[async_trait]
impl Flaw for ComparesBeginnings {
    async fn has_session_ended(
        &self,
        ledger: &SqliteLedger,
        epoch: &SessionEpoch,
        id: &SessionId,
    ) -> Result<bool> {
        let beginning = SessionId::new(id.as_str().get(..2).unwrap_or(id.as_str()));
        ledger.has_session_ended(epoch, &beginning).await
    }
}

/// The number that the suite gives the last session of an epoch.
fn last() -> SessionId {
    SessionId::new(format!("{MAX_ENDED_SESSIONS:032x}"))
}

struct ForgetsTheFirst;
#[async_trait]
impl Flaw for ForgetsTheFirst {
    async fn end_session(&self, ledger: &SqliteLedger, id: &SessionId) -> Result<()> {
        // As if the first made room for the last.
        if *id == SessionId::new(format!("{:032x}", 0)) || *id == last() {
            return Ok(());
        }
        ledger.end_session(id).await
    }
}

struct KeepsAll;
#[async_trait]
impl Flaw for KeepsAll {
    async fn end_session(&self, ledger: &SqliteLedger, id: &SessionId) -> Result<()> {
        if *id == last() {
            return Ok(());
        }
        ledger.end_session(id).await
    }
}
