//! Reading teams.

use rusqlite::{Connection as Database, OptionalExtension as _, Row, params};

use super::{Result, connection_number, rows};
use integration_host_contract::id::{ConnectionId, RemoteUserId};
use integration_host_contract::{MemberState, RemoteUser};
use integration_host_ledger::team::{Candidate, Listing};
use integration_host_ledger::{MatchedBy, Member, MemberFilter, MemberPage};

pub(super) fn page(
    database: &Database,
    id: &ConnectionId,
    filter: &MemberFilter,
    cursor: Option<&str>,
    limit: usize,
) -> Result<MemberPage> {
    let connection = connection_number(database, id)?;
    let page = matching(database, connection, filter)?.page(cursor, limit)?;
    let mut members = Vec::with_capacity(page.remote_users.len());
    for remote_user in page.remote_users {
        members.extend(find(database, connection, &RemoteUserId::new(remote_user))?);
    }
    Ok(MemberPage {
        members,
        matching: page.matching,
        next: page.next,
        previous: page.previous,
    })
}

fn matching<'a>(
    database: &Database,
    connection: i64,
    filter: &'a MemberFilter,
) -> Result<Listing<'a>> {
    let mut listing = Listing::new(filter);
    let mut statement = database.prepare_cached(
        "SELECT remote_user, name, email, user, matched_by,
             (SELECT users.name FROM users WHERE ?2 AND users.number = members.user),
             unconfirmed OR claimed_by IS NOT NULL OR earlier_user IS NOT NULL
         FROM members WHERE connection = ?1",
    )?;
    let mut rows = statement.query(params![connection, listing.searches()])?;
    while let Some(row) = rows.next()? {
        listing.offer(&Candidate {
            remote_user: rows::text(row, 0)?.unwrap_or_default(),
            name: rows::text(row, 1)?.unwrap_or_default(),
            email: rows::text(row, 2)?,
            is_mapped: row.get::<_, Option<i64>>(3)?.is_some(),
            matched_by: rows::optional_named(row, 4, MatchedBy::from_name)?,
            user_name: rows::text(row, 5)?,
            is_in_doubt: row.get(6)?,
        });
    }
    Ok(listing)
}

/// The columns that [`read`] reads, of [`TABLES`].
pub(super) const COLUMNS: &str =
    "remote_user, members.name, members.email, state, present, users.id, users.name,
        users.email, matched_by, note, unconfirmed, claiming.id, claiming.name, claiming.email, earlier.id, earlier.name,
        earlier.email";
/// How many columns these are.
pub(super) const READ: usize = 17;
pub(super) const TABLES: &str = "members LEFT JOIN users ON users.number = members.user
    LEFT JOIN users AS claiming ON claiming.number = members.claimed_by
    LEFT JOIN users AS earlier ON earlier.number = members.earlier_user";

/// One member, if an import has listed it.
pub(super) fn member(
    database: &Database,
    id: &ConnectionId,
    remote_user: &RemoteUserId,
) -> Result<Option<Member>> {
    find(database, connection_number(database, id)?, remote_user)
}

pub(super) fn find(
    database: &Database,
    connection: i64,
    remote_user: &RemoteUserId,
) -> Result<Option<Member>> {
    Ok(database
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM {TABLES} WHERE connection = ?1 AND remote_user = ?2"
        ))?
        .query_row(params![connection, remote_user.as_str()], read)
        .optional()?)
}

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Member> {
    let matched_by = rows::optional_named(row, 8, MatchedBy::from_name)?;
    let unconfirmed = row.get(10)?;
    Ok(Member {
        remote_user: RemoteUser {
            id: RemoteUserId::new(row.get::<_, String>(0)?),
            name: row.get(1)?,
            email: row.get(2)?,
            state: rows::named(row, 3, MemberState::from_name)?,
        },
        present: row.get(4)?,
        user: rows::user(row, 5)?,
        matched_by,
        // It is kept in case the decision is taken back.
        note: row
            .get::<_, Option<String>>(9)?
            .filter(|_| matched_by.is_none() || unconfirmed),
        unconfirmed,
        claimed_by: rows::user(row, 11)?,
        earlier_user: rows::user(row, 14)?,
    })
}
