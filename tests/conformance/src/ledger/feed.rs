//! The change feed: who follows it misses nothing and is told nothing twice.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use integration_host_contract::id::{ConnectionId, RemoteUserId};
use integration_host_contract::{TeamMember, User, UserMatch};
use integration_host_ledger::{ActivityFilter, ImportLimits, LedgerActivity, MappingChange};

use super::fixture::{
    Book, apply, connect, deletion, entry, everything, follow, ids, list, log, map, member,
    subject, user, work,
};
use super::{Case, World};
use crate::suite::{case, same};

const ONCE: &str = "Every activity is in the feed once, deleted and unmapped ones too; what is seen of it changes only as \
    it moves to the end of the feed, behind every place told before.";
const STILL: &str = "What changes nothing that is seen moves nothing, and activities that move together keep their order.";
const NAMES: &str = "Names of subjects, of users and of members that change move the activities that show them: at once if \
    they are few, and otherwise as Feed::spread_changes goes on, until each has moved since what it shows has changed.";

pub(super) const CASES: &[Case] = &[
    case!(
        an_activity_is_in_the_feed_once_at_its_last_change,
        ONCE,
        "the platform would be told of one entry twice, or of a deletion never"
    ),
    case!(
        pages_of_the_feed_go_on_where_the_last_ended,
        ONCE,
        "the platform would miss time logs, or get them again and again"
    ),
    case!(
        what_is_known_already_moves_nothing,
        STILL,
        "the platform would be told of changes that there are not"
    ),
    case!(
        activities_that_move_together_keep_their_order,
        STILL,
        "an entry would overtake another in the platform's history"
    ),
    case!(
        names_of_subjects_that_arrive_late_move_what_is_below,
        NAMES,
        "the platform would show time without its project for ever"
    ),
    case!(
        mappings_and_names_of_people_move_their_activities,
        NAMES,
        "the platform would show somebody's time as nobody's"
    ),
    case!(
        what_many_activities_share_is_told_of_all_of_them,
        NAMES,
        "a large project would keep its old name on the platform for ever"
    ),
    case!(
        what_many_activities_share_is_told_a_few_at_a_time,
        NAMES,
        "everybody's time would wait while a large project is renamed"
    ),
];

/// More activities than any ledger changes at once.
const MANY: usize = 2_500;

/// A connection with many activities of two members, every other one below a client.
async fn with_many(ledger: &Book) -> Result<ConnectionId> {
    let id = connect(ledger, "43").await?;
    let activities = (0..MANY).map(|number| {
        let member = if number % 2 == 0 { "a" } else { "b" };
        let project = (number % 2 == 0).then_some("p");
        entry(&number.to_string(), "1", log(member, project, 0, Some(60)))
    });
    let subjects = vec![
        subject("c", "1", Some("Client"), None),
        subject("p", "1", Some("Project"), Some("c")),
    ];
    apply(ledger, &id, activities.collect(), subjects).await?;
    let team = [
        member("a", UserMatch::Unmatched),
        member("b", UserMatch::Unmatched),
    ];
    ledger
        .import_members(&id, &team, &ImportLimits::default())
        .await?;
    spread(ledger, 1_000).await?;
    Ok(id)
}

/// Goes on until there is nothing to do, and says how often.
async fn spread(ledger: &Book, most: usize) -> Result<usize> {
    let mut steps = 0;
    while ledger.spread_changes(most).await? {
        steps += 1;
        ensure!(steps < 100_000, "there is always more to do");
    }
    Ok(steps)
}

