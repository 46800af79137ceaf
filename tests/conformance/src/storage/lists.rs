//! Lists: in order, page by page, also while they change.

use anyhow::{Result, ensure};
use integration_host_contract::clock::Clock as _;
use integration_host_storage::MAX_LIST;
use jiff::SignedDuration;

use super::scope::{Scope, delete, put, put_until};
use super::{Case, World};
use crate::suite::{case, same};

const IN_ORDER: &str =
    "A list has the keys that begin with the prefix and come after after, in order, without gaps.";
const ANYWHERE: &str = "Neither the prefix nor after need be a key: the empty prefix is every key's, and after may be \
    before or beyond all keys with the prefix.";
const FULL: &str = "A page has as many entries as there are, up to limit and MAX_LIST: a shorter one is the last, and \
    expired entries do not shorten it.";
const UNDER_CHANGE: &str = "Whoever goes on after the last key of each page meets every key that was there all the time \
    exactly once, whatever is written and deleted meanwhile.";

pub(super) const CASES: &[Case] = &[
    case!(
        pages_have_every_key_once_and_in_order,
        IN_ORDER,
        "stored values would be left behind or used twice"
    ),
    case!(
        a_list_has_what_begins_with_its_prefix,
        IN_ORDER,
        "a call would act on what it did not ask for"
    ),
    case!(
        a_list_goes_on_after_any_text,
        ANYWHERE,
        "a list would end when the key it had come to was deleted"
    ),
    case!(
        pages_are_as_long_as_they_can_be,
        FULL,
        "a list would end before all of it was read"
    ),
    case!(
        expired_entries_do_not_shorten_a_page,
        FULL,
        "a list would end before all of it was read"
    ),
    case!(
        pages_stay_whole_while_keys_come_and_go,
        UNDER_CHANGE,
        "stored values would be left behind or used twice"
    ),
];

/// Follows pages to the end.
async fn follow(scope: &Scope, prefix: &str, limit: usize) -> Result<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    loop {
        let page = scope
            .keys(prefix, found.last().map(String::as_str), limit)
            .await?;
        let is_last = page.len() < limit;
        found.extend(page);
        if is_last {
            return Ok(found);
        }
        ensure!(found.len() <= 10_000, "pages of {limit} have no end");
    }
}

async fn pages_have_every_key_once_and_in_order(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    let mut names: Vec<String> = (0..250).map(|number| format!("page/{number}")).collect();
    let writes: Vec<_> = names.iter().rev().map(|name| put(name, name)).collect();
    scope.write(&writes).await?;
    scope.of("another").write(&writes).await?;
    let beside = ["page", "page0", "pagf", "Page/1"].map(|key| put(key, ""));
    scope.write(&beside).await?;
    names.sort_unstable();
    for limit in [1, 7, 50, 250, 251, MAX_LIST] {
        same(
            follow(&scope, "page/", limit).await?,
            names.clone(),
            format!("pages of {limit}"),
        )?;
    }
    let listed = scope.list("page/", None, 3).await?;
    for entry in listed {
        same(
            scope.get(&entry.key).await?,
            Some(entry),
            "what get and list tell of one key",
        )?;
    }
    Ok(())
}

async fn a_list_has_what_begins_with_its_prefix(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    let keys = ["a", "a/", "a/1", "a/2", "a0", "aa", "b", "b/1"];
    scope.write(&keys.map(|key| put(key, ""))).await?;
    for prefix in ["", "a", "a/", "a/1", "a/1/", "b", "c"] {
        let expected: Vec<_> = keys
            .into_iter()
            .filter(|key| key.starts_with(prefix))
            .collect();
        same(
            scope.keys(prefix, None, 100).await?,
            expected,
            format!("keys with {prefix:?}"),
        )?;
    }
    Ok(())
}

async fn a_list_goes_on_after_any_text(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    let keys = ["a", "m/1", "m/2", "m/4", "z"];
    scope.write(&keys.map(|key| put(key, ""))).await?;
    for after in [
        "", "a", "m", "m/", "m/1", "m/1\0", "m/2", "m/3", "m/4", "m0", "n", "z", "zz",
    ] {
        for prefix in ["", "m/"] {
            let expected: Vec<_> = keys
                .into_iter()
                .filter(|key| key.starts_with(prefix) && *key > after)
                .collect();
            let found = scope.keys(prefix, Some(after), 100).await?;
            same(
                found,
                expected,
                format!("keys with {prefix:?} after {after:?}"),
            )?;
        }
    }
    Ok(())
}

async fn pages_are_as_long_as_they_can_be(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    let count = MAX_LIST + 20;
    let writes: Vec<_> = (0..count)
        .map(|number| put(&format!("{number:04}"), ""))
        .collect();
    for writes in writes.chunks(300) {
        scope.write(writes).await?;
    }
    for limit in [0, 1, 999, MAX_LIST] {
        same(
            scope.keys("", None, limit).await?.len(),
            limit,
            "the length of a page",
        )?;
    }
    for limit in [MAX_LIST + 1, usize::MAX] {
        same(
            scope.keys("", None, limit).await?.len(),
            MAX_LIST,
            format!("the length of a page of {limit}"),
        )?;
    }
    same(
        follow(&scope, "", MAX_LIST).await?.len(),
        count,
        "keys on all pages",
    )
}

async fn expired_entries_do_not_shorten_a_page(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    let soon = world.clock().now() + SignedDuration::from_secs(1);
    let writes: Vec<_> = (0..300)
        .map(|number| match (format!("{number:03}"), number % 10) {
            (key, 9) => put(&key, ""),
            (key, _) => put_until(&key, "", soon),
        })
        .collect();
    scope.write(&writes).await?;
    world.clock().advance(SignedDuration::from_secs(2));
    same(
        scope.keys("", None, 4).await?,
        ["009", "019", "029", "039"],
        "a page between expired keys",
    )?;
    same(follow(&scope, "", 7).await?.len(), 30, "keys on all pages")
}

async fn pages_stay_whole_while_keys_come_and_go(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    let steady: Vec<String> = (0..60)
        .map(|number| format!("{number:02}/steady"))
        .collect();
    let writes: Vec<_> = steady.iter().map(|key| put(key, "1")).collect();
    scope.write(&writes).await?;
    let (mut found, mut last) = (Vec::new(), None::<String>);
    for round in 0.. {
        let page = scope.keys("", last.as_deref(), 5).await?;
        let is_last = page.len() < 5;
        if let Some(key) = page.last() {
            // The key the list came to goes, another comes behind and one ahead, and values change.
            let mut writes = vec![
                put(&format!("{key}/behind"), "1"),
                put("00/first", round.to_string()),
            ];
            if !key.ends_with("steady") {
                writes.push(delete(key));
            }
            writes.push(put(&format!("{:02}/ahead", (round * 7) % 60), "1"));
            let changed = format!("{:02}/steady", (round * 11) % 60);
            writes.push(put(&changed, round.to_string()));
            scope.write(&writes).await?;
        }
        last = page.last().cloned().or(last);
        found.extend(page);
        if is_last {
            break;
        }
        ensure!(
            found.len() < 10_000,
            "pages have no end while keys are written behind them"
        );
    }
    ensure!(
        found.is_sorted_by(|one, other| one < other),
        "keys are repeated or out of order: {found:?}"
    );
    let met: Vec<_> = found
        .into_iter()
        .filter(|key| key.ends_with("/steady"))
        .collect();
    same(met, steady, "keys that were there all the time")
}
