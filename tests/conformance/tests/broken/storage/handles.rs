//! Stores whose handles, calls or starts know nothing of each other.

use std::collections::HashMap;
use std::sync::Mutex;

use super::commits::WritesHalf;
use super::versions::{CountsPerKey, Versions};
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_durably() {
    expect_failure(
        "what_was_committed_survives",
        Kept::Durably,
        async |_, clock| MemoryStore::new(clock),
    )
    .await;
}

/// Data by name, as a server would keep it.
#[derive(Default)]
struct Server(Mutex<HashMap<String, Arc<MemoryStore>>>);

impl Server {
    fn open(&self, name: String, clock: Arc<dyn Clock>) -> Arc<MemoryStore> {
        let mut stores = self.0.lock().unwrap();
        Arc::clone(
            stores
                .entry(name)
                .or_insert_with(|| Arc::new(MemoryStore::new(clock))),
        )
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_begin_anew_with_every_start() {
    let server = Server::default();
    let open = async |name, clock| Flawed {
        store: server.open(name, clock),
        flaw: Versions(CountsPerKey::default()),
    };
    expect_failure(
        "a_version_does_not_come_back_after_a_restart",
        Kept::Durably,
        open,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_change_is_there_after_a_start() {
    let server = Server::default();
    let open = async |name, clock| Flawed {
        store: server.open(name, clock),
        flaw: WritesHalf,
    };
    expect_failure("what_was_refused_does_not_come_back", Kept::Durably, open).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_handle_remembers_what_it_read() {
    let server = Server::default();
    let open = async |name, clock| Flawed {
        store: server.open(name, clock),
        flaw: Remembers::default(),
    };
    expect_failure(
        "what_is_committed_is_seen_through_every_handle",
        Kept::Shared,
        open,
    )
    .await;
}

#[derive(Default)]
struct Remembers(Mutex<HashMap<(ConnectionId, String), Option<Entry>>>);
flaw! { Remembers {
    get(self, store, connection, key) {
        let place = (connection.clone(), key.to_owned());
        let remembered = self.0.lock().unwrap().get(&place).cloned();
        if let Some(entry) = remembered {
            return Ok(entry);
        }
        let found = store.get(connection, key).await?;
        self.0.lock().unwrap().insert(place, found.clone());
        Ok(found)
    }

    commit(self, store, connection, expected, writes) {
        // What this handle writes it forgets; what others write it does not hear of.
        self.0.lock().unwrap().clear();
        store.commit(connection, expected, writes).await
    }
}}

noticed! {
    a_dropped_call_stays_in_the_way: |_| NeverLetsGo::default() => a_dropped_call_leaves_nothing_half_done,
    a_new_connection_is_unknown: |_| Announced => an_unknown_connection_has_no_keys,
    values_are_not_bounded: |_| CutsAtTheBound => a_value_that_is_too_large_is_refused,
}

#[derive(Default)]
struct NeverLetsGo(std::sync::atomic::AtomicBool);
flaw! { NeverLetsGo {
    commit(self, store, connection, expected, writes) {
        use std::sync::atomic::Ordering::SeqCst;
        if self.0.swap(true, SeqCst) {
            return Err(StorageError::Unavailable(
                "the last commit has not ended".to_owned(),
            ));
        }
        tokio::task::yield_now().await;
        let outcome = store.commit(connection, expected, writes).await;
        self.0.store(false, SeqCst);
        outcome
    }
}}

struct Announced;
flaw! { Announced {
    list(self, store, connection, prefix, after, limit) {
        if store.list(connection, "", None, 1).await?.is_empty() {
            return Err(StorageError::Invalid(format!(
                "there is no connection {connection}"
            )));
        }
        store.list(connection, prefix, after, limit).await
    }
}}

struct CutsAtTheBound;
flaw! { CutsAtTheBound {
    commit(self, store, connection, expected, writes) {
        let mut writes = writes.to_vec();
        for value in writes.iter_mut().filter_map(|write| write.value.as_mut()) {
            value.truncate(integration_host_storage::MAX_STORED_BYTES);
        }
        store.commit(connection, expected, &writes).await
    }
}}
