//! Teams and mappings that forget or overwrite.

use std::collections::HashSet;
use std::sync::Mutex;

use integration_host_contract::{TeamMember, UserMatch};
use integration_host_ledger::{ImportLimits, MatchedBy, TeamChanges};

use super::*;

noticed! {
    an_import_undoes_what_a_person_decided: DecidesByEmail => what_a_person_decided_stays,
    an_import_keeps_everybody: NobodyLeaves::default() => an_import_makes_the_team_what_it_lists,
    an_import_counts_everybody: CountsEverybody => an_import_says_who_joined_and_left,
    a_mapping_overwrites_another: IgnoresBefore => a_mapping_somebody_else_changed_is_not_overwritten,
    a_mapping_goes_only_for_what_comes: ForgetsHistory::default() => a_mapping_shows_what_was_received_before,
    anybody_can_be_mapped: NobodyIsMissing => whoever_logged_time_can_be_mapped,
    a_mapping_is_of_every_connection: MapsEverywhere => a_mapping_is_of_one_connection,
    the_first_of_a_doubled_member_counts: FirstCounts => a_member_that_is_listed_twice_keeps_the_decision,
    the_first_of_doubled_members_counts: FirstCounts => random_imports_with_doubles_end_like_those_without,
    an_import_keeps_old_names: KeepsOldNames => an_import_takes_over_names_and_states,
    a_decision_stays_for_ever: StaysDecided => a_decision_can_be_taken_back,
    the_team_is_not_counted: CountsNobody => a_connection_counts_its_team,
    members_are_ordered_by_bytes: ByBytes => a_team_is_read_page_by_page_in_the_order_of_names,
    a_team_has_no_way_back: NoWayBack => pages_lead_back_the_way_they_came,
    a_search_knows_ascii_only: Ascii => a_search_finds_members_in_any_script,
    an_import_forgets_who_is_not_confirmed: ForgetsUnconfirmed => nobody_is_unmapped_because_a_directory_is_empty,
    an_import_removes_more_than_was_confirmed: RemovesAll => mappings_are_removed_when_a_person_confirms_it,
    an_import_moves_what_was_before: MovesHistory => an_address_that_changes_hands_moves_only_what_is_new,
    an_import_moves_everybody: MovesAll => many_addresses_that_change_hands_at_once_move_nothing,
    an_import_says_nothing: SaysNothing => an_import_tells_what_it_found_of_mappings,
    a_mapping_always_moves_what_was_before: MovesEarlier => a_mapping_may_leave_earlier_activities_where_they_are,
}

/// Unmaps whom an import does not match.
struct ForgetsUnconfirmed;
flaw! { ForgetsUnconfirmed {
    import_members(self, ledger, id, team, limits) {
        let limits = ImportLimits {
            removals: u64::MAX,
            ..*limits
        };
        ledger.import_members(id, team, &limits).await
    }
}}

/// Takes the first of a member that is listed twice.
struct FirstCounts;
flaw! { FirstCounts {
    import_members(self, ledger, id, team, limits) {
        let mut seen = HashSet::new();
        let first: Vec<TeamMember> = (team.iter())
            .filter(|member| seen.insert(member.remote_user.id.clone()))
            .cloned()
            .collect();
        ledger.import_members(id, &first, limits).await
    }
}}

/// Takes any confirmation for one of everything.
struct RemovesAll;
flaw! { RemovesAll {
    import_members(self, ledger, id, team, limits) {
        let removals = if limits.removals > 0 { u64::MAX } else { 0 };
        let limits = ImportLimits {
            removals,
            ..*limits
        };
        ledger.import_members(id, team, &limits).await
    }
}}

/// Gives a member's whole history to whoever has the address.
struct MovesHistory;
flaw! { MovesHistory {
    import_members(self, ledger, id, team, limits) {
        let changes = ledger.import_members(id, team, limits).await?;
        for member in team {
            if let UserMatch::Matched(user) = &member.matched {
                let change = MappingChange {
                    matched_by: Some(MatchedBy::Email),
                    ..MappingChange::by_hand(Some(user.clone()))
                };
                let remote_user = &member.remote_user.id;
                ledger.set_mapping(id, remote_user, &change).await?;
            }
        }
        Ok(changes)
    }
}}

struct MovesAll;
flaw! { MovesAll {
    import_members(self, ledger, id, team, limits) {
        let limits = ImportLimits {
            moves: u64::MAX,
            ..*limits
        };
        ledger.import_members(id, team, &limits).await
    }
}}

struct SaysNothing;
flaw! { SaysNothing {
    import_members(self, ledger, id, team, limits) {
        let changes = ledger.import_members(id, team, limits).await?;
        Ok(TeamChanges {
            mappings: Vec::new(),
            ..changes
        })
    }
}}

struct MovesEarlier;
flaw! { MovesEarlier {
    set_mapping(self, ledger, id, remote_user, change) {
        let change = MappingChange {
            keeps_earlier: false,
            ..change.clone()
        };
        ledger.set_mapping(id, remote_user, &change).await
    }
}}

struct DecidesByEmail;
flaw! { DecidesByEmail {
    set_mapping(self, ledger, id, remote_user, change) {
        let matched_by = change.matched_by.map(|_| MatchedBy::Email);
        ledger
            .set_mapping(
                id,
                remote_user,
                &MappingChange {
                    matched_by,
                    ..change.clone()
                },
            )
            .await
    }
}}

