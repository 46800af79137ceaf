//! Commits that lose, tear or overlook.

use super::*;

noticed! {
    a_write_is_dropped: |_| DropsAWrite => a_commit_writes_everything,
    a_deletion_is_dropped: |_| DropsDeletions => deleted_keys_are_absent,
    expectations_are_ignored: |_| IgnoresExpectations => expectations_guard_a_commit,
    only_written_keys_are_checked: |_| ChecksWrittenKeys => expectations_of_keys_that_are_not_written_count,
    write_skew_is_possible: |_| ChecksWrittenKeys => no_write_skew,
    the_second_expectation_is_forgotten: |_| ChecksTheFirst => random_histories_agree_with_a_model,
    a_conflict_writes_half: |_| WritesHalf => a_conflict_writes_nothing,
    a_commit_is_seen_in_two_parts: |_| WritesInTwoParts => a_list_sees_commits_as_a_whole,
    a_dropped_call_is_half_done: |_| WritesInTwoParts => a_dropped_call_leaves_nothing_half_done,
    checking_and_writing_are_apart: |_| ChecksThenWrites => no_update_is_lost,
    two_create_the_same_key: |_| ChecksThenWrites => one_of_many_creates_a_key,
    a_key_is_written_twice: |_| LastOfTwo => a_key_written_twice_is_refused,
    an_empty_commit_is_refused: |_| RefusesNothing => a_commit_may_be_empty,
    large_values_are_cut: |_| CutsValues => the_largest_value_fits,
    values_are_text: |_| KeepsText => a_value_is_read_as_it_was_written,
    one_call_at_a_time: |_| OneAtATime::default() => many_calls_at_once_are_all_answered,
}

struct DropsAWrite;
flaw! { DropsAWrite {
    commit(self, store, connection, expected, writes) {
        let kept = writes.len() - usize::from(writes.len() > 2);
        store.commit(connection, expected, &writes[..kept]).await
    }
}}

struct DropsDeletions;
flaw! { DropsDeletions {
    commit(self, store, connection, expected, writes) {
        let puts: Vec<_> = writes
            .iter()
            .filter(|write| write.value.is_some())
            .cloned()
            .collect();
        store.commit(connection, expected, &puts).await
    }
}}

struct IgnoresExpectations;
flaw! { IgnoresExpectations {
    commit(self, store, connection, _expected, writes) {
        store.commit(connection, &[], writes).await
    }
}}

struct ChecksWrittenKeys;
flaw! { ChecksWrittenKeys {
    commit(self, store, connection, expected, writes) {
        let is_written =
            |expected: &&Expectation| writes.iter().any(|write| write.key == expected.key);
        let expected: Vec<_> = expected.iter().filter(is_written).cloned().collect();
        store.commit(connection, &expected, writes).await
    }
}}

struct ChecksTheFirst;
flaw! { ChecksTheFirst {
    commit(self, store, connection, expected, writes) {
        let first = &expected[..expected.len().min(1)];
        store.commit(connection, first, writes).await
    }
}}

pub(super) struct WritesHalf;
flaw! { WritesHalf {
    commit(self, store, connection, expected, writes) {
        let outcome = store.commit(connection, expected, writes).await?;
        if outcome == Commit::Conflict {
            store
                .commit(connection, &[], &writes[..writes.len() / 2])
                .await?;
        }
        Ok(outcome)
    }
}}

struct WritesInTwoParts;
flaw! { WritesInTwoParts {
    commit(self, store, connection, expected, writes) {
        if store.commit(connection, expected, &[]).await? == Commit::Conflict {
            return Ok(Commit::Conflict);
        }
        let (first, second) = writes.split_at(writes.len() / 2);
        store.commit(connection, &[], first).await?;
        // As long as a database takes to answer.
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        store.commit(connection, &[], second).await
    }
}}

struct ChecksThenWrites;
flaw! { ChecksThenWrites {
    commit(self, store, connection, expected, writes) {
        if store.commit(connection, expected, &[]).await? == Commit::Conflict {
            return Ok(Commit::Conflict);
        }
        // As long as a database takes to answer.
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        store.commit(connection, &[], writes).await
    }
}}

struct LastOfTwo;
flaw! { LastOfTwo {
    commit(self, store, connection, expected, writes) {
        let mut last: Vec<Write> = Vec::new();
        for write in writes {
            last.retain(|earlier| earlier.key != write.key);
            last.push(write.clone());
        }
        store.commit(connection, expected, &last).await
    }
}}

struct RefusesNothing;
flaw! { RefusesNothing {
    commit(self, store, connection, expected, writes) {
        if writes.is_empty() {
            return Err(StorageError::Invalid(
                "there is nothing to write".to_owned(),
            ));
        }
        store.commit(connection, expected, writes).await
    }
}}

/// Changes every value that is written.
async fn commit_changed(
    store: &MemoryStore,
    connection: &ConnectionId,
    expected: &[Expectation],
    writes: &[Write],
    change: impl Fn(&[u8]) -> Vec<u8> + Send,
) -> Result<Commit> {
    let changed: Vec<_> = writes
        .iter()
        .map(|write| Write {
            value: write.value.as_deref().map(&change),
            ..write.clone()
        })
        .collect();
    store.commit(connection, expected, &changed).await
}

struct CutsValues;
flaw! { CutsValues {
    commit(self, store, connection, expected, writes) {
        let cut = |value: &[u8]| value[..value.len().min(1 << 20)].to_vec();
        commit_changed(store, connection, expected, writes, cut).await
    }
}}

struct KeepsText;
flaw! { KeepsText {
    commit(self, store, connection, expected, writes) {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned().into_bytes();
        commit_changed(store, connection, expected, writes, text).await
    }
}}

#[derive(Default)]
struct OneAtATime(tokio::sync::Mutex<()>);
flaw! { OneAtATime {
    commit(self, store, connection, expected, writes) {
        let busy = |_| StorageError::Unavailable("busy".to_owned());
        let _turn = self.0.try_lock().map_err(busy)?;
        // As long as a database takes to answer.
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        store.commit(connection, expected, writes).await
    }
}}
