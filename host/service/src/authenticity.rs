//! Whether a delivery is genuine, found out before anything waits for it.
//!
//! To have the integration look at a delivery takes a turn of its connection and a new instance. Whoever knows a hook
//! and no secret could use those up. So where the manifest says how deliveries are signed, the host verifies the
//! signature first; what holds goes on to the integration, which decides.
//!
//! What a hook's deliveries are verified against is kept in memory, for a time. A delivery that fits it is genuine
//! enough to be handed on. One that does not is refused only by what was read after it had arrived: the secret may be
//! a new one, stored by another host. All that wait for such a look share one, so that a flood costs a few each second.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use sha2::Sha256;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;
use zeroize::Zeroizing;

use super::Host;
use integration_host_contract::id::HookId;
use integration_host_contract::recent::Recent;
use integration_host_contract::{Header, SignatureEncoding, SignatureScheme};
use integration_host_seal::secret::Secret;
use integration_host_storage::INTEGRATION_AREA;

/// How many hooks are remembered, and how many of those that do not exist; the one not used for longest goes first.
const MOST_HOOKS: usize = 10_000;
const MOST_UNKNOWN: usize = 1_000;

/// How long what was read is used without another look.
const FRESH: Duration = Duration::from_secs(60);

/// What lies between two looks at one hook, from the beginning of one to that of the next.
const PACE: Duration = Duration::from_millis(25);

/// How long nothing can be read after it could not: whoever sends deliveries meanwhile must not cause a try, and a line
/// in the log, for each.
const OUT: Duration = Duration::from_secs(1);

/// How many looks are under way at the same time. Deliveries that are known to be genuine need none.
const LOOKS: usize = 8;

/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(4);

/// What a delivery's signature says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authenticity {
    /// The connection's secret signed it.
    Genuine,
    /// It did not, or there is no such hook.
    Forged,
    /// Only the integration can tell.
    Undecided,
    /// What it would have to be compared with cannot be read now.
    Unavailable,
}

/// What a delivery says by its headers that it is: it may be genuine.
pub struct Claim {
    /// Where the manifest says how deliveries are signed.
    signature: Option<Vec<u8>>,
}

/// What deliveries are verified against, by hook.
pub(super) struct Hooks {
    known: Recent<HookId, Arc<Hook>>,
    /// Apart, so that hooks that somebody makes up push out none that exist.
    unknown: Recent<HookId, Arc<Hook>>,
    looks: Semaphore,
}

#[derive(Default)]
struct Hook {
    /// The last look at it that told something.
    seen: Mutex<Option<Seen>>,
    /// When the last look began, and what came of it. Locked while one is under way.
    look: tokio::sync::Mutex<Option<(Instant, Found)>>,
}

#[derive(Clone)]
struct Seen {
    at: Instant,
    found: Found,
}

/// What is known about a hook.
#[derive(Clone)]
enum Found {
    /// There is none.
    Nothing,
    /// There is one, and its integration has stored no secret where the manifest says.
    Unsigned,
    /// These are accepted.
    Secrets(Arc<[Secret]>),
    /// It could not be read.
    Unavailable,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            known: Recent::new(MOST_HOOKS),
            unknown: Recent::new(MOST_UNKNOWN),
            looks: Semaphore::new(LOOKS),
        }
    }
}

impl Hooks {
    fn get(&self, hook: &HookId) -> Arc<Hook> {
        (self.known.get(hook)).unwrap_or_else(|| {
            (self.unknown).change_or_insert(hook.clone(), Arc::default, |hook| Arc::clone(hook))
        })
    }

    /// Remembers among which a hook is.
    fn sort(&self, id: &HookId, hook: &Arc<Hook>, is_known: bool) {
        let (to, from) = match is_known {
            true => (&self.known, &self.unknown),
            false => (&self.unknown, &self.known),
        };
        from.remove(id);
        to.put(id.clone(), Arc::clone(hook));
    }
}

impl Hook {
    /// What the last look told, if it is fresh enough to count.
    fn seen(&self, now: Instant) -> Option<Found> {
        self.seen
            .lock()
            .as_ref()
            .filter(|seen| now.saturating_duration_since(seen.at) < FRESH)
            .map(|seen| seen.found.clone())
    }

