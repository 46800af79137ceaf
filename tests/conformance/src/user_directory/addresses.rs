//! Finding users by their addresses and ids.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use futures_util::future::try_join_all;
use integration_host_contract::id::UserId;

use super::{Case, TEAM, World, found};
use crate::suite::{case, same};

const WRONG_PERSON: &str = "a member's time would be logged for somebody else, or for nobody";

pub(super) const CASES: &[Case] = &[
    case!(
        addresses_have_no_case,
        "Addresses are told apart without regard to upper and lower case.",
        WRONG_PERSON
    ),
    case!(
        what_cannot_be_seen_does_not_count,
        "What cannot be seen in an address that is asked for, such as a zero-width space, does not count.",
        "somebody whose address was copied from a page would be matched to nobody, and nobody could see why"
    ),
    case!(
        answers_come_in_the_order_of_the_addresses,
        "Every address asked for is answered, in the order given, also one that is asked for twice.",
        WRONG_PERSON
    ),
    case!(
        an_address_finds_all_who_have_it_and_nobody_else,
        "An address that several users have finds them all, one that nobody has nobody, and an empty one nobody.",
        WRONG_PERSON
    ),
    case!(
        a_large_team_is_looked_up,
        "Ten thousand addresses, the members of a large team, are a question like any other.",
        "a large team could not be imported"
    ),
    case!(
        an_id_finds_its_user_only,
        "An id is never empty, belongs to one user, stays the same, and finds that user and no other.",
        WRONG_PERSON
    ),
    case!(
        calls_do_not_disturb_each_other,
        "Calls may be under way at once, and each is answered as if it were alone.",
        WRONG_PERSON
    ),
];

async fn addresses_have_no_case(world: &World<'_>) -> Result<()> {
    let directory = world.team().await;
    let emails = [
        "ADA.LOVELACE@EXAMPLE.ORG",
        "ada.lovelace@example.org",
        "Cy@Sub.example.ORG",
    ];
    same(
        found(&*directory, &emails).await?,
        [["ada lovelace"], ["ada lovelace"], ["Cy ) or ("]],
        "addresses in another case",
    )
}

async fn what_cannot_be_seen_does_not_count(world: &World<'_>) -> Result<()> {
    let directory = world.team().await;
    let emails = [
        "ada.lovelace@\u{200b}example.org",
        "\u{feff}cy@sub.example.org ",
        "\u{200b}",
    ];
    same(
        found(&*directory, &emails).await?,
        [&["ada lovelace"][..], &["Cy ) or ("], &[]],
        "addresses with something invisible in them",
    )
}

async fn answers_come_in_the_order_of_the_addresses(world: &World<'_>) -> Result<()> {
    let directory = world.team().await;
    let emails = [
        "cy@sub.example.org",
        "nobody@example.org",
        "ada.lovelace@example.org",
        "cy@sub.example.org",
    ];
    same(
        found(&*directory, &emails).await?,
        [&["Cy ) or ("][..], &[], &["ada lovelace"], &["Cy ) or ("]],
        "answers",
    )?;
    same(
        found(&*directory, &[]).await?.len(),
        0,
        "answers to no question",
    )
}

async fn an_address_finds_all_who_have_it_and_nobody_else(world: &World<'_>) -> Result<()> {
    let directory = world.team().await;
    let several = found(&*directory, &["Bob@example.org"]).await?;
    same(several, [["Bob", "Bob Second"]], "who has an address twice")?;
    let odd = found(&*directory, &["O'NEIL+a_b%c@example.org"]).await?;
    same(odd, [[TEAM[4].name]], "who has an odd address")?;
    let nobodys = [
        "",
        " ",
        "%",
        "_ob@example.org",
        "*",
        "bob@example.or",
        "ob@example.org",
        "bob@example.org%",
        "\" or \"\" eq \"",
        "' OR '1'='1",
        "x\\",
        "a\0b",
        "null",
    ];
    for (email, users) in nobodys.iter().zip(found(&*directory, &nobodys).await?) {
        ensure!(users.is_empty(), "{email:?} found {users:?}");
    }
    Ok(())
}

async fn a_large_team_is_looked_up(world: &World<'_>) -> Result<()> {
    let directory = world.team().await;
    let mut emails: Vec<String> = (0..9_999)
        .map(|number| format!("Member.Number{number}@Team.example.org"))
        .collect();
    emails.insert(5_000, "cy@sub.example.org".to_owned());
    let answers = directory.find_by_email(&emails).await?;
    same(answers.len(), emails.len(), "answers")?;
    let found: Vec<usize> = (0..answers.len())
        .filter(|index| answers.get(*index).is_some_and(|users| !users.is_empty()))
        .collect();
    same(found, [5_000], "who is a user")
}

async fn an_id_finds_its_user_only(world: &World<'_>) -> Result<()> {
    let directory = world.team().await;
    let users = directory.search("", TEAM.len()).await?;
    let ids: BTreeSet<&UserId> = users.iter().map(|user| &user.id).collect();
    same(ids.len(), TEAM.len(), "different ids")?;
    for user in &users {
        let found = directory.find_by_id(&user.id).await?;
        same(found.as_ref(), Some(user), "the user with an id")?;
        let id = user.id.as_str();
        let others = [
            String::new(),
            format!("{id} "),
            format!(" {id}"),
            format!("{id}x"),
            format!("0{id}"),
            format!("{id}%"),
            format!("{id}/"),
            format!("../{id}"),
            format!("{id}' OR '1'='1"),
            format!("{id}\0"),
            "%".to_owned(),
            "..".to_owned(),
        ];
        for other in others {
            let found = directory.find_by_id(&UserId::new(other.as_str())).await?;
            ensure!(found.is_none(), "{other:?} found {found:?}");
        }
    }
    Ok(())
}

async fn calls_do_not_disturb_each_other(world: &World<'_>) -> Result<()> {
    let directory = world.team().await;
    let calls = TEAM.into_iter().cycle().take(40).map(|person| {
        let directory = &directory;
        async move {
            let users = directory.search(person.name, 5).await?;
            let user = users
                .first()
                .with_context(|| format!("{person:?} is not found"))?;
            let email = user.email.clone().unwrap_or_default();
            same(user.name.as_str(), person.name, "who is found")?;
            let users = directory.find_by_email(&[email]).await?;
            let is_found = users.concat().iter().any(|found| found.id == user.id);
            same(is_found, person.email.is_some(), "found by address")
        }
    });
    try_join_all(calls).await.map(|_| ())
}
