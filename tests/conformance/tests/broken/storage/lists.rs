//! Lists that skip, repeat, confuse or end early.

use std::sync::Mutex;

use super::*;

noticed! {
    a_page_skips_a_key: |_| Skips => pages_have_every_key_once_and_in_order,
    a_page_repeats_a_key: |_| Repeats => pages_have_every_key_once_and_in_order,
    a_prefix_is_a_pattern: |_| LikePatterns => no_character_of_a_prefix_is_a_wildcard,
    a_prefix_ignores_case: |_| IgnoresCase => keys_that_differ_in_case_are_different,
    keys_are_in_the_order_of_a_language: |_| Collates => keys_are_ordered_by_bytes,
    keys_are_in_any_order: |_| Unordered => keys_are_ordered_by_bytes,
    after_must_be_a_key: |_| NeedsAfter => a_list_goes_on_after_any_text,
    a_prefix_is_a_folder: |_| Folders => a_list_has_what_begins_with_its_prefix,
    pages_are_short: |_| ShortPages => pages_are_as_long_as_they_can_be,
    pages_are_counted_off: |_| Offsets::default() => pages_stay_whole_while_keys_come_and_go,
}

struct Skips;
flaw! { Skips {
    list(self, store, connection, prefix, after, limit) {
        let mut entries = store
            .list(connection, prefix, after, limit.saturating_add(1))
            .await?;
        if after.is_some() && !entries.is_empty() {
            entries.remove(0);
        }
        entries.truncate(limit);
        Ok(entries)
    }
}}

struct Repeats;
flaw! { Repeats {
    list(self, store, connection, prefix, after, limit) {
        let mut entries = all(store, connection, prefix).await?;
        entries.retain(|entry| after.is_none_or(|after| entry.key.as_str() >= after));
        entries.truncate(limit);
        Ok(entries)
    }
}}

/// Everything with a prefix.
async fn all(store: &MemoryStore, connection: &ConnectionId, prefix: &str) -> Result<Vec<Entry>> {
    store.list(connection, prefix, None, usize::MAX).await
}

/// A page of what is left of everything.
async fn filtered(
    store: &MemoryStore,
    connection: &ConnectionId,
    after: Option<&str>,
    limit: usize,
    is_listed: impl Fn(&str) -> bool + Send,
) -> Result<Vec<Entry>> {
    let mut entries = all(store, connection, "").await?;
    entries.retain(|entry| {
        is_listed(&entry.key) && after.is_none_or(|after| entry.key.as_str() > after)
    });
    entries.truncate(limit);
    Ok(entries)
}

struct LikePatterns;
flaw! { LikePatterns {
    list(self, store, connection, prefix, after, limit) {
        let pattern: Vec<char> = prefix.chars().chain(['%']).collect();
        let is_like = |key: &str| is_like(&key.chars().collect::<Vec<_>>(), &pattern);
        filtered(store, connection, after, limit, is_like).await
    }
}}

/// What `LIKE` does.
fn is_like(text: &[char], pattern: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('%', rest)) => (0..=text.len()).any(|from| is_like(&text[from..], rest)),
        Some((wanted, rest)) => text.split_first().is_some_and(|(found, text)| {
            (*wanted == '_' || wanted == found) && is_like(text, rest)
        }),
    }
}

struct IgnoresCase;
flaw! { IgnoresCase {
    list(self, store, connection, prefix, after, limit) {
        let prefix = prefix.to_lowercase();
        let begins = |key: &str| key.to_lowercase().starts_with(&prefix);
        filtered(store, connection, after, limit, begins).await
    }
}}

struct Collates;
flaw! { Collates {
    list(self, store, connection, prefix, after, limit) {
        let order = |key: &str| (key.to_lowercase(), key.to_owned());
        let mut entries = all(store, connection, prefix).await?;
        entries.sort_by_key(|entry| order(&entry.key));
        entries.retain(|entry| after.is_none_or(|after| order(&entry.key) > order(after)));
        entries.truncate(limit);
        Ok(entries)
    }
}}

struct Unordered;
flaw! { Unordered {
    list(self, store, connection, prefix, after, limit) {
        let mut entries = store.list(connection, prefix, after, limit).await?;
        entries.sort_by_key(|entry| entry.key.len());
        Ok(entries)
    }
}}

struct NeedsAfter;
flaw! { NeedsAfter {
    list(self, store, connection, prefix, after, limit) {
        let everything = all(store, connection, "").await?;
        if after.is_some_and(|after| everything.iter().all(|entry| entry.key != after)) {
            return Ok(Vec::new());
        }
        store.list(connection, prefix, after, limit).await
    }
}}

struct Folders;
flaw! { Folders {
    list(self, store, connection, prefix, after, limit) {
        let folder = prefix.trim_end_matches('/');
        let is_in = |key: &str| {
            let rest = key.strip_prefix(folder);
            rest.is_some_and(|rest| folder.is_empty() || rest.is_empty() || rest.starts_with('/'))
        };
        filtered(store, connection, after, limit, is_in).await
    }
}}

struct ShortPages;
flaw! { ShortPages {
    list(self, store, connection, prefix, after, limit) {
        store.list(connection, prefix, after, limit.min(500)).await
    }
}}

/// Goes on after so many entries rather than after a key.
#[derive(Default)]
struct Offsets(Mutex<Option<(String, usize)>>);
flaw! { Offsets {
    list(self, store, connection, prefix, after, limit) {
        let mut entries = all(store, connection, prefix).await?;
        let mut place = self.0.lock().unwrap();
        let passed = match (&*place, after) {
            (Some((last, passed)), Some(after)) if last == after => *passed,
            (_, Some(after)) => entries.partition_point(|entry| entry.key.as_str() <= after),
            (_, None) => 0,
        };
        entries.drain(..passed.min(entries.len()));
        entries.truncate(limit);
        *place = entries
            .last()
            .map(|last| (last.key.clone(), passed + entries.len()));
        Ok(entries)
    }
}}
