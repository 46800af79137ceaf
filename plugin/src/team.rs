//! Matching the workspace's members to the platform's users by e-mail address.

use std::collections::{BTreeMap, BTreeSet};

use crate::capability::Capabilities;
use crate::model::{Error, MemberState, Team, TeamMember, User, UserMatch};
use crate::state;
use crate::toggl::{Api, Member};

/// Lists the team, each member with the user it is.
pub(crate) fn map_users(capabilities: &dyn Capabilities) -> Result<Team, Error> {
    let connection = state::connection(capabilities)?;
    let listed = Api::new(capabilities).members(connection.workspace_id)?;
    let note = listed.note("members", "id");
    let members = listed.rows;
    let mut holders: BTreeMap<String, Holders> = BTreeMap::new();
    for member in &members {
        if let Some(email) = email_key(member) {
            // One that is listed twice is one member.
            holders.entry(email).or_default().members.insert(member.id);
        }
    }
    if !holders.is_empty() {
        let emails: Vec<String> = holders.keys().cloned().collect();
        let found = capabilities.find_by_email(&emails).map_err(|why| {
            Error::Unavailable(format!("The directory of users did not answer: {why}"))
        })?;
        for (holders, users) in holders.values_mut().zip(found) {
            holders.users = users;
        }
    }
    let to_member = |member: &Member| TeamMember {
        id: member.id.to_string(),
        name: member
            .fullname
            .clone()
            .unwrap_or_else(|| format!("Toggl user {}", member.id)),
        email: member.email.clone(),
        state: state_of(member),
        user_match: match email_key(member).and_then(|email| holders.get(&email)) {
            Some(holders) => choose(holders),
            None => UserMatch::Unmatched,
        },
    };
    Ok(Team {
        members: members.iter().map(to_member).collect(),
        notes: note.into_iter().collect(),
    })
}

/// Who has one e-mail address.
#[derive(Default)]
struct Holders {
    members: BTreeSet<u64>,
    users: Vec<User>,
}

fn choose(holders: &Holders) -> UserMatch {
    match holders.users.as_slice() {
        [] => UserMatch::Unmatched,
        [user] if holders.members.len() <= 1 => UserMatch::Matched(user.clone()),
        [_] => UserMatch::Ambiguous(format!(
            "{} members of the Toggl workspace have this e-mail address. Choose the user by hand.",
            holders.members.len()
        )),
        several => UserMatch::Ambiguous(format!(
            "{} users have this e-mail address. Choose the right one by hand.",
            several.len()
        )),
    }
}

/// The address as it is compared. Domains are ASCII, and so are mailboxes but for the rarest.
fn email_key(member: &Member) -> Option<String> {
    let email = member.email.as_deref()?;
    Some(email.to_ascii_lowercase())
}

fn state_of(member: &Member) -> MemberState {
    if member.inactive == Some(true) {
        MemberState::Deactivated
    } else if member.is_active == Some(false) {
        MemberState::Invited
    } else {
        MemberState::Active
    }
}
