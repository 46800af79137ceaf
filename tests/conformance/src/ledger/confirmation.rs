//! Imports that find mappings of earlier ones to be different.

use anyhow::Result;
use integration_host_contract::id::{ConnectionId, RemoteUserId};
use integration_host_contract::{TeamMember, UserMatch};
use integration_host_ledger::MatchedBy::Email;
use integration_host_ledger::{ImportLimits, MappingFound, MemberFilter, TeamChanges};

use super::fixture::{Book, connection};
use super::fixture::{apply, connect, entry, everything_of, list, log, map, member, user, work};
use super::teams::{found, mappings, matched, unmatched};
use super::{Case, World};
use crate::suite::{case, same};

const STAYS: &str = "A mapping that an earlier import made stays when no address confirms it any more, and says so until \
    one does or a person decides; only as many as ImportLimits::removals allows are removed, or none.";
const MOVES: &str = "When a member's address belongs to another user, that user has the activities still to come, and those \
    that belong to a user already stay that user's; beyond ImportLimits::moves no mapping is moved, and each says so.";
const TOLD: &str = "An import tells what it found of mappings that earlier ones made, each once until it changes, and how \
    many stay unconfirmed.";

pub(super) const CASES: &[Case] = &[
    case!(
        nobody_is_unmapped_because_a_directory_is_empty,
        STAYS,
        "an empty directory would hide everybody's time for ever"
    ),
    case!(
        mappings_are_removed_when_a_person_confirms_it,
        STAYS,
        "mappings of people who left could not be removed together, or more than a person has seen would be"
    ),
    case!(
        an_address_that_changes_hands_moves_only_what_is_new,
        MOVES,
        "a person's whole history would become another one's"
    ),
    case!(
        many_addresses_that_change_hands_at_once_move_nothing,
        MOVES,
        "a directory that is mixed up for a moment would mix up everybody's time"
    ),
    case!(
        an_import_tells_what_it_found_of_mappings,
        TOLD,
        "nobody would know which mappings to look at, or the log would say it with every import"
    ),
];

async fn import(
    ledger: &Book,
    id: &ConnectionId,
    team: &[TeamMember],
    limits: ImportLimits,
) -> Result<TeamChanges> {
    Ok(ledger.import_members(id, team, &limits).await?)
}

/// A member whose address is another user's.
fn of_other(id: &str, other: &str) -> TeamMember {
    member(id, UserMatch::Matched(user(other)))
}

/// Who has which entry.
async fn whose(ledger: &Book, id: &ConnectionId) -> Result<Vec<(String, Option<String>)>> {
    let all = list(ledger, &everything_of(id), 10).await?;
    let mut whose: Vec<_> = (all.into_iter())
        .map(|one| (one.entry_id, one.user.map(|user| user.id.to_string())))
        .collect();
    whose.sort();
    Ok(whose)
}

fn owned(all: &[(&str, &str)]) -> Vec<(String, Option<String>)> {
    all.iter()
        .map(|(entry, user)| ((*entry).to_owned(), Some((*user).to_owned())))
        .collect()
}

