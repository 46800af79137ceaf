//! Identifiers. Each kind is a type of its own, so that mixing two does not compile.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes over an identifier that already exists.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    )*};
}

identifiers! {
    /// A connection of this host.
    ConnectionId;
    /// The unguessable last part of a connection's callback URL.
    HookId;
    /// A scope at the remote service, such as a workspace.
    ScopeId;
    /// A member of a remote team.
    RemoteUserId;
    /// Something time is spent on, within a connection.
    SubjectId;
    /// A user of the platform.
    UserId;
    /// A delivery in this host's log.
    DeliveryId;
    /// A ledger and its copies.
    LedgerId;
    /// The time between two moments at which a ledger was restored or imported.
    FeedLife;
    /// A session of a person in the console. It opens nothing by itself.
    SessionId;
    /// The time from one moment at which all sessions ended to the next.
    SessionEpoch;
}

impl SubjectId {
    /// What kind of thing it is, as far as its id tells: what stands before the first `/`, such as
    /// `project` in `project/17`.
    pub fn kind(&self) -> Option<&str> {
        self.0.split_once('/').map(|(kind, _)| kind)
    }
}

impl ConnectionId {
    /// A new identifier, short enough to type.
    pub fn generate() -> Self {
        Self(random_text::<10>())
    }
}

impl DeliveryId {
    /// A new identifier.
    pub fn generate() -> Self {
        Self(random_text::<16>())
    }
}

impl FeedLife {
    /// A new identifier.
    pub fn generate() -> Self {
        Self(hex::encode(random_bytes::<8>()))
    }
}

impl SessionEpoch {
    /// A new one, of 128 random bits.
    pub fn generate() -> Self {
        Self(hex::encode(random_bytes::<16>()))
    }
}

impl HookId {
    /// A new identifier of 128 random bits.
    pub fn generate() -> Self {
        Self(hex::encode(random_bytes::<16>()))
    }

    /// Whether it looks like a hook at all. What does not, needs no look into the ledger.
    pub fn is_well_formed(&self) -> bool {
        self.0.len() == 32 && self.0.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

/// `N` random lower-case letters and digits without the ones that are easily confused.
fn random_text<const N: usize>() -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    random_bytes::<N>()
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(byte % 32)))
        .map(|letter| char::from(*letter))
        .collect()
}

/// Bytes from the operating system's random source.
#[allow(
    clippy::expect_used,
    reason = "without randomness no secret and no identifier can be made"
)]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system provides random bytes");
    bytes
}
