//! Teams: what an import makes of them.

use anyhow::{Context as _, Result};
use integration_host::contract::{MemberState, TeamMember, User, UserMatch};
use integration_host::id::{ConnectionId, RemoteUserId};
use integration_host::ledger::MatchedBy::{Email, Manual};
use integration_host::ledger::{MatchedBy, Member, MemberFilter};

use super::fixture::{Book, apply, connect, connection, map, member, user, work};
use super::{Case, World};
use crate::suite::{case, same};

const IMPORT: &str = "An import makes the team what it lists: who is missing stays, as not present, if somebody decided \
    the mapping, a user is mapped or activities mention the member, and is removed otherwise.";
const DECIDED: &str =
    "What a person decided stays, whatever is imported; every other mapping follows the import.";
const TOLD: &str = "An import tells how many members joined and how many left, each counted once.";
const COUNTED: &str =
    "A connection tells how many members its team has and how many of them are mapped.";

pub(super) const CASES: &[Case] = &[
    case!(
        an_import_makes_the_team_what_it_lists,
        IMPORT,
        "people who left would stay, or those who logged time would be gone"
    ),
    case!(
        an_import_takes_over_names_and_states,
        IMPORT,
        "the team would show names and addresses of long ago"
    ),
    case!(
        what_a_person_decided_stays,
        DECIDED,
        "mappings by hand would be undone every night"
    ),
    case!(
        an_import_says_who_joined_and_left,
        TOLD,
        "the log would tell of people who come and go all the time"
    ),
    case!(
        a_connection_counts_its_team,
        COUNTED,
        "nobody would see that members still have to be mapped"
    ),
];

/// All members with user, decision and presence.
pub(super) async fn mappings(
    ledger: &Book,
    id: &ConnectionId,
) -> Result<Vec<(String, Option<String>, Option<MatchedBy>, bool)>> {
    let all = ledger
        .members(id, &MemberFilter::default(), None, 1000)
        .await?;
    let shown = all.members.into_iter().map(|member| {
        let user = member.user.map(|user| user.id.to_string());
        (
            member.remote_user.id.to_string(),
            user,
            member.matched_by,
            member.present,
        )
    });
    Ok(shown.collect())
}

pub(super) async fn found(ledger: &Book, id: &ConnectionId, remote_user: &str) -> Result<Member> {
    let found = ledger.member(id, &RemoteUserId::new(remote_user)).await?;
    found.with_context(|| format!("the member {remote_user} is missing"))
}

pub(super) fn matched(id: &str) -> TeamMember {
    member(id, UserMatch::Matched(user(id)))
}

pub(super) fn unmatched(id: &str) -> TeamMember {
    member(id, UserMatch::Unmatched)
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

async fn an_import_makes_the_team_what_it_lists(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    let other = connect(&ledger, "44").await?;
    ledger.import_members(&other, &[matched("z")]).await?;
    apply(&ledger, &id, vec![work("1", "logged")], vec![]).await?;
    let first = ["b", "a"]
        .map(matched)
        .into_iter()
        .chain(["logged", "nothing", "refused"].map(unmatched));
    ledger
        .import_members(&id, &first.collect::<Vec<_>>())
        .await?;
    map(&ledger, &id, "refused", None).await?;
    ledger.import_members(&id, &[unmatched("new")]).await?;
    let left = [
        ("a".to_owned(), some("a"), Some(Email), false),
        ("b".to_owned(), some("b"), Some(Email), false),
        ("logged".to_owned(), None, None, false),
        ("new".to_owned(), None, None, true),
        ("refused".to_owned(), None, Some(Manual), false),
    ];
    same(
        mappings(&ledger, &id).await?,
        left,
        "the team after an import without most of it",
    )?;
    same(
        mappings(&ledger, &other).await?.len(),
        1,
        "another team after an import",
    )?;
    same(
        ledger.member(&id, &RemoteUserId::new("nothing")).await?,
        None,
        "a member that left nothing",
    )
}

async fn an_import_takes_over_names_and_states(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    ledger.import_members(&id, &[matched("a")]).await?;
    let mut changed = matched("a");
    changed.remote_user.name = "Ödön".to_owned();
    changed.remote_user.email = None;
    changed.remote_user.state = MemberState::Deactivated;
    changed.matched = UserMatch::Matched(User {
        name: "Renamed".to_owned(),
        email: None,
        ..user("a")
    });
    ledger.import_members(&id, &[changed.clone()]).await?;
    let member = found(&ledger, &id, "a").await?;
    same(
        &member.remote_user,
        &changed.remote_user,
        "a member after a changed import",
    )?;
    same(
        UserMatch::Matched(member.user.context("a user")?),
        changed.matched,
        "a user after a changed import",
    )
}

async fn what_a_person_decided_stays(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    let ambiguous = member(
        "d",
        UserMatch::Ambiguous("Two users have this address.".to_owned()),
    );
    ledger
        .import_members(
            &id,
            &[matched("b"), matched("a"), unmatched("c"), ambiguous],
        )
        .await?;
    let note = found(&ledger, &id, "d").await?.note;
    same(
        note.as_deref(),
        Some("Two users have this address."),
        "the note of a member that could not be matched",
    )?;
    same(
        map(&ledger, &id, "d", Some(user("ud"))).await?.note,
        None,
        "the note of a member that was decided",
    )?;
    map(&ledger, &id, "b", None).await?;
    // `b` would match again, `a` no longer does, `c` now does, and `d` would match another.
    let team = [matched("b"), unmatched("a"), matched("c"), matched("d")];
    ledger.import_members(&id, &team).await?;
    let expected = [
        ("a".to_owned(), None, None, true),
        ("b".to_owned(), None, Some(Manual), true),
        ("c".to_owned(), some("c"), Some(Email), true),
        ("d".to_owned(), some("ud"), Some(Manual), true),
    ];
    same(
        mappings(&ledger, &id).await?,
        expected,
        "mappings after an import",
    )
}

async fn an_import_says_who_joined_and_left(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "s").await?;
    for (team, joined, left) in [
        (&["a", "b", "b"][..], 2, 0),
        (&["b", "a"], 0, 0),
        (&["a", "c"], 1, 1),
        (&["a", "c"], 0, 0),
        (&["a", "b", "c"], 1, 0),
        (&[], 0, 3),
    ] {
        let members: Vec<_> = team.iter().map(|id| matched(id)).collect();
        let changes = ledger.import_members(&id, &members).await?;
        same(
            (changes.joined, changes.left),
            (joined, left),
            format!("who joined and left with {team:?}"),
        )?;
    }
    Ok(())
}

async fn a_connection_counts_its_team(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    let counts = async || {
        let found = connection(&ledger, &id).await?;
        anyhow::Ok((found.users_mapped, found.users_total))
    };
    apply(&ledger, &id, vec![work("1", "x")], vec![]).await?;
    ledger
        .import_members(
            &id,
            &[matched("a"), matched("b"), unmatched("c"), unmatched("d")],
        )
        .await?;
    same(
        counts().await?,
        (2, 4),
        "mapped and all members after an import",
    )?;
    map(&ledger, &id, "c", Some(user("uc"))).await?;
    map(&ledger, &id, "a", None).await?;
    map(&ledger, &id, "x", Some(user("ux"))).await?;
    same(
        counts().await?,
        (3, 5),
        "mapped and all members after decisions",
    )?;
    ledger.import_members(&id, &[matched("a")]).await?;
    same(
        counts().await?,
        (3, 4),
        "mapped and all members after most have left",
    )
}
