//! Change feeds that repeat, skip, or tell things out of order.

use std::collections::HashSet;
use std::sync::Mutex;

use super::*;

noticed! {
    the_feed_repeats_a_change: RepeatsChanges => pages_of_the_feed_go_on_where_the_last_ended,
    the_feed_skips_a_change: SkipsChanges => pages_of_the_feed_go_on_where_the_last_ended,
    the_feed_hides_deletions: HidesDeleted => an_activity_is_in_the_feed_once_at_its_last_change,
    the_feed_tells_otherwise_than_lists: ForgetsUsers => whoever_follows_random_histories_sees_the_same,
    a_place_appears_late: AppearsLate::default() => whoever_follows_the_feed_misses_nothing,
    everything_moves: Touches => what_is_known_already_moves_nothing,
    what_moves_changes_its_order: MovesBackwards => activities_that_move_together_keep_their_order,
    names_move_nothing: NamesWithoutPlace::default() => names_of_subjects_that_arrive_late_move_what_is_below,
    nothing_spreads: SpreadsNothing => what_many_activities_share_is_told_of_all_of_them,
    everything_spreads_at_once: SpreadsAtOnce => what_many_activities_share_is_told_a_few_at_a_time,
    mappings_move_nothing: MapsUnseen::default() => mappings_and_names_of_people_move_their_activities,
}

struct RepeatsChanges;
flaw! { RepeatsChanges {
    changes(self, ledger, after, limit) {
        ledger.changes(after.saturating_sub(1), limit).await
    }
}}

struct SkipsChanges;
flaw! { SkipsChanges {
    changes(self, ledger, after, limit) {
        let first = if after == 0 {
            0
        } else {
            after.saturating_add(1)
        };
        ledger.changes(first, limit).await
    }
}}

struct SpreadsNothing;
flaw! { SpreadsNothing {
    spread_changes(self, _, _) {
        Ok(false)
    }
}}

struct SpreadsAtOnce;
flaw! { SpreadsAtOnce {
    spread_changes(self, ledger, _) {
        ledger.spread_changes(1_000).await
    }
}}

struct HidesDeleted;
flaw! { HidesDeleted {
    changes(self, ledger, after, limit) {
        let mut changes = ledger.changes(after, limit).await?;
        changes.retain(|activity| !activity.deleted);
        Ok(changes)
    }
}}

struct ForgetsUsers;
flaw! { ForgetsUsers {
    changes(self, ledger, after, limit) {
        let mut changes = ledger.changes(after, limit).await?;
        changes.iter_mut().for_each(|activity| activity.user = None);
        Ok(changes)
    }
}}

/// As when places are given out before changes are committed: one is seen only after a greater one was.
#[derive(Default)]
struct AppearsLate(Mutex<HashSet<u64>>);
flaw! { AppearsLate {
    changes(self, ledger, after, limit) {
        let mut changes = ledger.changes(after, limit).await?;
        let mut held_back = self.0.lock().unwrap();
        if let Some(first) = changes.first()
            && changes.len() > 1
            && first.cursor % 5 == 0
            && held_back.insert(first.cursor)
        {
            changes.remove(0);
        }
        Ok(changes)
    }
}}

struct Touches;
flaw! { Touches {
    apply(self, ledger, id, changes, delivery) {
        let mut touched = changes.clone();
        for activity in &mut touched.activities {
            let last = ledger.last_change().await?;
            activity.revision = format!("{} {last:09}", activity.revision);
        }
        ledger.apply(id, &touched, delivery).await
    }
}}

struct MovesBackwards;
flaw! { MovesBackwards {
    changes(self, ledger, after, limit) {
        let mut changes = ledger.changes(after, limit).await?;
        // Places grow, and the wrong activities are at them.
        let places: Vec<u64> = changes.iter().map(|activity| activity.cursor).collect();
        changes.reverse();
        for (activity, place) in changes.iter_mut().zip(places) {
            activity.cursor = place;
        }
        Ok(changes)
    }
}}

/// Leaves out of the feed whatever a call without activities moved.
#[derive(Default)]
struct NamesWithoutPlace(Mutex<HashSet<u64>>);
flaw! { NamesWithoutPlace {
    apply(self, ledger, id, changes, delivery) {
        let before = ledger.last_change().await?;
        let applied = ledger.apply(id, changes, delivery).await?;
        if changes.activities.is_empty() {
            let after = ledger.last_change().await?;
            self.0.lock().unwrap().extend(before + 1..=after);
        }
        Ok(applied)
    }

    changes(self, ledger, after, limit) {
        let mut changes = ledger.changes(after, limit).await?;
        changes.retain(|activity| !self.0.lock().unwrap().contains(&activity.cursor));
        Ok(changes)
    }
}}

/// Leaves out of the feed whatever a mapping moved.
#[derive(Default)]
struct MapsUnseen(Mutex<HashSet<u64>>);
flaw! { MapsUnseen {
    set_mapping(self, ledger, id, remote_user, change) {
        let before = ledger.last_change().await?;
        let member = ledger.set_mapping(id, remote_user, change).await?;
        let after = ledger.last_change().await?;
        self.0.lock().unwrap().extend(before + 1..=after);
        Ok(member)
    }

    changes(self, ledger, after, limit) {
        let mut changes = ledger.changes(after, limit).await?;
        changes.retain(|activity| !self.0.lock().unwrap().contains(&activity.cursor));
        Ok(changes)
    }
}}
