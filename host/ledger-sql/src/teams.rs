//! Teams: imported, listed, and mapped to users.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::SqlLedger;
use crate::backend::{Backend, SqlDatabase, connection_number, first, lock_connection, row, rows};
use crate::failure::Result;
use crate::values::{Columns, values};
use integration_host_contract::id::{ConnectionId, RemoteUserId};
use integration_host_contract::{MemberState, RemoteUser, TeamMember};
use integration_host_ledger::matching::{
    Held, MemberBefore, StoredMember, distinct, matched_users, mentioned, plan_import,
};
use integration_host_ledger::team::{Candidate, Listing};
use integration_host_ledger::{
    ImportLimits, LedgerError, MappingChange, MatchedBy, Member, MemberFilter, MemberPage,
    TeamChanges, Teams,
};

#[async_trait]
impl<D: SqlDatabase> Teams for SqlLedger<D> {
    async fn import_members(
        &self,
        id: &ConnectionId,
        team: &[TeamMember],
        limits: &ImportLimits,
    ) -> Result<TeamChanges, LedgerError> {
        let given = (id.clone(), team.to_vec(), *limits);
        let import = self.database.change(given, |db, (id, team, limits)| {
            Box::pin(import(db, id, team, limits))
        });
        let changes = import.await?;
        self.database.announce_changes();
        Ok(changes)
    }

