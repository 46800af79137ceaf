//! Reading, from one root.

use crate::bucket::{Bucket, Failure};
use crate::tree::{ROOT, Record, Root, Value};
use crate::{Entry, MAX_KEY_BYTES};

/// How often a reader begins again because commits replaced what it was reading.
const MAX_ATTEMPTS: usize = 100;

/// The entry with this key, unless it is absent or expired at `now`, in seconds since 1970.
pub fn get(bucket: &impl Bucket, now: u64, key: &str) -> Result<Option<Entry>, Failure> {
    check_key(key)?;
    from_one_root(bucket, |root| {
        let Some(records) = root.leaf(bucket, root.leaf_of(key))? else {
            return Ok(None);
        };
        let record = records
            .into_iter()
            .find(|record| record.key == key && record.is_present(now));
        match record {
            None => Ok(Some(None)),
            Some(record) => Ok(entry(bucket, record)?.map(Some)),
        }
    })
}

/// Entries whose key starts with `prefix`, in order, beginning after the key `after`; at most `limit`.
pub fn list(
    bucket: &impl Bucket,
    now: u64,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Entry>, Failure> {
    let from = after.filter(|after| *after >= prefix).unwrap_or(prefix);
    from_one_root(bucket, |root| {
        let mut entries = Vec::new();
        for index in root.leaf_of(from)..root.leaves.len() {
            let Some(records) = root.leaf(bucket, index)? else {
                return Ok(None);
            };
            for record in records {
                if entries.len() >= limit {
                    return Ok(Some(entries));
                }
                let is_before = record.key.as_str() < from || Some(record.key.as_str()) == after;
                if is_before {
                    continue;
                }
                if !record.key.starts_with(prefix) {
                    return Ok(Some(entries));
                }
                if record.is_present(now) {
                    let Some(entry) = entry(bucket, record)? else {
                        return Ok(None);
                    };
                    entries.push(entry);
                }
            }
        }
        Ok(Some(entries))
    })
}

/// Reads until it does so from one root; `None` says that it does not, because something was replaced.
fn from_one_root<T>(
    bucket: &impl Bucket,
    read: impl Fn(&Root) -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    let mut last = None;
    for _ in 0..MAX_ATTEMPTS {
        let root = Root::decode(bucket.get(ROOT)?)?;
        if let Some(found) = read(&root)? {
            return Ok(found);
        }
        if last.replace(root.attempt) == Some(root.attempt) {
            return Err(Failure::Unavailable(
                "something that was stored is missing".to_owned(),
            ));
        }
    }
    Err(Failure::Unavailable(
        "too many commits come between".to_owned(),
    ))
}

/// A record with its value; `None` if that was replaced.
fn entry(bucket: &impl Bucket, record: Record) -> Result<Option<Entry>, Failure> {
    let value = match record.value {
        Value::Here(value) => Some(value),
        Value::Apart(pieces) => pieces.read(bucket)?,
    };
    Ok(value.map(|value| Entry {
        key: record.key,
        value,
        version: record.version.to_string(),
    }))
}

/// Checks a key's bounds.
pub(crate) fn check_key(key: &str) -> Result<(), Failure> {
    match key.len() {
        0 => Err(Failure::Invalid("a key is empty".to_owned())),
        1..=MAX_KEY_BYTES => Ok(()),
        _ => Err(Failure::Invalid(format!(
            "a key is longer than {MAX_KEY_BYTES} bytes"
        ))),
    }
}
