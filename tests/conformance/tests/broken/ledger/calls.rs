//! Ledgers whose handles, calls or starts know nothing of each other.

use super::*;

noticed! {
    a_gap_outlives_its_connection: KeepsTheGap => connecting_begins_to_cover,
    a_mapping_crosses_with_what_arrives: MissesWhatCameBetween => mappings_and_activities_at_once_agree,
    several_at_once_connect_a_scope: LooksFirst => of_many_connections_of_a_scope_one_is_made,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_durably() {
    let open = async |_, retention| in_memory(retention);
    expect_failure("what_was_recorded_survives", Kept::Durably, open).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn places_begin_anew_with_every_start() {
    let open = async |_, retention| in_memory(retention);
    expect_failure(
        "places_in_the_feed_go_on_after_a_crash",
        Kept::Durably,
        open,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_handle_has_a_ledger_of_its_own() {
    let open = async |_, retention| in_memory(retention);
    expect_failure("a_change_is_seen_through_every_handle", Kept::Shared, open).await;
}

/// Takes a connection for what it was when it was last active.
struct KeepsTheGap;
flaw! { KeepsTheGap {
    update_connection(self, ledger, id, update, now) {
        let before = ledger
            .connection(id)
            .await?
            .and_then(|connection| connection.coverage.gap);
        let updated = ledger.update_connection(id, update, now).await?;
        if let (Some(gap), None) = (before, &updated.coverage.gap) {
            let again = CoverageChange::GapNoticed {
                from: Some(gap.from),
                reason: gap.reason,
                at: now,
            };
            ledger.change_coverage(id, again).await?;
        }
        ledger
            .connection(id)
            .await?
            .ok_or_else(|| LedgerError::NotFound(id.to_string()))
    }
}}

/// As when a mapping reads what there is and writes it later: what came between has no user.
struct MissesWhatCameBetween;
flaw! { MissesWhatCameBetween {
    activities(self, ledger, filter, cursor, limit) {
        let mut page = ledger.activities(filter, cursor, limit).await?;
        page.items
            .retain(|activity| !activity.entry_id.ends_with("-3"));
        Ok(page)
    }
}}

struct LooksFirst;
flaw! { LooksFirst {
    create_connection(self, ledger, mut new) {
        let is_known = |known: &Connection| known.scope_id == new.scope_id;
        let known = ledger.connections().await?.iter().any(is_known);
        // As long as a database takes to answer.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        if !known {
            // Nothing in the tables forbids two.
            new.integration = format!("{} {}", new.integration, new.id);
        }
        ledger.create_connection(new).await
    }
}}
