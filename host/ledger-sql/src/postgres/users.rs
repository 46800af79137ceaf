//! Users of the platform that members are mapped to, as last seen.

use std::collections::BTreeMap;

use deadpool_postgres::GenericClient;

use super::values::get;
use crate::backend::Users;
use crate::failure::Result;
use integration_host_contract::User;
use integration_host_database::postgres::{execute, rows};

/// The numbers of users. Their names and addresses are updated.
pub(super) async fn number_users(
    client: &impl GenericClient,
    users: &BTreeMap<&str, &User>,
) -> Result<Users> {
    // In the order of their ids, so that two who do this do not wait for each other.
    if users.is_empty() {
        return Ok(Users::default());
    }
    let ids: Vec<&str> = users.keys().copied().collect();
    let names: Vec<&str> = users.values().map(|user| user.name.as_str()).collect();
    let emails: Vec<_> = users.values().map(|user| user.email.as_deref()).collect();
    execute(
        client,
        "INSERT INTO users (id, name, email)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS seen (id, name, email)
         WHERE NOT EXISTS (SELECT 1 FROM users WHERE users.id = seen.id)
         ORDER BY id ON CONFLICT (id) DO NOTHING",
        &[&ids, &names, &emails],
    )
    .await?;
    let found = rows(
        client,
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
            client,
            "UPDATE users SET name = seen.name, email = seen.email
             FROM unnest($1::text[], $2::text[], $3::text[]) AS seen (id, name, email)
             WHERE users.id = seen.id AND users.number = ANY ($4)",
            &[&ids, &names, &emails, &known.changed],
        )
        .await?;
    }
    Ok(known)
}
