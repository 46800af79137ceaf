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
    places.sort_unstable();
    let limit = limit.clamp(1, MAX_PAGE);
    let start = match &after {
        None => 0,
        Some(after) => places.partition_point(|place| place <= after),
    };
    let end = places.len().min(start + limit);
    let last = |places: usize| places.checked_sub(1);
    let next = places
        .get(end)
        .and(last(end))
        .and_then(|last| places.get(last));
    let next = next.map(cursor_after);
    // The first page begins after what stands before all names.
    let previous = (start > 0).then(|| {
        let before = last(start.saturating_sub(limit)).and_then(|last| places.get(last));
        before.map_or_else(|| cursor_after(&Place::default()), cursor_after)
    });
    let mut members = Vec::with_capacity(end.saturating_sub(start));
    for (_, remote_user) in places.into_iter().take(end).skip(start) {
        members.extend(find(database, connection, &RemoteUserId::new(remote_user))?);
    }
    Ok(MemberPage {
        members,
        matching: count,
        next,
        previous,
    })
}

fn cursor_after((name, id): &Place) -> String {
    serde_json::json!([name, id]).to_string()
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
            "{SELECT} WHERE connection = ?1 AND remote_user = ?2"
        ))?
        .query_row(params![connection, remote_user.as_str()], read)
        .optional()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Member> {
    let matched_by = rows::matched_by(row, 8)?;
    Ok(Member {
        remote_user: RemoteUser {
            id: RemoteUserId::new(row.get::<_, String>(0)?),
            name: row.get(1)?,
            email: row.get(2)?,
            state: rows::member_state(row, 3)?,
        },
        present: row.get(4)?,
        user: rows::user(row, 5)?,
        matched_by,
        // It is kept in case the decision is taken back.
        note: row
            .get::<_, Option<String>>(9)?
            .filter(|_| matched_by.is_none()),
    })
}
