//! Drafts: secrets that passed Test Connection and wait for the choice of what to connect.
//!
//! They are in memory only, and only for a while. A draft's id is part of addresses, and opens nothing
//! without the session it was made in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep_until};

use super::connect_form::ConnectForm;
use integration_host_contract::id::{ScopeId, SessionId, random_bytes};
use integration_host_contract::recent::Recent;
use integration_host_contract::{Scope, TestReport};
use integration_host_seal::secret::Secrets;

/// How long a draft is kept after the test or the last attempt to connect with it.
const LIFETIME: Duration = Duration::from_mins(15);

/// The most drafts at a time; the one that was used least recently goes first.
const MOST: usize = 64;

/// Names a draft.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct DraftId(String);

impl DraftId {
    /// Takes over what stands in an address.
    pub(super) fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The page on which the scope is chosen.
    pub(super) fn target(&self) -> String {
        format!("connect/{}", self.0)
    }
}

/// Secrets, what they can connect, and the attempts to do so.
pub(super) struct Draft {
    /// The secrets.
    pub(super) secrets: Secrets,
    /// What Test Connection found.
    pub(super) report: TestReport,
    session: SessionId,
    used: Mutex<Used>,
}

struct Used {
    until: Instant,
    /// At most one for each scope of the report.
    attempts: BTreeMap<ScopeId, ConnectForm>,
}

impl Draft {
    /// The scope with this id.
    pub(super) fn scope(&self, id: &ScopeId) -> Option<&Scope> {
        self.report.scopes.iter().find(|scope| scope.id == *id)
    }

    /// The last attempt to connect a scope.
    pub(super) fn attempt(&self, scope: &ScopeId) -> Option<ConnectForm> {
        self.used().attempts.get(scope).cloned()
    }

    /// Forgets an attempt, so that another can begin although this one succeeded.
    pub(super) fn forget_attempt(&self, scope: &ScopeId) {
        self.used().attempts.remove(scope);
    }

    /// Starts an attempt to connect a scope, which must be one of the report, unless one stands.
    pub(super) fn attempt_once(&self, scope: &ScopeId, start: impl FnOnce() -> ConnectForm) {
        let mut used = self.used();
        if !used.attempts.get(scope).is_some_and(ConnectForm::stands) {
            used.attempts.insert(scope.clone(), start());
        }
        used.until = Instant::now() + LIFETIME;
    }

    fn until(&self) -> Instant {
        self.used().until
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock()
    }
}

/// The drafts of a host.
pub struct Drafts {
    kept: Recent<DraftId, Arc<Draft>>,
}

impl Default for Drafts {
    fn default() -> Self {
        Self {
            kept: Recent::new(MOST),
        }
    }
}

impl Drafts {
    /// Keeps secrets that passed the test, for the session it was made in.
    pub(super) fn keep(
        self: &Arc<Self>,
        session: SessionId,
        secrets: Secrets,
        report: TestReport,
    ) -> DraftId {
        let id = DraftId(hex::encode(random_bytes::<16>()));
        let draft = Draft {
            secrets,
            report,
            session,
            used: Mutex::new(Used {
                until: Instant::now() + LIFETIME,
                attempts: BTreeMap::new(),
            }),
        };
        self.kept.put(id.clone(), Arc::new(draft));
        self.wipe_in_time(id.clone());
        id
    }

    /// The draft with this id, if it was made in this session.
    pub(super) fn open(&self, session: &SessionId, id: &DraftId) -> Option<Arc<Draft>> {
        // Asking with another session must not keep a draft from going.
        let is_own = (self.kept).peek(id, |draft| draft.session == *session)?;
        let draft = is_own.then(|| self.kept.get(id))??;
        (draft.until() > Instant::now()).then_some(draft)
    }

    /// Forgets the drafts of a session that ends.
    pub(in crate::console) fn forget(&self, session: &SessionId) {
        self.kept.retain(|_, draft| draft.session != *session);
    }

    /// Forgets all drafts, because all sessions ended.
    pub(crate) fn forget_all(&self) {
        self.kept.clear();
    }

    /// Secrets leave the memory on time, even if nobody asks for them again.
    fn wipe_in_time(self: &Arc<Self>, id: DraftId) {
        let drafts = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(until) = drafts.upgrade().and_then(|drafts| drafts.wipe(&id)) {
                sleep_until(until).await;
            }
        });
    }

    /// Forgets a draft whose time is over, and says when that will be.
    fn wipe(&self, id: &DraftId) -> Option<Instant> {
        let until = self.kept.peek(id, |draft| draft.until())?;
        if until > Instant::now() {
            return Some(until);
        }
        self.kept.remove(id);
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use tokio::time::advance;

    use super::*;
    use integration_host_contract::Account;
    use integration_host_seal::secret::Secret;

    fn keep(drafts: &Arc<Drafts>, session: &SessionId) -> DraftId {
        let secrets = Secrets::from([("api-token".to_owned(), Secret::new("s3cret"))]);
        let report = TestReport {
            account: Account {
                id: "1".into(),
                name: "Mara".into(),
                email: None,
            },
            scopes: Vec::new(),
        };
        drafts.keep(session.clone(), secrets, report)
    }

    static MINE: LazyLock<SessionId> = LazyLock::new(|| SessionId::new("mine"));
    static OTHER: LazyLock<SessionId> = LazyLock::new(|| SessionId::new("other"));

    #[tokio::test(start_paused = true)]
    async fn secrets_leave_the_memory_after_15_minutes_even_if_nobody_asks() {
        let drafts = Arc::new(Drafts::default());
        let id = keep(&drafts, &MINE);
        let weak = Arc::downgrade(&drafts.open(&MINE, &id).unwrap());
        tokio::task::yield_now().await;
        advance(LIFETIME - Duration::from_secs(1)).await;
        assert!(
            drafts.open(&MINE, &id).is_some(),
            "the token must be pasted again too early"
        );
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(weak.strong_count(), 0, "the token is still in memory");
        assert!(drafts.open(&MINE, &id).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_opens_no_draft_of_another_session() {
        let drafts = Arc::new(Drafts::default());
        let id = keep(&drafts, &MINE);
        assert!(drafts.open(&OTHER, &id).is_none());
        assert!(drafts.open(&MINE, &DraftId::new("0".repeat(32))).is_none());
        assert!(drafts.open(&MINE, &id).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn signing_out_forgets_the_secrets_of_that_session_alone() {
        let drafts = Arc::new(Drafts::default());
        let (mine, others) = (keep(&drafts, &MINE), keep(&drafts, &OTHER));
        drafts.forget(&MINE);
        assert!(drafts.open(&MINE, &mine).is_none());
        assert!(drafts.open(&OTHER, &others).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_drafts_are_bounded_and_the_newest_stay() {
        let drafts = Arc::new(Drafts::default());
        let ids: Vec<_> = (0..=MOST).map(|_| keep(&drafts, &MINE)).collect();
        assert!(drafts.open(&MINE, &ids[0]).is_none());
        assert!(drafts.open(&MINE, &ids[1]).is_some());
        assert!(drafts.open(&MINE, ids.last().unwrap()).is_some());
    }
}