    /// Whether a secret that was seen last, however long ago, signed this.
    fn was_signed(&self, body: &[u8], signature: &[u8]) -> bool {
        let found = self.seen.lock().as_ref().map(|seen| seen.found.clone());
        matches!(found, Some(Found::Secrets(secrets)) if is_signed(&secrets, body, signature))
    }
}

impl Host {
    /// Whether there is such a hook, as far as can be told. A delivery to one that there is not is refused whatever it
    /// is.
    pub async fn has_hook(&self, hook: &HookId) -> bool {
        if !hook.is_well_formed() {
            return false;
        }
        let now = Instant::now();
        let remembered = self.inner.hooks.get(hook);
        let found = match remembered.seen(now) {
            Some(found @ (Found::Secrets(_) | Found::Unsigned)) => found,
            _ => self.look_at(hook, &remembered, now).await,
        };
        !matches!(found, Found::Nothing)
    }

    /// What a delivery claims to be, as far as can be seen without its body: the hook looks like one, and there is one
    /// signature, in the form that the manifest names. With two, it would depend on who looks which of them counts. `None`:
    /// it cannot be genuine.
    pub fn claim(&self, hook: &HookId, headers: &[Header]) -> Option<Claim> {
        let name = &self.manifest().signature_header;
        let mut signatures = headers.iter().filter(|header| header.name == *name);
        let (Some(header), None) = (signatures.next(), signatures.next()) else {
            return None;
        };
        let signature = match &self.manifest().signature {
            Some(scheme) => Some(signature(&header.value, scheme)?),
            None => None,
        };
        hook.is_well_formed().then_some(Claim { signature })
    }

    /// What the signature of a delivery says, which had arrived as a whole at `arrived`.
    pub async fn authenticity(
        &self,
        hook: &HookId,
        claim: &Claim,
        body: &[u8],
        arrived: Instant,
    ) -> Authenticity {
        let Some(signature) = &claim.signature else {
            return match self.has_hook(hook).await {
                true => Authenticity::Undecided,
                false => Authenticity::Forged,
            };
        };
        let remembered = self.inner.hooks.get(hook);
        if let Some(Found::Secrets(secrets)) = remembered.seen(arrived)
            && is_signed(&secrets, body, signature)
        {
            return Authenticity::Genuine;
        }
        match self.look_at(hook, &remembered, arrived).await {
            Found::Secrets(secrets) if is_signed(&secrets, body, signature) => {
                Authenticity::Genuine
            }
            Found::Secrets(_) | Found::Nothing => Authenticity::Forged,
            Found::Unsigned => Authenticity::Undecided,
            // What was genuine a while ago still is, or the integration refuses it.
            Found::Unavailable if remembered.was_signed(body, signature) => Authenticity::Genuine,
            Found::Unavailable => Authenticity::Unavailable,
        }
    }

    /// Forgets what is known of a hook that is no more, its secrets among it.
    pub(super) fn forget_hook(&self, hook: &HookId) {
        self.inner.hooks.known.remove(hook);
        self.inner.repetitions.forget(hook);
    }

    /// What is known about a hook by a look that began after `since`: one's own, or one that others share.
    async fn look_at(&self, id: &HookId, hook: &Arc<Hook>, since: Instant) -> Found {
        let mut look = hook.look.lock().await;
        if let Some((began, found)) = look.as_ref() {
            let is_out = matches!(found, Found::Unavailable) && began.elapsed() < OUT;
            if *began >= since || is_out {
                return found.clone();
            }
            sleep_until(*began + PACE).await;
        }
        let hooks = &self.inner.hooks;
        let guard = hooks.looks.acquire().await;
        let began = Instant::now();
        let found = timeout(PATIENCE, self.read_hook(id))
            .await
            .unwrap_or(Found::Unavailable);
        drop(guard);
        *look = Some((began, found.clone()));
        drop(look);
        if !matches!(found, Found::Unavailable) {
            *hook.seen.lock() = Some(Seen {
                at: began,
                found: found.clone(),
            });
            hooks.sort(id, hook, !matches!(found, Found::Nothing));
        }
        found
    }

