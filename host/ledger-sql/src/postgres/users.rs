//! Users of the platform that members are mapped to, as last seen.

use std::collections::{BTreeMap, HashMap};

use deadpool_postgres::{GenericClient, Transaction};

use super::Result;
use super::values::get;
use integration_host_contract::User;
use integration_host_contract::id::UserId;
use integration_host_database::postgres::{execute, row, rows};

/// The numbers by which the tables know users.
#[derive(Default)]
pub(super) struct Users {
    numbers: HashMap<String, i64>,
    changed: Vec<i64>,
}

impl Users {
    /// The number of a user.
    pub(super) fn number(&self, user: &UserId) -> Option<i64> {
        self.numbers.get(user.as_str()).copied()
    }

    /// Users whose name or address is another one than before.
    pub(super) fn changed(&self) -> &[i64] {
        &self.changed
    }
}

/// The numbers of users. Their names and addresses are updated.
pub(super) async fn number_users<'a>(
    transaction: &Transaction<'_>,
    users: impl IntoIterator<Item = &'a User>,
) -> Result<Users> {
    // In the order of their ids, so that two who do this do not wait for each other. Of the same user the
    // last one counts.
    let users: BTreeMap<&str, &User> = users
        .into_iter()
        .map(|user| (user.id.as_str(), user))
        .collect();
    if users.is_empty() {
        return Ok(Users::default());
    }
    let ids: Vec<&str> = users.keys().copied().collect();
    let names: Vec<&str> = users.values().map(|user| user.name.as_str()).collect();
    let emails: Vec<_> = users.values().map(|user| user.email.as_deref()).collect();
    execute(
        transaction,
        "INSERT INTO users (id, name, email)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS seen (id, name, email)
         WHERE NOT EXISTS (SELECT 1 FROM users WHERE users.id = seen.id)
         ORDER BY id ON CONFLICT (id) DO NOTHING",
        &[&ids, &names, &emails],
    )
    .await?;
    let found = rows(
        transaction,
        "SELECT number, id, name, email FROM users WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE",
        &[&ids],
    )
    .await?;
    let mut known = Users::default();
    for row in &found {
        let (number, id): (i64, &str) = (get(row, 0)?, get(row, 1)?);
        let before: (&str, Option<&str>) = (get(row, 2)?, get(row, 3)?);
        known.numbers.insert(id.to_owned(), number);
        if let Some(user) = users.get(id)
            && (user.name.as_str(), user.email.as_deref()) != before
        {
            known.changed.push(number);
        }
    }
    if !known.changed.is_empty() {
        execute(
            transaction,
            "UPDATE users SET name = seen.name, email = seen.email
             FROM unnest($1::text[], $2::text[], $3::text[]) AS seen (id, name, email)
             WHERE users.id = seen.id AND users.number = ANY ($4)",
            &[&ids, &names, &emails, &known.changed],
        )
        .await?;
    }
    Ok(known)
}

/// The number of a user that somebody was mapped to.
pub(super) async fn user_number(client: &impl GenericClient, user: &UserId) -> Result<Option<i64>> {
    let found = row(
        client,
        "SELECT number FROM users WHERE id = $1",
        &[&user.as_str()],
    )
    .await?;
    found.map(|found| get(&found, 0)).transpose()
}
