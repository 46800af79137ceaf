//! Activities that are applied, told or counted wrongly.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

noticed! {
    older_revisions_are_applied: TheLastWins::default() => the_newest_content_counts,
    the_first_to_arrive_wins: TheFirstWins::default() => states_of_one_entry_at_once_end_as_the_newest,
    the_order_of_arrival_matters: TheLastWins::default() => any_order_and_repetition_ends_in_the_same_ledger,
    revisions_are_numbers: Numbers => the_newest_content_counts,
    deletions_are_forgotten: NothingIsDeleted => a_deleted_activity_stays_deleted,
    nothing_is_weak: AllIsTold => what_is_seen_again_is_not_deleted,
    weak_deletions_stay: AllIsTold => random_histories_with_weak_deletions_end_as_the_contract_says,
    deletions_end_otherwise: NothingIsDeleted => random_histories_end_as_the_contract_says,
    everything_counts_as_changed: AllChanged => what_arrives_is_counted,
    tags_are_sorted: SortsTags => an_activity_is_told_as_it_arrived,
    characters_of_four_bytes_are_dropped: ThreeBytes => an_activity_is_told_as_it_arrived,
    titles_are_the_wrong_way_round: Reversed => a_title_has_what_is_known,
    paths_are_cut_short: ShortPaths => a_path_ends,
    names_are_never_replaced: TheFirstName::default() => the_newest_state_of_a_subject_counts,
    entries_of_connections_meet: OneConnection::default() => entries_are_of_their_connection,
    a_delivery_is_recorded_apart: RecordsApart => a_call_is_applied_as_a_whole,
    a_dropped_call_is_half_done: RecordsApart => a_dropped_call_leaves_nothing_half_done,
    every_delivery_is_another_entry: Doubles::default() => deliveries_at_once_are_each_there_once,
}

/// Applies with other activities.
async fn apply_changed(
    ledger: &SqliteLedger,
    id: &ConnectionId,
    changes: &Changes,
    delivery: Option<DeliveryRecord>,
    change: impl Fn(&mut Activity) + Send,
) -> Result<Applied> {
    let mut changes = changes.clone();
    changes.activities.iter_mut().for_each(change);
    ledger.apply(id, &changes, delivery).await
}

/// Takes every deletion for one that was told of.
struct AllIsTold;
flaw! { AllIsTold {
    apply(self, ledger, id, changes, delivery) {
        let tell = |activity: &mut Activity| {
            if activity.deleted && activity.event_id.is_none() {
                activity.event_id = Some("event".to_owned());
            }
        };
        apply_changed(ledger, id, changes, delivery, tell).await
    }
}}

#[derive(Default)]
struct TheLastWins(AtomicU64);
flaw! { TheLastWins {
    apply(self, ledger, id, changes, delivery) {
        let number = |activity: &mut Activity| {
            let place = self.0.fetch_add(1, Ordering::SeqCst);
            activity.revision = format!("{place:09} {}", activity.revision);
        };
        apply_changed(ledger, id, changes, delivery, number).await
    }

    activities(self, ledger, filter, cursor, limit) {
        let mut page = ledger.activities(filter, cursor, limit).await?;
        for activity in &mut page.items {
            activity.revision = activity.revision.split_off(10);
        }
        Ok(page)
    }
}}

/// Keeps whatever came first.
#[derive(Default)]
struct TheFirstWins(tokio::sync::Mutex<()>);
flaw! { TheFirstWins {
    apply(self, ledger, id, changes, delivery) {
        let _turn = self.0.lock().await;
        let known = ledger.changes(0, 1000).await?;
        let mut changes = changes.clone();
        changes
            .activities
            .retain(|new| known.iter().all(|known| known.entry_id != new.id));
        ledger.apply(id, &changes, delivery).await
    }
}}

