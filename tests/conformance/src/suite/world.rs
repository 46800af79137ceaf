//! The place a case runs in: data of its own, a clock of its own.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use integration_host_contract::clock::ManualClock;
use integration_host_contract::id::ConnectionId;
use jiff::Timestamp;

/// What becomes of a provider's data, which decides what can be tried with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is gone with the provider.
    InMemory,
    /// It is there when the same name is opened again, after the provider was dropped without any goodbye.
    Durably,
    /// That too, and several providers may have the same name open at once, as several hosts do.
    Shared,
}

/// Opens a provider. The same name stands for the same data; under a new one there is none yet.
#[async_trait(?Send)]
pub(crate) trait Open<P: ?Sized, G> {
    async fn open(&self, name: String, given: G) -> Arc<P>;
}

/// Opens providers with a function of whoever runs the suite.
pub(crate) struct Opener<F, S> {
    open: F,
    opens: PhantomData<fn() -> S>,
}

impl<F, S> Opener<F, S> {
    pub(crate) fn new(open: F) -> Self {
        Self {
            open,
            opens: PhantomData,
        }
    }

    pub(crate) fn function(&self) -> &F {
        &self.open
    }
}

/// Where a case runs.
pub(crate) struct World<'a, P: ?Sized, G> {
    opener: &'a dyn Open<P, G>,
    name: String,
    kept: Kept,
    clock: Arc<ManualClock>,
}

impl<'a, P: ?Sized, G> World<'a, P, G> {
    pub(crate) fn new(kept: Kept, opener: &'a dyn Open<P, G>) -> Self {
        // Random, so that runs beside each other on one server do not meet.
        let name = format!("c{}", ConnectionId::generate());
        let start = Timestamp::constant(1_700_000_000, 0);
        Self {
            opener,
            name,
            kept,
            clock: Arc::new(ManualClock::new(start)),
        }
    }

    /// The clock that storage goes by.
    pub(crate) fn clock(&self) -> &Arc<ManualClock> {
        &self.clock
    }

    /// Whether the data outlives a provider.
    pub(crate) fn is_durable(&self) -> bool {
        self.kept != Kept::InMemory
    }

    /// The place's data, which is empty at first.
    pub(crate) async fn open_with(&self, given: G) -> Arc<P> {
        self.opener.open(self.name.clone(), given).await
    }

    /// Other data, which is empty at first.
    #[cfg_attr(
        not(feature = "ledger"),
        allow(dead_code, reason = "ledgers are moved")
    )]
    pub(crate) async fn open_elsewhere(&self, given: G) -> Arc<P> {
        self.opener.open(format!("{}2", self.name), given).await
    }

    /// A handle beside this one: a provider of its own where several may have the data, as if it
    /// were another host's.
    pub(crate) async fn open_beside(&self, provider: &Arc<P>, given: G) -> Arc<P> {
        match self.kept {
            Kept::Shared => self.open_with(given).await,
            Kept::InMemory | Kept::Durably => Arc::clone(provider),
        }
    }
}
