//! Ledgers that lose something when they are moved.

use integration_host_ledger::transfer::{ImportProgress, Record, RecordKind, Transfer as _};

use super::*;

noticed! {
    pages_of_records_begin_late: BeginsLate => records_are_told_once_in_their_order,
    places_are_given_out_anew: GivesOutAnew => what_is_taken_over_is_told_the_same,
    the_last_record_of_a_step_is_lost: LosesTheLast => what_is_noted_as_taken_over_is_there,
    any_step_is_taken: TakesAnyStep => steps_of_an_import_follow_each_other,
    what_is_doubled_is_passed_over: PassesOver => what_is_there_already_is_not_taken_over_again,
    a_copy_is_a_ledger_of_its_own: ForgetsTheId => what_was_taken_over_lives_anew,
    what_fits_of_a_step_is_kept: KeepsWhatFits => what_was_not_taken_over_cannot_be_mentioned,
}

struct BeginsLate;
flaw! { BeginsLate {
    records(self, ledger, kind, after, limit) {
        let mut page = ledger.records(kind, after, limit).await?;
        if after.is_some() && !page.items.is_empty() {
            page.items.remove(0);
        }
        Ok(page)
    }
}}

struct GivesOutAnew;
flaw! { GivesOutAnew {
    import_batch(self, ledger, mut records, from, arrived) {
        for (record, place) in records.iter_mut().zip(from..) {
            if let Record::Activity(activity) = record {
                activity.place = place + 1;
            }
        }
        ledger.import_batch(records, from, arrived).await
    }
}}

struct LosesTheLast;
flaw! { LosesTheLast {
    import_batch(self, ledger, mut records, from, arrived) {
        if !matches!(records.last(), Some(Record::Connection(_))) {
            records.pop();
        }
        ledger.import_batch(records, from, arrived).await
    }
}}

struct TakesAnyStep;
flaw! { TakesAnyStep {
    import_batch(self, ledger, records, from, arrived) {
        match ledger.import_batch(records, from, arrived).await {
            Err(LedgerError::Conflict(_)) => Ok(()),
            taken_over => taken_over,
        }
    }
}}

struct KeepsWhatFits;
flaw! { KeepsWhatFits {
    import_batch(self, ledger, mut records, from, arrived) {
        let taken_over = ledger.import_batch(records.clone(), from, arrived).await;
        if taken_over.is_err() {
            records.pop();
            ledger.import_batch(records, from, arrived).await?;
        }
        taken_over
    }
}}

struct ForgetsTheId;
flaw! { ForgetsTheId {
    import_batch(self, ledger, mut records, from, arrived) {
        for record in &mut records {
            if let Record::Ledger(moved) = record {
                moved.id = None;
            }
        }
        ledger.import_batch(records, from, arrived).await
    }
}}

struct PassesOver;
flaw! { PassesOver {
    import_batch(self, ledger, mut records, from, arrived) {
        records.dedup();
        ledger.import_batch(records, from, arrived).await
    }
}}
