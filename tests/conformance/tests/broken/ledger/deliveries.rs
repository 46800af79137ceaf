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
flaw! { Doubles {
    apply(self, ledger, id, changes, delivery) {
        let mut delivery = delivery;
        if let Some(record) = &mut delivery
            && ledger.delivery(&record.id).await?.is_some()
        {
            let number = self.0.fetch_add(1, Ordering::SeqCst);
            record.id = DeliveryId::new(format!("{}#{number}", record.id));
        }
        ledger.apply(id, changes, delivery).await
    }
}}

struct NoEvents;
flaw! { NoEvents {
    apply(self, ledger, id, changes, delivery) {
        record_changed(ledger, id, changes, delivery, |record| {
            record.event_id = None
        })
        .await
    }
}}

struct NoDigests;
flaw! { NoDigests {
    apply(self, ledger, id, changes, delivery) {
        record_changed(ledger, id, changes, delivery, |record| record.digest = None).await
    }
}}

struct TakesAnybodys;
flaw! { TakesAnybodys {
    apply(self, ledger, id, changes, delivery) {
        match ledger.apply(id, changes, delivery).await {
            Err(LedgerError::Invalid(_)) => ledger.apply(id, changes, None).await,
            outcome => outcome,
        }
    }
}}

struct AnyStatus;
flaw! { AnyStatus {
    deliveries(self, ledger, connection, _status, cursor, limit) {
        ledger.deliveries(connection, None, cursor, limit).await
    }
}}

struct SkipsDeliveries;
flaw! { SkipsDeliveries {
    deliveries(self, ledger, connection, status, cursor, limit) {
        let mut page = ledger.deliveries(connection, status, cursor, limit).await?;
        if cursor.is_some() && page.items.len() > 1 {
            page.items.remove(0);
        }
        Ok(page)
    }
}}

struct FailedCount;
flaw! { FailedCount {
    connection(self, ledger, id) {
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
}}

struct ShiftedMinutes;
flaw! { ShiftedMinutes {
    apply(self, ledger, id, changes, delivery) {
        let shift =
            |record: &mut DeliveryRecord| record.received_at += SignedDuration::from_secs(30);
        record_changed(ledger, id, changes, delivery, shift).await
    }
}}

struct AllTimes;
flaw! { AllTimes {
    delivery_times(self, ledger, id, limit) {
        let log = ledger.deliveries(Some(id), None, None, limit).await?;
        Ok(log
            .items
            .into_iter()
            .map(|delivery| delivery.record.received_at)
            .collect())
    }
}}

struct LosesRequests;
flaw! { LosesRequests {
    apply(self, ledger, id, changes, delivery) {
        let replace = |record: &mut DeliveryRecord| {
            if record.status == DeliveryStatus::Failed {
                record.sealed_request.get_or_insert_default();
            }
        };
        record_changed(ledger, id, changes, delivery, replace).await
    }
}}

struct NeverSuperseded;
flaw! { NeverSuperseded {
    delivery(self, ledger, id) {
        let mut found = ledger.delivery(id).await?;
        if let Some(delivery) = &mut found
            && delivery.record.status == DeliveryStatus::Superseded
        {
            delivery.record.status = DeliveryStatus::Accepted;
        }
        Ok(found)
    }
}}

struct OldestFirst;
flaw! { OldestFirst {
    failed_deliveries(self, ledger, connection, before, limit) {
        let (mut all, count) = ledger.failed_deliveries(connection, before, 1000).await?;
        all.sort_by_key(|delivery| delivery.record.id.to_string());
        all.truncate(limit);
        Ok((all, count))
    }
}}

struct EverythingIsReplayed;
flaw! { EverythingIsReplayed {
    failed_deliveries(self, ledger, connection, _before, limit) {
        let failed = Some(DeliveryStatus::Failed);
        let page = ledger.deliveries(connection, failed, None, limit).await?;
        let count = page.items.len() as u64;
        Ok((page.items, count))
    }
}}

struct Backwards;
flaw! { Backwards {
    dead_letters(self, ledger, after, limit) {
        let mut kept = ledger.dead_letters(after, limit).await?;
        kept.reverse();
        Ok(kept)
    }
}}

struct AlwaysReplaces;
flaw! { AlwaysReplaces {
    replace_dead_letter(self, ledger, kept, sealed) {
        let now = ledger.dead_letters(kept.place.saturating_sub(1), 1).await?;
        let now = now.first().unwrap_or(kept);
        ledger.replace_dead_letter(now, sealed).await
    }
}}

struct PrunesForEver;
flaw! { PrunesForEver {
    prune_deliveries(self, ledger, now) {
        ledger.prune_deliveries(now).await?;
        Ok(true)
    }
}}

struct PrunesEarly;
flaw! { PrunesEarly {
    prune_deliveries(self, ledger, now) {
        let later = now + SignedDuration::from_hours(24 * 1000);
        ledger.prune_deliveries(later).await
    }
}}

struct BelievesTheClock;
flaw! { BelievesTheClock {
    look_at_age(self, _, now, _) {
        Ok(Some(now))
    }
}}

struct ForgetsLooks;
flaw! { ForgetsLooks {
    look_at_age(self, _, now, ran) {
        Ok(AgeLook::after(None, now, ran).1)
    }
}}

struct PrunesNothing;
flaw! { PrunesNothing {
    prune_deliveries(self, _, _) {
        Ok(false)
    }
}}
