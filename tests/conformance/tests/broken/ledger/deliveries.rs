//! Delivery logs that double, lose or confuse.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use integration_host_contract::id::DeliveryId;
use integration_host_ledger::AgeLook;
use jiff::SignedDuration;

use super::*;

noticed! {
    a_delivery_is_recorded_again: Doubles::default() => a_delivery_that_was_handled_stays_as_it_is,
    a_delivery_loses_its_event: NoEvents => a_delivery_is_told_as_it_was_recorded,
    each_repetition_is_another_delivery: NoEvents => a_delivery_that_comes_again_counts_in_its_row,
    repetitions_at_once_are_told_apart: NoEvents => repetitions_at_once_are_one_row,
    each_failure_is_another_delivery: NoDigests => a_failure_that_comes_again_is_kept_once,
    another_connections_delivery_is_taken: TakesAnybodys => a_delivery_is_of_one_connection,
    the_log_ignores_the_status: AnyStatus => the_log_is_listed_newest_first_and_filtered,
    the_log_skips_a_delivery: SkipsDeliveries => the_log_stays_whole_while_deliveries_arrive,
    any_delivery_is_the_latest: FailedCount => the_latest_delivery_is_the_latest_that_was_handled,
    minutes_begin_at_any_time: ShiftedMinutes => deliveries_are_counted_in_the_minute_they_arrived_in,
    pings_make_the_rhythm: AllTimes => only_accepted_deliveries_make_the_rhythm,
    a_second_failure_loses_the_request: LosesRequests => a_failed_delivery_is_kept_until_it_is_handled,
    nothing_is_superseded: NeverSuperseded => a_delivery_whose_event_arrived_again_is_superseded,
    the_oldest_is_replayed_first: OldestFirst => what_was_tried_least_is_replayed_first,
    disconnected_ones_are_replayed: EverythingIsReplayed => what_cannot_be_replayed_is_not_tried,
    kept_requests_are_in_any_order: Backwards => kept_requests_are_told_in_order,
    a_kept_request_is_always_replaced: AlwaysReplaces => a_kept_request_is_replaced_only_as_it_was_given_out,
    pruning_never_ends: PrunesForEver => what_is_young_enough_is_not_removed,
    pruning_takes_what_is_young: PrunesEarly => what_is_young_enough_is_not_removed,
    what_is_old_is_removed_at_once: BelievesTheClock => a_look_at_the_time_comes_before_what_it_removes,
    looks_are_forgotten: ForgetsLooks => a_look_at_the_time_comes_before_what_it_removes,
    pruning_removes_nothing: PrunesNothing => what_is_too_old_is_removed,
}

