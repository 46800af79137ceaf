//! Storing teams.

use deadpool_postgres::GenericClient;

use crate::failure::Result;
use integration_host_database::postgres::execute;
use integration_host_ledger::MatchedBy;
use integration_host_ledger::matching::StoredMember;

pub(super) async fn put(
    client: &impl GenericClient,
    connection: i64,
    members: &[StoredMember<'_>],
) -> Result<()> {
    let column = |of: fn(&StoredMember<'_>) -> String| members.iter().map(of).collect::<Vec<_>>();
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
        client,
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
