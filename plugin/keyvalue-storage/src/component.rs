//! The contract's side: the bucket that is lent, and the functions that are called.

#[allow(
    missing_docs,
    unsafe_code,
    clippy::all,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]
mod generated {
    use super::Component;

    wit_bindgen::generate!({
        path: "../../wit",
        world: "storage-provider",
        generate_all,
    });

    export!(Component with_types_in self);
}

use generated::exports::worksights::integration::storage as contract;
use generated::wasi::clocks::wall_clock;
use generated::wasi::keyvalue::atomics::{Cas, CasError};
use generated::wasi::keyvalue::{atomics, store};

use crate::{Bucket, Commit, Entry, Expectation, Failure, Write};

/// The one bucket there is.
const BUCKET: &str = "default";

struct Component;

impl contract::Guest for Component {
    fn get(key: String) -> Result<Option<contract::Entry>, contract::Error> {
        let entry = crate::get(&Lent::open()?, now(), &key)?;
        Ok(entry.map(contract::Entry::from))
    }

    fn list(
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<contract::Entry>, contract::Error> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let entries = crate::list(&Lent::open()?, now(), &prefix, after.as_deref(), limit)?;
        Ok(entries.into_iter().map(contract::Entry::from).collect())
    }

    fn commit(
        expected: Vec<contract::Expectation>,
        writes: Vec<contract::Write>,
    ) -> Result<contract::CommitOutcome, contract::Error> {
        let expected: Vec<_> = expected.into_iter().map(Expectation::from).collect();
        let writes: Vec<_> = writes.into_iter().map(Write::from).collect();
        match crate::commit(&Lent::open()?, now(), &expected, &writes)? {
            Commit::Committed => Ok(contract::CommitOutcome::Committed),
            Commit::Conflict => Ok(contract::CommitOutcome::Conflict),
        }
    }
}

/// The time, in seconds since 1970.
fn now() -> u64 {
    wall_clock::now().seconds
}

/// The bucket of the connection.
struct Lent(store::Bucket);

impl Lent {
    fn open() -> Result<Self, Failure> {
        Ok(Self(store::open(BUCKET)?))
    }
}

impl Bucket for Lent {
    type Seen = Cas;

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.0.get(key)?)
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<(), Failure> {
        Ok(self.0.set(key, value)?)
    }

    fn delete(&self, key: &str) -> Result<(), Failure> {
        Ok(self.0.delete(key)?)
    }

    fn exists(&self, key: &str) -> Result<bool, Failure> {
        Ok(self.0.exists(key)?)
    }

    fn increment(&self, key: &str) -> Result<u64, Failure> {
        let sum = atomics::increment(&self.0, key, 1)?;
        u64::try_from(sum)
            .map_err(|_| Failure::Unavailable("what is stored cannot be read".to_owned()))
    }

    fn look(&self, key: &str) -> Result<(Cas, Option<Vec<u8>>), Failure> {
        let seen = Cas::new(&self.0, key)?;
        let value = seen.current()?;
        Ok((seen, value))
    }

    fn swap(&self, seen: Cas, value: &[u8]) -> Result<bool, Failure> {
        match atomics::swap(seen, value) {
            Ok(()) => Ok(true),
            Err(CasError::CasFailed(_)) => Ok(false),
            Err(CasError::StoreError(error)) => Err(error.into()),
        }
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::Unavailable(match error {
            store::Error::NoSuchStore => format!("the host lends no bucket `{BUCKET}`"),
            store::Error::AccessDenied => format!("the host refuses the bucket `{BUCKET}`"),
            store::Error::Other(message) => message,
        })
    }
}

impl From<Failure> for contract::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Invalid(message) => Self::Invalid(message),
            Failure::Unavailable(message) => Self::Unavailable(message),
        }
    }
}

impl From<Entry> for contract::Entry {
    fn from(entry: Entry) -> Self {
        Self {
            key: entry.key,
            value: entry.value,
            version: entry.version,
        }
    }
}

impl From<contract::Expectation> for Expectation {
    fn from(expectation: contract::Expectation) -> Self {
        Self {
            key: expectation.key,
            version: expectation.version,
        }
    }
}

impl From<contract::Write> for Write {
    fn from(write: contract::Write) -> Self {
        Self {
            key: write.key,
            value: write.value,
            expires_at: write.expires_at_seconds,
        }
    }
}
