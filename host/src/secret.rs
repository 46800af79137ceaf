//! Secrets: values that cannot be printed and are wiped when dropped.

pub(crate) mod command;

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

/// A secret value, such as an API token.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes over a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value, for the moment it is used.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

/// Secrets by the names the manifest gives them.
pub type Secrets = BTreeMap<String, Secret>;