async fn what_many_activities_share_is_told_of_all_of_them(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = with_many(&ledger).await?;
    let mut cursor = ledger.last_change().await?;
    let renamed = |revision, name| vec![subject("c", revision, Some(name), None)];
    apply(&ledger, &id, vec![], renamed("2", "Other")).await?;
    ledger.spread_changes(100).await?;
    // While some are told, it changes again, and so does what else they share.
    map(&ledger, &id, "a", Some(user("x"))).await?;
    ledger.spread_changes(100).await?;
    apply(&ledger, &id, vec![], renamed("3", "Client")).await?;
    map(&ledger, &id, "b", Some(user("y"))).await?;
    ledger.spread_changes(100).await?;
    map(&ledger, &id, "b", Some(user("z"))).await?;
    let ledger = if world.is_durable() {
        // Whoever was at it is gone.
        drop(ledger);
        world.open().await
    } else {
        ledger
    };
    spread(&ledger, 300).await?;
    let mut latest = HashMap::new();
    for activity in follow(&ledger, &mut cursor).await? {
        latest.insert(activity.entry_id.clone(), activity);
    }
    same(latest.len(), MANY, "entries that were told again")?;
    for activity in latest.values() {
        let of_project = activity.title.len() == 3;
        let expected = if of_project { "x" } else { "z" };
        let user = activity.user.as_ref().map(|user| user.id.as_str());
        same(user, Some(expected), "whose time an entry is")?;
        if of_project {
            same(
                activity.title.first().map(String::as_str),
                Some("Client"),
                "the client in a title",
            )?;
        }
    }
    let everybody = ActivityFilter {
        connection: Some(id.clone()),
        ..Default::default()
    };
    same(
        list(&ledger, &everybody, 1_000).await?.len(),
        MANY,
        "entries of users",
    )?;

    let other_name = User {
        name: "Renamed".to_owned(),
        ..user("x")
    };
    map(&ledger, &id, "a", Some(other_name)).await?;
    spread(&ledger, 300).await?;
    let told = follow(&ledger, &mut cursor).await?;
    same(told.len(), MANY / 2, "entries of a user with another name")?;
    let name = |activity: &LedgerActivity| activity.user.clone().map(|user| user.name);
    ensure!(
        told.iter()
            .all(|one| name(one).as_deref() == Some("Renamed")),
        "entries show the former name of a user"
    );

    // One that keeps earlier activities takes none that the one before it has still to give.
    map(&ledger, &id, "b", Some(user("w"))).await?;
    ledger.spread_changes(100).await?;
    let keeping = MappingChange {
        keeps_earlier: true,
        ..MappingChange::by_hand(Some(user("v")))
    };
    let member = RemoteUserId::new("b");
    ledger.set_mapping(&id, &member, &keeping).await?;
    let last = (MANY - 1).to_string();
    let edited = entry(&last, "2", log("b", None, 0, Some(90)));
    let new = entry("new", "1", log("b", None, 0, Some(60)));
    apply(&ledger, &id, vec![edited, new], vec![]).await?;
    spread(&ledger, 300).await?;
    let wanted = ["1".to_owned(), last, "new".to_owned()];
    let mut found = ledger.activities_by_id(&id, &wanted).await?;
    found.sort_by_key(|activity| wanted.iter().position(|id| *id == activity.entry_id));
    let users: Vec<_> = (found.iter())
        .map(|activity| activity.user.as_ref().map(|user| user.id.as_str()))
        .collect();
    same(
        users,
        vec![Some("w"), Some("w"), Some("v")],
        "whose entries are that came before a mapping, were edited after it, and came after it",
    )?;
    same(spread(&ledger, 300).await?, 0, "what is left to do")
}

async fn what_many_activities_share_is_told_a_few_at_a_time(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = with_many(&ledger).await?;
    let mut before = ledger.last_change().await?;
    let renamed = vec![subject("p", "2", Some("Other"), Some("c"))];
    apply(&ledger, &id, vec![], renamed).await?;
    map(&ledger, &id, "b", Some(user("x"))).await?;
    before = before.max(ledger.last_change().await?);
    while ledger.spread_changes(50).await? {
        let after = ledger.last_change().await?;
        ensure!(
            after <= before + 50,
            "{} entries move at once",
            after - before
        );
        before = after;
    }
    Ok(())
}

async fn an_activity_is_in_the_feed_once_at_its_last_change(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    same(
        ledger.last_change().await?,
        0,
        "the last place of an empty feed",
    )?;
    apply(
        &ledger,
        &id,
        vec![work("1", "a"), work("2", "b"), work("3", "a")],
        vec![],
    )
    .await?;
    let mut cursor = 0;
    same(
        ids(&follow(&ledger, &mut cursor).await?),
        ["1", "2", "3"],
        "entries in the feed",
    )?;
    same(ledger.last_change().await?, cursor, "the last place")?;
    let edited = entry("1", "2", log("a", None, 0, Some(90)));
    apply(&ledger, &id, vec![edited, deletion("2", "2")], vec![]).await?;
    same(
        ids(&follow(&ledger, &mut cursor).await?),
        ["1", "2"],
        "entries in the feed after a change and a deletion",
    )?;
    same(
        ledger.last_change().await?,
        cursor,
        "the last place after changes",
    )?;
    let all = follow(&ledger, &mut 0).await?;
    same(ids(&all), ["3", "1", "2"], "the feed from its beginning")?;
    let mut listed = list(&ledger, &everything(), 10).await?;
    listed.sort_by_key(|activity| activity.cursor);
    same(all, listed, "what the feed tells, and what a list has")
}

