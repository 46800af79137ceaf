//! The index: a root with leaves, and leaves with records, all in the order of their keys.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::bucket::{Bucket, Failure};
use crate::pieces::Pieces;

/// The key of the root.
pub(crate) const ROOT: &str = "root";

/// Values up to this size are kept in their leaf.
pub(crate) const SMALL_VALUE_BYTES: usize = 1 << 10;

/// A leaf that is written is not made larger than about this.
const LEAF_BYTES: usize = 32 << 10;

/// What a record takes up beside key and value, roughly.
const RECORD_BYTES: usize = 24;

/// What there is, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Root {
    /// The attempt that made it.
    pub(crate) attempt: u64,
    /// The attempt that made the root before it.
    pub(crate) previous: u64,
    pub(crate) leaves: Vec<LeafPlace>,
    /// What it no longer needs of the root before it. Removing that may have been cut off.
    pub(crate) replaced: Vec<Pieces>,
}

/// Where a leaf is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeafPlace {
    /// Its first key.
    pub(crate) first: String,
    pub(crate) pieces: Pieces,
}

/// An entry as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) key: String,
    pub(crate) version: u64,
    /// In seconds since 1970; `None`: never.
    pub(crate) expires_at: Option<u64>,
    pub(crate) value: Value,
}

/// A value as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Value {
    /// In the record.
    Here(Vec<u8>),
    /// In pieces of its own.
    Apart(Pieces),
}

impl Record {
    pub(crate) fn is_present(&self, now: u64) -> bool {
        self.expires_at.is_none_or(|expires_at| now < expires_at)
    }

    fn size(&self) -> usize {
        let value = match &self.value {
            Value::Here(value) => value.len(),
            Value::Apart(_) => 0,
        };
        self.key.len() + value + RECORD_BYTES
    }
}

impl Root {
    /// The leaf that a key belongs into. There may be no leaf yet.
    pub(crate) fn leaf_of(&self, key: &str) -> usize {
        self.leaves
            .partition_point(|leaf| leaf.first.as_str() <= key)
            .saturating_sub(1)
    }

    /// The records of a leaf; `None` if it was replaced meanwhile.
    pub(crate) fn leaf(
        &self,
        bucket: &impl Bucket,
        index: usize,
    ) -> Result<Option<Vec<Record>>, Failure> {
        let Some(leaf) = self.leaves.get(index) else {
            return Ok(Some(Vec::new()));
        };
        leaf.pieces
            .read(bucket)?
            .map(|bytes| decode(&bytes))
            .transpose()
    }

    pub(crate) fn decode(bytes: Option<Vec<u8>>) -> Result<Self, Failure> {
        bytes.map_or_else(|| Ok(Self::default()), |bytes| decode(&bytes))
    }
}

/// Divides the records of a leaf that has grown.
pub(crate) fn divide(records: Vec<Record>) -> Vec<Vec<Record>> {
    let mut leaves = Vec::new();
    let (mut leaf, mut bytes) = (Vec::new(), 0);
    for record in records {
        let size = record.size();
        if bytes + size > LEAF_BYTES && !leaf.is_empty() {
            leaves.push(std::mem::take(&mut leaf));
            bytes = 0;
        }
        bytes += size;
        leaf.push(record);
    }
    if !leaf.is_empty() {
        leaves.push(leaf);
    }
    leaves
}

pub(crate) fn encode(what: &impl Serialize) -> Result<Vec<u8>, Failure> {
    postcard::to_allocvec(what)
        .map_err(|error| Failure::Unavailable(format!("something cannot be written: {error}")))
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    postcard::from_bytes(bytes)
        .map_err(|error| Failure::Unavailable(format!("what is stored cannot be read: {error}")))
}
