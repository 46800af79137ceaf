//! Buckets as one call of a storage provider sees them.

use wasmtime::component::{Resource, ResourceTableError};

use super::{BUCKET, Bucket, LentBuckets, Seen, full};
use crate::bindings::storage_provider::wasi::keyvalue::atomics;
use crate::bindings::storage_provider::wasi::keyvalue::atomics::CasError;
use crate::bindings::storage_provider::wasi::keyvalue::store;
use crate::bindings::storage_provider::wasi::keyvalue::store::{Error, KeyResponse};
use integration_host_storage::StorageError;

impl store::Host for LentBuckets {
    async fn open(&mut self, identifier: String) -> Result<Resource<Bucket>, Error> {
        if identifier != BUCKET {
            return Err(Error::NoSuchStore);
        }
        Ok(self.table.push(Bucket(()))?)
    }
}

impl store::HostBucket for LentBuckets {
    async fn get(&mut self, _: Resource<Bucket>, key: String) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.entry(&key).await?.map(|entry| entry.value))
    }

    async fn set(&mut self, _: Resource<Bucket>, key: String, value: Vec<u8>) -> Result<(), Error> {
        Ok(self.write(&key, Some(value)).await?)
    }

    async fn delete(&mut self, _: Resource<Bucket>, key: String) -> Result<(), Error> {
        Ok(self.write(&key, None).await?)
    }

    async fn exists(&mut self, _: Resource<Bucket>, key: String) -> Result<bool, Error> {
        Ok(self.entry(&key).await?.is_some())
    }

    async fn list_keys(
        &mut self,
        _: Resource<Bucket>,
        cursor: Option<String>,
    ) -> Result<KeyResponse, Error> {
        let (keys, may_go_on) = self.keys(cursor.as_deref()).await?;
        let cursor = keys.last().filter(|_| may_go_on).cloned();
        Ok(KeyResponse { keys, cursor })
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for LentBuckets {
    async fn increment(
        &mut self,
        _: Resource<Bucket>,
        key: String,
        delta: i64,
    ) -> Result<i64, Error> {
        Ok(LentBuckets::increment(self, &key, delta).await?)
    }

    async fn swap(&mut self, cas: Resource<Seen>, value: Vec<u8>) -> Result<(), CasError> {
        let seen = self.table.delete(cas).map_err(Error::from)?;
        if LentBuckets::swap(self, &seen, value)
            .await
            .map_err(Error::from)?
        {
            return Ok(());
        }
        let seen = self.look(seen.key).await.map_err(Error::from)?;
        let again = self.table.push(seen).map_err(Error::from)?;
        Err(CasError::CasFailed(again))
    }
}

impl atomics::HostCas for LentBuckets {
    async fn new(&mut self, _: Resource<Bucket>, key: String) -> Result<Resource<Seen>, Error> {
        let seen = self.look(full(&key)).await?;
        Ok(self.table.push(seen)?)
    }

    async fn current(&mut self, cas: Resource<Seen>) -> Result<Option<Vec<u8>>, Error> {
        let seen = self.table.get(&cas)?;
        Ok(seen.entry.as_ref().map(|entry| entry.value.clone()))
    }

    async fn drop(&mut self, cas: Resource<Seen>) -> wasmtime::Result<()> {
        self.table.delete(cas)?;
        Ok(())
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        Self::Other(error.to_string())
    }
}

/// A handle that is none, or more of them than there may be.
impl From<ResourceTableError> for Error {
    fn from(error: ResourceTableError) -> Self {
        Self::Other(error.to_string())
    }
}

impl From<Error> for CasError {
    fn from(error: Error) -> Self {
        Self::StoreError(error)
    }
}
