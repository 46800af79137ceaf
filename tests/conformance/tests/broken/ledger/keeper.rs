//! Who keeps leases for hosts that share a ledger in memory, rightly or with a mistake.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use integration_host_ledger::{Lease, LeaseAnswer, LedgerError};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::time::Instant;

/// The calls that are made by the right of leases.
const FENCED: [&str; 8] = [
    "create_connection",
    "update_connection",
    "remove_connection",
    "import_members",
    "set_mapping",
    "change_coverage",
    "change_note",
    "record_event",
];

/// What can be wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    None,
    /// Grants what somebody else has.
    GrantsAlways,
    /// Looks who has a lease, and writes down later who has it now.
    LooksFirst,
    ForgetsToRest,
    /// Begins to count anew for whoever ends properly.
    CountsAnew,
    RenewsNothing,
    /// Takes whoever knows the name for the holder.
    KnowsNamesOnly,
    /// Keeps one lease for all.
    IgnoresNames,
    /// Lets changes through whoever has the leases.
    FencesNothing,
    /// Looks at the lease taken last only.
    FencesByTheLast,
    /// Looks at the leases, and makes the change later.
    LetsGoTooSoon,
}

#[derive(Clone, Copy)]
pub(super) struct Kept {
    fence: u64,
    held_until: Instant,
    rests_until: Instant,
}

/// Keeps leases.
pub(super) struct Keeper {
    mistake: Mistake,
    leases: Arc<Mutex<HashMap<String, Kept>>>,
    changes: watch::Sender<u64>,
}

impl Keeper {
    pub(super) fn new(mistake: Mistake) -> Self {
        Self {
            mistake,
            leases: Arc::default(),
            changes: watch::Sender::new(0),
        }
    }

    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == mistake
    }

    fn key(&self, name: &str) -> String {
        let name = if self.has(Mistake::IgnoresNames) {
            ""
        } else {
            name
        };
        name.to_owned()
    }

    pub(super) async fn take(&self, name: &str, time: Duration, is_urgent: bool) -> LeaseAnswer {
        let key = self.key(name);
        let mut leases = self.leases.lock().await;
        let now = Instant::now();
        let before = leases.get(&key).copied();
        if self.has(Mistake::LooksFirst) {
            drop(leases);
            tokio::time::sleep(Duration::from_millis(5)).await;
            leases = self.leases.lock().await;
        }
        if let Some(kept) = before
            && !self.has(Mistake::GrantsAlways)
        {
            let until = match is_urgent {
                true => kept.held_until,
                false => kept.held_until.max(kept.rests_until),
            };
            if until > now {
                return LeaseAnswer::Refused { wait: until - now };
            }
        }
        let fence = before.map_or(1, |kept| kept.fence + 1);
        leases.insert(
            key,
            Kept {
                fence,
                held_until: now + time,
                rests_until: now,
            },
        );
        LeaseAnswer::Granted(Lease {
            name: name.to_owned(),
            fence,
        })
    }

    pub(super) async fn renew(&self, lease: &Lease, time: Duration) -> bool {
        let mut leases = self.leases.lock().await;
        match leases.get_mut(&self.key(&lease.name)) {
            Some(kept) if kept.fence == lease.fence || self.has(Mistake::KnowsNamesOnly) => {
                if !self.has(Mistake::RenewsNothing) {
                    kept.held_until = Instant::now() + time;
                }
                true
            }
            _ => false,
        }
    }

    pub(super) async fn end(&self, lease: &Lease, rest: Duration) {
        let key = self.key(&lease.name);
        let mut leases = self.leases.lock().await;
        let Some(kept) = leases.get_mut(&key) else {
            return;
        };
        if kept.fence == lease.fence || self.has(Mistake::KnowsNamesOnly) {
            let now = Instant::now();
            kept.held_until = now;
            kept.rests_until = match self.has(Mistake::ForgetsToRest) {
                true => now,
                false => now + rest,
            };
            if self.has(Mistake::CountsAnew) {
                leases.remove(&key);
            }
        }
    }
}

/// One of the hosts, or what it does by the right of leases.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) keeper: Arc<Keeper>,
    leases: Vec<Lease>,
}

impl Host {
    pub(super) fn new(keeper: &Arc<Keeper>) -> Self {
        Self {
            keeper: Arc::clone(keeper),
            leases: Vec::new(),
        }
    }

    pub(super) fn fenced(&self, leases: &[Lease]) -> Self {
        Self {
            keeper: Arc::clone(&self.keeper),
            leases: [self.leases.as_slice(), leases].concat(),
        }
    }

    pub(super) fn watch_changes(&self) -> watch::Receiver<u64> {
        self.keeper.changes.subscribe()
    }

    /// Nobody is granted a lease while what is returned lives.
    pub(super) async fn admit(
        host: Option<&Self>,
        call: &str,
    ) -> Result<Option<OwnedMutexGuard<HashMap<String, Kept>>>, LedgerError> {
        let Some(host) = host.filter(|host| !host.leases.is_empty() && FENCED.contains(&call))
        else {
            return Ok(None);
        };
        let keeper = &host.keeper;
        let skipped = match keeper.mistake {
            Mistake::FencesNothing => host.leases.len(),
            Mistake::FencesByTheLast => host.leases.len() - 1,
            _ => 0,
        };
        let kept = Arc::clone(&keeper.leases).lock_owned().await;
        let is_held = |lease: &Lease| {
            let last = kept.get(&keeper.key(&lease.name));
            last.is_some_and(|last| last.fence == lease.fence)
        };
        if !host.leases.iter().skip(skipped).all(is_held) {
            return Err(LedgerError::LeaseLost);
        }
        if keeper.has(Mistake::LetsGoTooSoon) {
            drop(kept);
            tokio::time::sleep(Duration::from_millis(5)).await;
            return Ok(None);
        }
        Ok(Some(kept))
    }
}
