//! Importing teams, and mapping their members to users.

use std::collections::{BTreeMap, HashMap, HashSet};

use deadpool_postgres::{GenericClient, Transaction};

use super::team::find;
use super::users::{Users, number_users};
use super::values::{get, optional_named};
use super::{Result, feed, lock_connection};
use crate::contract::{MemberState, RemoteUser, TeamMember, UserMatch};
use crate::database::postgres::{execute, row, rows};
use crate::id::{ConnectionId, RemoteUserId};
use crate::ledger::{LedgerError, MappingChange, MatchedBy, Member, TeamChanges};

/// What is known of a member before an import.
struct Known {
    name: String,
    present: bool,
    mapping: Mapping,
}

/// What a mapping is before and after.
#[derive(Clone, Copy, Default)]
pub(super) struct Mapping {
    pub(super) user: Option<i64>,
    pub(super) matched_by: Option<MatchedBy>,
}

/// A member as it is stored.
pub(super) struct Stored<'a> {
    pub(super) remote_user: &'a RemoteUser,
    pub(super) present: bool,
    pub(super) mapping: Mapping,
    pub(super) note: Option<&'a str>,
}

pub(super) async fn import(
    transaction: &Transaction<'_>,
    id: &ConnectionId,
    team: &[TeamMember],
) -> Result<TeamChanges> {
    let connection = lock_connection(transaction, id).await?;
    let users = number_users(transaction, team.iter().filter_map(matched_user)).await?;
    let mut known = known(transaction, connection).await?;
    let mut changes = TeamChanges::default();
    let mut stored: HashMap<&str, Stored<'_>> = HashMap::new();
    // Whose activities now belong to somebody else, and whose are only shown again.
    let (mut mapped, mut shown) = (HashMap::new(), HashSet::new());
    for member in team {
        let remote_user = &member.remote_user;
        let remote_id = remote_user.id.as_str();
        let first = !stored.contains_key(remote_id);
        let before = known.get(remote_id);
        let before_mapping = match stored.get(remote_id) {
            // A member that is listed twice: the last one counts.
            Some(stored) => Some(stored.mapping),
            None => before.map(|known| known.mapping),
        };
        let manual = before_mapping.filter(|mapping| mapping.matched_by == Some(MatchedBy::Manual));
        let mapping = manual.unwrap_or_else(|| imported_mapping(member, &users));
        let note = match &member.matched {
            UserMatch::Ambiguous(note) => Some(note.as_str()),
            UserMatch::Matched(_) | UserMatch::Unmatched => None,
        };
        changes.joined += u64::from(first && before.is_none_or(|known| !known.present));
        if before_mapping.and_then(|mapping| mapping.user) != mapping.user || !first {
            mapped.insert(remote_id, mapping.user);
        } else if before.is_none_or(|known| known.name != remote_user.name) {
            shown.insert(remote_id);
        }
        let member = Stored {
            remote_user,
            present: true,
            mapping,
            note,
        };
        stored.insert(remote_id, member);
    }
    known.retain(|remote_user, _| !stored.contains_key(remote_user.as_str()));
    changes.left = known.values().filter(|known| known.present).count() as u64;
    let stored: Vec<_> = stored.into_values().collect();
    put(transaction, connection, &stored).await?;
    remove_missing(transaction, connection, &known).await?;
    map_activities(transaction, connection, &mapped, shown).await?;
    feed::show_users_again(transaction, users.changed()).await?;
    count(transaction, connection).await?;
    Ok(changes)
}

fn matched_user(member: &TeamMember) -> Option<&crate::contract::User> {
    match &member.matched {
        UserMatch::Matched(user) => Some(user),
        UserMatch::Unmatched | UserMatch::Ambiguous(_) => None,
    }
}

fn imported_mapping(member: &TeamMember, users: &Users) -> Mapping {
    match matched_user(member) {
        Some(user) => Mapping {
            user: users.number(&user.id),
            matched_by: Some(MatchedBy::Email),
        },
        None => Mapping::default(),
    }
}

pub(super) async fn set_mapping(
    transaction: &Transaction<'_>,
    id: &ConnectionId,
    remote_user: &RemoteUserId,
    change: &MappingChange,
) -> Result<Member> {
    let connection = lock_connection(transaction, id).await?;
    let not_found = || {
        LedgerError::NotFound(format!(
            "the connection {id} has no member {remote_user}: import the team again"
        ))
    };
    let before = find(transaction, connection, remote_user).await?;
    let mapping = before.as_ref().map(Member::mapping).unwrap_or_default();
    if change.before.as_ref().is_some_and(|seen| *seen != mapping) {
        return Err(LedgerError::Conflict(format!(
            "the mapping of the member {remote_user} was changed meanwhile: look at it again"
        ))
        .into());
    }
    if before.is_none() {
        if !has_activities(transaction, connection, remote_user).await? {
            return Err(not_found().into());
        }
        let mentioned = RemoteUser {
            id: remote_user.clone(),
            name: remote_user.to_string(),
            email: None,
            state: MemberState::Active,
        };
        let nobody = Stored {
            remote_user: &mentioned,
            present: false,
            mapping: Mapping::default(),
            note: None,
        };
        put(transaction, connection, &[nobody]).await?;
    }
    let users = number_users(transaction, change.user.as_ref()).await?;
    let user = change.user.as_ref().and_then(|user| users.number(&user.id));
    execute(
        transaction,
        "UPDATE members SET user_number = $3, matched_by = $4 WHERE connection = $1 AND remote_user = $2",
        &[
            &connection,
            &remote_user.as_str(),
            &user,
            &change.matched_by.map(MatchedBy::as_str),
        ],
    )
    .await?;
    if mapping.user != change.user.as_ref().map(|user| user.id.clone()) {
        let mapped = HashMap::from([(remote_user.as_str(), user)]);
        map_activities(transaction, connection, &mapped, HashSet::new()).await?;
    }
    feed::show_users_again(transaction, users.changed()).await?;
    count(transaction, connection).await?;
    let member = find(transaction, connection, remote_user).await?;
    Ok(member.ok_or_else(not_found)?)
}