struct Numbers;
flaw! { Numbers {
    apply(self, ledger, id, changes, delivery) {
        let pad = |activity: &mut Activity| activity.revision = format!("{:>9}", activity.revision);
        apply_changed(ledger, id, changes, delivery, pad).await
    }

    activities(self, ledger, filter, cursor, limit) {
        let mut page = ledger.activities(filter, cursor, limit).await?;
        for activity in &mut page.items {
            activity.revision = activity.revision.trim().to_owned();
        }
        Ok(page)
    }
}}

struct NothingIsDeleted;
flaw! { NothingIsDeleted {
    apply(self, ledger, id, changes, delivery) {
        let keep = |activity: &mut Activity| activity.deleted = false;
        apply_changed(ledger, id, changes, delivery, keep).await
    }
}}

struct AllChanged;
flaw! { AllChanged {
    apply(self, ledger, id, changes, delivery) {
        let applied = ledger.apply(id, changes, delivery).await?;
        Ok(Applied {
            changed: applied.applied,
            ..applied
        })
    }
}}

struct SortsTags;
flaw! { SortsTags {
    apply(self, ledger, id, changes, delivery) {
        let sort = |activity: &mut Activity| {
            if let Some(content) = &mut activity.content {
                content.tags.sort();
                content.tags.dedup();
            }
        };
        apply_changed(ledger, id, changes, delivery, sort).await
    }
}}

/// As a database does that stores a character in at most three bytes.
struct ThreeBytes;
flaw! { ThreeBytes {
    apply(self, ledger, id, changes, delivery) {
        let drop_others = |activity: &mut Activity| {
            if let Some(content) = &mut activity.content {
                content
                    .description
                    .retain(|character| character.len_utf8() <= 3);
            }
        };
        apply_changed(ledger, id, changes, delivery, drop_others).await
    }
}}

struct Reversed;
flaw! { Reversed {
    activities(self, ledger, filter, cursor, limit) {
        let mut page = ledger.activities(filter, cursor, limit).await?;
        page.items
            .iter_mut()
            .for_each(|activity| activity.title.reverse());
        Ok(page)
    }
}}

struct ShortPaths;
flaw! { ShortPaths {
    activities(self, ledger, filter, cursor, limit) {
        let mut page = ledger.activities(filter, cursor, limit).await?;
        for activity in &mut page.items {
            let first = activity.title.len().saturating_sub(4);
            activity.title.drain(..first);
        }
        Ok(page)
    }
}}

/// Lets in one state of each subject.
#[derive(Default)]
struct TheFirstName(std::sync::Mutex<std::collections::HashSet<String>>);
flaw! { TheFirstName {
    apply(self, ledger, id, changes, delivery) {
        let mut changes = changes.clone();
        changes.subjects.retain(|subject| {
            subject.name.is_none() || self.0.lock().unwrap().insert(subject.id.clone())
        });
        ledger.apply(id, &changes, delivery).await
    }
}}

/// Puts everything into the connection that came first.
#[derive(Default)]
struct OneConnection(tokio::sync::OnceCell<ConnectionId>);
flaw! { OneConnection {
    apply(self, ledger, id, changes, delivery) {
        let first = self.0.get_or_init(async || id.clone()).await;
        ledger.apply(first, changes, delivery).await
    }
}}

struct RecordsApart;
flaw! { RecordsApart {
    apply(self, ledger, id, changes, delivery) {
        let applied = ledger.apply(id, changes, None).await?;
        if delivery.is_some() {
            ledger.apply(id, &Changes::default(), delivery).await?;
        }
        Ok(applied)
    }
}}

#[derive(Default)]
struct Doubles(AtomicU64);
flaw! { Doubles {
    apply(self, ledger, id, changes, delivery) {
        let number = |activity: &mut Activity| {
            activity.id = format!("{}#{}", activity.id, self.0.fetch_add(1, Ordering::SeqCst));
        };
        apply_changed(ledger, id, changes, delivery, number).await
    }
}}
