//! Searching for users.

use anyhow::{Context as _, Result, ensure};

use super::{Case, TEAM, World, names, person};
use crate::suite::{case, same};

const NOT_OFFERED: &str = "whoever maps a member by hand would not be offered the right user";

pub(super) const CASES: &[Case] = &[
    case!(
        any_part_finds,
        "A search finds the users whose name or e-mail address contains the query without regard to upper and lower \
         case, or whose id contains it as it is written; no character of a query has a meaning.",
        NOT_OFFERED
    ),
    case!(
        what_is_found_is_ordered_and_cut,
        "What is found is ordered by name, without regard to upper and lower case, and cut to the limit.",
        NOT_OFFERED
    ),
    case!(
        an_empty_query_finds_everybody,
        "An empty query finds everybody.",
        NOT_OFFERED
    ),
    case!(
        an_address_is_not_needed,
        "A user without an e-mail address is found by id and by searches.",
        NOT_OFFERED
    ),
];

async fn any_part_finds(world: &World<'_>) -> Result<()> {
    let directory = world.team().await;
    let odd = TEAM[4].name;
    for (query, expected) in [
        ("LOVE", &["ada lovelace"][..]),
        ("ada love", &["ada lovelace"]),
        ("a.l", &["ada lovelace"]),
        ("BOB", &["Bob", "Bob Second"]),
        ("second", &["Bob Second"]),
        ("sub.EXAMPLE", &["Cy ) or ("]),
        ("ärl", &["Zoë Ärlich"]),
        ("ZOË ÄR", &["Zoë Ärlich"]),
        ("%", &[odd]),
        ("0%_S", &[odd]),
        ("\"quoted\" \\", &[odd]),
        ("'or'", &[odd]),
        ("*", &[odd]),
        (") or (", &["Cy ) or ("]),
        ("b_b", &[]),
        ("bob%", &[]),
        ("adalovelace", &[]),
        ("bobbob", &[]),
        ("' OR '1'='1", &[]),
        ("\" or id pr or id eq \"", &[]),
        ("?1", &[]),
        ("$1", &[]),
    ] {
        let found = directory.search(query, 10).await?;
        same(names(&found), expected, format!("a search for {query:?}"))?;
    }
    for user in directory.search("", 10).await? {
        let found = directory.search(user.id.as_str(), 10).await?;
        ensure!(found.contains(&user), "{user:?} is not found by the id");
    }
    Ok(())
}

async fn what_is_found_is_ordered_and_cut(world: &World<'_>) -> Result<()> {
    let people = [
        person("delta", Some("d@example.org")),
        person("Alpha", Some("z@example.org")),
        person("charlie", Some("c@example.org")),
        person("Bravo", Some("b@example.org")),
    ];
    let directory = world.open_with(people.to_vec()).await;
    let found = directory.search("example.org", 10).await?;
    same(
        names(&found),
        ["Alpha", "Bravo", "charlie", "delta"],
        "the order",
    )?;
    let found = directory.search("EXAMPLE.org", 3).await?;
    same(
        names(&found),
        ["Alpha", "Bravo", "charlie"],
        "the first three",
    )?;
    same(
        directory.search("alpha", 0).await?.len(),
        0,
        "the first none",
    )
}

async fn an_empty_query_finds_everybody(world: &World<'_>) -> Result<()> {
    let directory = world.team().await;
    same(
        directory.search("", 100).await?.len(),
        TEAM.len(),
        "everybody",
    )?;
    same(
        directory.search("", 2).await?.len(),
        2,
        "the first two of everybody",
    )?;
    same(
        directory.count().await?,
        TEAM.len() as u64,
        "how many users there are",
    )?;
    let nobody = world.open_with(Vec::new()).await;
    same(
        nobody.search("", 100).await?.len(),
        0,
        "everybody where nobody is",
    )?;
    same(
        nobody.count().await?,
        0,
        "how many users there are where nobody is",
    )
}

async fn an_address_is_not_needed(world: &World<'_>) -> Result<()> {
    let directory = world.team().await;
    let found = directory.search("zoë", 10).await?;
    let zoe = found.first().context("who has no address is not found")?;
    same(zoe.email.as_deref(), None, "the address of who has none")?;
    let found = directory.find_by_id(&zoe.id).await?;
    same(found.as_ref(), Some(zoe), "the user by id")
}
