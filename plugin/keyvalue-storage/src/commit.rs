//! Committing: new pieces beside the old ones, then another root.

use std::collections::{BTreeMap, BTreeSet};

use crate::MAX_VALUE_BYTES;
use crate::bucket::{Bucket, Failure};
use crate::pieces::Attempt;
use crate::read::check_key;
use crate::tree::{LeafPlace, ROOT, Record, Root, SMALL_VALUE_BYTES, Value, divide, encode};

/// The key that counts attempts.
const ATTEMPTS: &str = "attempts";

/// How often a commit is tried again because others came before. Whenever that happens one of them succeeded,
/// and the host does not wait for ever.
const MAX_ATTEMPTS: usize = 1_000;

/// The largest root. It is one value of the bucket.
const MAX_ROOT_BYTES: usize = 1 << 20;

/// What must hold for a commit to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The key.
    pub key: String,
    /// The version it must have; `None`: it must be absent.
    pub version: Option<String>,
}

/// One change of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The key.
    pub key: String,
    /// The new value; `None` deletes the key.
    pub value: Option<Vec<u8>>,
    /// When the key ceases to exist, in seconds since 1970; `None`: never.
    pub expires_at: Option<u64>,
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// Every write was applied.
    Committed,
    /// An expectation did not hold and nothing was written.
    Conflict,
}

/// Applies all writes if every expectation holds at `now`, in seconds since 1970.
pub fn commit(
    bucket: &impl Bucket,
    now: u64,
    expected: &[Expectation],
    writes: &[Write],
) -> Result<Commit, Failure> {
    check(expected, writes)?;
    for _ in 0..MAX_ATTEMPTS {
        let (seen, root) = bucket.look(ROOT)?;
        let mut leaves = Leaves::of(Root::decode(root)?);
        match leaves.meet(bucket, now, expected)? {
            None => continue,
            Some(false) => return Ok(Commit::Conflict),
            Some(true) if writes.is_empty() => return Ok(Commit::Committed),
            Some(true) => {}
        }
        // Taken after looking at the root: whoever has a smaller number and has not succeeded when this one
        // does looked at an older root, and never will.
        let mut attempt = Attempt::new(bucket.increment(ATTEMPTS)?);
        let Some(root) = leaves.change(bucket, now, writes, &mut attempt)? else {
            attempt.give_up(bucket)?;
            continue;
        };
        let encoded = encode(&root)?;
        if encoded.len() > MAX_ROOT_BYTES {
            attempt.give_up(bucket)?;
            return Err(Failure::Invalid("too many keys are stored".to_owned()));
        }
        if bucket.swap(seen, &encoded)? {
            // It has happened. What cannot be tidied up now is by the next commit.
            let _ = tidy_up(bucket, &leaves.root, &root);
            return Ok(Commit::Committed);
        }
        attempt.give_up(bucket)?;
    }
    Err(Failure::Unavailable(
        "too many commits come between".to_owned(),
    ))
}

/// Removes what the new root does not need, and what its makers could not remove after earlier ones.
fn tidy_up(bucket: &impl Bucket, old: &Root, new: &Root) -> Result<(), Failure> {
    let was_cut_off = match old.replaced.last() {
        Some(last) => last.is_there(bucket)?,
        None => false,
    };
    let left = old.replaced.iter().filter(|_| was_cut_off);
    for pieces in left.chain(&new.replaced) {
        pieces.remove(bucket)?;
    }
    for number in old.previous.saturating_add(1)..new.attempt {
        if number != old.attempt {
            Attempt::abandon(bucket, number)?;
        }
    }
    Ok(())
}

fn check(expected: &[Expectation], writes: &[Write]) -> Result<(), Failure> {
    for expectation in expected {
        check_key(&expectation.key)?;
    }
    let mut keys = BTreeSet::new();
    for write in writes {
        check_key(&write.key)?;
        if !keys.insert(&write.key) {
            return Err(Failure::Invalid("a key is written twice".to_owned()));
        }
        if write
            .value
            .as_ref()
            .is_some_and(|value| value.len() > MAX_VALUE_BYTES)
        {
            return Err(Failure::Invalid(format!(
                "a value is larger than {MAX_VALUE_BYTES} bytes"
            )));
        }
    }
    Ok(())
}

