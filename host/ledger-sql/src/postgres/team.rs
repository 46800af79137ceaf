//! Reading teams.

use deadpool_postgres::GenericClient;
use tokio_postgres::Row;

use super::values::{get, named, optional_named, user};
use super::{Result, connection_number};
use integration_host_contract::id::{ConnectionId, RemoteUserId};
use integration_host_contract::{MemberState, RemoteUser};
use integration_host_database::postgres::{row, rows};
use integration_host_ledger::team::{Candidate, Listing};
use integration_host_ledger::{MatchedBy, Member, MemberFilter, MemberPage};

/// The columns that [`read`] reads, of [`TABLES`].
pub(super) const COLUMNS: &str =
    "remote_user, members.name, members.email, state, present, users.id, users.name,
        users.email, matched_by, note, unconfirmed, claiming.id, claiming.name, claiming.email, earlier.id, earlier.name,
        earlier.email";
/// How many columns these are.
pub(super) const READ: usize = 17;
pub(super) const TABLES: &str = "members LEFT JOIN users ON users.number = members.user_number
    LEFT JOIN users AS claiming ON claiming.number = members.claimed_by
    LEFT JOIN users AS earlier ON earlier.number = members.earlier_user";

pub(super) async fn page(
    client: &impl GenericClient,
    id: &ConnectionId,
    filter: &MemberFilter,
    cursor: Option<&str>,
    limit: usize,
) -> Result<MemberPage> {
    let connection = connection_number(client, id).await?;
    let found = rows(
        client,
        "SELECT remote_user, members.name, members.email, user_number, matched_by, users.name,
             unconfirmed OR claimed_by IS NOT NULL OR earlier_user IS NOT NULL
         FROM members LEFT JOIN users ON users.number = members.user_number WHERE connection = $1",
        &[&connection],
    )
    .await?;
    let mut listing = Listing::new(filter);
    for row in &found {
        listing.offer(&Candidate {
            remote_user: get(row, 0)?,
            name: get(row, 1)?,
            email: get(row, 2)?,
            is_mapped: get::<Option<i64>>(row, 3)?.is_some(),
            matched_by: optional_named(row, 4, MatchedBy::from_name)?,
            user_name: get(row, 5)?,
            is_in_doubt: get(row, 6)?,
        });
    }
    let page = listing.page(cursor, limit)?;
    let sql =
        format!("SELECT {COLUMNS} FROM {TABLES} WHERE connection = $1 AND remote_user = ANY ($2)");
    let found = rows(client, &sql, &[&connection, &page.remote_users]).await?;
    let mut members: Vec<Member> = found.iter().map(read).collect::<Result<_>>()?;
    let place = |member: &Member| {
        let mut ids = page.remote_users.iter();
        ids.position(|id| id == member.remote_user.id.as_str())
    };
    members.sort_by_cached_key(place);
    Ok(MemberPage {
        members,
        matching: page.matching,
        next: page.next,
        previous: page.previous,
    })
}

/// One member, if an import has listed it.
pub(super) async fn member(
    client: &impl GenericClient,
    id: &ConnectionId,
    remote_user: &RemoteUserId,
) -> Result<Option<Member>> {
    find(client, connection_number(client, id).await?, remote_user).await
}

pub(super) async fn find(
    client: &impl GenericClient,
    connection: i64,
    remote_user: &RemoteUserId,
) -> Result<Option<Member>> {
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE connection = $1 AND remote_user = $2");
    let found = row(client, &sql, &[&connection, &remote_user.as_str()]).await?;
    found.as_ref().map(read).transpose()
}

pub(super) fn read(row: &Row) -> Result<Member> {
    let matched_by = optional_named(row, 8, MatchedBy::from_name)?;
    let unconfirmed = get(row, 10)?;
    Ok(Member {
        remote_user: RemoteUser {
            id: RemoteUserId::new(get::<String>(row, 0)?),
            name: get(row, 1)?,
            email: get(row, 2)?,
            state: named(row, 3, MemberState::from_name)?,
        },
        present: get(row, 4)?,
        user: user(row, 5)?,
        matched_by,
        // It is kept in case the decision is taken back.
        note: get::<Option<String>>(row, 9)?.filter(|_| matched_by.is_none() || unconfirmed),
        unconfirmed,
        claimed_by: user(row, 11)?,
        earlier_user: user(row, 14)?,
    })
}
