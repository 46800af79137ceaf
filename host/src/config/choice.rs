//! Settings with a few possible values.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How deleted activities are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum DeletedEntries {
    /// Like any other, marked as deleted.
    #[default]
    Keep,
    /// Only when asked for with `include=deleted`.
    Hide,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}
