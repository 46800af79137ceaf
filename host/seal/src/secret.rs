//! Secrets: values that cannot be printed and are wiped when dropped.

pub mod command;
pub mod file;

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

/// The secret in a variable. One that is blank is not set: files of variables have such lines, to be filled in.
pub fn in_environment(variable: &str) -> Option<Secret> {
    let value = Zeroizing::new(std::env::var(variable).ok()?);
    (!is_blank(&value)).then(|| Secret::new(without_line_end(&value)))
}

/// Whether a variable holds anything.
pub fn is_in_environment(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !is_blank(&value.to_string_lossy()))
}

/// Whether a value is as good as none.
pub fn is_blank(value: &str) -> bool {
    value.trim().is_empty()
}

/// A secret without the line end that files, and programs that print it, put after it.
pub fn without_line_end(secret: &str) -> &str {
    secret.trim_end_matches(['\r', '\n'])
}

/// Secrets by the names the manifest gives them.
pub type Secrets = BTreeMap<String, Secret>;