/// A root, and those of its leaves that a commit has to do with.
struct Leaves {
    root: Root,
    read: BTreeMap<usize, BTreeMap<String, Record>>,
}

impl Leaves {
    fn of(root: Root) -> Self {
        Self {
            root,
            read: BTreeMap::new(),
        }
    }

    /// The records of a leaf; `None` if it was replaced meanwhile.
    fn leaf(
        &mut self,
        bucket: &impl Bucket,
        index: usize,
    ) -> Result<Option<&mut BTreeMap<String, Record>>, Failure> {
        if !self.read.contains_key(&index) {
            let Some(records) = self.root.leaf(bucket, index)? else {
                return Ok(None);
            };
            let records = records
                .into_iter()
                .map(|record| (record.key.clone(), record))
                .collect();
            self.read.insert(index, records);
        }
        Ok(self.read.get_mut(&index))
    }

    /// Whether every expectation holds; `None` if the root was replaced meanwhile.
    fn meet(
        &mut self,
        bucket: &impl Bucket,
        now: u64,
        expected: &[Expectation],
    ) -> Result<Option<bool>, Failure> {
        for expectation in expected {
            let index = self.root.leaf_of(&expectation.key);
            let Some(leaf) = self.leaf(bucket, index)? else {
                return Ok(None);
            };
            let version = leaf
                .get(&expectation.key)
                .filter(|record| record.is_present(now))
                .map(|record| record.version.to_string());
            if version != expectation.version {
                return Ok(Some(false));
            }
        }
        Ok(Some(true))
    }

    /// Writes the pieces of a root with the changes; `None` if the present one was replaced meanwhile.
    fn change(
        &mut self,
        bucket: &impl Bucket,
        now: u64,
        writes: &[Write],
        attempt: &mut Attempt,
    ) -> Result<Option<Root>, Failure> {
        let mut changed = BTreeSet::new();
        let mut replaced = Vec::new();
        for write in writes {
            let index = self.root.leaf_of(&write.key);
            let Some(leaf) = self.leaf(bucket, index)? else {
                return Ok(None);
            };
            let before = match &write.value {
                None => leaf.remove(&write.key),
                Some(value) => {
                    let value = if value.len() <= SMALL_VALUE_BYTES {
                        Value::Here(value.clone())
                    } else {
                        Value::Apart(attempt.write(bucket, value)?)
                    };
                    let record = Record {
                        key: write.key.clone(),
                        version: attempt.number,
                        expires_at: write.expires_at,
                        value,
                    };
                    leaf.insert(write.key.clone(), record)
                }
            };
            changed.insert(index);
            replaced.extend(before);
        }
        // One leaf after the other is looked through for what has expired.
        let leaves = u64::try_from(self.root.leaves.len()).unwrap_or(u64::MAX);
        let next = attempt.number.checked_rem(leaves).unwrap_or_default();
        let next = usize::try_from(next).unwrap_or_default();
        let Some(leaf) = self.leaf(bucket, next)? else {
            return Ok(None);
        };
        if leaf.values().any(|record| !record.is_present(now)) {
            changed.insert(next);
        }

        let mut root = Root {
            attempt: attempt.number,
            previous: self.root.attempt,
            ..Root::default()
        };
        let places = self.root.leaves.len().max(1);
        for index in 0..places {
            let place = self.root.leaves.get(index);
            if !changed.contains(&index) {
                root.leaves.extend(place.cloned());
                continue;
            }
            root.replaced
                .extend(place.map(|place| place.pieces.clone()));
            let records = self.read.remove(&index).unwrap_or_default();
            let (kept, expired): (Vec<_>, Vec<_>) = records
                .into_values()
                .partition(|record| record.is_present(now));
            replaced.extend(expired);
            for records in divide(kept) {
                let pieces = attempt.write(bucket, &encode(&records)?)?;
                let first = records.into_iter().next().map(|record| record.key);
                root.leaves
                    .extend(first.map(|first| LeafPlace { first, pieces }));
            }
        }
        root.replaced.extend(
            replaced
                .into_iter()
                .filter_map(|record| match record.value {
                    Value::Here(_) => None,
                    Value::Apart(pieces) => Some(pieces),
                }),
        );
        Ok(Some(root))
    }
}
