//! Connections that are made twice, lost, or take over what is not theirs.

use integration_host_contract::id::ScopeId;
use integration_host_ledger::{ConnectionState, IntegrationVersion};

use super::*;

noticed! {
    a_scope_is_connected_twice: Renames => a_scope_is_connected_once,
    a_revived_connection_is_a_new_one: RevivesAnew => a_revived_connection_has_what_it_had,
    a_disconnected_hook_answers: AnyHook => a_hook_leads_to_its_connection,
    a_new_hook_leads_nowhere: KeepsHook => a_hook_leads_to_its_connection,
    an_update_clears_what_it_does_not_name: Clears => an_update_changes_what_it_names,
    removing_disconnects: NeverRemoves => a_connection_never_completed_is_removed_whole,
    an_active_connection_is_removed: RemovesAnything => a_completed_connection_is_not_removed,
    connections_are_in_any_order: Sorted => connections_are_told_in_order,
    standings_are_of_those_that_work: OnlyActive => standings_tell_state_and_gap_of_every_connection,
    a_webhook_that_may_still_come_is_forgotten: AllSettled => standings_tell_state_and_gap_of_every_connection,
    standings_go_on_after_a_connection_that_is_there: AfterExisting => standings_stay_whole_while_connections_come_and_go,
    an_unknown_connection_is_accepted: AcceptsAnything => what_names_no_connection_is_not_found,
    a_name_is_never_taken_over: Unnamed => a_new_connection_is_called_like_its_scope,
    a_gap_is_forgotten: ForgetsGaps => coverage_changes_as_it_is_said_to,
    changes_of_coverage_overtake_each_other: TwoAreOne::default() => no_change_of_coverage_is_lost,
    notes_are_changed_whatever_they_are: ChangesAnyNote => notes_are_changed_from_what_they_are,
    only_the_first_version_is_kept: FirstVersion::default() => the_integrations_that_ran_are_remembered,
    the_heartbeat_is_not_kept: NoHeartbeat => the_heartbeat_tells_when_a_host_last_ran,
    the_heartbeat_goes_back: LastHeartbeat::default() => a_heartbeat_does_not_go_back,
    the_heartbeat_only_grows: GreatestHeartbeat::default() => a_heartbeat_that_lies_ahead_is_taken_back,
    events_repeat: Repeats::default() => the_log_is_paged_bounded_and_without_repetition,
}

struct Renames;
flaw! { Renames {
    create_connection(self, ledger, new) {
        match ledger.create_connection(new.clone()).await {
            Err(LedgerError::Conflict(_)) => {
                let scope_id = ScopeId::new(format!("{} again", new.scope_id));
                ledger
                    .create_connection(NewConnection { scope_id, ..new })
                    .await
            }
            outcome => outcome,
        }
    }
}}

struct RevivesAnew;
flaw! { RevivesAnew {
    create_connection(self, ledger, new) {
        let all = ledger.connections().await?;
        let is_known = all.iter().any(|known| known.scope_id == new.scope_id);
        let integration = format!(
            "{}{}",
            new.integration,
            if is_known { " again" } else { "" }
        );
        ledger
            .create_connection(NewConnection { integration, ..new })
            .await
    }
}}

struct AnyHook;
flaw! { AnyHook {
    connection_by_hook(self, ledger, hook) {
        let all = ledger.connections().await?;
        Ok(all.into_iter().find(|connection| connection.hook == *hook))
    }
}}

struct Clears;
flaw! { Clears {
    update_connection(self, ledger, id, mut update, now) {
        update.subscription = Some(update.subscription.flatten());
        ledger.update_connection(id, update, now).await
    }
}}

struct NeverRemoves;
flaw! { NeverRemoves {
    remove_connection(self, _, _) {
        Ok(())
    }
}}

struct RemovesAnything;
flaw! { RemovesAnything {
    remove_connection(self, ledger, id) {
        let state = Some(ConnectionState::Connecting);
        let update = ConnectionUpdate {
            state,
            ..Default::default()
        };
        ledger
            .update_connection(id, update, Timestamp::UNIX_EPOCH)
            .await?;
        ledger.remove_connection(id).await
    }
}}

struct Sorted;
flaw! { Sorted {
    connections(self, ledger) {
        let mut all = ledger.connections().await?;
        all.sort_by_key(|connection| connection.scope_id.clone());
        Ok(all)
    }
}}

