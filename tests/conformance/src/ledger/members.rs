//! Lists of members.

use anyhow::{Result, ensure};
use integration_host_contract::id::ConnectionId;
use integration_host_contract::{TeamMember, UserMatch};
use integration_host_ledger::MatchedBy::{Email, Manual};
use integration_host_ledger::{ImportLimits, Member, MemberFilter};

use super::fixture::{Book, connect, map, member, user};
use super::{Case, World};
use crate::suite::{case, same};

const ORDERED: &str = "Members are ordered by their names in lower case, as str::to_lowercase has them, then by id; pages \
    lead on and back, and tell how many match on all of them.";
const FILTERED: &str =
    "A list of members has whom its MemberFilter describes, without regard to case in any script.";

pub(super) const CASES: &[Case] = &[
    case!(
        a_team_is_read_page_by_page_in_the_order_of_names,
        ORDERED,
        "members would be missing from the list in which they are to be mapped"
    ),
    case!(
        pages_lead_back_the_way_they_came,
        ORDERED,
        "going back would lead past members"
    ),
    case!(
        a_search_finds_members_in_any_script,
        FILTERED,
        "a person would not be found by name"
    ),
];

/// A team whose ids, names and mappings do not come in one order.
async fn large_team(ledger: &Book, count: usize) -> Result<ConnectionId> {
    let id = connect(ledger, "large").await?;
    let names = ["Ödön", "ödön", "Ada", "ada", "Zoë", "Ελένη", "Ann%", "_ann"];
    let team: Vec<TeamMember> = (0..count)
        .zip(names.iter().cycle())
        .map(|(number, name)| {
            let matched = match number % 3 {
                0 => UserMatch::Matched(user(&format!("u{number}"))),
                _ => UserMatch::Unmatched,
            };
            let mut member = member(&format!("{number:05}"), matched);
            member.remote_user.name = format!("{name} {}", number * 7919 % (count / 2));
            member
        })
        .collect();
    ledger
        .import_members(&id, &team, &ImportLimits::default())
        .await?;
    map(ledger, &id, "00001", Some(user("found by hand"))).await?;
    Ok(id)
}

async fn pages(
    ledger: &Book,
    id: &ConnectionId,
    filter: &MemberFilter,
    limit: usize,
) -> Result<Vec<Member>> {
    let (mut all, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = ledger.members(id, filter, cursor.as_deref(), limit).await?;
        ensure!(
            page.members.len() <= limit,
            "a page of {limit} has {} members",
            page.members.len()
        );
        all.extend(page.members);
        ensure!(all.len() < 10_000, "pages of {limit} have no end");
        cursor = page.next;
        if cursor.is_none() {
            same(
                page.matching,
                all.len() as u64,
                "members on all pages, as the last page tells",
            )?;
            return Ok(all);
        }
    }
}

async fn a_team_is_read_page_by_page_in_the_order_of_names(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = large_team(&ledger, 120).await?;
    let everybody = MemberFilter::default();
    for limit in [1, 7, 120, 1000] {
        let all = pages(&ledger, &id, &everybody, limit).await?;
        same(all.len(), 120, format!("members on pages of {limit}"))?;
        let order = |member: &Member| {
            (
                member.remote_user.name.to_lowercase(),
                member.remote_user.id.clone(),
            )
        };
        let orders: Vec<_> = all.iter().map(order).collect();
        ensure!(
            orders.is_sorted_by(|one, other| one < other),
            "members on pages of {limit} are out of order"
        );
    }
    Ok(())
}

async fn pages_lead_back_the_way_they_came(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = large_team(&ledger, 80).await?;
    let all = MemberFilter::default();
    let page = async |cursor: Option<&str>| ledger.members(&id, &all, cursor, 30).await;
    let first = page(None).await?;
    same(&first.previous, &None, "the page before the first")?;
    let second = page(first.next.as_deref()).await?;
    let third = page(second.next.as_deref()).await?;
    same(
        (third.members.len(), &third.next),
        (20, &None),
        "the last page",
    )?;
    same(
        page(third.previous.as_deref()).await?.members,
        second.members,
        "the page before the third",
    )?;
    let back = page(second.previous.as_deref()).await?;
    same(back, first, "the page before the second")
}

async fn a_search_finds_members_in_any_script(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = large_team(&ledger, 120).await?;
    let all = pages(&ledger, &id, &MemberFilter::default(), 1000).await?;
    for query in [
        None,
        Some("ÖD"),
        Some("ΕΛΈ"),
        Some("0012"),
        Some("user U3"),
        Some("by hand"),
        Some(" ada "),
        Some("n%"),
        Some("_"),
        Some("x?"),
    ] {
        for unmapped in [false, true] {
            for matched_by in [None, Some(Email), Some(Manual)] {
                let filter = MemberFilter {
                    query: query.map(str::to_owned),
                    unmapped,
                    matched_by,
                    in_doubt: false,
                };
                let expected: Vec<_> = all
                    .iter()
                    .filter(|member| describes(&filter, member))
                    .cloned()
                    .collect();
                let found = pages(&ledger, &id, &filter, 17).await?;
                let names = |members: &[Member]| -> Vec<String> {
                    members
                        .iter()
                        .map(|member| member.remote_user.name.clone())
                        .collect()
                };
                same(
                    names(&found),
                    names(&expected),
                    format!("members found with {filter:?}"),
                )?;
            }
        }
    }
    Ok(())
}

/// What [`MemberFilter`] says.
fn describes(filter: &MemberFilter, member: &Member) -> bool {
    let user = member.user.as_ref();
    let texts = [
        Some(&member.remote_user.name),
        member.remote_user.email.as_ref(),
        user.map(|user| &user.name),
    ];
    let has_text = filter.query.as_ref().is_none_or(|query| {
        let wanted = query.trim().to_lowercase();
        texts
            .into_iter()
            .flatten()
            .any(|text| text.to_lowercase().contains(&wanted))
    });
    has_text
        && !(filter.unmapped && user.is_some())
        && filter
            .matched_by
            .is_none_or(|by| member.matched_by == Some(by))
}
