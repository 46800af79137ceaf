//! Telling activities of a change of what they share: at once if they are few, and otherwise a few at a time.

use rusqlite::{Connection as Database, params};

use super::connection::json;
use crate::failure::Result;
use integration_host_ledger::merge::subject::MAX_DEPTH;
use integration_host_ledger::spreading::{GivenActivity, MOST_AT_ONCE, Shared};
use integration_host_ledger::stored::to_json;

/// How many activities may still be moved at once.
pub struct Budget(usize);

impl Budget {
    pub fn new() -> Self {
        Self(MOST_AT_ONCE)
    }
}

/// Tells the activities that share one of these of its change.
pub fn spread_all(database: &Database, changed: &[Shared]) -> Result<()> {
    let mut budget = Budget::new();
    for shared in changed {
        spread(database, shared, &mut budget)?;
    }
    Ok(())
}

/// Tells the activities that share something of its change.
pub fn spread(database: &Database, shared: &Shared, budget: &mut Budget) -> Result<()> {
    match few(database, shared, budget.0)? {
        Some((numbers, given)) => {
            budget.0 = budget.0.saturating_sub(numbers.len());
            tell(database, &numbers, &given)
        }
        None => {
            // What comes next is noted without counting much.
            budget.0 = 0;
            note(database, shared)
        }
    }
}

/// The activities that share something, and those of them that change hands, unless they are more than `most`.
fn few(
    database: &Database,
    shared: &Shared,
    most: usize,
) -> Result<Option<(Vec<i64>, Vec<GivenActivity>)>> {
    let limit = most as i64 + 1;
    let numbers: Vec<i64> = match shared {
        Shared::Subject { connection, id } => {
            let Some(below) = below(database, *connection, id, most)? else {
                return Ok(None);
            };
            let mut statement = database.prepare_cached(
                "SELECT activities.number FROM json_each(?2) AS below CROSS JOIN activities INDEXED BY activities_by_subject
                 ON activities.connection = ?1 AND activities.subject = below.value LIMIT ?3",
            )?;
            statement
                .query_map(params![connection, to_json(&below), limit], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?
        }
        Shared::Member {
            connection,
            remote_user,
        } => database
            .prepare_cached(
                "SELECT number FROM activities INDEXED BY activities_by_remote_user
                 WHERE connection = ?1 AND remote_user = ?2 LIMIT ?3",
            )?
            .query_map(params![connection, remote_user, limit], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?,
        Shared::Mapping {
            connection,
            remote_user,
            user,
            keeps_earlier,
        } => {
            // What is noted of the member goes on from what it was: this becomes one with it.
            let is_noted: bool = database
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM spreading_changes WHERE what = ?1)")?
                .query_row(params![shared.what()], |row| row.get(0))?;
            if is_noted {
                return Ok(None);
            }
            let mut statement = database.prepare_cached(
                "SELECT number, user FROM activities INDEXED BY activities_by_remote_user
                 WHERE connection = ?1 AND remote_user = ?2 LIMIT ?3",
            )?;
            let found: Vec<(i64, Option<i64>)> = statement
                .query_map(params![connection, remote_user, limit], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect::<rusqlite::Result<_>>()?;
            if found.len() > most {
                return Ok(None);
            }
            let given: Vec<GivenActivity> = (found.into_iter())
                .filter(|(_, before)| before != user && (before.is_none() || !keeps_earlier))
                .map(|(number, _)| GivenActivity {
                    number,
                    remote_user: remote_user.clone(),
                    user: *user,
                })
                .collect();
            let numbers = given.iter().map(|given| given.number).collect();
            return Ok(Some((numbers, given)));
        }
        Shared::User(user) => database
            .prepare_cached(
                "SELECT number FROM activities INDEXED BY activities_by_user WHERE user = ?1 LIMIT ?2",
            )?
            .query_map(params![user, limit], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?,
        Shared::Running { connection } => database
            .prepare_cached(
                "SELECT number FROM activities INDEXED BY activities_by_connection
                 WHERE connection = ?1 AND visibility IN (0, 1) AND span = 4 LIMIT ?2",
            )?
            .query_map(params![connection, limit], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?,
    };
    Ok((numbers.len() <= most).then_some((numbers, Vec::new())))
}

/// A subject and everything below it, unless that is more than `most`.
fn below(
    database: &Database,
    connection: i64,
    subject: &str,
    most: usize,
) -> Result<Option<Vec<String>>> {
    // In a cycle the depth ends the descent.
    let most = most.max(1);
    let mut statement = database.prepare_cached(
        "WITH RECURSIVE below (id, depth) AS (
             VALUES (?2, 1)
             UNION
             SELECT subjects.id, depth + 1 FROM below JOIN subjects
             ON subjects.connection = ?1 AND subjects.parent = below.id
             WHERE depth < ?3
             LIMIT ?4
         )
         SELECT id FROM below",
    )?;
    let limit = most as i64 + 1;
    let mut below: Vec<String> = statement
        .query_map(
            params![connection, subject, MAX_DEPTH as i64, limit],
            |row| row.get(0),
        )?
        .collect::<rusqlite::Result<_>>()?;
    if below.len() > most {
        return Ok(None);
    }
    below.sort_unstable();
    below.dedup();
    Ok(Some(below))
}

/// Gives activities to users, and moves those that show a change to the end of the change feed.
pub fn tell(database: &Database, numbers: &[i64], given: &[GivenActivity]) -> Result<()> {
    if numbers.is_empty() {
        return Ok(());
    }
    let mut give = database.prepare_cached("UPDATE activities SET user = ?2 WHERE number = ?1")?;
    for activity in given {
        give.execute(params![activity.number, activity.user])?;
    }
    let moved = database
        .prepare_cached(
            "UPDATE activities SET change = (SELECT last FROM ledger_changes) + moved.place
             FROM (
                 SELECT number, row_number() OVER (ORDER BY change) AS place
                 FROM activities WHERE number IN (SELECT value FROM json_each(?1))
             ) AS moved
             WHERE activities.number = moved.number",
        )?
        .execute(params![json(numbers)])?;
    if moved > 0 {
        database
            .prepare_cached("UPDATE ledger_changes SET last = last + ?1")?
            .execute(params![moved as i64])?;
    }
    Ok(())
}

/// Notes a change whose activities are gone through later, from the beginning if it is noted already. A mapping that keeps
/// what belongs to a user changes nothing of what is noted to belong to one.
fn note(database: &Database, shared: &Shared) -> Result<()> {
    database
        .prepare_cached(
            "INSERT INTO spreading_changes (what, connection, subject, remote_user, user, keeps_earlier, until, passed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6,
                 CASE WHEN ?6 IS NULL THEN (SELECT last FROM ledger_changes)
                     ELSE (SELECT ifnull(max(number), 0) FROM activities) END, 0)
             ON CONFLICT (what) DO UPDATE SET user = excluded.user,
                 keeps_earlier = CASE WHEN excluded.keeps_earlier THEN spreading_changes.keeps_earlier
                     ELSE excluded.keeps_earlier END,
                 until = excluded.until, passed = excluded.passed
             WHERE excluded.keeps_earlier IS NOT 1 OR spreading_changes.user IS NULL",
        )?
        .execute(params![
            shared.what(),
            shared.connection(),
            shared.subject(),
            shared.remote_user(),
            shared.user(),
            shared.keeps_earlier(),
        ])?;
    Ok(())
}
