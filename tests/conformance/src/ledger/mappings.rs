//! Mappings: what a person decides, and what it goes for.

use anyhow::{Context as _, Result, ensure};
use integration_host_contract::id::RemoteUserId;
use integration_host_contract::{TimeLog, UserMatch};
use integration_host_ledger::MatchedBy::Email;
use integration_host_ledger::{ActivityFilter, ImportLimits, LedgerError, Mapping, MappingChange};

use super::fixture::{apply, connect, entry, everything_of, list, log, map, member, user, work};
use super::teams::{found, mappings, matched, unmatched};
use super::{Case, World};
use crate::suite::{case, same};

const GUARDED: &str =
    "A mapping that is not what it was expected to be is left alone, as a LedgerError::Conflict.";
const MENTIONED: &str = "A member that only activities mention can be mapped; one that nothing mentions is \
    LedgerError::NotFound.";
const TAKEN_BACK: &str = "A decision that is taken back leaves the member undecided, with the import's note, for the \
    next import to decide.";
const ALL_ACTIVITIES: &str = "A mapping by hand goes for all activities of a member, those received before and those \
    still to come, unless it keeps earlier ones with the users they belong to; for many of them as \
    Feed::spread_changes goes on.";

pub(super) const CASES: &[Case] = &[
    case!(
        a_mapping_somebody_else_changed_is_not_overwritten,
        GUARDED,
        "of two people at once one would undo the other's work unseen"
    ),
    case!(
        whoever_logged_time_can_be_mapped,
        MENTIONED,
        "time of somebody whom the import does not list could not be shown"
    ),
    case!(
        a_decision_can_be_taken_back,
        TAKEN_BACK,
        "a slip of the hand would keep a member from ever being matched again"
    ),
    case!(
        a_mapping_shows_what_was_received_before,
        ALL_ACTIVITIES,
        "somebody mapped late would have lost the time until then"
    ),
    case!(
        a_mapping_may_leave_earlier_activities_where_they_are,
        ALL_ACTIVITIES,
        "whoever takes over an account would be given another person's time"
    ),
    case!(
        a_mapping_is_of_one_connection,
        ALL_ACTIVITIES,
        "time of one workspace would be shown as another's"
    ),
];

async fn a_mapping_somebody_else_changed_is_not_overwritten(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "s").await?;
    ledger
        .import_members(&id, &[unmatched("a")], &ImportLimits::default())
        .await?;
    let a = RemoteUserId::new("a");
    let set = async |to: &str, before: Mapping| {
        let change = MappingChange {
            before: Some(before),
            ..MappingChange::by_hand(Some(user(to)))
        };
        ledger.set_mapping(&id, &a, &change).await
    };
    let first = set("u1", Mapping::default())
        .await
        .context("a mapping that is as expected")?;
    let second = set("u2", Mapping::default()).await;
    ensure!(
        matches!(second, Err(LedgerError::Conflict(_))),
        "a mapping that was changed meanwhile: {second:?}"
    );
    same(
        ledger.member(&id, &a).await?,
        Some(first.clone()),
        "a member after a conflict",
    )?;
    set("u2", first.mapping())
        .await
        .context("a mapping that is as expected")?;
    same(
        found(&ledger, &id, "a").await?.mapping().user,
        Some(user("u2").id),
        "the mapping",
    )
}

async fn whoever_logged_time_can_be_mapped(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    apply(&ledger, &id, vec![work("1", "x")], vec![]).await?;
    same(
        ledger.member(&id, &RemoteUserId::new("x")).await?,
        None,
        "a member that no import listed",
    )?;
    let mentioned = map(&ledger, &id, "x", Some(user("ux")))
        .await
        .context("a member that activities mention")?;
    ensure!(
        !mentioned.present,
        "a member that only activities mention is shown as present"
    );
    let change = MappingChange::by_hand(Some(user("ux")));
    let nobody = ledger
        .set_mapping(&id, &RemoteUserId::new("nobody"), &change)
        .await;
    ensure!(
        matches!(nobody, Err(LedgerError::NotFound(_))),
        "a member that nothing mentions: {nobody:?}"
    );
    same(
        mappings(&ledger, &id).await?.len(),
        1,
        "members after one was mapped that activities mention",
    )
}

async fn a_decision_can_be_taken_back(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "s").await?;
    let note = "Two users have this address.";
    ledger
        .import_members(
            &id,
            &[member("a", UserMatch::Ambiguous(note.to_owned()))],
            &ImportLimits::default(),
        )
        .await?;
    let decided = map(&ledger, &id, "a", Some(user("u1"))).await?;
    let undecided = MappingChange {
        user: None,
        matched_by: None,
        keeps_earlier: false,
        before: Some(decided.mapping()),
    };
    let back = ledger
        .set_mapping(&id, &RemoteUserId::new("a"), &undecided)
        .await?;
    same(
        back.mapping(),
        Mapping::default(),
        "a mapping that was taken back",
    )?;
    same(
        back.note.as_deref(),
        Some(note),
        "the note of a mapping that was taken back",
    )?;
    ledger
        .import_members(&id, &[matched("a")], &ImportLimits::default())
        .await?;
    same(
        found(&ledger, &id, "a").await?.matched_by,
        Some(Email),
        "who decided after the next import",
    )
}

