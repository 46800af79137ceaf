//! Importing teams, and mapping their members to users.

use std::collections::{BTreeMap, HashSet};

use rusqlite::{Connection as Database, OptionalExtension as _, params};

use super::team::find;
use super::{Result, connection_number, move_to_end, rows};
use crate::contract::{MemberState, RemoteUser, TeamMember, User, UserMatch};
use crate::id::{ConnectionId, RemoteUserId};
use crate::ledger::{LedgerError, MatchedBy, Member};

/// What a mapping is before and after.
struct Mapping {
    user: Option<i64>,
    matched_by: Option<MatchedBy>,
}

pub(super) fn import(database: &Database, id: &ConnectionId, team: &[TeamMember]) -> Result<()> {
    let connection = connection_number(database, id)?;
    let mut known = known(database, connection)?;
    let mut imported = HashSet::new();
    for member in team {
        let remote_user = &member.remote_user;
        let before = known.remove(remote_user.id.as_str());
        let is_renamed = before
            .as_ref()
            .is_none_or(|(name, _)| *name != remote_user.name);
        let before = before.map(|(_, mapping)| mapping);
        let before_user = before.as_ref().and_then(|mapping| mapping.user);
        let manual = before.filter(|mapping| mapping.matched_by == Some(MatchedBy::Manual));
        let (mapping, note) = match (manual, &member.matched) {
            (Some(manual), _) => (manual, None),
            (None, UserMatch::Matched(user)) => {
                let user = Some(user_number(database, user)?);
                (
                    Mapping {
                        user,
                        matched_by: Some(MatchedBy::Email),
                    },
                    None,
                )
            }
            (None, UserMatch::Unmatched) => (
                Mapping {
                    user: None,
                    matched_by: None,
                },
                None,
            ),
            (None, UserMatch::Ambiguous(note)) => (
                Mapping {
                    user: None,
                    matched_by: None,
                },
                Some(note.as_str()),
            ),
        };
        let first = imported.insert(remote_user.id.as_str());
        put(database, connection, remote_user, true, &mapping, note)?;
        // A member that is listed twice may differ from what was stored a moment ago.
        if before_user != mapping.user || !first {
            map_activities(database, connection, remote_user.id.as_str(), mapping.user)?;
        } else if is_renamed {
            show_again(database, connection, remote_user.id.as_str())?;
        }
    }
    for (remote_user, (_, mapping)) in known {
        if imported.contains(remote_user.as_str()) {
            continue;
        }
        let kept = mapping.user.is_some()
            || mapping.matched_by.is_some()
            || has_activities(database, connection, &remote_user)?;
        let sql = if kept {
            "UPDATE members SET present = 0 WHERE connection = ?1 AND remote_user = ?2"
        } else {
            "DELETE FROM members WHERE connection = ?1 AND remote_user = ?2"
        };
        database
            .prepare_cached(sql)?
            .execute(params![connection, remote_user])?;
    }
    count(database, connection)
}

pub(super) fn set_mapping(
    database: &Database,
    id: &ConnectionId,
    remote_user: &RemoteUserId,
    user: Option<&User>,
) -> Result<Member> {
    let connection = connection_number(database, id)?;
    let before = find(database, connection, remote_user)?;
    let (known, present) = match before {
        Some(member) => (member.remote_user, member.present),
        None if has_activities(database, connection, remote_user.as_str())? => {
            let name = remote_user.to_string();
            let state = MemberState::Active;
            (
                RemoteUser {
                    id: remote_user.clone(),
                    name,
                    email: None,
                    state,
                },
                false,
            )
        }
        None => {
            return Err(LedgerError::NotFound(format!(
                "the connection {id} has no member {remote_user}: import the team again"
            )));
        }
    };
    let user = user.map(|user| user_number(database, user)).transpose()?;
    let before_user = mapped_user(database, connection, remote_user.as_str())?;
    let mapping = Mapping {
        user,
        matched_by: Some(MatchedBy::Manual),
    };
    put(database, connection, &known, present, &mapping, None)?;
    if before_user != user {
        map_activities(database, connection, remote_user.as_str(), user)?;
    }
    count(database, connection)?;
    find(database, connection, remote_user)?.ok_or_else(|| {
        LedgerError::NotFound(format!("the connection {id} has no member {remote_user}"))
    })
}