/// Imports whoever was there before, too.
#[derive(Default)]
struct NobodyLeaves(Mutex<Vec<TeamMember>>);
flaw! { NobodyLeaves {
    import_members(self, ledger, id, team, limits) {
        let all = {
            let mut all = self.0.lock().unwrap();
            all.retain(|known| {
                team.iter()
                    .all(|member| member.remote_user.id != known.remote_user.id)
            });
            all.extend_from_slice(team);
            all.clone()
        };
        ledger.import_members(id, &all, limits).await
    }
}}

struct CountsEverybody;
flaw! { CountsEverybody {
    import_members(self, ledger, id, team, limits) {
        let changes = ledger.import_members(id, team, limits).await?;
        Ok(TeamChanges {
            joined: team.len() as u64,
            ..changes
        })
    }
}}

struct IgnoresBefore;
flaw! { IgnoresBefore {
    set_mapping(self, ledger, id, remote_user, change) {
        ledger
            .set_mapping(
                id,
                remote_user,
                &MappingChange {
                    before: None,
                    ..change.clone()
                },
            )
            .await
    }
}}

/// Shows nothing to a user that was received before the mapping.
#[derive(Default)]
struct ForgetsHistory(Mutex<HashSet<(ConnectionId, String)>>);
flaw! { ForgetsHistory {
    set_mapping(self, ledger, id, remote_user, change) {
        let of_member = ActivityFilter {
            connection: Some(id.clone()),
            remote_user: Some(remote_user.clone()),
            include_unmapped: true,
            ..Default::default()
        };
        let before = ledger.activities(&of_member, None, 1000).await?.items;
        let before = before
            .into_iter()
            .map(|activity| (activity.connection_id, activity.entry_id));
        self.0.lock().unwrap().extend(before);
        ledger.set_mapping(id, remote_user, change).await
    }

    activities(self, ledger, filter, cursor, limit) {
        let mut page = ledger.activities(filter, cursor, limit).await?;
        let hidden = self.0.lock().unwrap();
        page.items.retain(|activity| {
            !hidden.contains(&(activity.connection_id.clone(), activity.entry_id.clone()))
        });
        Ok(page)
    }
}}

struct MapsEverywhere;
flaw! { MapsEverywhere {
    set_mapping(self, ledger, id, remote_user, change) {
        for other in ledger.connections().await? {
            // It may have no such member.
            let _ = ledger.set_mapping(&other.id, remote_user, change).await;
        }
        ledger.set_mapping(id, remote_user, change).await
    }
}}

struct KeepsOldNames;
flaw! { KeepsOldNames {
    import_members(self, ledger, id, team, limits) {
        let mut team = team.to_vec();
        for member in &mut team {
            if let Some(known) = ledger.member(id, &member.remote_user.id).await? {
                member.remote_user = known.remote_user;
            }
        }
        ledger.import_members(id, &team, limits).await
    }
}}

struct NobodyIsMissing;
flaw! { NobodyIsMissing {
    set_mapping(self, ledger, id, remote_user, change) {
        if ledger.member(id, remote_user).await?.is_none() {
            let anybody = integration_host_contract::RemoteUser {
                id: remote_user.clone(),
                name: remote_user.to_string(),
                email: None,
                state: integration_host_contract::MemberState::Active,
            };
            let anybody = TeamMember {
                remote_user: anybody,
                matched: UserMatch::Unmatched,
            };
            ledger
                .import_members(id, &[anybody], &ImportLimits::default())
                .await?;
        }
        ledger.set_mapping(id, remote_user, change).await
    }
}}

struct StaysDecided;
flaw! { StaysDecided {
    set_mapping(self, ledger, id, remote_user, change) {
        let matched_by = Some(change.matched_by.unwrap_or(MatchedBy::Manual));
        ledger
            .set_mapping(
                id,
                remote_user,
                &MappingChange {
                    matched_by,
                    ..change.clone()
                },
            )
            .await
    }
}}

struct CountsNobody;
flaw! { CountsNobody {
    connection(self, ledger, id) {
        let found = ledger.connection(id).await?;
        Ok(found.map(|connection| Connection {
            users_mapped: 0,
            ..connection
        }))
    }
}}

struct ByBytes;
flaw! { ByBytes {
    members(self, ledger, id, filter, cursor, limit) {
        let mut page = ledger.members(id, filter, cursor, limit).await?;
        page.members
            .sort_by_key(|member| member.remote_user.name.clone());
        Ok(page)
    }
}}

struct NoWayBack;
flaw! { NoWayBack {
    members(self, ledger, id, filter, cursor, limit) {
        let page = ledger.members(id, filter, cursor, limit).await?;
        Ok(MemberPage {
            previous: None,
            ..page
        })
    }
}}

struct Ascii;
flaw! { Ascii {
    members(self, ledger, id, filter, cursor, limit) {
        let mut page = ledger.members(id, filter, cursor, limit).await?;
        let query = filter.query.as_deref().unwrap_or_default().trim();
        if !query.is_ascii() {
            page.members
                .retain(|member| member.remote_user.name.contains(query));
            page.matching = page.members.len() as u64;
        }
        Ok(page)
    }
}}