struct OnlyActive;
flaw! { OnlyActive {
    scan_connections(self, ledger, after, limit) {
        let mut scan_connections = ledger.scan_connections(after, limit).await?;
        scan_connections.retain(|standing| standing.state == ConnectionState::Active);
        Ok(scan_connections)
    }
}}

struct KeepsHook;
flaw! { KeepsHook {
    update_connection(self, ledger, id, update, now) {
        let update = ConnectionUpdate {
            hook: None,
            ..update
        };
        ledger.update_connection(id, update, now).await
    }
}}

struct AllSettled;
flaw! { AllSettled {
    scan_connections(self, ledger, after, limit) {
        let mut scan_connections = ledger.scan_connections(after, limit).await?;
        for standing in &mut scan_connections {
            standing.is_unsettled = false;
        }
        Ok(scan_connections)
    }
}}

/// Looks for the place of the one that was told last, which is nowhere once that is gone.
struct AfterExisting;
flaw! { AfterExisting {
    scan_connections(self, ledger, after, limit) {
        match after {
            Some(id) if ledger.connection(id).await?.is_none() => Ok(Vec::new()),
            after => ledger.scan_connections(after, limit).await,
        }
    }
}}

struct AcceptsAnything;
flaw! { AcceptsAnything {
    apply(self, ledger, id, changes, delivery) {
        match ledger.apply(id, changes, delivery).await {
            Err(LedgerError::NotFound(_)) => Ok(Applied::default()),
            outcome => outcome,
        }
    }
}}

struct Unnamed;
flaw! { Unnamed {
    update_connection(self, ledger, id, mut update, now) {
        if let Some(before) = ledger.connection(id).await? {
            update.name.get_or_insert(before.name);
        }
        ledger.update_connection(id, update, now).await
    }
}}

struct ForgetsGaps;
flaw! { ForgetsGaps {
    change_coverage(self, ledger, id, change) {
        let coverage = ledger.change_coverage(id, change.clone()).await?;
        match (change, &coverage.gap) {
            // The subscription works again, so everything seems to be well.
            (CoverageChange::Confirmed { until }, Some(gap)) => {
                let closed = CoverageChange::GapClosed {
                    noticed_at: gap.noticed_at,
                    from: gap.from,
                    until,
                };
                ledger.change_coverage(id, closed).await
            }
            _ => Ok(coverage),
        }
    }
}}

/// Takes the same notice twice for one, as when two read what there is before either writes.
#[derive(Default)]
struct TwoAreOne(tokio::sync::Mutex<Option<CoverageChange>>);
flaw! { TwoAreOne {
    change_coverage(self, ledger, id, change) {
        let mut last = self.0.lock().await;
        let found = ledger.connection(id).await?;
        if let (Some(connection), true) = (found, last.as_ref() == Some(&change)) {
            return Ok(connection.coverage);
        }
        *last = Some(change.clone());
        ledger.change_coverage(id, change).await
    }
}}

/// Changes a note whatever it is.
struct ChangesAnyNote;
flaw! { ChangesAnyNote {
    change_note(self, ledger, id, name, _, after) {
        let before = ledger.note(id, name).await?;
        ledger.change_note(id, name, before.as_deref(), after).await
    }
}}

#[derive(Default)]
struct FirstVersion(tokio::sync::Mutex<Vec<String>>);
flaw! { FirstVersion {
    record_integration(self, ledger, running) {
        let mut seen = self.0.lock().await;
        if seen.contains(&running.id) {
            return Ok(());
        }
        seen.push(running.id.clone());
        ledger.record_integration(running).await
    }
}}

struct NoHeartbeat;
flaw! { NoHeartbeat {
    heartbeat(self, _, _) {
        Ok(None)
    }
}}

#[derive(Default)]
struct LastHeartbeat(tokio::sync::Mutex<Option<Timestamp>>);
flaw! { LastHeartbeat {
    heartbeat(self, _, now) {
        let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap();
        Ok(self.0.lock().await.replace(now))
    }
}}

#[derive(Default)]
struct GreatestHeartbeat(tokio::sync::Mutex<Option<Timestamp>>);
flaw! { GreatestHeartbeat {
    heartbeat(self, _, now) {
        let mut last = self.0.lock().await;
        let before = *last;
        *last = before.max(Some(now));
        Ok(before)
    }
}}

#[derive(Default)]
struct Repeats(std::sync::atomic::AtomicU64);
flaw! { Repeats {
    record_event(self, ledger, id, mut event) {
        let number = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        event.message = format!("{} {number}", event.message);
        ledger.record_event(id, event).await
    }
}}
