//! Importing teams, and mapping their members to users.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::{GenericClient, Transaction};

use super::spreading::spread;
use super::team::find;
use super::users::number_users;
use super::values::{get, optional_named};
use super::{Result, lock_connection};
use integration_host_contract::id::{ConnectionId, RemoteUserId};
use integration_host_contract::{MemberState, RemoteUser, TeamMember, UserMatch};
use integration_host_database::postgres::{execute, row, rows};
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

/// A member as it is stored.
pub(super) struct Stored<'a> {
    pub(super) remote_user: &'a RemoteUser,
    pub(super) present: bool,
    pub(super) held: Held,
    pub(super) note: Option<&'a str>,
}

pub(super) async fn import(
    transaction: &Transaction<'_>,
    id: &ConnectionId,
    team: &[TeamMember],
    limits: &ImportLimits,
) -> Result<TeamChanges> {
    let connection = lock_connection(transaction, id).await?;
    let team = matching::distinct(team);
    let users = number_users(transaction, team.iter().copied().filter_map(matched_user)).await?;
    let mut known = known(transaction, connection).await?;
    let before: Vec<MemberBefore> = (team.iter())
        .map(|member| {
            known
                .remove(member.remote_user.id.as_str())
                .unwrap_or_default()
        })
        .collect();
    let mappings: Vec<_> = (team.iter().zip(&before))
        .map(|(member, before)| {
            let found = matched_user(member).and_then(|user| users.number(&user.id));
            (before.held, found)
        })
        .collect();
    let mut changes = TeamChanges::default();
    let mut stored = Vec::with_capacity(team.len());
    // What changes of the activities of members that have any.
    let mut shared = Vec::new();
    let after = matching::after_import(&mappings, limits);
    for ((member, before), (held, found)) in team.into_iter().zip(before).zip(after) {
        let remote_user = &member.remote_user;
        let remote_id = remote_user.id.as_str();
        changes.joined += u64::from(!before.present);
        changes.add(&remote_user.id, &held, found);
        if before.held.user.is_none() != held.user.is_none() {
            shared.push(Shared::Mapping {
                connection,
                remote_user: remote_id.to_owned(),
                user: held.user,
                keeps_earlier: held.user.is_some(),
            });
        }
        if before.name != remote_user.name {
            shared.push(Shared::Member {
                connection,
                remote_user: remote_id.to_owned(),
            });
        }
        stored.push(Stored {
            remote_user,
            present: true,
            held,
            note: matching::note(member),
        });
    }
    changes.left = known.values().filter(|known| known.present).count() as u64;
    put(transaction, connection, &stored).await?;
    remove_missing(transaction, connection, &known).await?;
    keep_those_with_activities(transaction, connection, &mut shared).await?;
    shared.extend(users.changed().iter().copied().map(Shared::User));
    spread(transaction, &shared).await?;
    recount(transaction, connection).await?;
    Ok(changes)
}

fn matched_user(member: &TeamMember) -> Option<&integration_host_contract::User> {
    match &member.matched {
        UserMatch::Matched(user) => Some(user),
        UserMatch::Unmatched | UserMatch::Ambiguous(_) => None,
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
            held: Held::default(),
            note: None,
        };
        put(transaction, connection, &[nobody]).await?;
    }
    let users = number_users(transaction, change.user.as_ref()).await?;
    let user = change.user.as_ref().and_then(|user| users.number(&user.id));
    execute(
        transaction,
        "UPDATE members SET user_number = $3, matched_by = $4, unconfirmed = false, claimed_by = NULL,
             earlier_user = NULL
         WHERE connection = $1 AND remote_user = $2",
        &[
            &connection,
            &remote_user.as_str(),
            &user,
            &change.matched_by.map(MatchedBy::as_str),
        ],
    )
    .await?;
    // Some may belong to another user although the mapping is the same.
    let mapping = Shared::Mapping {
        connection,
        remote_user: remote_user.to_string(),
        user,
        keeps_earlier: change.keeps_earlier,
    };
    let renamed = users.changed().iter().copied().map(Shared::User);
    let shared: Vec<_> = std::iter::once(mapping).chain(renamed).collect();
    spread(transaction, &shared).await?;
    recount(transaction, connection).await?;
    let member = find(transaction, connection, remote_user).await?;
    Ok(member.ok_or_else(not_found)?)
}

