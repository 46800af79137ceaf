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
#[async_trait]
impl Flaw for RepeatsChanges {
    async fn changes(
        &self,
        ledger: &SqliteLedger,
        after: u64,
        limit: usize,
    ) -> Result<Vec<LedgerActivity>> {
        ledger.changes(after.saturating_sub(1), limit).await
    }
}

struct SkipsChanges;
#[async_trait]
impl Flaw for SkipsChanges {
    async fn changes(
        &self,
        ledger: &SqliteLedger,
        after: u64,
        limit: usize,
    ) -> Result<Vec<LedgerActivity>> {
        let first = if after == 0 {
            0
        } else {
            after.saturating_add(1)
        };
        ledger.changes(first, limit).await
    }
}

struct SpreadsNothing;
#[async_trait]
impl Flaw for SpreadsNothing {
    async fn spread_changes(&self, _: &SqliteLedger, _: usize) -> Result<bool> {
        Ok(false)
    }
}

struct SpreadsAtOnce;
#[async_trait]
impl Flaw for SpreadsAtOnce {
    async fn spread_changes(&self, ledger: &SqliteLedger, _: usize) -> Result<bool> {
        ledger.spread_changes(1_000).await
    }
}

struct HidesDeleted;
#[async_trait]
impl Flaw for HidesDeleted {
    async fn changes(
        &self,
        ledger: &SqliteLedger,
        after: u64,
        limit: usize,
    ) -> Result<Vec<LedgerActivity>> {
        let mut changes = ledger.changes(after, limit).await?;
        changes.retain(|activity| !activity.deleted);
        Ok(changes)
    }
}

struct ForgetsUsers;
#[async_trait]
impl Flaw for ForgetsUsers {
    async fn changes(
        &self,
        ledger: &SqliteLedger,
        after: u64,
        limit: usize,
    ) -> Result<Vec<LedgerActivity>> {
        let mut changes = ledger.changes(after, limit).await?;
        changes.iter_mut().for_each(|activity| activity.user = None);
        Ok(changes)
    }
}

/// As when places are given out before changes are committed: one is seen only after a greater one was.
#[derive(Default)]
struct AppearsLate(Mutex<HashSet<u64>>);
#[async_trait]
impl Flaw for AppearsLate {
    async fn changes(
        &self,
        ledger: &SqliteLedger,
        after: u64,
        limit: usize,
    ) -> Result<Vec<LedgerActivity>> {
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
}

struct Touches;
#[async_trait]
impl Flaw for Touches {
    async fn apply(
        &self,
        ledger: &SqliteLedger,
        id: &ConnectionId,
        changes: &Changes,
        delivery: Option<DeliveryRecord>,
    ) -> Result<Applied> {
        let mut touched = changes.clone();
        for activity in &mut touched.activities {
            let last = ledger.last_change().await?;
            activity.revision = format!("{} {last:09}", activity.revision);
        }
        ledger.apply(id, &touched, delivery).await
    }
}

struct MovesBackwards;
#[async_trait]
impl Flaw for MovesBackwards {
    async fn changes(
        &self,
        ledger: &SqliteLedger,
        after: u64,
        limit: usize,
    ) -> Result<Vec<LedgerActivity>> {
        let mut changes = ledger.changes(after, limit).await?;
        // Places grow, and the wrong activities are at them.
        let places: Vec<u64> = changes.iter().map(|activity| activity.cursor).collect();
        changes.reverse();
        for (activity, place) in changes.iter_mut().zip(places) {
            activity.cursor = place;
        }
        Ok(changes)
    }
}

/// Leaves out of the feed whatever a call without activities moved.
#[derive(Default)]
struct NamesWithoutPlace(Mutex<HashSet<u64>>);
#[async_trait]
impl Flaw for NamesWithoutPlace {
    async fn apply(
        &self,
        ledger: &SqliteLedger,
        id: &ConnectionId,
        changes: &Changes,
        delivery: Option<DeliveryRecord>,
    ) -> Result<Applied> {
        let before = ledger.last_change().await?;
        let applied = ledger.apply(id, changes, delivery).await?;
        if changes.activities.is_empty() {
            let after = ledger.last_change().await?;
            self.0.lock().unwrap().extend(before + 1..=after);
        }
        Ok(applied)
    }

    async fn changes(
        &self,
        ledger: &SqliteLedger,
        after: u64,
        limit: usize,
    ) -> Result<Vec<LedgerActivity>> {
        let mut changes = ledger.changes(after, limit).await?;
        changes.retain(|activity| !self.0.lock().unwrap().contains(&activity.cursor));
        Ok(changes)
    }
}

/// Leaves out of the feed whatever a mapping moved.
#[derive(Default)]
struct MapsUnseen(Mutex<HashSet<u64>>);
#[async_trait]
impl Flaw for MapsUnseen {
    async fn set_mapping(
        &self,
        ledger: &SqliteLedger,
        id: &ConnectionId,
        remote_user: &RemoteUserId,
        change: &MappingChange,
    ) -> Result<Member> {
        let before = ledger.last_change().await?;
        let member = ledger.set_mapping(id, remote_user, change).await?;
        let after = ledger.last_change().await?;
        self.0.lock().unwrap().extend(before + 1..=after);
        Ok(member)
    }

    async fn changes(
        &self,
        ledger: &SqliteLedger,
        after: u64,
        limit: usize,
    ) -> Result<Vec<LedgerActivity>> {
        let mut changes = ledger.changes(after, limit).await?;
        changes.retain(|activity| !self.0.lock().unwrap().contains(&activity.cursor));
        Ok(changes)
    }
}
