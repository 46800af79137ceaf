//! Activities: what arrives is told, counted, and there as a whole.

use anyhow::{Context as _, Result, ensure};
use integration_host_contract::id::RemoteUserId;
use integration_host_contract::{Changes, TimeLog};
use integration_host_ledger::{Applied, DeliveryStatus, LedgerError};
use jiff::SignedDuration;

use super::fixture::{
    apply, connect, deletion, delivery, entry, everything, list, log, record, subject, time, work,
};
use super::{Case, World};
use crate::suite::{case, same};

const COUNTS: &str = "Of an activity the content with the greatest revision counts and the greatest revision that \
    deletes: it is deleted if the latter is not smaller. What has neither content nor deletion is nothing.";
const TOLD: &str =
    "An activity is told as it arrived: its texts, its tags in their order, its times.";
const APPLIED: &str = "An arriving state counts as applied if it is new or newer, also as changed if it is seen \
    differently, and otherwise as unchanged.";
const WHOLE: &str = "What one call applies, the delivery that brought it included, is there as a whole or not at all.";

pub(super) const CASES: &[Case] = &[
    case!(
        the_newest_content_counts,
        COUNTS,
        "a late delivery would undo a correction"
    ),
    case!(
        a_deleted_activity_stays_deleted,
        COUNTS,
        "time that was deleted would be counted again"
    ),
    case!(
        an_activity_is_told_as_it_arrived,
        TOLD,
        "time logs would be damaged, or refused for ever"
    ),
    case!(
        entries_are_of_their_connection,
        TOLD,
        "one workspace's time log would overwrite another's"
    ),
    case!(
        what_arrives_is_counted,
        APPLIED,
        "a comparison would report differences that there are not, or miss some"
    ),
    case!(
        a_call_is_applied_as_a_whole,
        WHOLE,
        "a delivery that was answered with an error would be half there"
    ),
];

async fn the_newest_content_counts(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    // Revisions are compared byte by byte, not as numbers or words.
    for (revision, stop, shown) in [
        ("2", 20, "2"),
        ("10", 10, "2"),
        ("2a", 30, "2a"),
        ("2B", 40, "2a"),
        ("é", 50, "é"),
    ] {
        apply(
            &ledger,
            &id,
            vec![entry("1", revision, log("u", None, 0, Some(stop)))],
            vec![],
        )
        .await?;
        let found = list(&ledger, &everything(), 10).await?;
        let revisions: Vec<_> = found
            .iter()
            .map(|activity| activity.revision.as_str())
            .collect();
        same(
            revisions,
            [shown],
            format!("the revision that counts after {revision:?} arrived"),
        )?;
    }
    let found = list(&ledger, &everything(), 10).await?;
    let found = found.first().context("an activity")?;
    same(
        (found.stop, found.event_id.as_deref()),
        (Some(time(50)), Some("event-é")),
        "end and event of the newest content",
    )?;
    let nothing = integration_host_contract::Activity {
        deleted: false,
        content: None,
        ..deletion("2", "9")
    };
    let applied = apply(&ledger, &id, vec![nothing], vec![]).await?;
    same(
        applied,
        Applied {
            applied: 0,
            changed: 0,
            unchanged: 1,
        },
        "what counts of a state that says nothing",
    )?;
    same(
        list(&ledger, &everything(), 10).await?.len(),
        1,
        "activities after a state that says nothing",
    )
}

async fn a_deleted_activity_stays_deleted(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    let content = |revision: &str| entry("1", revision, log("u", None, 0, Some(10)));
    apply(&ledger, &id, vec![deletion("1", "5")], vec![]).await?;
    let applied = |applied, changed, unchanged| Applied {
        applied,
        changed,
        unchanged,
    };
    // Late content is seen: it says whose time it was.
    let late = apply(&ledger, &id, vec![content("3")], vec![]).await?;
    same(
        late,
        applied(1, 1, 0),
        "what counts of content that is older than the deletion",
    )?;
    let shown = async || {
        anyhow::Ok(
            ledger
                .changes(0, 10)
                .await?
                .into_iter()
                .next()
                .context("an activity")?,
        )
    };
    let deleted = shown().await?;
    same(
        (deleted.deleted, deleted.revision.as_str()),
        (true, "5"),
        "an activity whose content arrived after its deletion",
    )?;
    same(
        (deleted.event_id.as_deref(), deleted.start),
        (Some("event-5"), Some(time(0))),
        "its event and start",
    )?;
    let again = apply(
        &ledger,
        &id,
        vec![deletion("1", "5"), content("2"), content("3")],
        vec![],
    )
    .await?;
    same(
        again,
        applied(0, 0, 3),
        "what counts of what is known already",
    )?;
    apply(&ledger, &id, vec![content("5")], vec![]).await?;
    same(
        shown().await?.deleted,
        true,
        "whether content as new as the deletion brings an entry back",
    )?;
    apply(&ledger, &id, vec![content("6")], vec![]).await?;
    same(
        shown().await?.deleted,
        false,
        "whether newer content leaves an entry deleted",
    )?;
    let stale = apply(&ledger, &id, vec![deletion("1", "5")], vec![]).await?;
    same(
        stale,
        applied(0, 0, 1),
        "what counts of a deletion that is older than the content",
    )?;
    same(
        shown().await?.deleted,
        false,
        "whether an older deletion deletes",
    )
}

