//! Telling activities of a change of what they share: at once if they are few, and otherwise a few at a time.
//!
//! Where nearly all activities share one thing, Postgres expects as many of any other, and would rather read the whole
//! table. `BETWEEN` a value and itself, in the order of an index, keeps a lookup one: that it is an equality Postgres
//! does not see.

use deadpool_postgres::{GenericClient, Transaction};

use super::subjects::Paths;
use super::values::{damaged, get};
use super::{Result, feed};
use integration_host_database::postgres::{execute, row, rows};
use integration_host_ledger::merge::subject::MAX_DEPTH;
use integration_host_ledger::spreading::{
    GivenActivity, MOST_AT_ONCE, MOST_TOGETHER, Noted, Seen, Shared, Step, looked_at,
};

/// Held by whoever goes on: several at once would only wait for each other. "WSIS".
const LOCK: i64 = 0x5753_4953;

/// Tells the activities that share something with one of these of their changes.
pub(super) async fn spread(transaction: &Transaction<'_>, changed: &[Shared]) -> Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    // Whoever changes activities holds the feed first: so nobody waits in a circle, and what was placed before is seen
    // here, and what is placed afterwards shows the change.
    feed::lock(transaction).await?;
    match few(transaction, changed).await? {
        Some((numbers, given)) => tell(transaction, &numbers, &given).await,
        None => note(transaction, changed).await,
    }
}

/// The activities that share one of these, and those of them that change hands, unless they are more than
/// [`MOST_AT_ONCE`].
async fn few(
    transaction: &Transaction<'_>,
    changed: &[Shared],
) -> Result<Option<(Vec<i64>, Vec<GivenActivity>)>> {
    let limit = MOST_AT_ONCE as i64 + 1;
    let Some(given) = few_given(transaction, changed).await? else {
        return Ok(None);
    };
    let mut numbers: Vec<i64> = Vec::new();
    let (connections, subjects) = columns(changed, Shared::subject);
    if !subjects.is_empty() {
        let Some((connections, below)) = below(transaction, &connections, &subjects).await? else {
            return Ok(None);
        };
        let found = rows(
            transaction,
            "SELECT activity.number FROM unnest($1::bigint[], $2::text[]) AS below (connection, id) CROSS JOIN LATERAL (
                 SELECT number FROM activities
                 WHERE activities.connection = below.connection AND activities.subject BETWEEN below.id AND below.id
                 ORDER BY subject LIMIT $3
             ) AS activity LIMIT $3",
            &[&connections, &below, &limit],
        )
        .await?;
        for row in &found {
            numbers.push(get(row, 0)?);
        }
    }
    let (connections, remote_users) = columns(changed, member_shown);
    if !remote_users.is_empty() {
        let found = rows(
            transaction,
            "SELECT activity.number FROM unnest($1::bigint[], $2::text[]) AS member (connection, id) CROSS JOIN LATERAL (
                 SELECT number FROM activities
                 WHERE activities.connection = member.connection AND activities.remote_user BETWEEN member.id AND member.id
                 ORDER BY remote_user LIMIT $3
             ) AS activity LIMIT $3",
            &[&connections, &remote_users, &limit],
        )
        .await?;
        for row in &found {
            numbers.push(get(row, 0)?);
        }
    }
    let users: Vec<i64> = changed.iter().filter_map(user_shown).collect();
    if !users.is_empty() {
        let found = rows(
            transaction,
            "SELECT activity.number FROM unnest($1::bigint[]) AS wanted (number) CROSS JOIN LATERAL (
                 SELECT number FROM activities WHERE activities.user_number BETWEEN wanted.number AND wanted.number
                 ORDER BY user_number LIMIT $2
             ) AS activity LIMIT $2",
            &[&users, &limit],
        )
        .await?;
        for row in &found {
            numbers.push(get(row, 0)?);
        }
    }
    let connections: Vec<i64> = changed.iter().filter_map(connection_shown).collect();
    if !connections.is_empty() {
        let found = rows(
            transaction,
            "SELECT activity.number FROM unnest($1::bigint[]) AS wanted (number) CROSS JOIN LATERAL (
                 SELECT number FROM activities
                 WHERE activities.connection BETWEEN wanted.number AND wanted.number AND visibility IN (0, 1) AND span = 4
                 ORDER BY connection LIMIT $2
             ) AS activity LIMIT $2",
            &[&connections, &limit],
        )
        .await?;
        for row in &found {
            numbers.push(get(row, 0)?);
        }
    }
    numbers.extend(given.iter().map(|given| given.number));
    Ok((numbers.len() <= MOST_AT_ONCE).then_some((numbers, given)))
}

