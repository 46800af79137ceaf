//! Titles: names of subjects, as they arrive, change and move.

use anyhow::{Context as _, Result};
use integration_host_contract::id::ConnectionId;
use integration_host_contract::{Subject, TimeLog};

use super::fixture::{Book, apply, connect, entry, log, subject};
use super::{Case, World};
use crate::suite::{case, same};

const COMPOSED: &str = "A title has the names of the subject and of what is above it, outermost first, then the \
    description; what is not known or blank is left out. A path has at most 8 subjects and none twice.";
const SUBJECT: &str = "Of a subject, the newest state that has a name tells name and parent; one without a name tells a \
    parent if it is newer, or if it has no revision and no other parent is told.";

pub(super) const CASES: &[Case] = &[
    case!(
        a_title_has_what_is_known,
        COMPOSED,
        "nobody would see what time was spent on"
    ),
    case!(
        a_path_ends,
        COMPOSED,
        "two projects that are each in the other would stop everything"
    ),
    case!(
        the_newest_state_of_a_subject_counts,
        SUBJECT,
        "time would be shown under a client that a project left long ago"
    ),
];

async fn title(ledger: &Book, id: &ConnectionId) -> Result<Vec<String>> {
    let found = ledger
        .activities(&super::fixture::everything_of(id), None, 1)
        .await?;
    Ok(found.items.into_iter().next().context("an activity")?.title)
}

async fn a_title_has_what_is_known(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    let on = |subject: &str, description: &str, revision: &str| {
        let content = TimeLog {
            description: description.to_owned(),
            ..log("u", Some(subject), 0, None)
        };
        vec![entry("1", revision, content)]
    };
    apply(&ledger, &id, on("task/3", "Work", "1"), vec![]).await?;
    same(
        title(&ledger, &id).await?,
        ["Work"],
        "a title whose subject is not known",
    )?;
    let subjects = vec![
        subject("task/3", "1", Some("Task"), Some("project/2")),
        subject("project/2", "1", Some("  "), Some("client/1")),
        subject("client/1", "1", Some("Client"), Some("unknown")),
    ];
    apply(&ledger, &id, vec![], subjects).await?;
    same(
        title(&ledger, &id).await?,
        ["Client", "Task", "Work"],
        "a title with a blank and an unknown name",
    )?;
    apply(&ledger, &id, on("task/3", " ", "2"), vec![]).await?;
    same(
        title(&ledger, &id).await?,
        ["Client", "Task"],
        "a title without a description",
    )?;
    apply(&ledger, &id, on("unknown", "", "3"), vec![]).await?;
    same(
        title(&ledger, &id).await?,
        [""; 0],
        "a title of nothing that is known",
    )
}

async fn a_path_ends(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    let subjects = vec![
        subject("a", "1", Some("A"), Some("b")),
        subject("b", "1", Some("B"), Some("a")),
        subject("c", "1", Some("C"), Some("c")),
    ];
    apply(
        &ledger,
        &id,
        vec![entry("1", "1", log("u", Some("a"), 0, None))],
        subjects,
    )
    .await?;
    same(
        title(&ledger, &id).await?,
        ["B", "A", "Work"],
        "a title whose subjects are each in the other",
    )?;
    // Renamed within the circle.
    apply(
        &ledger,
        &id,
        vec![],
        vec![subject("b", "2", Some("B2"), Some("a"))],
    )
    .await?;
    same(
        title(&ledger, &id).await?,
        ["B2", "A", "Work"],
        "the title after a rename",
    )?;
    apply(
        &ledger,
        &id,
        vec![entry("1", "2", log("u", Some("c"), 0, None))],
        vec![],
    )
    .await?;
    same(
        title(&ledger, &id).await?,
        ["C", "Work"],
        "a title whose subject is in itself",
    )?;
    let deep = |depth: u32| {
        let parent = format!("d{}", depth + 1);
        subject(
            &format!("d{depth}"),
            "1",
            Some(&depth.to_string()),
            Some(&parent),
        )
    };
    let content = log("u", Some("d0"), 0, None);
    apply(
        &ledger,
        &id,
        vec![entry("1", "3", content)],
        (0..20).map(deep).collect(),
    )
    .await?;
    same(
        title(&ledger, &id).await?,
        ["7", "6", "5", "4", "3", "2", "1", "0", "Work"],
        "a title of 20 subjects",
    )
}

async fn the_newest_state_of_a_subject_counts(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    let placeholder = |parent: &str| subject("project/2", "", None, Some(parent));
    let named =
        |revision: &str, name: &str, parent| subject("project/2", revision, Some(name), parent);
    let clients = vec![
        subject("client/1", "1", Some("One"), None),
        subject("client/2", "1", Some("Two"), None),
    ];
    let content = log("u", Some("project/2"), 0, None);
    apply(&ledger, &id, vec![entry("1", "1", content)], clients).await?;
    let steps: [(Subject, &[&str], &str); 8] = [
        (
            placeholder("client/1"),
            &["One", "Work"],
            "a parent is told without a name",
        ),
        (
            named("2", "Project", None),
            &["One", "Project", "Work"],
            "a name is told without a parent",
        ),
        (
            named("3", "Project", Some("client/2")),
            &["Two", "Project", "Work"],
            "a newer state tells another parent",
        ),
        (
            placeholder("client/1"),
            &["Two", "Project", "Work"],
            "the parent of unknown age is told again",
        ),
        (
            named("2", "Old", Some("client/1")),
            &["Two", "Project", "Work"],
            "an older state arrives late",
        ),
        (
            subject("project/2", "4", None, Some("client/1")),
            &["One", "Project", "Work"],
            "a newer state tells a parent and no name",
        ),
        (
            named("5", "Renamed", Some("client/2")),
            &["Two", "Renamed", "Work"],
            "a newer state tells both",
        ),
        (
            subject("project/2", "6", None, None),
            &["Two", "Renamed", "Work"],
            "a newer state tells nothing",
        ),
    ];
    for (state, expected, when) in steps {
        apply(&ledger, &id, vec![], vec![state]).await?;
        same(
            title(&ledger, &id).await?,
            expected.to_vec(),
            format!("the title after {when}"),
        )?;
    }
    Ok(())
}
