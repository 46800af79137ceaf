//! Reading teams.

use rusqlite::{Connection as Database, OptionalExtension as _, Row, params};

use super::{Result, connection_number, rows};
use crate::contract::RemoteUser;
use crate::id::{ConnectionId, RemoteUserId};
use crate::ledger::{LedgerError, MAX_PAGE, Member, MemberFilter, MemberPage, Wanted};

/// Names are put in order by so many characters, which keeps cursors short.
const ORDERED_CHARACTERS: usize = 60;

/// Where a member is in a team: what its name is ordered by, then its id.
type Place = (String, String);

/// A team is read as a whole, which takes milliseconds for ten thousand, and ordered by what the database
/// cannot order by: names in any script without regard to case.
pub(super) fn page(
    database: &Database,
    id: &ConnectionId,
    filter: &MemberFilter,
    cursor: Option<&str>,
    limit: usize,
) -> Result<MemberPage> {
    let connection = connection_number(database, id)?;
    let after: Option<Place> = cursor
        .map(|cursor| {
            serde_json::from_str(cursor).map_err(|_| {
                LedgerError::Invalid(format!("`{cursor}` is not a cursor of a list of members"))
            })
        })
        .transpose()?;
    let mut places = matching(database, connection, filter)?;
    let count = places.len() as u64;
    places.retain(|place| after.as_ref().is_none_or(|after| place > after));
    places.sort_unstable();
    let more = places.len() > limit.clamp(1, MAX_PAGE);
    places.truncate(limit.clamp(1, MAX_PAGE));
    let next = places
        .last()
        .filter(|_| more)
        .map(|(name, id)| serde_json::json!([name, id]).to_string());
    let mut members = Vec::with_capacity(places.len());
    for (_, remote_user) in places {
        members.extend(find(database, connection, &RemoteUserId::new(remote_user))?);
    }
    Ok(MemberPage {
        members,
        matching: count,
        next,
    })
}

fn matching(database: &Database, connection: i64, filter: &MemberFilter) -> Result<Vec<Place>> {
    let wanted = filter.query.as_deref().and_then(Wanted::new);
    // Without a search the users' names are not needed.
    let mut statement = database.prepare_cached(
        "SELECT remote_user, name, email, user, matched_by,
             (SELECT users.name FROM users WHERE ?2 AND users.number = members.user)
         FROM members WHERE connection = ?1",
    )?;
    let mut found = Vec::new();
    let mut rows = statement.query(params![connection, wanted.is_some()])?;
    while let Some(row) = rows.next()? {
        let is_mapped = row.get::<_, Option<i64>>(3)?.is_some();
        let matched_by = rows::matched_by(row, 4)?;
        let name = rows::text(row, 1)?.unwrap_or_default();
        let (email, user) = (rows::text(row, 2)?, rows::text(row, 5)?);
        let matches = !(filter.unmapped && is_mapped)
            && filter.matched_by.is_none_or(|by| matched_by == Some(by))
            && wanted.as_ref().is_none_or(|wanted| {
                let mut texts = [Some(name), email, user].into_iter().flatten();
                texts.any(|text| wanted.is_in(text))
            });
        if matches {
            let order = name
                .to_lowercase()
                .chars()
                .take(ORDERED_CHARACTERS)
                .collect();
            found.push((order, row.get(0)?));
        }
    }
    Ok(found)
}

const SELECT: &str = "SELECT remote_user, members.name, members.email, state, present, users.id, users.name, users.email,
        matched_by, note
     FROM members LEFT JOIN users ON users.number = members.user";

pub(super) fn find(
    database: &Database,
    connection: i64,
    remote_user: &RemoteUserId,
) -> Result<Option<Member>> {
    Ok(database
        .prepare_cached(&format!(
            "{SELECT} WHERE connection = ?1 AND remote_user = ?2"
        ))?
        .query_row(params![connection, remote_user.as_str()], member)
        .optional()?)
}

fn member(row: &Row<'_>) -> rusqlite::Result<Member> {
    Ok(Member {
        remote_user: RemoteUser {
            id: RemoteUserId::new(row.get::<_, String>(0)?),
            name: row.get(1)?,
            email: row.get(2)?,
            state: rows::member_state(row, 3)?,
        },
        present: row.get(4)?,
        user: rows::user(row, 5)?,
        matched_by: rows::matched_by(row, 8)?,
        note: row.get(9)?,
    })
}
