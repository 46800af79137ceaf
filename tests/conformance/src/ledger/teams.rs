//! Teams: what an import makes of them.

use std::cell::Cell;
use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use integration_host_contract::id::{ConnectionId, RemoteUserId};
use integration_host_contract::{MemberState, TeamMember, User, UserMatch};
use integration_host_ledger::MatchedBy::{Email, Manual};
use integration_host_ledger::{ImportLimits, MatchedBy, Member, MemberFilter};
use proptest::prelude::*;

use super::fixture::{Book, apply, connect, connection, map, member, user, work};
use super::{Case, World};
use crate::suite::{case, for_random, same};

const IMPORT: &str = "An import makes the team what it lists: who is missing stays, as not present, if somebody decided \
    the mapping, a user is mapped or activities mention the member, and is removed otherwise.";
const DOUBLED: &str = "Of a member that an import lists more than once the last one counts, and of a user whom it tells \
    with several names or addresses the last.";
const DECIDED: &str = "What a person decided stays, whatever is imported; who is mapped to nobody follows the import.";
const TOLD: &str = "An import tells how many members joined and how many left, each counted once.";
const COUNTED: &str =
    "A connection tells how many members its team has and how many of them are mapped.";

/// Imports of one random history each.
const IMPORTS: usize = 40;

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
        a_member_that_is_listed_twice_keeps_the_decision,
        DOUBLED,
        "a list that repeats somebody would undo a mapping by hand"
    ),
    case!(
        random_imports_with_doubles_end_like_those_without,
        DOUBLED,
        "it would depend on the database who is mapped to whom, and what people are called"
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
    ledger
        .import_members(&other, &[matched("z")], &ImportLimits::default())
        .await?;
    apply(&ledger, &id, vec![work("1", "logged")], vec![]).await?;
    let first = ["b", "a"]
        .map(matched)
        .into_iter()
        .chain(["logged", "nothing", "refused"].map(unmatched));
    ledger
        .import_members(&id, &first.collect::<Vec<_>>(), &ImportLimits::default())
        .await?;
    map(&ledger, &id, "refused", None).await?;
    ledger
        .import_members(&id, &[unmatched("new")], &ImportLimits::default())
        .await?;
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
    ledger
        .import_members(&id, &[matched("a")], &ImportLimits::default())
        .await?;
    let mut changed = matched("a");
    changed.remote_user.name = "Ödön".to_owned();
    changed.remote_user.email = None;
    changed.remote_user.state = MemberState::Deactivated;
    changed.matched = UserMatch::Matched(User {
        name: "Renamed".to_owned(),
        email: None,
        ..user("a")
    });
    ledger
        .import_members(&id, &[changed.clone()], &ImportLimits::default())
        .await?;
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

async fn a_member_that_is_listed_twice_keeps_the_decision(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "s").await?;
    let import = async |team: &[TeamMember]| {
        let limits = ImportLimits::default();
        ledger.import_members(&id, team, &limits).await
    };
    import(&[unmatched("a"), unmatched("b")]).await?;
    map(&ledger, &id, "a", Some(user("u9"))).await?;
    let told = import(&[matched("a"), unmatched("b"), unmatched("a"), matched("b")]).await?;
    same((told.joined, told.left), (0, 0), "who joined and left")?;
    let after = mappings(&ledger, &id).await?;
    same(
        after,
        vec![
            ("a".to_owned(), Some("u9".to_owned()), Some(Manual), true),
            ("b".to_owned(), Some("b".to_owned()), Some(Email), true),
        ],
        "mappings after an import that lists everybody twice",
    )
}

/// A listed member: which, matched to whom, and what that user is called by now.
type Row = (u8, Option<u8>, u8);

async fn random_imports_with_doubles_end_like_those_without(world: &World<'_>) -> Result<()> {
    let row = (0..4_u8, prop::option::of(0..3_u8), 0..3_u8);
    let imports = prop::collection::vec(prop::collection::vec(row, 0..8), 1..6);
    let ledger = world.open().await;
    let played = Cell::new(0);
    for_random(IMPORTS, imports, async |imports: Vec<Vec<Row>>| {
        played.set(played.get() + 1);
        let doubled = connect(&ledger, &format!("{}/doubled", played.get())).await?;
        let plain = connect(&ledger, &format!("{}/plain", played.get())).await?;
        let mut names = BTreeMap::new();
        for import in &imports {
            let last_of_each: Vec<Row> = (import.iter().enumerate())
                .filter(|(place, (member, ..))| {
                    import.iter().rposition(|(other, ..)| other == member) == Some(*place)
                })
                .map(|(_, row)| *row)
                .collect();
            // The last of each stands where the first one did.
            let mut in_order: Vec<Row> = Vec::new();
            for (member, ..) in import {
                let last = last_of_each.iter().find(|(other, ..)| other == member);
                if let Some(last) = last
                    && !in_order.contains(last)
                {
                    in_order.push(*last);
                }
            }
            for (id, rows) in [(&doubled, import), (&plain, &in_order)] {
                let team: Vec<TeamMember> = rows.iter().map(listed).collect();
                let limits = ImportLimits::default();
                ledger.import_members(id, &team, &limits).await?;
            }
            for (_, user, name) in &in_order {
                if let Some(user) = user {
                    names.insert(format!("x{user}"), format!("Name {name}"));
                }
            }
        }
        let one = everybody(&ledger, &doubled).await?;
        for user in one.iter().filter_map(|member| member.user.as_ref()) {
            let expected = names.get(user.id.as_str());
            same(
                Some(&user.name),
                expected,
                format!("the name of {}", user.id),
            )?;
        }
        let other = everybody(&ledger, &plain).await?;
        same(
            one,
            other,
            "the team after imports with doubles and without",
        )
    })
    .await
}

fn listed((member_id, matched, name): &Row) -> TeamMember {
    let matched = matched.map_or(UserMatch::Unmatched, |number| {
        let id = format!("x{number}");
        UserMatch::Matched(User {
            name: format!("Name {name}"),
            ..user(&id)
        })
    });
    member(&format!("m{member_id}"), matched)
}

async fn everybody(ledger: &Book, id: &ConnectionId) -> Result<Vec<Member>> {
    let filter = MemberFilter::default();
    Ok(ledger.members(id, &filter, None, 1000).await?.members)
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
            &ImportLimits::default(),
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
    // `b` would match again, `a` no longer does, `c` now does, and `d` would match another. Of those only `c` follows.
    let team = [matched("b"), unmatched("a"), matched("c"), matched("d")];
    ledger
        .import_members(&id, &team, &ImportLimits::default())
        .await?;
    let expected = [
        ("a".to_owned(), some("a"), Some(Email), true),
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
        let changes = ledger
            .import_members(&id, &members, &ImportLimits::default())
            .await?;
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
            &ImportLimits::default(),
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
    ledger
        .import_members(&id, &[matched("a")], &ImportLimits::default())
        .await?;
    same(
        counts().await?,
        (3, 4),
        "mapped and all members after most have left",
    )
}