/// The number of the user a remote user is mapped to.
pub(super) fn mapped_user(
    database: &Database,
    connection: i64,
    remote_user: &str,
) -> Result<Option<i64>> {
    let user: Option<Option<i64>> = database
        .prepare_cached("SELECT user FROM members WHERE connection = ?1 AND remote_user = ?2")?
        .query_row(params![connection, remote_user], |row| row.get(0))
        .optional()?;
    Ok(user.flatten())
}

/// Names and mappings, by id.
fn known(database: &Database, connection: i64) -> Result<BTreeMap<String, (String, Mapping)>> {
    let mut statement = database.prepare_cached(
        "SELECT remote_user, user, matched_by, name FROM members WHERE connection = ?1",
    )?;
    let known = statement
        .query_map(params![connection], |row| {
            let mapping = Mapping {
                user: row.get(1)?,
                matched_by: rows::matched_by(row, 2)?,
            };
            Ok((row.get(0)?, (row.get(3)?, mapping)))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(known)
}

/// The number of a user. Its name and address are updated, here and in the change feed.
fn user_number(database: &Database, user: &User) -> Result<i64> {
    let known: Option<(i64, String, Option<String>)> = database
        .prepare_cached("SELECT number, name, email FROM users WHERE id = ?1")?
        .query_row(params![user.id.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    match known {
        None => {
            database
                .prepare_cached("INSERT INTO users (id, name, email) VALUES (?1, ?2, ?3)")?
                .execute(params![user.id.as_str(), user.name, user.email])?;
            Ok(database.last_insert_rowid())
        }
        Some((number, name, email)) => {
            if (&name, &email) != (&user.name, &user.email) {
                database
                    .prepare_cached("UPDATE users SET name = ?2, email = ?3 WHERE number = ?1")?
                    .execute(params![number, user.name, user.email])?;
                move_to_end(
                    database,
                    "SELECT number FROM activities WHERE user = ?1",
                    params![number],
                )?;
            }
            Ok(number)
        }
    }
}

fn put(
    database: &Database,
    connection: i64,
    remote_user: &RemoteUser,
    present: bool,
    mapping: &Mapping,
    note: Option<&str>,
) -> Result<()> {
    database
        .prepare_cached(
            "INSERT INTO members (connection, remote_user, name, email, state, present, user, matched_by, note)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (connection, remote_user) DO UPDATE SET name = excluded.name, email = excluded.email,
                 state = excluded.state, present = excluded.present, user = excluded.user,
                 matched_by = excluded.matched_by, note = excluded.note",
        )?
        .execute(params![
            connection,
            remote_user.id.as_str(),
            remote_user.name,
            remote_user.email,
            rows::member_state_name(remote_user.state),
            present,
            mapping.user,
            mapping.matched_by.map(rows::matched_by_name),
            note,
        ])?;
    Ok(())
}

/// Gives a remote user's activities to another user.
fn map_activities(
    database: &Database,
    connection: i64,
    remote_user: &str,
    user: Option<i64>,
) -> Result<()> {
    database
        .prepare_cached(
            "UPDATE activities SET user = ?3 WHERE connection = ?1 AND remote_user = ?2",
        )?
        .execute(params![connection, remote_user, user])?;
    show_again(database, connection, remote_user)
}

/// Moves a remote user's activities to the end of the change feed.
fn show_again(database: &Database, connection: i64, remote_user: &str) -> Result<()> {
    move_to_end(
        database,
        "SELECT number FROM activities WHERE connection = ?1 AND remote_user = ?2",
        params![connection, remote_user],
    )
}

fn has_activities(database: &Database, connection: i64, remote_user: &str) -> Result<bool> {
    Ok(database
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM activities WHERE connection = ?1 AND remote_user = ?2)",
        )?
        .query_row(params![connection, remote_user], |row| row.get(0))?)
}

/// Counts a team once, so that reading a connection does not.
fn count(database: &Database, connection: i64) -> Result<()> {
    database
        .prepare_cached(
            "UPDATE connections SET (users_mapped, users_total) =
                 (SELECT count(user), count(*) FROM members WHERE connection = ?1)
             WHERE number = ?1",
        )?
        .execute(params![connection])?;
    Ok(())
}
