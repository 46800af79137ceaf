//! Keys and connections that are taken for others.

use super::*;

noticed! {
    connections_share_their_keys: |_| OneConnection => connections_are_apart,
    connection_and_key_run_together: |_| RunTogether => connection_and_key_do_not_run_together,
    case_does_not_matter: |_| LowerCase => keys_that_differ_in_case_are_different,
    keys_are_trimmed: |_| Trimmed => odd_keys_are_keys_like_any_other,
    keys_are_cut: |_| Cut => keys_out_of_bounds_are_refused,
}

/// Where a flaw keeps what belongs to a connection and a key.
trait Misplaced: Send + Sync + 'static {
    fn place(connection: &ConnectionId, key: &str) -> (ConnectionId, String);

    /// The key of what was found; by itself, the key it was kept under.
    fn key(_connection: &ConnectionId, kept: String) -> String {
        kept
    }
}

#[async_trait]
impl<M: Misplaced> Flaw for M {
    async fn get(
        &self,
        store: &MemoryStore,
        connection: &ConnectionId,
        key: &str,
    ) -> Result<Option<Entry>> {
        let (place, kept) = M::place(connection, key);
        let found = store.get(&place, &kept).await?;
        Ok(found.map(|entry| Entry {
            key: key.to_owned(),
            ..entry
        }))
    }

    async fn list(
        &self,
        store: &MemoryStore,
        connection: &ConnectionId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        let (place, prefix) = M::place(connection, prefix);
        let after = after.map(|after| M::place(connection, after).1);
        let mut entries = store.list(&place, &prefix, after.as_deref(), limit).await?;
        for entry in &mut entries {
            entry.key = M::key(connection, std::mem::take(&mut entry.key));
        }
        Ok(entries)
    }

    async fn commit(
        &self,
        store: &MemoryStore,
        connection: &ConnectionId,
        expected: &[Expectation],
        writes: &[Write],
    ) -> Result<Commit> {
        let place = M::place(connection, "").0;
        let kept = |key: &str| M::place(connection, key).1;
        let expected: Vec<_> = expected
            .iter()
            .map(|expected| Expectation {
                key: kept(&expected.key),
                ..expected.clone()
            })
            .collect();
        let mut kept_writes: Vec<Write> = Vec::new();
        for write in writes {
            let write = Write {
                key: kept(&write.key),
                ..write.clone()
            };
            kept_writes.retain(|earlier| earlier.key != write.key);
            kept_writes.push(write);
        }
        store.commit(&place, &expected, &kept_writes).await
    }
}

struct OneConnection;
impl Misplaced for OneConnection {
    fn place(_: &ConnectionId, key: &str) -> (ConnectionId, String) {
        (ConnectionId::new("all"), key.to_owned())
    }
}

struct RunTogether;
impl Misplaced for RunTogether {
    fn place(connection: &ConnectionId, key: &str) -> (ConnectionId, String) {
        (ConnectionId::new("all"), format!("{connection}{key}"))
    }

    fn key(connection: &ConnectionId, kept: String) -> String {
        kept.chars()
            .skip(connection.as_str().chars().count())
            .collect()
    }
}

struct LowerCase;
impl Misplaced for LowerCase {
    fn place(connection: &ConnectionId, key: &str) -> (ConnectionId, String) {
        (connection.clone(), key.to_lowercase())
    }
}

struct Trimmed;
impl Misplaced for Trimmed {
    fn place(connection: &ConnectionId, key: &str) -> (ConnectionId, String) {
        (connection.clone(), key.trim_end().to_owned())
    }
}

struct Cut;
impl Misplaced for Cut {
    fn place(connection: &ConnectionId, key: &str) -> (ConnectionId, String) {
        (connection.clone(), key.chars().take(512).collect())
    }
}
