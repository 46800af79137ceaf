//! Storage in a Redis server.

mod host;
mod outages;
mod refusals;

use std::sync::Arc;
use std::time::Duration;

use integration_host_contract::clock::SystemClock;
use integration_host_contract::id::ConnectionId;
use integration_host_storage::{Entry, KeyValueStore, RedisStore, Write};
use test_services::{Forwarder, RedisServer};

/// How long a request may take in tests that do not wait for that.
const PATIENCE: Duration = Duration::from_secs(30);

async fn open(server: &RedisServer, timeout: Duration) -> RedisStore {
    let address = server.url().parse().unwrap();
    RedisStore::open(&address, timeout, Arc::new(SystemClock))
        .await
        .unwrap()
}

fn connection() -> ConnectionId {
    ConnectionId::new("connection")
}

fn put(key: &str, value: &[u8]) -> Write {
    Write {
        key: key.to_owned(),
        value: Some(value.to_vec()),
        expires_at: None,
    }
}

async fn get(store: &RedisStore, key: &str) -> Option<Entry> {
    store.get(&connection(), key).await.unwrap()
}
