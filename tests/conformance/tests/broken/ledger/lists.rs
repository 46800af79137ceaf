//! Lists, ids and summaries that leave out, repeat or miscount.

use std::sync::Mutex;

use super::*;

noticed! {
    a_filter_leaks_connections: AnyConnection => a_list_has_what_its_filter_describes,
    a_filter_is_a_pattern: TextIsAPattern => a_list_has_what_its_filter_describes,
    a_page_skips_an_activity: SkipsFirst => pages_of_any_length_have_the_same,
    a_page_repeats_an_activity: RepeatsLast::default() => pages_of_any_length_have_the_same,
    a_cursor_is_a_time: ACursorIsATime => activities_that_began_together_are_all_listed,
    a_deletion_is_always_listed: AlwaysDeleted => a_deletion_without_content_is_last,
    pages_are_counted_off: Offsets => pages_stay_whole_while_activities_arrive,
    any_cursor_is_taken: AnyCursor => what_makes_no_sense_is_refused,
    a_page_has_no_bound: NoBound => limits_are_kept,
    ids_of_running_entries_are_told: RunningToo => ids_are_those_that_ran_in_the_range_and_have_stopped,
    deleted_entries_are_not_found: DeletedIsGone => activities_are_found_by_their_ids,
    running_entries_are_oldest_first: OldestFirst => running_entries_are_found_by_when_they_began,
    nothing_is_frozen: NeverFrozen => what_ran_when_a_connection_ended_is_frozen,
    a_summary_is_not_cut: Uncut => a_summary_adds_up_what_its_list_has,
    facets_follow_the_choice: ChosenFacets => facets_count_what_could_be_chosen,
}

struct AnyConnection;
flaw! { AnyConnection {
    activities(self, ledger, filter, cursor, limit) {
        let mut filter = filter.clone();
        if filter.subject.is_none() && filter.remote_user.is_none() {
            filter.connection = None;
        }
        ledger.activities(&filter, cursor, limit).await
    }
}}

struct TextIsAPattern;
flaw! { TextIsAPattern {
    activities(self, ledger, filter, cursor, limit) {
        let mut filter = filter.clone();
        // `_` is in everything that has a character.
        filter.text = filter.text.filter(|text| text != "_");
        ledger.activities(&filter, cursor, limit).await
    }
}}

struct SkipsFirst;
flaw! { SkipsFirst {
    activities(self, ledger, filter, cursor, limit) {
        let mut page = ledger.activities(filter, cursor, limit).await?;
        if cursor.is_some() && !page.items.is_empty() {
            page.items.remove(0);
        }
        Ok(page)
    }
}}

#[derive(Default)]
struct RepeatsLast(Mutex<Option<LedgerActivity>>);
flaw! { RepeatsLast {
    activities(self, ledger, filter, cursor, limit) {
        let mut page = ledger.activities(filter, cursor, limit).await?;
        let mut last = self.0.lock().unwrap();
        if let (Some(last), Some(first), true) =
            (last.take(), page.items.first_mut(), cursor.is_some())
        {
            *first = last;
        }
        last.clone_from(&page.items.last().cloned());
        Ok(page)
    }
}}

struct ACursorIsATime;
flaw! { ACursorIsATime {
    activities(self, ledger, filter, cursor, limit) {
        let before = cursor.and_then(|cursor| cursor.parse().ok());
        let mut filter = filter.clone();
        filter.to = before.or(filter.to);
        let page = ledger.activities(&filter, None, limit).await?;
        let last = page.items.last().and_then(|activity| activity.start);
        let next = page.next.and(last).map(|start| start.to_string());
        Ok(Page { next, ..page })
    }
}}

struct AlwaysDeleted;
flaw! { AlwaysDeleted {
    activities(self, ledger, filter, cursor, limit) {
        let filter = ActivityFilter {
            include_deleted: true,
            ..filter.clone()
        };
        ledger.activities(&filter, cursor, limit).await
    }
}}

struct Offsets;
flaw! { Offsets {
    activities(self, ledger, filter, cursor, limit) {
        let passed: usize = cursor
            .and_then(|cursor| cursor.parse().ok())
            .unwrap_or_default();
        let all = ledger.activities(filter, None, 1000).await?.items;
        let count = all.len();
        let items: Vec<_> = all.into_iter().skip(passed).take(limit).collect();
        let end = passed + items.len();
        Ok(Page {
            items,
            next: (end < count).then(|| end.to_string()),
        })
    }
}}

struct AnyCursor;
flaw! { AnyCursor {
    activities(self, ledger, filter, cursor, limit) {
        match ledger.activities(filter, cursor, limit).await {
            Err(LedgerError::Invalid(_)) if cursor.is_some() => {
                ledger.activities(filter, None, limit).await
            }
            outcome => outcome,
        }
    }
}}

struct NoBound;
flaw! { NoBound {
    changes(self, ledger, after, limit) {
        let mut all = ledger.changes(after, limit).await?;
        if let Some(last) = all.last().filter(|_| all.len() < limit) {
            all.extend(ledger.changes(last.cursor, limit).await?);
        }
        Ok(all)
    }
}}

struct RunningToo;
flaw! { RunningToo {
    activity_ids(self, ledger, id, from, to, after, limit) {
        let mut ids = ledger.activity_ids(id, from, to, after, limit).await?;
        ids.extend(ledger.running_ids(id, to, limit).await?);
        ids.retain(|id| after.is_none_or(|after| id.as_str() > after));
        ids.sort_unstable();
        ids.truncate(limit);
        Ok(ids)
    }
}}

/// Finds nothing that was deleted.
struct DeletedIsGone;
flaw! { DeletedIsGone {
    activities_by_id(self, ledger, id, entry_ids) {
        let mut found = ledger.activities_by_id(id, entry_ids).await?;
        found.retain(|activity| !activity.deleted);
        Ok(found)
    }
}}

struct OldestFirst;
flaw! { OldestFirst {
    running_ids(self, ledger, id, before, limit) {
        let mut ids = ledger.running_ids(id, before, limit).await?;
        ids.reverse();
        Ok(ids)
    }
}}

struct Uncut;
flaw! { Uncut {
    summary(self, ledger, filter, boundaries, now) {
        // What runs is counted to the end, as if it went on.
        let end = boundaries.last().copied().unwrap_or(now);
        ledger.summary(filter, boundaries, end).await
    }
}}

struct ChosenFacets;
flaw! { ChosenFacets {
    summary(self, ledger, filter, boundaries, now) {
        let mut summary = ledger.summary(filter, boundaries, now).await?;
        if let Some(tag) = &filter.tag {
            summary
                .facets
                .tags
                .items
                .retain(|counted| counted.value == *tag);
        }
        Ok(summary)
    }
}}

/// Shows what runs of a disconnected connection as if it ran on.
struct NeverFrozen;
flaw! { NeverFrozen {
    changes(self, ledger, after, limit) {
        let mut changes = ledger.changes(after, limit).await?;
        for activity in &mut changes {
            activity.frozen = false;
        }
        Ok(changes)
    }
}}
