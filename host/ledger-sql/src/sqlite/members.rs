//! Importing teams, and mapping their members to users.

use std::collections::BTreeMap;

use rusqlite::{Connection as Database, OptionalExtension as _, params};

use super::spreading::{Budget, spread};
use super::team::find;
use super::{Failure, Result, connection_number, rows};
use integration_host_contract::id::{ConnectionId, RemoteUserId};
use integration_host_contract::{MemberState, RemoteUser, TeamMember, User, UserMatch};
use integration_host_ledger::matching;
use integration_host_ledger::matching::Held;
use integration_host_ledger::spreading::Shared;
use integration_host_ledger::{
    ImportLimits, LedgerError, MappingChange, MatchedBy, Member, TeamChanges,
};

/// What is known of a member before an import.
#[derive(Default)]
struct MemberBefore {
    name: String,
    present: bool,
    held: Held,
}

pub(super) fn import(
    database: &Database,
    id: &ConnectionId,
    team: &[TeamMember],
    limits: &ImportLimits,
) -> Result<TeamChanges> {
    let connection = connection_number(database, id)?;
    let mut known = known(database, connection)?;
    let mut budget = Budget::new();
    let mut listed = Vec::with_capacity(team.len());
    let mut mappings = Vec::with_capacity(team.len());
    for member in matching::distinct(team) {
        let before = known.remove(member.remote_user.id.as_str());
        let found = match &member.matched {
            UserMatch::Matched(user) => Some(user_number(database, user, &mut budget)?),
            UserMatch::Unmatched | UserMatch::Ambiguous(_) => None,
        };
        let held = before
            .as_ref()
            .map_or_else(Held::default, |known| known.held);
        mappings.push((held, found));
        listed.push((member, before.unwrap_or_default()));
    }
    let mut changes = TeamChanges::default();
    let after = matching::after_import(&mappings, limits);
    for ((member, before), (held, found)) in listed.into_iter().zip(after) {
        let remote_user = &member.remote_user;
        changes.joined += u64::from(!before.present);
        changes.add(&remote_user.id, &held, found);
        put(
            database,
            connection,
            remote_user,
            true,
            &held,
            matching::note(member),
        )?;
        if before.held.user.is_none() != held.user.is_none() {
            let shared = Shared::Mapping {
                connection,
                remote_user: remote_user.id.to_string(),
                user: held.user,
                keeps_earlier: held.user.is_some(),
            };
            spread(database, &shared, &mut budget)?;
        }
        if before.name != remote_user.name {
            let shared = Shared::Member {
                connection,
                remote_user: remote_user.id.to_string(),
            };
            spread(database, &shared, &mut budget)?;
        }
    }
    for (remote_user, MemberBefore { present, held, .. }) in known {
        changes.left += u64::from(present);
        let kept = held.user.is_some()
            || held.matched_by.is_some()
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
    recount(database, connection)?;
    Ok(changes)
}

pub(super) fn set_mapping(
    database: &Database,
    id: &ConnectionId,
    remote_user: &RemoteUserId,
    change: &MappingChange,
) -> Result<Member> {
    let connection = connection_number(database, id)?;
    let mut budget = Budget::new();
    let not_found = || {
        Failure::from(LedgerError::NotFound(format!(
            "the connection {id} has no member {remote_user}: import the team again"
        )))
    };
    let before = find(database, connection, remote_user)?;
    let mapping = before.as_ref().map(Member::mapping).unwrap_or_default();
    if change.before.as_ref().is_some_and(|seen| *seen != mapping) {
        return Err(LedgerError::Conflict(format!(
            "the mapping of the member {remote_user} was changed meanwhile: look at it again"
        ))
        .into());
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
        put(
            database,
            connection,
            &mentioned,
            false,
            &Held::default(),
            None,
        )?;
    }
    let user = change.user.as_ref();
    let user = user
        .map(|user| user_number(database, user, &mut budget))
        .transpose()?;
    database
        .prepare_cached(
            "UPDATE members SET user = ?3, matched_by = ?4, unconfirmed = 0, claimed_by = NULL, earlier_user = NULL
             WHERE connection = ?1 AND remote_user = ?2",
        )?
        .execute(params![
            connection,
            remote_user.as_str(),
            user,
            change.matched_by.map(MatchedBy::as_str),
        ])?;
    // Some may belong to another user although the mapping is the same.
    let shared = Shared::Mapping {
        connection,
        remote_user: remote_user.to_string(),
        user,
        keeps_earlier: change.keeps_earlier,
    };
    spread(database, &shared, &mut budget)?;
    recount(database, connection)?;
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
fn known(database: &Database, connection: i64) -> Result<BTreeMap<String, MemberBefore>> {
    let mut statement = database.prepare_cached(
        "SELECT remote_user, user, matched_by, name, present, unconfirmed, claimed_by, earlier_user
         FROM members WHERE connection = ?1",
    )?;
    let known = statement
        .query_map(params![connection], |row| {
            let known = MemberBefore {
                name: row.get(3)?,
                present: row.get(4)?,
                held: Held {
                    user: row.get(1)?,
                    matched_by: rows::optional_named(row, 2, MatchedBy::from_name)?,
                    unconfirmed: row.get(5)?,
                    claimed_by: row.get(6)?,
                    earlier_user: row.get(7)?,
                },
            };
            Ok((row.get(0)?, known))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(known)
}

/// The number of a user. Its name and address are updated, here and in the change feed.
pub(super) fn user_number(database: &Database, user: &User, budget: &mut Budget) -> Result<i64> {
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
                spread(database, &Shared::User(number), budget)?;
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
    held: &Held,
    note: Option<&str>,
) -> Result<()> {
    database
        .prepare_cached(
            "INSERT INTO members (connection, remote_user, name, email, state, present, user, matched_by, note,
                 unconfirmed, claimed_by, earlier_user)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (connection, remote_user) DO UPDATE SET name = excluded.name, email = excluded.email,
                 state = excluded.state, present = excluded.present, user = excluded.user,
                 matched_by = excluded.matched_by, note = excluded.note, unconfirmed = excluded.unconfirmed,
                 claimed_by = excluded.claimed_by, earlier_user = excluded.earlier_user",
        )?
        .execute(params![
            connection,
            remote_user.id.as_str(),
            remote_user.name,
            remote_user.email,
            remote_user.state.as_str(),
            present,
            held.user,
            held.matched_by.map(MatchedBy::as_str),
            note,
            held.unconfirmed,
            held.claimed_by,
            held.earlier_user,
        ])?;
    Ok(())
}

fn has_activities(database: &Database, connection: i64, remote_user: &str) -> Result<bool> {
    Ok(database
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM activities WHERE connection = ?1 AND remote_user = ?2)",
        )?
        .query_row(params![connection, remote_user], |row| row.get(0))?)
}

/// Counts a team once, so that reading a connection does not.
pub(super) fn recount(database: &Database, connection: i64) -> Result<()> {
    database
        .prepare_cached(
            "UPDATE connections SET (users_mapped, users_total) =
                 (SELECT count(user), count(*) FROM members WHERE connection = ?1)
             WHERE number = ?1",
        )?
        .execute(params![connection])?;
    Ok(())
}
