//! Ledgers that do not know which they are.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use integration_host_contract::id::{FeedLife, LedgerId};
use integration_host_ledger::LedgerIdentity;

use super::*;

noticed! {
    every_ledger_has_one_identity: OneForAll => no_two_ledgers_have_an_identity,
    an_identity_is_made_for_each_question: MadeForEach::default() => an_identity_stays,
    a_life_begins_unseen: BeginsUnseen::default() => a_life_begins_for_everybody,
}

struct OneForAll;
flaw! { OneForAll {
    identity(self, ledger) {
        let identity = ledger.identity().await?;
        Ok(LedgerIdentity {
            id: LedgerId::new("ledger"),
            life: FeedLife::new("1"),
            ..identity
        })
    }
}}

#[derive(Default)]
struct MadeForEach(AtomicU64);
flaw! { MadeForEach {
    identity(self, ledger) {
        let asked = self.0.fetch_add(1, Ordering::Relaxed);
        let identity = ledger.identity().await?;
        Ok(LedgerIdentity {
            life: FeedLife::new(format!("{}{asked}", identity.life)),
            ..identity
        })
    }
}}

/// Looks once, as when it is read at start only.
#[derive(Default)]
struct BeginsUnseen(OnceLock<LedgerIdentity>);
flaw! { BeginsUnseen {
    identity(self, ledger) {
        let identity = ledger.identity().await?;
        Ok(self.0.get_or_init(|| identity).clone())
    }
}}