async fn pages_of_the_feed_go_on_where_the_last_ended(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let (one, other) = (connect(&ledger, "43").await?, connect(&ledger, "44").await?);
    for number in 0..30 {
        let id = if number % 3 == 0 { &other } else { &one };
        apply(
            &ledger,
            id,
            vec![work(&format!("{number:02}"), "a")],
            vec![],
        )
        .await?;
    }
    let expected: Vec<String> = (0..30).map(|number| format!("{number:02}")).collect();
    for limit in [1, 7, 30, 1000] {
        let (mut found, mut cursor) = (Vec::new(), 0);
        loop {
            let page = ledger.changes(cursor, limit).await?;
            ensure!(
                page.len() <= limit,
                "a page of {limit} has {} changes",
                page.len()
            );
            let Some(last) = page.last() else { break };
            cursor = last.cursor;
            found.extend(page.into_iter().map(|activity| activity.entry_id));
            ensure!(
                found.len() <= 30,
                "pages of {limit} repeat changes: {found:?}"
            );
        }
        same(
            found,
            expected.clone(),
            format!("changes on pages of {limit}"),
        )?;
    }
    same(
        ledger.changes(u64::MAX, 10).await?,
        [],
        "what follows the greatest place",
    )
}

async fn what_is_known_already_moves_nothing(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    let team: [TeamMember; 1] = [member("a", UserMatch::Matched(user("ua")))];
    let subjects = || {
        vec![
            subject("p", "2", Some("Project"), Some("c")),
            subject("c", "2", Some("Client"), None),
        ]
    };
    let content = || entry("1", "2", log("a", Some("p"), 0, Some(1)));
    ledger
        .import_members(&id, &team, &ImportLimits::default())
        .await?;
    apply(
        &ledger,
        &id,
        vec![content(), deletion("2", "2")],
        subjects(),
    )
    .await?;
    let mut cursor = ledger.last_change().await?;
    let stale = vec![
        subject("p", "", None, Some("other")),
        subject("p", "1", Some("Old"), None),
        subject("c", "", Some("Guess"), None),
        subject("c", "9", None, None),
    ];
    let older = entry("1", "1", log("b", None, 5, None));
    apply(
        &ledger,
        &id,
        vec![content(), older, deletion("2", "2"), deletion("2", "1")],
        subjects(),
    )
    .await?;
    apply(&ledger, &id, vec![], stale).await?;
    apply(
        &ledger,
        &id,
        vec![],
        vec![subject("elsewhere", "1", Some("Elsewhere"), None)],
    )
    .await?;
    ledger
        .import_members(&id, &team, &ImportLimits::default())
        .await?;
    map(&ledger, &id, "a", Some(user("ua"))).await?;
    same(
        ids(&follow(&ledger, &mut cursor).await?),
        [""; 0],
        "entries that moved though nothing changed",
    )
}

async fn activities_that_move_together_keep_their_order(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    let on = |entry_id: &str| entry(entry_id, "1", log("a", Some("p"), 0, Some(1)));
    for entry_id in ["5", "1", "4", "2", "3"] {
        apply(&ledger, &id, vec![on(entry_id)], vec![]).await?;
    }
    let mut cursor = ledger.last_change().await?;
    apply(
        &ledger,
        &id,
        vec![],
        vec![subject("p", "1", Some("Project"), None)],
    )
    .await?;
    same(
        ids(&follow(&ledger, &mut cursor).await?),
        ["5", "1", "4", "2", "3"],
        "entries whose subject got a name",
    )?;
    map(&ledger, &id, "a", Some(user("ua"))).await?;
    same(
        ids(&follow(&ledger, &mut cursor).await?),
        ["5", "1", "4", "2", "3"],
        "entries whose member was mapped",
    )
}

