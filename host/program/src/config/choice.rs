//! Settings with a few possible values.

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use serde::{Deserialize, Serialize};

use integration_host::DeletedEntries;

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

/// Reads how deleted activities are listed.
pub(super) fn deleted_entries() -> impl TypedValueParser<Value = DeletedEntries> {
    let values = [
        PossibleValue::new("keep").help("Like any other, marked as deleted"),
        PossibleValue::new("hide").help("Only when asked for"),
    ];
    PossibleValuesParser::new(values).map(|value| match value.as_str() {
        "hide" => DeletedEntries::Hide,
        _ => DeletedEntries::Keep,
    })
}