/// The members before an import, by id.
async fn known(
    transaction: &Transaction<'_>,
    connection: i64,
) -> Result<BTreeMap<String, MemberBefore>> {
    let found = rows(
        transaction,
        "SELECT remote_user, user_number, matched_by, name, present, unconfirmed, claimed_by, earlier_user
         FROM members WHERE connection = $1",
        &[&connection],
    )
    .await?;
    found
        .iter()
        .map(|row| {
            let known = MemberBefore {
                name: get(row, 3)?,
                present: get(row, 4)?,
                held: Held {
                    user: get(row, 1)?,
                    matched_by: optional_named(row, 2, MatchedBy::from_name)?,
                    unconfirmed: get(row, 5)?,
                    claimed_by: get(row, 6)?,
                    earlier_user: get(row, 7)?,
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
    let users: Vec<_> = members.iter().map(|member| member.held.user).collect();
    let matched: Vec<_> = (members.iter())
        .map(|member| member.held.matched_by.map(MatchedBy::as_str))
        .collect();
    let unconfirmed: Vec<_> = members
        .iter()
        .map(|member| member.held.unconfirmed)
        .collect();
    let claimed: Vec<_> = members
        .iter()
        .map(|member| member.held.claimed_by)
        .collect();
    let earlier: Vec<_> = (members.iter())
        .map(|member| member.held.earlier_user)
        .collect();
    let notes: Vec<_> = members.iter().map(|member| member.note).collect();
    execute(
        transaction,
        "INSERT INTO members (connection, remote_user, name, email, state, present, user_number, matched_by, note,
             unconfirmed, claimed_by, earlier_user)
         SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::bigint[],
             $8::text[], $9::text[], $10::boolean[], $11::bigint[], $12::bigint[])
         ON CONFLICT (connection, remote_user) DO UPDATE SET name = excluded.name, email = excluded.email,
             state = excluded.state, present = excluded.present, user_number = excluded.user_number,
             matched_by = excluded.matched_by, note = excluded.note, unconfirmed = excluded.unconfirmed,
             claimed_by = excluded.claimed_by, earlier_user = excluded.earlier_user",
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
            &unconfirmed,
            &claimed,
            &earlier,
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
    missing: &BTreeMap<String, MemberBefore>,
) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = missing.keys().map(String::as_str).collect();
    execute(
        transaction,
        "DELETE FROM members WHERE connection = $1 AND remote_user = ANY ($2)
             AND user_number IS NULL AND matched_by IS NULL AND (
                 SELECT activities.remote_user FROM activities
                 WHERE activities.connection = $1
                     AND activities.remote_user BETWEEN members.remote_user AND members.remote_user
                 ORDER BY activities.remote_user LIMIT 1
             ) IS NULL",
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

/// Leaves out what changes of members without activities: of a large team most have none when it is first imported.
async fn keep_those_with_activities(
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
        shared
            .remote_user()
            .is_some_and(|remote_user| mentioned.contains(remote_user))
    });
    Ok(())
}

async fn has_activities(
    client: &impl GenericClient,
    connection: i64,
    remote_user: &RemoteUserId,
) -> Result<bool> {
    let found = row(
        client,
        "SELECT 1 FROM activities WHERE connection = $1 AND remote_user BETWEEN $2 AND $2
         ORDER BY remote_user LIMIT 1",
        &[&connection, &remote_user.as_str()],
    )
    .await?;
    Ok(found.is_some())
}

/// Counts a team once, so that reading a connection does not.
pub(super) async fn recount(transaction: &Transaction<'_>, connection: i64) -> Result<()> {
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