/// Activities that mappings give to another user, unless their members have more than [`MOST_AT_ONCE`].
async fn few_given(
    transaction: &Transaction<'_>,
    changed: &[Shared],
) -> Result<Option<Vec<GivenActivity>>> {
    let mappings: Vec<&Shared> = (changed.iter())
        .filter(|shared| shared.keeps_earlier().is_some())
        .collect();
    if mappings.is_empty() {
        return Ok(Some(Vec::new()));
    }
    // What is noted of a member goes on from what it was: this becomes one with it.
    let whats: Vec<String> = mappings.iter().map(|shared| shared.what()).collect();
    let noted = row(
        transaction,
        "SELECT 1 FROM spreading_changes WHERE what = ANY ($1) LIMIT 1",
        &[&whats],
    )
    .await?;
    if noted.is_some() {
        return Ok(None);
    }
    let (connections, remote_users): (Vec<i64>, Vec<&str>) = (mappings.iter())
        .filter_map(|shared| Some((shared.connection()?, shared.remote_user()?)))
        .unzip();
    let users: Vec<Option<i64>> = mappings.iter().map(|shared| shared.user()).collect();
    let keep: Vec<Option<bool>> = (mappings.iter())
        .map(|shared| shared.keeps_earlier())
        .collect();
    let found = rows(
        transaction,
        "SELECT activity.number, member.id, member.user_number,
             activity.user_number IS DISTINCT FROM member.user_number
                 AND (activity.user_number IS NULL OR NOT member.keeps_earlier)
         FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::boolean[])
             AS member (connection, id, user_number, keeps_earlier)
         CROSS JOIN LATERAL (
             SELECT number, user_number FROM activities
             WHERE activities.connection = member.connection AND activities.remote_user BETWEEN member.id AND member.id
             ORDER BY remote_user LIMIT $5
         ) AS activity LIMIT $5",
        &[
            &connections,
            &remote_users,
            &users,
            &keep,
            &(MOST_AT_ONCE as i64 + 1),
        ],
    )
    .await?;
    if found.len() > MOST_AT_ONCE {
        return Ok(None);
    }
    let mut given = Vec::new();
    for row in &found {
        if get(row, 3)? {
            given.push(GivenActivity {
                number: get(row, 0)?,
                remote_user: get(row, 1)?,
                user: get(row, 2)?,
            });
        }
    }
    Ok(Some(given))
}

fn member_shown(shared: &Shared) -> Option<&str> {
    match shared {
        Shared::Member { remote_user, .. } => Some(remote_user),
        _ => None,
    }
}

fn user_shown(shared: &Shared) -> Option<i64> {
    match shared {
        Shared::User(number) => Some(*number),
        _ => None,
    }
}

fn connection_shown(shared: &Shared) -> Option<i64> {
    match shared {
        Shared::Running { connection } => Some(*connection),
        _ => None,
    }
}

