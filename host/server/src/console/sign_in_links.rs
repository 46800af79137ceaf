//! Links that sign in once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use integration_host_contract::id::random_bytes;

/// The most links that are good at a time; the oldest goes first.
const MOST: usize = 16;

/// Links that sign in to the console once, for whoever has the admin token or started the host.
#[derive(Clone, Debug, Default)]
pub struct SignInLinks {
    codes: Arc<Mutex<Vec<Issued>>>,
}

#[derive(Debug)]
struct Issued {
    digest: [u8; 32],
    until: Instant,
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
        let mut codes = self.codes.lock();
        if codes.len() >= MOST {
            codes.remove(0);
        }
        codes.push(Issued {
            digest: digest(&code.0),
            until: now + SignInCode::LIFETIME,
        });
        code
    }

    fn redeem_at(&self, code: &str, now: Instant) -> bool {
        let mut codes = self.codes.lock();
        codes.retain(|issued| issued.until > now);
        // Digests are compared: how far they agree tells nothing about the code.
        let digest = digest(code);
        let found = codes.iter().position(|issued| issued.digest == digest);
        found.map(|index| codes.remove(index)).is_some()
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
