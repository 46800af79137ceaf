//! How providers store what no column holds as it is: as JSON.

use serde_json::{Error, Value, json};

use super::LedgerError;
use integration_host_contract::Quota;

/// What this program would not have stored.
pub fn damaged(error: Error) -> LedgerError {
    LedgerError::Unavailable(format!("a stored value is damaged: {error}"))
}

/// A list of texts.
pub fn to_json(texts: &[String]) -> String {
    Value::from(texts).to_string()
}

/// A list of texts, or none.
pub fn texts(json: Option<&str>) -> Result<Vec<String>, Error> {
    match json {
        None | Some("[]") => Ok(Vec::new()),
        Some(json) => serde_json::from_str(json),
    }
}

/// A quota as it is stored: name, remaining, total, seconds until its period ends.
type StoredQuota = (String, i32, u32, u32);

/// Quotas as they are stored.
pub fn quotas_to_json(quotas: &[Quota]) -> String {
    let stored: Value = quotas
        .iter()
        .map(|quota| {
            let Quota {
                name,
                remaining,
                total,
                resets_in_seconds,
            } = quota;
            json!([name, remaining, total, resets_in_seconds])
        })
        .collect();
    stored.to_string()
}

/// Quotas from what is stored.
pub fn quotas(json: Option<&str>) -> Result<Vec<Quota>, Error> {
    let stored: Vec<StoredQuota> = serde_json::from_str(json.unwrap_or("[]"))?;
    Ok(stored
        .into_iter()
        .map(|(name, remaining, total, resets_in_seconds)| Quota {
            name,
            remaining,
            total,
            resets_in_seconds,
        })
        .collect())
}
