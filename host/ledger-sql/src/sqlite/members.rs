//! Storing teams and the users that members are mapped to.

use std::collections::BTreeMap;

use rusqlite::{Connection as Database, OptionalExtension as _, params};

use crate::backend::Users;
use crate::failure::Result;
use integration_host_contract::User;
use integration_host_ledger::MatchedBy;
use integration_host_ledger::matching::StoredMember;

/// The number of the user a remote user is mapped to.
pub fn mapped_user(database: &Database, connection: i64, remote_user: &str) -> Result<Option<i64>> {
    let user: Option<Option<i64>> = database
        .prepare_cached("SELECT user FROM members WHERE connection = ?1 AND remote_user = ?2")?
        .query_row(params![connection, remote_user], |row| row.get(0))
        .optional()?;
    Ok(user.flatten())
}

/// The numbers of users. Their names and addresses are updated.
pub fn number_users(database: &Database, users: &BTreeMap<&str, &User>) -> Result<Users> {
    let mut numbered = Users::default();
    for (id, user) in users {
        let known: Option<(i64, String, Option<String>)> = database
            .prepare_cached("SELECT number, name, email FROM users WHERE id = ?1")?
            .query_row(params![id], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let number = match known {
            None => {
                database
                    .prepare_cached("INSERT INTO users (id, name, email) VALUES (?1, ?2, ?3)")?
                    .execute(params![id, user.name, user.email])?;
                database.last_insert_rowid()
            }
            Some((number, name, email)) => {
                if (&name, &email) != (&user.name, &user.email) {
                    database
                        .prepare_cached("UPDATE users SET name = ?2, email = ?3 WHERE number = ?1")?
                        .execute(params![number, user.name, user.email])?;
                    numbered.changed.push(number);
                }
                number
            }
        };
        numbered.numbers.insert((*id).to_owned(), number);
    }
    Ok(numbered)
}

pub fn put(database: &Database, connection: i64, members: &[StoredMember<'_>]) -> Result<()> {
    let mut put = database.prepare_cached(
        "INSERT INTO members (connection, remote_user, name, email, state, present, user, matched_by, note,
             unconfirmed, claimed_by, earlier_user)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT (connection, remote_user) DO UPDATE SET name = excluded.name, email = excluded.email,
             state = excluded.state, present = excluded.present, user = excluded.user,
             matched_by = excluded.matched_by, note = excluded.note, unconfirmed = excluded.unconfirmed,
             claimed_by = excluded.claimed_by, earlier_user = excluded.earlier_user",
    )?;
    for StoredMember {
        remote_user,
        present,
        held,
        note,
    } in members
    {
        put.execute(params![
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
    }
    Ok(())
}