/// These subjects and everything below them, unless that is many more than may be told of at once.
async fn below(
    client: &impl GenericClient,
    connections: &[i64],
    subjects: &[&str],
) -> Result<Option<(Vec<i64>, Vec<String>)>> {
    let most = MOST_AT_ONCE + subjects.len();
    // In a cycle the depth ends the descent.
    let found = rows(
        client,
        "WITH RECURSIVE below (connection, id, depth) AS (
             SELECT connection, id COLLATE \"C\", 1
             FROM unnest($1::bigint[], $2::text[]) AS changed (connection, id)
             UNION
             SELECT subject.connection, subject.id, depth + 1 FROM below CROSS JOIN LATERAL (
                 SELECT connection, id FROM subjects
                 WHERE subjects.connection = below.connection AND subjects.parent = below.id OFFSET 0
             ) AS subject
             WHERE depth < $3
         )
         SELECT connection, id FROM below LIMIT $4",
        &[
            &connections,
            &subjects,
            &(MAX_DEPTH as i32),
            &(most as i64 + 1),
        ],
    )
    .await?;
    if found.len() > most {
        return Ok(None);
    }
    let mut below: Vec<(i64, String)> = Vec::new();
    for row in &found {
        below.push((get(row, 0)?, get(row, 1)?));
    }
    below.sort_unstable();
    below.dedup();
    Ok(Some(below.into_iter().unzip()))
}

fn columns(changed: &[Shared], of: fn(&Shared) -> Option<&str>) -> (Vec<i64>, Vec<&str>) {
    (changed.iter())
        .filter_map(|shared| Some((shared.connection()?, of(shared)?)))
        .unzip()
}

/// Gives activities to users, and moves those that show a change to the end of the change feed. The feed is held.
async fn tell(
    transaction: &Transaction<'_>,
    numbers: &[i64],
    given: &[GivenActivity],
) -> Result<()> {
    if numbers.is_empty() {
        return Ok(());
    }
    if !given.is_empty() {
        let given_numbers: Vec<i64> = given.iter().map(|given| given.number).collect();
        let remote_users: Vec<&str> = (given.iter())
            .map(|given| given.remote_user.as_str())
            .collect();
        let users: Vec<Option<i64>> = given.iter().map(|given| given.user).collect();
        // An update may have made one another member's since it was looked at.
        execute(
            transaction,
            "UPDATE activities SET user_number = given.user_number
             FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS given (number, remote_user, user_number)
             WHERE activities.number = given.number AND activities.remote_user = given.remote_user",
            &[&given_numbers, &remote_users, &users],
        )
        .await?;
    }
    let moved = execute(
        transaction,
        "UPDATE activities SET change = (SELECT last FROM ledger_changes) + moved.place
         FROM (
             SELECT number, row_number() OVER (ORDER BY change) AS place
             FROM activities WHERE number = ANY ($1)
         ) AS moved
         WHERE activities.number = moved.number",
        &[&numbers],
    )
    .await?;
    feed::take(transaction, usize::try_from(moved).unwrap_or_default()).await?;
    Ok(())
}

/// Notes changes whose activities are gone through later, from the beginning if they are noted already. A mapping that keeps
/// what belongs to a user changes nothing of what is noted to belong to one. The feed is held.
async fn note(transaction: &Transaction<'_>, changed: &[Shared]) -> Result<()> {
    let whats: Vec<String> = changed.iter().map(Shared::what).collect();
    let connections: Vec<_> = changed.iter().map(Shared::connection).collect();
    let subjects: Vec<_> = changed.iter().map(Shared::subject).collect();
    let remote_users: Vec<_> = changed.iter().map(Shared::remote_user).collect();
    let users: Vec<_> = changed.iter().map(Shared::user).collect();
    let keep: Vec<_> = changed.iter().map(Shared::keeps_earlier).collect();
    execute(
        transaction,
        "INSERT INTO spreading_changes (what, connection, subject, remote_user, user_number, keeps_earlier, until, passed)
         SELECT DISTINCT ON (what) changed.*,
             CASE WHEN changed.keeps_earlier IS NULL THEN (SELECT last FROM ledger_changes)
                 ELSE (SELECT coalesce(max(number), 0) FROM activities) END, 0
         FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::boolean[])
             AS changed (what, connection, subject, remote_user, user_number, keeps_earlier)
         ON CONFLICT (what) DO UPDATE SET user_number = excluded.user_number,
             keeps_earlier = CASE WHEN excluded.keeps_earlier THEN spreading_changes.keeps_earlier
                 ELSE excluded.keeps_earlier END,
             until = excluded.until, passed = excluded.passed
         WHERE excluded.keeps_earlier IS NOT TRUE OR spreading_changes.user_number IS NULL",
        &[
            &whats,
            &connections,
            &subjects,
            &remote_users,
            &users,
            &keep,
        ],
    )
    .await?;
    Ok(())
}