async fn a_mapping_shows_what_was_received_before(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    apply(
        &ledger,
        &id,
        vec![work("1", "a"), work("2", "b"), work("3", "a")],
        vec![],
    )
    .await?;
    let listed = async || anyhow::Ok(list(&ledger, &ActivityFilter::default(), 10).await?.len());
    same(
        listed().await?,
        0,
        "listed activities of members nobody has mapped",
    )?;
    map(&ledger, &id, "a", Some(user("ua"))).await?;
    same(
        listed().await?,
        2,
        "listed activities of a member that was mapped",
    )?;
    apply(&ledger, &id, vec![work("4", "a")], vec![]).await?;
    same(
        listed().await?,
        3,
        "listed activities after one more of a mapped member",
    )?;
    let of = async |id: &str| {
        let filter = ActivityFilter {
            user: Some(user(id).id),
            ..Default::default()
        };
        anyhow::Ok(list(&ledger, &filter, 10).await?.len())
    };
    map(&ledger, &id, "a", Some(user("other"))).await?;
    same(
        (of("ua").await?, of("other").await?),
        (0, 3),
        "activities of the former and the present user",
    )?;
    // An entry turns out to be somebody else's.
    map(&ledger, &id, "b", Some(user("ub"))).await?;
    apply(
        &ledger,
        &id,
        vec![entry("1", "2", log("b", None, 0, Some(60)))],
        vec![],
    )
    .await?;
    same(
        (of("other").await?, of("ub").await?),
        (2, 2),
        "activities of users after one changed hands",
    )?;
    map(&ledger, &id, "a", None).await?;
    same(
        listed().await?,
        2,
        "listed activities after a member was mapped to nobody",
    )?;
    ledger
        .import_members(&id, &[matched("a")], &ImportLimits::default())
        .await?;
    same(
        listed().await?,
        2,
        "listed activities of a member somebody decided to map to nobody",
    )
}

async fn a_mapping_may_leave_earlier_activities_where_they_are(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    apply(&ledger, &id, vec![work("1", "a")], vec![]).await?;
    map(&ledger, &id, "a", Some(user("first"))).await?;
    let keeping = async |to: Option<&str>| {
        let change = MappingChange {
            keeps_earlier: true,
            ..MappingChange::by_hand(to.map(user))
        };
        ledger
            .set_mapping(&id, &RemoteUserId::new("a"), &change)
            .await
    };
    keeping(None).await?;
    apply(&ledger, &id, vec![work("2", "a")], vec![]).await?;
    let before = ledger.last_change().await?;
    keeping(Some("second")).await?;
    apply(&ledger, &id, vec![work("3", "a")], vec![]).await?;
    // What is received of an earlier one again is still its user's.
    let renamed = TimeLog {
        description: "Renamed".to_owned(),
        ..log("a", None, 0, Some(60))
    };
    apply(&ledger, &id, vec![entry("1", "2", renamed)], vec![]).await?;
    let moved = ledger.changes(before, 10).await?;
    same(
        moved
            .iter()
            .map(|one| one.entry_id.as_str())
            .collect::<Vec<_>>(),
        ["2", "3", "1"],
        "what moved in the feed",
    )?;
    let whose = async || {
        let all = list(&ledger, &everything_of(&id), 10).await?;
        let mut whose: Vec<_> = (all.into_iter())
            .map(|one| (one.entry_id, one.user.map(|user| user.id.to_string())))
            .collect();
        whose.sort();
        anyhow::Ok(whose)
    };
    let expected = [("1", "first"), ("2", "second"), ("3", "second")];
    let told =
        |all: [(&str, &str); 3]| all.map(|(entry, user)| (entry.to_owned(), Some(user.to_owned())));
    same(
        whose().await?,
        told(expected),
        "whose activities are after a mapping that keeps earlier ones",
    )?;
    map(&ledger, &id, "a", Some(user("second"))).await?;
    same(
        whose().await?,
        told(expected.map(|(entry, _)| (entry, "second"))),
        "whose activities are after the same mapping that keeps nothing",
    )
}

async fn a_mapping_is_of_one_connection(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let (one, other) = (connect(&ledger, "43").await?, connect(&ledger, "44").await?);
    for id in [&one, &other] {
        apply(&ledger, id, vec![work("1", "a")], vec![]).await?;
    }
    map(&ledger, &one, "a", Some(user("u"))).await?;
    let shown = list(&ledger, &ActivityFilter::default(), 10).await?;
    let shown: Vec<_> = shown
        .iter()
        .map(|activity| &activity.connection_id)
        .collect();
    same(shown, [&one], "connections whose activities are shown")?;
    same(
        ledger.member(&other, &RemoteUserId::new("a")).await?,
        None,
        "the same member of another connection",
    )
}
