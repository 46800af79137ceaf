//! Links that sign in once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use integration_host_contract::id::random_bytes;
use integration_host_contract::recent::Recent;

/// The most links that are good at a time; the oldest goes first.
const MOST: usize = 16;

/// Links that sign in to the console once, for whoever has the admin token or started the host.
#[derive(Clone, Debug)]
pub struct SignInLinks {
    /// Until when each is good, by the digest of its code: how long looking for one takes tells nothing about the others.
    codes: Arc<Recent<[u8; 32], Instant>>,
}

impl Default for SignInLinks {
    fn default() -> Self {
        Self {
            codes: Arc::new(Recent::new(MOST)),
        }
    }
}

/// What a link carries.
#[derive(Clone)]
pub struct SignInCode(String);

impl SignInCode {
    /// How long it is good.
    pub const LIFETIME: Duration = Duration::from_mins(15);

    /// The link, for a host at this address. It is good once, within 15 minutes.
    pub fn link(&self, address: &str) -> String {
        format!("{}/sign-in?code={}", address.trim_end_matches('/'), self.0)
    }
}

impl SignInLinks {
    /// A new link.
    pub fn issue(&self) -> SignInCode {
        self.issue_at(Instant::now())
    }

    /// Whether this is the code of a link that is still good. It is not afterwards.
    pub(super) fn redeem(&self, code: &str) -> bool {
        self.redeem_at(code, Instant::now())
    }

    fn issue_at(&self, now: Instant) -> SignInCode {
        let code = SignInCode(hex::encode(random_bytes::<16>()));
        let until = now + SignInCode::LIFETIME;
        self.codes.put(digest(&code.0), until);
        code
    }

    fn redeem_at(&self, code: &str, now: Instant) -> bool {
        let issued = self.codes.remove(&digest(code));
        issued.is_some_and(|until| until > now)
    }
}

fn digest(code: &str) -> [u8; 32] {
    Sha256::digest(code).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_good_once_and_for_a_quarter_of_an_hour() {
        let (links, now) = (SignInLinks::default(), Instant::now());
        let code = links.issue_at(now);
        assert!(!links.redeem_at("", now) && !links.redeem_at(&code.0[1..], now));
        assert!(links.redeem_at(&code.0, now));
        assert!(
            !links.redeem_at(&code.0, now),
            "a link in a log signed in again"
        );
        let code = links.issue_at(now);
        assert!(
            !links.redeem_at(&code.0, now + SignInCode::LIFETIME),
            "an old link signed in"
        );
    }

    #[test]
    fn links_nobody_uses_do_not_pile_up() {
        let (links, now) = (SignInLinks::default(), Instant::now());
        let first = links.issue_at(now);
        let codes: Vec<_> = (0..MOST).map(|_| links.issue_at(now)).collect();
        assert!(!links.redeem_at(&first.0, now));
        assert!(codes.iter().all(|code| links.redeem_at(&code.0, now)));
    }
}
