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
flaw! { KnowsOneEpoch {
    session_epoch(self, _) {
        Ok(SessionEpoch::new("1"))
    }
}}

struct EndsNothing;
flaw! { EndsNothing {
    end_all_sessions(self, _) {
        Ok(())
    }
}}

struct ComparesBeginnings;
flaw! { ComparesBeginnings {
    has_session_ended(self, ledger, epoch, id) {
        let beginning = SessionId::new(id.as_str().get(..2).unwrap_or(id.as_str()));
        ledger.has_session_ended(epoch, &beginning).await
    }
}}

/// The number that the suite gives the last session of an epoch.
fn last() -> SessionId {
    SessionId::new(format!("{MAX_ENDED_SESSIONS:032x}"))
}

struct ForgetsTheFirst;
flaw! { ForgetsTheFirst {
    end_session(self, ledger, id) {
        // As if the first made room for the last.
        if *id == SessionId::new(format!("{:032x}", 0)) || *id == last() {
            return Ok(());
        }
        ledger.end_session(id).await
    }
}}

struct KeepsAll;
flaw! { KeepsAll {
    end_session(self, ledger, id) {
        if *id == last() {
            return Ok(());
        }
        ledger.end_session(id).await
    }
}}