/// Whether there is something to tell.
pub(super) async fn is_pending(client: &impl GenericClient) -> Result<bool> {
    let found = row(client, "SELECT 1 FROM spreading_changes LIMIT 1", &[]).await?;
    Ok(found.is_some())
}

/// Goes on, and moves at most so many activities. False: there is nothing to do, or somebody else is at it.
pub(super) async fn step(transaction: &Transaction<'_>, most: usize) -> Result<bool> {
    let is_alone = row(
        transaction,
        "SELECT pg_try_advisory_xact_lock($1)",
        &[&LOCK],
    )
    .await?;
    let is_alone = match is_alone {
        Some(row) => get(&row, 0)?,
        None => false,
    };
    if !is_alone {
        return Ok(false);
    }
    let before = noted(transaction).await?;
    let Some(step) = Step::next(&before) else {
        return Ok(false);
    };
    let found = rows(
        transaction,
        "SELECT number, connection, remote_user, subject, user_number, span = 4, change FROM activities
         WHERE number > $1 AND number <= $2 ORDER BY number LIMIT $3",
        &[
            &step.passed,
            &step.end.unwrap_or(i64::MAX),
            &(looked_at(most) as i64),
        ],
    )
    .await?;
    let mut seen = Vec::with_capacity(found.len());
    for row in &found {
        seen.push(Seen {
            number: get(row, 0)?,
            connection: get(row, 1)?,
            remote_user: get(row, 2)?,
            subject: get(row, 3)?,
            user: get(row, 4)?,
            runs: get(row, 5)?,
            change: get(row, 6)?,
        });
    }
    let mut paths = Paths::default();
    if step.has_subjects() {
        let subjects = (seen.iter())
            .filter_map(|activity| Some((activity.connection, activity.subject.as_deref()?)))
            .collect();
        paths.read(transaction, subjects).await?;
    }
    let outcome = step.look(&seen, most, |connection, subject| {
        paths.path(connection, Some(subject))
    })?;
    feed::lock(transaction).await?;
    // Whoever noted a change meanwhile did so before this transaction held the feed.
    if noted(transaction).await? != before {
        return Ok(true);
    }
    tell(transaction, &outcome.moved, &outcome.given).await?;
    let whats: Vec<String> = step.whats().map(|(what, _)| what).collect();
    match outcome.passed {
        Some(passed) => {
            execute(
                transaction,
                "UPDATE spreading_changes SET passed = $2 WHERE what = ANY ($1)",
                &[&whats, &passed],
            )
            .await?;
        }
        None => {
            execute(
                transaction,
                "DELETE FROM spreading_changes WHERE what = ANY ($1)",
                &[&whats],
            )
            .await?;
        }
    }
    Ok(true)
}

async fn noted(client: &impl GenericClient) -> Result<Vec<Noted>> {
    let found = rows(
        client,
        "SELECT connection, subject, remote_user, user_number, until, passed, keeps_earlier FROM spreading_changes
         ORDER BY passed, what LIMIT $1",
        &[&(MOST_TOGETHER as i64)],
    )
    .await?;
    found
        .iter()
        .map(|row| {
            let shared = Shared::of(
                get(row, 0)?,
                get(row, 1)?,
                get(row, 2)?,
                get(row, 3)?,
                get(row, 6)?,
            );
            Ok(Noted {
                shared: shared.ok_or_else(|| damaged("a change of nothing"))?,
                until: get(row, 4)?,
                passed: get(row, 5)?,
            })
        })
        .collect()
}
