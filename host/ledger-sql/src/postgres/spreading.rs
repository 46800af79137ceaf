//! Telling activities of a change of what they share: at once if they are few, and otherwise a few at a time.
//!
//! Where nearly all activities share one thing, Postgres expects as many of any other, and would rather read the whole
//! table. `BETWEEN` a value and itself, in the order of an index, keeps a lookup one: that it is an equality Postgres
//! does not see.

use std::collections::BTreeSet;

use deadpool_postgres::GenericClient;

use super::feed;
use super::values::get;
use crate::failure::Result;
use integration_host_database::postgres::{execute, row, rows};
use integration_host_ledger::merge::subject::MAX_DEPTH;
use integration_host_ledger::spreading::{GivenActivity, MOST_AT_ONCE, Shared};

/// Held by whoever goes on: several at once would only wait for each other. "WSIS".
const LOCK: i64 = 0x5753_4953;

/// Tells the activities that share something with one of these of their changes.
pub(super) async fn spread(client: &impl GenericClient, changed: &[Shared]) -> Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    // Whoever changes activities holds the feed first: so nobody waits in a circle, and what was placed before is seen
    // here, and what is placed afterwards shows the change.
    feed::lock(client).await?;
    match few(client, changed).await? {
        Some((numbers, given)) => tell(client, &numbers, &given).await,
        None => note(client, changed).await,
    }
}

/// The activities that share one of these, and those of them that change hands, unless they are more than
/// [`MOST_AT_ONCE`].
async fn few(
    client: &impl GenericClient,
    changed: &[Shared],
) -> Result<Option<(Vec<i64>, Vec<GivenActivity>)>> {
    let limit = MOST_AT_ONCE as i64 + 1;
    let Some(given) = few_given(client, changed).await? else {
        return Ok(None);
    };
    let mut numbers: Vec<i64> = Vec::new();
    let (connections, subjects) = columns(changed, Shared::subject);
    if !subjects.is_empty() {
        let Some((connections, below)) = below(client, &connections, &subjects).await? else {
            return Ok(None);
        };
        let found = rows(
            client,
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
            client,
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
            client,
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
            client,
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
    client: &impl GenericClient,
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
        client,
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
        client,
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
pub(super) async fn tell(
    client: &impl GenericClient,
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
            client,
            "UPDATE activities SET user_number = given.user_number
             FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS given (number, remote_user, user_number)
             WHERE activities.number = given.number AND activities.remote_user = given.remote_user",
            &[&given_numbers, &remote_users, &users],
        )
        .await?;
    }
    let moved = execute(
        client,
        "UPDATE activities SET change = (SELECT last FROM ledger_changes) + moved.place
         FROM (
             SELECT number, row_number() OVER (ORDER BY change) AS place
             FROM activities WHERE number = ANY ($1)
         ) AS moved
         WHERE activities.number = moved.number",
        &[&numbers],
    )
    .await?;
    feed::take(client, usize::try_from(moved).unwrap_or_default()).await?;
    Ok(())
}

/// Notes changes whose activities are gone through later, from the beginning if they are noted already. A mapping that keeps
/// what belongs to a user changes nothing of what is noted to belong to one. The feed is held.
async fn note(client: &impl GenericClient, changed: &[Shared]) -> Result<()> {
    let whats: Vec<String> = changed.iter().map(Shared::what).collect();
    let connections: Vec<_> = changed.iter().map(Shared::connection).collect();
    let subjects: Vec<_> = changed.iter().map(Shared::subject).collect();
    let remote_users: Vec<_> = changed.iter().map(Shared::remote_user).collect();
    let users: Vec<_> = changed.iter().map(Shared::user).collect();
    let keep: Vec<_> = changed.iter().map(Shared::keeps_earlier).collect();
    execute(
        client,
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

/// Leaves out what changes of members without activities: of a large team most have none when it is first imported. All
/// are of one connection.
pub(super) async fn keep_those_with_activities(
    client: &impl GenericClient,
    connection: i64,
    shared: &mut Vec<Shared>,
) -> Result<()> {
    let members: BTreeSet<&str> = shared.iter().filter_map(Shared::remote_user).collect();
    let members: Vec<&str> = members.into_iter().collect();
    if members.is_empty() {
        return Ok(());
    }
    let found = rows(
        client,
        "SELECT member.id FROM unnest($2::text[]) AS member (id) CROSS JOIN LATERAL (
             SELECT 1 FROM activities
             WHERE activities.connection = $1 AND activities.remote_user BETWEEN member.id AND member.id
             ORDER BY activities.remote_user LIMIT 1
         ) AS activity",
        &[&connection, &members],
    )
    .await?;
    let mut mentioned = BTreeSet::<String>::new();
    for row in &found {
        mentioned.insert(get(row, 0)?);
    }
    shared.retain(|shared| {
        let remote_user = shared.remote_user();
        remote_user.is_none_or(|remote_user| mentioned.contains(remote_user))
    });
    Ok(())
}

/// Whether nobody else goes on spreading changes until the transaction ends.
pub(super) async fn is_alone(client: &impl GenericClient) -> Result<bool> {
    let is_alone = row(client, "SELECT pg_try_advisory_xact_lock($1)", &[&LOCK]).await?;
    is_alone.map_or(Ok(false), |row| get(&row, 0))
}