    async fn members(
        &self,
        id: &ConnectionId,
        filter: &MemberFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<MemberPage, LedgerError> {
        let given = (id.clone(), filter.clone(), cursor.map(str::to_owned), limit);
        let page = self
            .database
            .read(given, |db, (id, filter, cursor, limit)| {
                Box::pin(page(db, id, filter, cursor.as_deref(), *limit))
            });
        page.await
    }

    async fn member(
        &self,
        id: &ConnectionId,
        remote_user: &RemoteUserId,
    ) -> Result<Option<Member>, LedgerError> {
        let given = (id.clone(), remote_user.clone());
        let find = self.database.read(given, |db, (id, remote_user)| {
            Box::pin(async move { find(db, connection_number(db, id).await?, remote_user).await })
        });
        find.await
    }

    async fn set_mapping(
        &self,
        id: &ConnectionId,
        remote_user: &RemoteUserId,
        change: &MappingChange,
    ) -> Result<Member, LedgerError> {
        let given = (id.clone(), remote_user.clone(), change.clone());
        let set = self
            .database
            .change(given, |db, (id, remote_user, change)| {
                Box::pin(set_mapping(db, id, remote_user, change))
            });
        let member = set.await?;
        self.database.announce_changes();
        Ok(member)
    }
}

async fn import(
    db: &dyn Backend,
    id: &ConnectionId,
    team: &[TeamMember],
    limits: &ImportLimits,
) -> Result<TeamChanges> {
    let connection = lock_connection(db, id).await?;
    let team = distinct(team);
    let users = db.number_users(&matched_users(&team)).await?;
    let before = known(db, connection).await?;
    let plan = plan_import(connection, before, &team, |user| users.number(user), limits);
    db.put_members(connection, &plan.listed).await?;
    remove_missing(db, connection, &plan.missing).await?;
    let mut shared = plan.shared;
    shared.extend(users.shared());
    db.spread(connection, shared).await?;
    recount(db, connection).await?;
    Ok(plan.changes)
}

async fn set_mapping(
    db: &dyn Backend,
    id: &ConnectionId,
    remote_user: &RemoteUserId,
    change: &MappingChange,
) -> Result<Member> {
    let connection = lock_connection(db, id).await?;
    let not_found = || {
        LedgerError::NotFound(format!(
            "the connection {id} has no member {remote_user}: import the team again"
        ))
    };
    let before = find(db, connection, remote_user).await?;
    change.ensure_follows(remote_user, before.as_ref())?;
    if before.is_none() {
        if !has_activities(db, connection, remote_user).await? {
            return Err(not_found().into());
        }
        let nobody = StoredMember {
            remote_user: &mentioned(remote_user),
            present: false,
            held: Held::default(),
            note: None,
        };
        db.put_members(connection, &[nobody]).await?;
    }
    let users = (change.user.iter()).map(|user| (user.id.as_str(), user));
    let users = db.number_users(&users.collect()).await?;
    let user = change.user.as_ref().and_then(|user| users.number(user));
    let sql = format!(
        "UPDATE members SET {} = $3, matched_by = $4, unconfirmed = false, claimed_by = NULL,
             earlier_user = NULL
         WHERE connection = $1 AND remote_user = $2",
        db.dialect().user
    );
    let matched_by = change.matched_by.map(MatchedBy::as_str);
    let given = values![connection, remote_user.as_str(), user, matched_by];
    db.execute(&sql, given).await?;
    let mapping = change.shared(connection, remote_user, user);
    let shared = std::iter::once(mapping).chain(users.shared()).collect();
    db.spread(connection, shared).await?;
    recount(db, connection).await?;
    let member = find(db, connection, remote_user).await?;
    Ok(member.ok_or_else(not_found)?)
}

/// The members before an import, by id.
async fn known(db: &dyn Backend, connection: i64) -> Result<BTreeMap<String, MemberBefore>> {
    let sql = format!(
        "SELECT remote_user, {}, matched_by, name, present, unconfirmed, claimed_by, earlier_user
         FROM members WHERE connection = $1",
        db.dialect().user
    );
    let known: Vec<(String, MemberBefore)> = rows(db, &sql, values![connection], |row| {
        let known = MemberBefore {
            name: row.get(3)?,
            present: row.get(4)?,
            held: Held {
                user: row.get(1)?,
                matched_by: row.optional_named(2, MatchedBy::from_name)?,
                unconfirmed: row.get(5)?,
                claimed_by: row.get(6)?,
                earlier_user: row.get(7)?,
            },
        };
        Ok((row.get(0)?, known))
    })
    .await?;
    Ok(known.into_iter().collect())
}

/// Members that are not in the team any more stay if somebody decided something about them or if they have activities.
/// Each is looked up by an index, which Postgres does not do for an equality that many rows might have.
async fn remove_missing(db: &dyn Backend, connection: i64, missing: &[String]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let (user, which) = (db.dialect().user, db.dialect().is_one_of(2));
    let sql = format!(
        "DELETE FROM members WHERE connection = $1 AND remote_user {which}
             AND {user} IS NULL AND matched_by IS NULL AND (
                 SELECT activities.remote_user FROM activities
                 WHERE activities.connection = $1
                     AND activities.remote_user BETWEEN members.remote_user AND members.remote_user
                 ORDER BY activities.remote_user LIMIT 1
             ) IS NULL"
    );
    db.execute(&sql, values![connection, missing]).await?;
    let sql =
        format!("UPDATE members SET present = false WHERE connection = $1 AND remote_user {which}");
    db.execute(&sql, values![connection, missing]).await?;
    Ok(())
}

async fn has_activities(
    db: &dyn Backend,
    connection: i64,
    remote_user: &RemoteUserId,
) -> Result<bool> {
    let found = row(
        db,
        "SELECT number FROM activities WHERE connection = $1 AND remote_user BETWEEN $2 AND $2
         ORDER BY remote_user LIMIT 1",
        values![connection, remote_user.as_str()],
        first::<i64>,
    )
    .await?;
    Ok(found.is_some())
}

/// Counts a team once, so that reading a connection does not.
pub async fn recount(db: &dyn Backend, connection: i64) -> Result<()> {
    let sql = format!(
        "UPDATE connections SET (users_mapped, users_total) =
             (SELECT count({}), count(*) FROM members WHERE connection = $1)
         WHERE number = $1",
        db.dialect().user
    );
    db.execute(&sql, values![connection]).await?;
    Ok(())
}

async fn page(
    db: &dyn Backend,
    id: &ConnectionId,
    filter: &MemberFilter,
    cursor: Option<&str>,
    limit: usize,
) -> Result<MemberPage> {
    let connection = connection_number(db, id).await?;
    let user = db.dialect().user;
    let mut listing = Listing::new(filter);
    let (user_name, users) = match listing.searches() {
        true => (
            "users.name",
            format!("LEFT JOIN users ON users.number = members.{user}"),
        ),
        false => ("NULL", String::new()),
    };
    let sql = format!(
        "SELECT remote_user, members.name, members.email, {user}, matched_by, {user_name},
             unconfirmed OR claimed_by IS NOT NULL OR earlier_user IS NOT NULL
         FROM members {users} WHERE connection = $1"
    );
    let mut offer = |row: &dyn Columns| {
        listing.offer(&Candidate {
            remote_user: row.get(0)?,
            name: row.get(1)?,
            email: row.get(2)?,
            is_mapped: row.get::<Option<i64>>(3)?.is_some(),
            matched_by: row.optional_named(4, MatchedBy::from_name)?,
            user_name: row.get(5)?,
            is_in_doubt: row.get(6)?,
        });
        Ok(())
    };
    db.query(&sql, values![connection], &mut offer).await?;
    let page = listing.page(cursor, limit)?;
    let sql = format!(
        "SELECT {COLUMNS} FROM {} WHERE connection = $1 AND remote_user {}",
        tables(db),
        db.dialect().is_one_of(2)
    );
    let mut members = rows(db, &sql, values![connection, &page.remote_users], member).await?;
    members.sort_by_cached_key(|member| {
        let mut ids = page.remote_users.iter();
        ids.position(|id| id == member.remote_user.id.as_str())
    });
    Ok(MemberPage {
        members,
        matching: page.matching,
        next: page.next,
        previous: page.previous,
    })
}

/// The columns that [`member`] reads, of [`tables`].
pub const COLUMNS: &str =
    "remote_user, members.name, members.email, state, present, users.id, users.name,
        users.email, matched_by, note, unconfirmed, claiming.id, claiming.name, claiming.email, earlier.id, earlier.name,
        earlier.email";
/// How many columns these are.
pub const READ: usize = 17;

/// Where [`COLUMNS`] are from.
pub fn tables(db: &dyn Backend) -> String {
    format!(
        "members LEFT JOIN users ON users.number = members.{}
         LEFT JOIN users AS claiming ON claiming.number = members.claimed_by
         LEFT JOIN users AS earlier ON earlier.number = members.earlier_user",
        db.dialect().user
    )
}

/// One member, if an import has listed it.
async fn find(
    db: &dyn Backend,
    connection: i64,
    remote_user: &RemoteUserId,
) -> Result<Option<Member>> {
    let tables = tables(db);
    let sql = format!("SELECT {COLUMNS} FROM {tables} WHERE connection = $1 AND remote_user = $2");
    row(db, &sql, values![connection, remote_user.as_str()], member).await
}

/// A member, from [`COLUMNS`].
pub fn member(row: &dyn Columns) -> Result<Member> {
    let matched_by = row.optional_named(8, MatchedBy::from_name)?;
    let unconfirmed = row.get(10)?;
    Ok(Member {
        remote_user: RemoteUser {
            id: row.get(0)?,
            name: row.get(1)?,
            email: row.get(2)?,
            state: row.named(3, MemberState::from_name)?,
        },
        present: row.get(4)?,
        user: row.user(5)?,
        matched_by,
        // It is kept in case the decision is taken back.
        note: row
            .get::<Option<String>>(9)?
            .filter(|_| matched_by.is_none() || unconfirmed),
        unconfirmed,
        claimed_by: row.user(11)?,
        earlier_user: row.user(14)?,
    })
}