    async fn read_hook(&self, id: &HookId) -> Found {
        let connection = match self.ledger.connection_by_hook(id).await {
            Ok(Some(connection)) => connection,
            Ok(None) => return Found::Nothing,
            Err(error) => {
                debug!(%error, "a hook could not be looked up");
                return Found::Unavailable;
            }
        };
        let Some(scheme) = &self.manifest().signature else {
            return Found::Unsigned;
        };
        let key = format!("{INTEGRATION_AREA}{}", scheme.storage_key);
        match self.inner.sealed_store.get(&connection.id, &key).await {
            Ok(Some(entry)) => {
                let secrets = secrets(&Zeroizing::new(entry.value), &scheme.secret_members);
                match secrets.is_empty() {
                    true => Found::Unsigned,
                    false => Found::Secrets(secrets.into()),
                }
            }
            Ok(None) => Found::Unsigned,
            Err(error) => {
                debug!(connection = %connection.id, %error, "a signing secret could not be read");
                Found::Unavailable
            }
        }
    }
}

/// The signature in a header, if it is in the form that the manifest names.
fn signature(header: &str, scheme: &SignatureScheme) -> Option<Vec<u8>> {
    let text = header.trim().strip_prefix(scheme.prefix.as_str())?;
    let bytes = match scheme.encoding {
        SignatureEncoding::Hex => hex::decode(text).ok()?,
        SignatureEncoding::Base64 => BASE64.decode(text).ok()?,
    };
    (bytes.len() == scheme.algorithm.signature_bytes()).then_some(bytes)
}

/// The secrets in a stored value. An empty one is none: anybody could sign with it.
fn secrets(value: &[u8], members: &[String]) -> Vec<Secret> {
    let Ok(mut object) = serde_json::from_slice::<Map<String, Value>>(value) else {
        return Vec::new();
    };
    members
        .iter()
        .filter_map(|member| match object.remove(member) {
            Some(Value::String(secret)) if !secret.is_empty() => Some(Secret::new(secret)),
            _ => None,
        })
        .collect()
}

/// Whether one of the secrets signed this body, in time that depends on none of them.
fn is_signed(secrets: &[Secret], body: &[u8], signature: &[u8]) -> bool {
    secrets.iter().fold(false, |is_signed, secret| {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else {
            return is_signed;
        };
        mac.update(body);
        mac.verify_slice(signature).is_ok() | is_signed
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_manifest_names_is_a_secret() {
        let members = ["secret".to_owned(), "previous_secret".to_owned()];
        let read = |text: &str| -> Vec<String> {
            let secrets = secrets(text.as_bytes(), &members);
            secrets
                .iter()
                .map(|secret| secret.expose().to_owned())
                .collect()
        };
        assert_eq!(
            read(r#"{"secret":"new","previous_secret":"old","other":"x"}"#),
            ["new", "old"]
        );
        assert_eq!(read(r#"{"secret":"new","previous_secret":null}"#), ["new"]);
        for nothing in [r#"{"secret":""}"#, r#"{"secret":5}"#, "[]", "", "{"] {
            assert!(read(nothing).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn any_of_the_secrets_may_have_signed_and_no_other() {
        // RFC 4231, test case 2.
        let signature =
            hex::decode("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
                .unwrap();
        let body = b"what do ya want for nothing?";
        let secrets = |texts: &[&str]| texts.iter().copied().map(Secret::new).collect::<Vec<_>>();
        assert!(is_signed(&secrets(&["Jefe"]), body, &signature));
        assert!(is_signed(&secrets(&["new", "Jefe"]), body, &signature));
        assert!(is_signed(&secrets(&["Jefe", "old"]), body, &signature));
        assert!(!is_signed(&secrets(&["jefe"]), body, &signature));
        assert!(!is_signed(
            &secrets(&["Jefe"]),
            b"what do ya want",
            &signature
        ));
        assert!(!is_signed(&secrets(&["Jefe"]), body, &signature[..31]));
        assert!(!is_signed(&[], body, &signature));
    }
}