async fn nobody_is_unmapped_because_a_directory_is_empty(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    let usual = ImportLimits::default();
    let team = ["a", "b", "c", "d", "e"];
    import(&ledger, &id, &team.map(matched), usual).await?;
    apply(&ledger, &id, vec![work("1", "a")], vec![]).await?;
    let before = (mappings(&ledger, &id).await?, ledger.last_change().await?);
    let ambiguous = member("b", UserMatch::Ambiguous("Two users have it.".to_owned()));
    let mut empty = team.map(unmatched);
    empty[1] = ambiguous;
    import(&ledger, &id, &empty, usual).await?;
    apply(&ledger, &id, vec![work("2", "a")], vec![]).await?;
    same(
        &mappings(&ledger, &id).await?,
        &before.0,
        "mappings after an import with an empty directory",
    )?;
    same(
        ledger.changes(before.1, 10).await?.len(),
        1,
        "activities that moved in the feed, apart from a new one",
    )?;
    same(
        whose(&ledger, &id).await?,
        owned(&[("1", "a"), ("2", "a")]),
        "whose activities are after an import with an empty directory",
    )?;
    let a = found(&ledger, &id, "a").await?;
    same(
        a.unconfirmed,
        true,
        "whether an unconfirmed mapping says so",
    )?;
    same(
        found(&ledger, &id, "b").await?.note.as_deref(),
        Some("Two users have it."),
        "why a mapping is not confirmed",
    )?;
    let in_doubt = MemberFilter {
        in_doubt: true,
        ..MemberFilter::default()
    };
    same(
        ledger.members(&id, &in_doubt, None, 10).await?.matching,
        5,
        "members in doubt",
    )?;
    map(&ledger, &id, "c", Some(user("c"))).await?;
    import(&ledger, &id, &[matched("a"), unmatched("b")], usual).await?;
    let left = ledger.members(&id, &in_doubt, None, 10).await?.members;
    let left: Vec<_> = (left.iter())
        .map(|member| member.remote_user.id.as_str())
        .collect();
    same(
        left,
        ["b", "d", "e"],
        "members in doubt after one was confirmed, one was decided and the others were not listed",
    )?;
    let counted = connection(&ledger, &id).await?;
    same(
        (counted.users_mapped, counted.users_total),
        (5, 5),
        "mapped members",
    )
}

async fn mappings_are_removed_when_a_person_confirms_it(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    import(
        &ledger,
        &id,
        &["a", "b", "c"].map(matched),
        ImportLimits::default(),
    )
    .await?;
    apply(&ledger, &id, vec![work("1", "a")], vec![]).await?;
    let team = [unmatched("a"), unmatched("b"), matched("c")];
    let confirmed = |removals| ImportLimits { moves: 0, removals };
    let mapped = async || {
        let counted = connection(&ledger, &id).await?;
        anyhow::Ok(counted.users_mapped)
    };
    import(&ledger, &id, &team, confirmed(1)).await?;
    same(
        mapped().await?,
        3,
        "mapped members when two would be removed and one was confirmed",
    )?;
    let changes = import(&ledger, &id, &team, confirmed(2)).await?;
    same(
        mapped().await?,
        1,
        "mapped members when the removal of two was confirmed",
    )?;
    same(
        changes.mappings,
        [
            (RemoteUserId::new("a"), MappingFound::Removed),
            (RemoteUserId::new("b"), MappingFound::Removed),
        ],
        "what an import tells that removed mappings",
    )?;
    same(
        whose(&ledger, &id).await?,
        vec![("1".to_owned(), None)],
        "whose the activities of a member are whose mapping was removed",
    )?;
    import(&ledger, &id, &[matched("a")], ImportLimits::default()).await?;
    same(
        whose(&ledger, &id).await?,
        owned(&[("1", "a")]),
        "whose the activities of a member are who is matched again",
    )
}

async fn an_address_that_changes_hands_moves_only_what_is_new(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    let usual = ImportLimits::default();
    import(&ledger, &id, &[matched("a"), matched("b")], usual).await?;
    apply(&ledger, &id, vec![work("1", "a"), work("9", "b")], vec![]).await?;
    let before = ledger.last_change().await?;
    import(&ledger, &id, &[of_other("a", "other"), matched("b")], usual).await?;
    same(
        ledger.changes(before, 10).await?.len(),
        0,
        "activities that moved in the feed although nothing of them changed",
    )?;
    apply(&ledger, &id, vec![work("2", "a")], vec![]).await?;
    // What was received before is received again, and an entry changes hands.
    let again = entry("1", "2", log("a", None, 0, Some(90)));
    let handed = entry("9", "2", log("a", None, 0, Some(60)));
    apply(&ledger, &id, vec![again, handed], vec![]).await?;
    let divided = owned(&[("1", "a"), ("2", "other"), ("9", "other")]);
    same(
        &whose(&ledger, &id).await?,
        &divided,
        "whose activities are after an address changed hands",
    )?;
    let member = found(&ledger, &id, "a").await?;
    same(
        (member.user, member.matched_by, member.earlier_user),
        (Some(user("other")), Some(Email), Some(user("a"))),
        "a member whose address changed hands",
    )?;
    // Until a person decides, the question stays, whatever is imported.
    import(&ledger, &id, &[unmatched("a")], usual).await?;
    import(&ledger, &id, &[of_other("a", "other")], usual).await?;
    same(
        found(&ledger, &id, "a").await?.earlier_user,
        Some(user("a")),
        "whom earlier activities stayed with, after further imports",
    )?;
    same(
        &whose(&ledger, &id).await?,
        &divided,
        "whose activities are after further imports",
    )?;
    map(&ledger, &id, "a", Some(user("a"))).await?;
    same(
        whose(&ledger, &id).await?,
        owned(&[("1", "a"), ("2", "a"), ("9", "a")]),
        "whose activities are after a person decided",
    )?;
    same(
        found(&ledger, &id, "a").await?.earlier_user,
        None,
        "a question that was answered",
    )
}

