//! Importing teams, and mapping their members to users.

use std::collections::{BTreeMap, HashSet};

use rusqlite::{Connection as Database, OptionalExtension as _, params};

use super::team::find;
use super::{Result, connection_number, move_to_end, rows};
use crate::contract::{MemberState, RemoteUser, TeamMember, User, UserMatch};
use crate::id::{ConnectionId, RemoteUserId};
use crate::ledger::{LedgerError, MappingChange, MatchedBy, Member, TeamChanges};

/// What is known of a member before an import.
struct Known {
    name: String,
    present: bool,
    mapping: Mapping,
}

/// What a mapping is before and after.
pub(super) struct Mapping {
    pub(super) user: Option<i64>,
    pub(super) matched_by: Option<MatchedBy>,
}

pub(super) fn import(
    database: &Database,
    id: &ConnectionId,
    team: &[TeamMember],
) -> Result<TeamChanges> {
    let connection = connection_number(database, id)?;
    let mut known = known(database, connection)?;
    let mut imported = HashSet::new();
    let mut changes = TeamChanges::default();
    for member in team {
        let remote_user = &member.remote_user;
        let before = known.remove(remote_user.id.as_str());
        let is_renamed = before
            .as_ref()
            .is_none_or(|known| known.name != remote_user.name);
        let is_new = before.as_ref().is_none_or(|known| !known.present);
        let before = before.map(|known| known.mapping);
        let before_user = before.as_ref().and_then(|mapping| mapping.user);
        let manual = before.filter(|mapping| mapping.matched_by == Some(MatchedBy::Manual));
        let mapping = match (manual, &member.matched) {
            (Some(manual), _) => manual,
            (None, UserMatch::Matched(user)) => Mapping {
                user: Some(user_number(database, user)?),
                matched_by: Some(MatchedBy::Email),
            },
            (None, UserMatch::Unmatched | UserMatch::Ambiguous(_)) => Mapping {
                user: None,
                matched_by: None,
            },
        };
        let note = match &member.matched {
            UserMatch::Ambiguous(note) => Some(note.as_str()),
            UserMatch::Matched(_) | UserMatch::Unmatched => None,
        };
        let first = imported.insert(remote_user.id.as_str());
        changes.joined += u64::from(first && is_new);
        put(database, connection, remote_user, true, &mapping, note)?;
        // A member that is listed twice may differ from what was stored a moment ago.
        if before_user != mapping.user || !first {
            map_activities(database, connection, remote_user.id.as_str(), mapping.user)?;
        } else if is_renamed {
            show_again(database, connection, remote_user.id.as_str())?;
        }
    }
    for (
        remote_user,
        Known {
            present, mapping, ..
        },
    ) in known
    {
        if imported.contains(remote_user.as_str()) {
            continue;
        }
        changes.left += u64::from(present);
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
    count(database, connection)?;
    Ok(changes)
}

pub(super) fn set_mapping(
    database: &Database,
    id: &ConnectionId,
    remote_user: &RemoteUserId,
    change: &MappingChange,
) -> Result<Member> {
    let connection = connection_number(database, id)?;
    let not_found = || {
        LedgerError::NotFound(format!(
            "the connection {id} has no member {remote_user}: import the team again"
        ))
    };
    let before = find(database, connection, remote_user)?;
    let mapping = before.as_ref().map(Member::mapping).unwrap_or_default();
    if change.before.as_ref().is_some_and(|seen| *seen != mapping) {
        return Err(LedgerError::Conflict(format!(
            "the mapping of the member {remote_user} was changed meanwhile: look at it again"
        )));
    }
    if before.is_none() {
        if !has_activities(database, connection, remote_user.as_str())? {
            return Err(not_found());
        }
        let mentioned = RemoteUser {
            id: remote_user.clone(),
            name: remote_user.to_string(),
            email: None,
            state: MemberState::Active,
        };
        let nobody = Mapping {
            user: None,
            matched_by: None,
        };
        put(database, connection, &mentioned, false, &nobody, None)?;
    }
    let user = change.user.as_ref();
    let user = user.map(|user| user_number(database, user)).transpose()?;
    let before_user = mapped_user(database, connection, remote_user.as_str())?;
    database
        .prepare_cached(
            "UPDATE members SET user = ?3, matched_by = ?4 WHERE connection = ?1 AND remote_user = ?2",
        )?
        .execute(params![
            connection,
            remote_user.as_str(),
            user,
            change.matched_by.map(MatchedBy::as_str),
        ])?;
    if before_user != user {
        map_activities(database, connection, remote_user.as_str(), user)?;
    }
    count(database, connection)?;
    find(database, connection, remote_user)?.ok_or_else(not_found)
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

/// The members before an import, by id.
fn known(database: &Database, connection: i64) -> Result<BTreeMap<String, Known>> {
    let mut statement = database.prepare_cached(
        "SELECT remote_user, user, matched_by, name, present FROM members WHERE connection = ?1",
    )?;
    let known = statement
        .query_map(params![connection], |row| {
            let known = Known {
                name: row.get(3)?,
                present: row.get(4)?,
                mapping: Mapping {
                    user: row.get(1)?,
                    matched_by: rows::optional_named(row, 2, MatchedBy::from_name)?,
                },
            };
            Ok((row.get(0)?, known))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(known)
}

/// The number of a user. Its name and address are updated, here and in the change feed.
pub(super) fn user_number(database: &Database, user: &User) -> Result<i64> {
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

pub(super) fn put(
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
            remote_user.state.as_str(),
            present,
            mapping.user,
            mapping.matched_by.map(MatchedBy::as_str),
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
pub(super) fn count(database: &Database, connection: i64) -> Result<()> {
    database
        .prepare_cached(
            "UPDATE connections SET (users_mapped, users_total) =
                 (SELECT count(user), count(*) FROM members WHERE connection = ?1)
             WHERE number = ?1",
        )?
        .execute(params![connection])?;
    Ok(())
}