/// The members before an import, by id.
async fn known(transaction: &Transaction<'_>, connection: i64) -> Result<BTreeMap<String, Known>> {
    let found = rows(
        transaction,
        "SELECT remote_user, user_number, matched_by, name, present FROM members WHERE connection = $1",
        &[&connection],
    )
    .await?;
    found
        .iter()
        .map(|row| {
            let known = Known {
                name: get(row, 3)?,
                present: get(row, 4)?,
                mapping: Mapping {
                    user: get(row, 1)?,
                    matched_by: optional_named(row, 2, MatchedBy::from_name)?,
                },
            };
            Ok((get(row, 0)?, known))
        })
        .collect()
}

pub(super) async fn put(
    transaction: &Transaction<'_>,
    connection: i64,
    members: &[Stored<'_>],
) -> Result<()> {
    let column = |of: fn(&Stored<'_>) -> String| members.iter().map(of).collect::<Vec<_>>();
    let ids = column(|member| member.remote_user.id.to_string());
    let names = column(|member| member.remote_user.name.clone());
    let states = column(|member| member.remote_user.state.as_str().to_owned());
    let emails: Vec<_> = (members.iter())
        .map(|member| member.remote_user.email.as_deref())
        .collect();
    let present: Vec<_> = members.iter().map(|member| member.present).collect();
    let users: Vec<_> = members.iter().map(|member| member.mapping.user).collect();
    let matched: Vec<_> = (members.iter())
        .map(|member| member.mapping.matched_by.map(MatchedBy::as_str))
        .collect();
    let notes: Vec<_> = members.iter().map(|member| member.note).collect();
    execute(
        transaction,
        "INSERT INTO members (connection, remote_user, name, email, state, present, user_number, matched_by, note)
         SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::bigint[],
             $8::text[], $9::text[])
         ON CONFLICT (connection, remote_user) DO UPDATE SET name = excluded.name, email = excluded.email,
             state = excluded.state, present = excluded.present, user_number = excluded.user_number,
             matched_by = excluded.matched_by, note = excluded.note",
        &[
            &connection,
            &ids,
            &names,
            &emails,
            &states,
            &present,
            &users,
            &matched,
            &notes,
        ],
    )
    .await?;
    Ok(())
}

/// Members that are not in the team any more stay if somebody decided something about them or if they
/// have activities.
async fn remove_missing(
    transaction: &Transaction<'_>,
    connection: i64,
    missing: &BTreeMap<String, Known>,
) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = missing.keys().map(String::as_str).collect();
    execute(
        transaction,
        "DELETE FROM members WHERE connection = $1 AND remote_user = ANY ($2)
             AND user_number IS NULL AND matched_by IS NULL AND NOT EXISTS (
                 SELECT 1 FROM activities
                 WHERE activities.connection = $1 AND activities.remote_user = members.remote_user
             )",
        &[&connection, &ids],
    )
    .await?;
    execute(
        transaction,
        "UPDATE members SET present = false WHERE connection = $1 AND remote_user = ANY ($2)",
        &[&connection, &ids],
    )
    .await?;
    Ok(())
}

/// Gives the activities of remote users to other users, and moves them and those of `shown` to the end of
/// the change feed.
async fn map_activities(
    transaction: &Transaction<'_>,
    connection: i64,
    mapped: &HashMap<&str, Option<i64>>,
    mut shown: HashSet<&str>,
) -> Result<()> {
    shown.extend(mapped.keys());
    if shown.is_empty() {
        return Ok(());
    }
    // Whoever changes activities holds the feed first: so nobody waits in a circle.
    feed::lock(transaction).await?;
    let (remote_users, users): (Vec<&str>, Vec<Option<i64>>) = mapped
        .iter()
        .map(|(&remote_user, &user)| (remote_user, user))
        .unzip();
    execute(
        transaction,
        "UPDATE activities SET user_number = mapped.user_number
         FROM unnest($2::text[], $3::bigint[]) AS mapped (remote_user, user_number)
         WHERE activities.connection = $1 AND activities.remote_user = mapped.remote_user",
        &[&connection, &remote_users, &users],
    )
    .await?;
    let shown: Vec<&str> = shown.into_iter().collect();
    feed::move_to_end(
        transaction,
        "SELECT number FROM activities WHERE connection = $1 AND remote_user = ANY ($2)",
        &[&connection, &shown],
    )
    .await
}

async fn has_activities(
    client: &impl GenericClient,
    connection: i64,
    remote_user: &RemoteUserId,
) -> Result<bool> {
    let found = row(
        client,
        "SELECT 1 FROM activities WHERE connection = $1 AND remote_user = $2 LIMIT 1",
        &[&connection, &remote_user.as_str()],
    )
    .await?;
    Ok(found.is_some())
}

/// Counts a team once, so that reading a connection does not.
pub(super) async fn count(transaction: &Transaction<'_>, connection: i64) -> Result<()> {
    execute(
        transaction,
        "UPDATE connections SET (users_mapped, users_total) =
             (SELECT count(user_number), count(*) FROM members WHERE connection = $1)
         WHERE number = $1",
        &[&connection],
    )
    .await?;
    Ok(())
}