async fn many_addresses_that_change_hands_at_once_move_nothing(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    let usual = ImportLimits::default();
    let team = ["a", "b", "c", "d"];
    import(&ledger, &id, &team.map(matched), usual).await?;
    apply(&ledger, &id, vec![work("1", "a")], vec![]).await?;
    let before = mappings(&ledger, &id).await?;
    let mixed = [("a", "b"), ("b", "a"), ("c", "d"), ("d", "x")].map(|(id, of)| of_other(id, of));
    let changes = import(&ledger, &id, &mixed, usual).await?;
    apply(&ledger, &id, vec![work("2", "a")], vec![]).await?;
    same(
        &mappings(&ledger, &id).await?,
        &before,
        "mappings after many addresses changed hands",
    )?;
    same(
        changes.claimed,
        4,
        "mappings that an import tells it left alone",
    )?;
    same(
        found(&ledger, &id, "d").await?.claimed_by,
        Some(user("x")),
        "who has a member's address now",
    )?;
    same(
        whose(&ledger, &id).await?,
        owned(&[("1", "a"), ("2", "a")]),
        "whose activities are after many addresses changed hands",
    )?;
    let confirmed = ImportLimits {
        moves: 4,
        removals: 0,
    };
    let changes = import(&ledger, &id, &mixed, confirmed).await?;
    apply(&ledger, &id, vec![work("3", "a")], vec![]).await?;
    same(
        changes.claimed,
        0,
        "mappings that are left alone when moving them was confirmed",
    )?;
    same(
        whose(&ledger, &id).await?,
        owned(&[("1", "a"), ("2", "a"), ("3", "b")]),
        "whose activities are after the moves were confirmed",
    )
}

async fn an_import_tells_what_it_found_of_mappings(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    let usual = ImportLimits::default();
    let told = async |team: &[TeamMember]| {
        let changes = import(&ledger, &id, team, usual).await?;
        let mut found: Vec<_> = (changes.mappings.into_iter())
            .map(|(member, found)| (member.to_string(), found))
            .collect();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        anyhow::Ok((found, changes.unconfirmed))
    };
    let expected = |found: &[(&str, MappingFound)], unconfirmed| {
        let found: Vec<_> = (found.iter())
            .map(|(member, found)| ((*member).to_owned(), *found))
            .collect();
        (found, unconfirmed)
    };
    let all = ["a", "b", "c"].map(matched);
    same(
        told(&all).await?,
        expected(&[], 0),
        "what the first import tells",
    )?;
    let doubted = [unmatched("a"), of_other("b", "x"), matched("c")];
    let news = [("a", MappingFound::Unconfirmed), ("b", MappingFound::Moved)];
    same(
        told(&doubted).await?,
        expected(&news, 1),
        "what is told of mappings in doubt",
    )?;
    same(
        told(&doubted).await?,
        expected(&[], 1),
        "what is told of the same once more",
    )?;
    let again = [matched("a"), of_other("b", "x"), matched("c")];
    same(
        told(&again).await?,
        expected(&[("a", MappingFound::Confirmed)], 0),
        "what is told of a mapping that is confirmed again",
    )
}
