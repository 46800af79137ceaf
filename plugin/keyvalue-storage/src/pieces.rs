//! Pieces: values of the bucket that are written once.

use serde::{Deserialize, Serialize};

use crate::bucket::{Bucket, Failure};

/// The size of a piece. A bucket takes somewhat more, but not much.
const PIECE_BYTES: usize = 512 << 10;

/// Where something is kept: in pieces of one attempt, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pieces {
    attempt: u64,
    first: u32,
    count: u32,
}

impl Pieces {
    /// What is kept there; `None` if it was removed.
    pub(crate) fn read(&self, bucket: &impl Bucket) -> Result<Option<Vec<u8>>, Failure> {
        let mut whole = Vec::new();
        for index in self.indices() {
            match bucket.get(&name(self.attempt, index))? {
                Some(piece) => whole.extend(piece),
                None => return Ok(None),
            }
        }
        Ok(Some(whole))
    }

    /// Removes it. The first piece goes last: while that is there, something may be left.
    pub(crate) fn remove(&self, bucket: &impl Bucket) -> Result<(), Failure> {
        for index in self.indices().rev() {
            bucket.delete(&name(self.attempt, index))?;
        }
        Ok(())
    }

    /// Whether something of it may be left.
    pub(crate) fn is_there(&self, bucket: &impl Bucket) -> Result<bool, Failure> {
        bucket.exists(&name(self.attempt, self.first))
    }

    fn indices(&self) -> std::ops::Range<u32> {
        self.first..self.first.saturating_add(self.count)
    }
}

/// What writes the pieces of one attempt, in order.
pub(crate) struct Attempt {
    pub(crate) number: u64,
    written: u32,
}

impl Attempt {
    pub(crate) fn new(number: u64) -> Self {
        Self { number, written: 0 }
    }

    /// Keeps something.
    pub(crate) fn write(&mut self, bucket: &impl Bucket, whole: &[u8]) -> Result<Pieces, Failure> {
        let first = self.written;
        for piece in whole.chunks(PIECE_BYTES) {
            bucket.set(&name(self.number, self.written), piece)?;
            self.written += 1;
        }
        Ok(Pieces {
            attempt: self.number,
            first,
            count: self.written - first,
        })
    }

    /// Removes what it wrote: it did not succeed.
    pub(crate) fn give_up(self, bucket: &impl Bucket) -> Result<(), Failure> {
        // Backwards, so that what is left when this is cut off is found from the beginning.
        for index in (0..self.written).rev() {
            bucket.delete(&name(self.number, index))?;
        }
        Ok(())
    }

    /// Removes what somebody else's attempt wrote that was cut off, or will not succeed.
    pub(crate) fn abandon(bucket: &impl Bucket, number: u64) -> Result<(), Failure> {
        let mut count = 0;
        while bucket.exists(&name(number, count))? {
            count += 1;
        }
        for index in (0..count).rev() {
            bucket.delete(&name(number, index))?;
        }
        Ok(())
    }
}

fn name(attempt: u64, index: u32) -> String {
    format!("piece/{attempt}/{index}")
}