/// Expects that a ledger with another retention than it was given is noticed.
async fn expect_noticed_retention(case: &str, change: impl Fn(Retention) -> Retention) {
    expect_failure(case, Kept::InMemory, async |_, retention| {
        in_memory(change(retention))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_no_bound() {
    let case = "the_log_is_bounded_and_the_newest_stay";
    expect_noticed_retention(case, |retention| Retention {
        rows: 10_000,
        ..retention
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_half_as_long() {
    let case = "the_log_is_bounded_and_the_newest_stay";
    expect_noticed_retention(case, |retention| Retention {
        rows: retention.rows / 2,
        ..retention
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_pushes_out_what_can_be_replayed() {
    let case = "what_can_be_replayed_stays_beside_the_log";
    expect_noticed_retention(case, |retention| Retention {
        requests: retention.rows,
        ..retention
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_have_no_bound() {
    let case = "requests_are_bounded_in_number_and_bytes";
    expect_noticed_retention(case, |retention| Retention {
        request_bytes: u64::MAX,
        ..retention
    })
    .await;
}

/// Records something else.
async fn record_changed(
    ledger: &SqliteLedger,
    id: &ConnectionId,
    changes: &Changes,
    mut delivery: Option<DeliveryRecord>,
    change: impl Fn(&mut DeliveryRecord) + Send,
) -> Result<Applied> {
    delivery.iter_mut().for_each(change);
    ledger.apply(id, changes, delivery).await
}

#[derive(Default)]
struct Doubles(AtomicU64);
#[async_trait]
impl Flaw for Doubles {
    async fn apply(
        &self,
        ledger: &SqliteLedger,
        id: &ConnectionId,
        changes: &Changes,
        delivery: Option<DeliveryRecord>,
    ) -> Result<Applied> {
        let mut delivery = delivery;
        if let Some(record) = &mut delivery
            && ledger.delivery(&record.id).await?.is_some()
        {
            let number = self.0.fetch_add(1, Ordering::SeqCst);
            record.id = DeliveryId::new(format!("{}#{number}", record.id));
        }
        ledger.apply(id, changes, delivery).await
    }
}

struct NoEvents;
#[async_trait]
impl Flaw for NoEvents {
    async fn apply(
        &self,
        ledger: &SqliteLedger,
        id: &ConnectionId,
        changes: &Changes,
        delivery: Option<DeliveryRecord>,
    ) -> Result<Applied> {
        record_changed(ledger, id, changes, delivery, |record| {
            record.event_id = None
        })
        .await
    }
}

struct NoDigests;
#[async_trait]
impl Flaw for NoDigests {
    async fn apply(
        &self,
        ledger: &SqliteLedger,
        id: &ConnectionId,
        changes: &Changes,
        delivery: Option<DeliveryRecord>,
    ) -> Result<Applied> {
        record_changed(ledger, id, changes, delivery, |record| record.digest = None).await
    }
}

struct TakesAnybodys;
#[async_trait]
impl Flaw for TakesAnybodys {
    async fn apply(
        &self,
        ledger: &SqliteLedger,
        id: &ConnectionId,
        changes: &Changes,
        delivery: Option<DeliveryRecord>,
    ) -> Result<Applied> {
        match ledger.apply(id, changes, delivery).await {
            Err(LedgerError::Invalid(_)) => ledger.apply(id, changes, None).await,
            outcome => outcome,
        }
    }
}

struct AnyStatus;
#[async_trait]
impl Flaw for AnyStatus {
    async fn deliveries(
        &self,
        ledger: &SqliteLedger,
        connection: Option<&ConnectionId>,
        _status: Option<DeliveryStatus>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Delivery>> {
        ledger.deliveries(connection, None, cursor, limit).await
    }
}

struct SkipsDeliveries;
#[async_trait]
impl Flaw for SkipsDeliveries {
    async fn deliveries(
        &self,
        ledger: &SqliteLedger,
        connection: Option<&ConnectionId>,
        status: Option<DeliveryStatus>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Delivery>> {
        let mut page = ledger.deliveries(connection, status, cursor, limit).await?;
        if cursor.is_some() && page.items.len() > 1 {
            page.items.remove(0);
        }
        Ok(page)
    }
}

struct FailedCount;
#[async_trait]
impl Flaw for FailedCount {
    async fn connection(
        &self,
        ledger: &SqliteLedger,
        id: &ConnectionId,
    ) -> Result<Option<Connection>> {
        let log = ledger.deliveries(Some(id), None, None, 1).await?;
        let latest = log
            .items
            .first()
            .map(|delivery| delivery.record.received_at);
        let found = ledger.connection(id).await?;
        Ok(found.map(|connection| Connection {
            last_delivery_at: latest,
            ..connection
        }))
    }
}

struct ShiftedMinutes;
#[async_trait]
impl Flaw for ShiftedMinutes {
    async fn apply(
        &self,
        ledger: &SqliteLedger,
        id: &ConnectionId,
        changes: &Changes,
        delivery: Option<DeliveryRecord>,
    ) -> Result<Applied> {
        let shift =
            |record: &mut DeliveryRecord| record.received_at += SignedDuration::from_secs(30);
        record_changed(ledger, id, changes, delivery, shift).await
    }
}

struct AllTimes;
#[async_trait]
impl Flaw for AllTimes {
    async fn delivery_times(
        &self,
        ledger: &SqliteLedger,
        id: &ConnectionId,
        limit: usize,
    ) -> Result<Vec<Timestamp>> {
        let log = ledger.deliveries(Some(id), None, None, limit).await?;
        Ok(log
            .items
            .into_iter()
            .map(|delivery| delivery.record.received_at)
            .collect())
    }
}

struct LosesRequests;
#[async_trait]
impl Flaw for LosesRequests {
    async fn apply(
        &self,
        ledger: &SqliteLedger,
        id: &ConnectionId,
        changes: &Changes,
        delivery: Option<DeliveryRecord>,
    ) -> Result<Applied> {
        let replace = |record: &mut DeliveryRecord| {
            if record.status == DeliveryStatus::Failed {
                record.sealed_request.get_or_insert_default();
            }
        };
        record_changed(ledger, id, changes, delivery, replace).await
    }
}

struct NeverSuperseded;
#[async_trait]
impl Flaw for NeverSuperseded {
    async fn delivery(&self, ledger: &SqliteLedger, id: &DeliveryId) -> Result<Option<Delivery>> {
        let mut found = ledger.delivery(id).await?;
        if let Some(delivery) = &mut found
            && delivery.record.status == DeliveryStatus::Superseded
        {
            delivery.record.status = DeliveryStatus::Accepted;
        }
        Ok(found)
    }
}

struct OldestFirst;
#[async_trait]
impl Flaw for OldestFirst {
    async fn failed_deliveries(
        &self,
        ledger: &SqliteLedger,
        connection: Option<&ConnectionId>,
        before: Timestamp,
        limit: usize,
    ) -> Result<(Vec<Delivery>, u64)> {
        let (mut all, count) = ledger.failed_deliveries(connection, before, 1000).await?;
        all.sort_by_key(|delivery| delivery.record.id.to_string());
        all.truncate(limit);
        Ok((all, count))
    }
}

struct EverythingIsReplayed;
#[async_trait]
impl Flaw for EverythingIsReplayed {
    async fn failed_deliveries(
        &self,
        ledger: &SqliteLedger,
        connection: Option<&ConnectionId>,
        _before: Timestamp,
        limit: usize,
    ) -> Result<(Vec<Delivery>, u64)> {
        let failed = Some(DeliveryStatus::Failed);
        let page = ledger.deliveries(connection, failed, None, limit).await?;
        let count = page.items.len() as u64;
        Ok((page.items, count))
    }
}

struct Backwards;
#[async_trait]
impl Flaw for Backwards {
    async fn dead_letters(
        &self,
        ledger: &SqliteLedger,
        after: u64,
        limit: usize,
    ) -> Result<Vec<DeadLetter>> {
        let mut kept = ledger.dead_letters(after, limit).await?;
        kept.reverse();
        Ok(kept)
    }
}

struct AlwaysReplaces;
#[async_trait]
impl Flaw for AlwaysReplaces {
    async fn replace_dead_letter(
        &self,
        ledger: &SqliteLedger,
        kept: &DeadLetter,
        sealed: Vec<u8>,
    ) -> Result<()> {
        let now = ledger.dead_letters(kept.place.saturating_sub(1), 1).await?;
        let now = now.first().unwrap_or(kept);
        ledger.replace_dead_letter(now, sealed).await
    }
}

struct PrunesForEver;
#[async_trait]
impl Flaw for PrunesForEver {
    async fn prune_deliveries(&self, ledger: &SqliteLedger, now: Timestamp) -> Result<bool> {
        ledger.prune_deliveries(now).await?;
        Ok(true)
    }
}

struct PrunesEarly;
#[async_trait]
impl Flaw for PrunesEarly {
    async fn prune_deliveries(&self, ledger: &SqliteLedger, now: Timestamp) -> Result<bool> {
        let later = now + SignedDuration::from_hours(24 * 1000);
        ledger.prune_deliveries(later).await
    }
}

struct BelievesTheClock;
#[async_trait]
impl Flaw for BelievesTheClock {
    async fn look_at_age(
        &self,
        _: &SqliteLedger,
        now: Timestamp,
        _: Duration,
    ) -> Result<Option<Timestamp>> {
        Ok(Some(now))
    }
}

struct ForgetsLooks;
#[async_trait]
impl Flaw for ForgetsLooks {
    async fn look_at_age(
        &self,
        _: &SqliteLedger,
        now: Timestamp,
        ran: Duration,
    ) -> Result<Option<Timestamp>> {
        Ok(AgeLook::after(None, now, ran).1)
    }
}

struct PrunesNothing;
#[async_trait]
impl Flaw for PrunesNothing {
    async fn prune_deliveries(&self, _: &SqliteLedger, _: Timestamp) -> Result<bool> {
        Ok(false)
    }
}
