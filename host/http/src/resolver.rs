//! Name resolution that leads to the internet only.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;

use super::address::is_public;

/// The operating system's name resolution.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

/// Drops addresses that are not on the internet from what another resolver finds.
///
/// The connection is made to exactly the addresses that passed, so a name that resolves
/// differently a moment later (DNS rebinding) gains nothing.
pub(super) struct PublicOnly<R>(pub(super) Arc<R>);

/// Why a name leads nowhere.
#[derive(Debug, Error)]
pub(super) enum ResolveError {
    /// The name is unknown or the name server does not answer.
    #[error("name resolution failed")]
    Failed(#[source] std::io::Error),
    /// No address of the name is on the internet.
    #[error("the name leads to an address that is not on the internet")]
    NotPublic,
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // Port 0 stands for the port of the URL.
            let found = tokio::net::lookup_host((name.as_str(), 0))
                .await
                .map_err(ResolveError::Failed)?;
            Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

impl<R: Resolve + 'static> Resolve for PublicOnly<R> {
    fn resolve(&self, name: Name) -> Resolving {
        let found = self.0.resolve(name);
        Box::pin(async move {
            let public: Vec<SocketAddr> = found
                .await?
                .filter(|address| is_public(address.ip()))
                .collect();
            if public.is_empty() {
                return Err(ResolveError::NotPublic.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}