async fn an_activity_is_told_as_it_arrived(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    let texts = [
        "Work",
        "",
        " ",
        "ß 🦀 日本 e\u{301}",
        "'; --",
        "a\u{1}b",
        "\\",
        "a\n\"b\"",
        "%_*",
        "\u{10ffff}",
    ];
    for (number, text) in texts.iter().enumerate() {
        let start = time(number as i64) + SignedDuration::from_millis(7);
        let content = TimeLog {
            remote_user_id: RemoteUserId::new(format!("u{text}")),
            subject: Some(format!("project/{text}")),
            description: (*text).to_owned(),
            start,
            stop: Some(start + SignedDuration::from_millis(1234)),
            billable: number % 2 == 0,
            tags: vec![
                "z".to_owned(),
                (*text).to_owned(),
                "a".to_owned(),
                "z".to_owned(),
            ],
        };
        let name = format!("Name {text}");
        let subjects = vec![subject(&format!("project/{text}"), "1", Some(&name), None)];
        let mut arrived = entry(&format!("{number}{text}"), "1", content.clone());
        arrived.event_id = (number % 3 != 0).then(|| format!("event {text}"));
        apply(&ledger, &id, vec![arrived.clone()], subjects)
            .await
            .with_context(|| format!("applying {text:?}"))?;
        let told = ledger
            .changes(ledger.last_change().await?.saturating_sub(1), 1)
            .await?;
        let told = told
            .into_iter()
            .next()
            .context("the last change is missing from the feed")?;
        let what = |thing: &str| format!("the {thing} of an activity with {text:?}");
        same(
            (&told.connection_id, &told.entry_id),
            (&id, &arrived.id),
            what("id"),
        )?;
        same(&told.event_id, &arrived.event_id, what("event"))?;
        same(
            told.remote_user_id.as_ref(),
            Some(&content.remote_user_id),
            what("member"),
        )?;
        same(
            (told.start, told.stop),
            (Some(content.start), content.stop),
            what("times"),
        )?;
        same(
            (&told.tags, told.billable),
            (&content.tags, content.billable),
            what("tags and billing"),
        )?;
        let title: Vec<&str> = [name.as_str(), text]
            .into_iter()
            .filter(|part| !part.trim().is_empty())
            .collect();
        same(told.title, title, what("title"))?;
        let subject = told
            .subjects
            .first()
            .map(|subject| subject.id.as_str().to_owned());
        same(subject, content.subject, what("subject"))?;
    }
    same(
        list(&ledger, &everything(), 4).await?.len(),
        texts.len(),
        "activities of a list",
    )
}

async fn entries_are_of_their_connection(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let (one, other) = (connect(&ledger, "43").await?, connect(&ledger, "44").await?);
    let on = |revision: &str, stop| entry("1", revision, log("u", Some("p"), 0, Some(stop)));
    apply(
        &ledger,
        &one,
        vec![on("1", 10)],
        vec![subject("p", "1", Some("One"), None)],
    )
    .await?;
    apply(
        &ledger,
        &other,
        vec![on("2", 20)],
        vec![subject("p", "2", Some("Other"), None)],
    )
    .await?;
    for (id, stop, name) in [(&one, 10, "One"), (&other, 20, "Other")] {
        let found = list(&ledger, &super::fixture::everything_of(id), 10).await?;
        let found = found.first().context("an activity")?;
        same(
            found.stop,
            Some(time(stop)),
            "the end of an entry whose id another connection has too",
        )?;
        same(
            found.title.clone(),
            [name, "Work"],
            "its title, with a subject whose id another connection has too",
        )?;
    }
    same(
        list(&ledger, &everything(), 10).await?.len(),
        2,
        "activities of two connections",
    )
}

async fn what_arrives_is_counted(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    let content = |revision: &str, stop| entry("1", revision, log("7", None, 10, Some(stop)));
    let mut read = content("2", 20);
    // The remote service's two interfaces tell of one state with different precision.
    read.event_id = None;
    for (state, counts, what) in [
        (content("1", 20), (1, 1, 0), "a new activity"),
        (content("1", 20), (0, 0, 1), "the same again"),
        (read, (1, 0, 0), "the same content, newer"),
        (content("3", 30), (1, 1, 0), "newer content"),
        (content("2", 40), (0, 0, 1), "older content"),
        (deletion("1", "4"), (1, 1, 0), "a deletion"),
        (deletion("1", "4"), (0, 0, 1), "the deletion again"),
    ] {
        let Applied {
            applied,
            changed,
            unchanged,
        } = apply(&ledger, &id, vec![state], vec![]).await?;
        same(
            (applied, changed, unchanged),
            counts,
            format!("what counts of {what}"),
        )?;
    }
    Ok(())
}

async fn a_call_is_applied_as_a_whole(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let (one, other) = (connect(&ledger, "43").await?, connect(&ledger, "44").await?);
    record(&ledger, &one, delivery("taken", DeliveryStatus::Accepted)).await?;
    let before = ledger.last_change().await?;
    let changes = Changes {
        activities: vec![work("1", "u"), work("2", "u")],
        subjects: vec![subject("project/1", "1", Some("Project"), None)],
    };
    // The delivery is refused, so nothing of the call may be there.
    let refused = ledger
        .apply(
            &other,
            &changes,
            Some(delivery("taken", DeliveryStatus::Accepted)),
        )
        .await;
    ensure!(
        matches!(refused, Err(LedgerError::Invalid(_))),
        "another connection's delivery: {refused:?}"
    );
    same(
        list(&ledger, &everything(), 9).await?,
        [],
        "activities of a call that was refused",
    )?;
    same(
        ledger.last_change().await?,
        before,
        "the last place in the feed after a call that was refused",
    )?;
    ledger
        .apply(
            &other,
            &changes,
            Some(delivery("own", DeliveryStatus::Accepted)),
        )
        .await?;
    same(
        list(&ledger, &everything(), 9).await?.len(),
        2,
        "activities of a call that was accepted",
    )?;
    same(
        ledger
            .deliveries(Some(&other), None, None, 9)
            .await?
            .items
            .len(),
        1,
        "deliveries of a call that was accepted",
    )
}