async fn names_of_subjects_that_arrive_late_move_what_is_below(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    let on = |entry_id: &str, subject| entry(entry_id, "1", log("u", subject, 0, Some(1)));
    let activities = vec![
        on("1", Some("task/3")),
        on("2", Some("project/2")),
        on("3", None),
        on("4", Some("task/9")),
    ];
    apply(
        &ledger,
        &id,
        activities,
        vec![subject("task/3", "", None, Some("project/2"))],
    )
    .await?;
    let mut cursor = ledger.last_change().await?;
    let step = async |subjects: Vec<integration_host_contract::Subject>, cursor: &mut u64| {
        apply(&ledger, &id, vec![], subjects).await?;
        let moved = follow(&ledger, cursor).await?;
        let told: Vec<_> = moved
            .into_iter()
            .map(|activity| (activity.entry_id, activity.title.join(" › ")))
            .collect();
        anyhow::Ok(told)
    };
    let told = |expected: &[(&str, &str)]| -> Vec<(String, String)> {
        expected
            .iter()
            .map(|(id, title)| ((*id).to_owned(), (*title).to_owned()))
            .collect()
    };
    let names = vec![
        subject("task/3", "2", Some("Task"), Some("project/2")),
        subject("client/1", "2", Some("Client"), None),
    ];
    same(
        step(names, &mut cursor).await?,
        told(&[("1", "Task › Work")]),
        "entries that moved when a task got its name",
    )?;
    let name = vec![subject("project/2", "2", Some("Project"), Some("client/1"))];
    let expected = told(&[
        ("2", "Client › Project › Work"),
        ("1", "Client › Project › Task › Work"),
    ]);
    same(
        step(name, &mut cursor).await?,
        expected,
        "entries that moved when a project got its name",
    )?;
    let name = vec![subject("client/1", "3", Some("Customer"), None)];
    let expected = told(&[
        ("2", "Customer › Project › Work"),
        ("1", "Customer › Project › Task › Work"),
    ]);
    same(
        step(name, &mut cursor).await?,
        expected,
        "entries that moved when a client was renamed",
    )?;
    let left = vec![subject("project/2", "4", Some("Project"), None)];
    let expected = told(&[("2", "Project › Work"), ("1", "Project › Task › Work")]);
    same(
        step(left, &mut cursor).await?,
        expected,
        "entries that moved when a project left its client",
    )
}

async fn mappings_and_names_of_people_move_their_activities(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    let team = |name: &str, user: User| {
        let mut member = member("a", UserMatch::Matched(user));
        member.remote_user.name = name.to_owned();
        [member]
    };
    let activities = vec![
        work("1", "a"),
        work("2", "b"),
        work("3", "a"),
        deletion("3", "2"),
    ];
    apply(&ledger, &id, activities, vec![]).await?;
    let mut cursor = ledger.last_change().await?;
    let moved = async |cursor: &mut u64| {
        let moved = follow(&ledger, cursor).await?;
        let shown = moved.into_iter().map(|activity| {
            let user = activity.user.map(|user| user.name);
            (activity.entry_id, activity.remote_user_name, user)
        });
        anyhow::Ok(shown.collect::<Vec<_>>())
    };
    let both = |member: &str, user: Option<&str>| {
        let shown = |id: &str| {
            (
                id.to_owned(),
                Some(member.to_owned()),
                user.map(str::to_owned),
            )
        };
        [shown("1"), shown("3")]
    };
    ledger
        .import_members(&id, &team("Anna", user("ua")), &ImportLimits::default())
        .await?;
    same(
        moved(&mut cursor).await?,
        both("Anna", Some("User ua")),
        "what moved after an import",
    )?;
    ledger
        .import_members(&id, &team("Anne", user("ua")), &ImportLimits::default())
        .await?;
    same(
        moved(&mut cursor).await?,
        both("Anne", Some("User ua")),
        "what moved after a member was renamed",
    )?;
    let renamed = User {
        name: "Renamed".to_owned(),
        ..user("ua")
    };
    ledger
        .import_members(&id, &team("Anne", renamed), &ImportLimits::default())
        .await?;
    same(
        moved(&mut cursor).await?,
        both("Anne", Some("Renamed")),
        "what moved after a user was renamed",
    )?;
    map(&ledger, &id, "a", Some(user("other"))).await?;
    same(
        moved(&mut cursor).await?,
        both("Anne", Some("User other")),
        "what moved after another mapping",
    )?;
    map(&ledger, &id, "a", None).await?;
    same(
        moved(&mut cursor).await?,
        both("Anne", None),
        "what moved after a mapping was removed",
    )
}
