//! Matching the workspace's members to the platform's users by e-mail address.

use std::collections::BTreeMap;

use crate::capability::Capabilities;
use crate::model::{Error, MemberState, TeamMember, User, UserMatch};
use crate::state;
use crate::toggl::{Api, Member};

/// Lists the team, each member with the user it is.
pub(crate) fn map_users(capabilities: &dyn Capabilities) -> Result<Vec<TeamMember>, Error> {
    let connection = state::connection(capabilities)?;
    let members = Api::new(capabilities).members(connection.workspace_id)?;
    let mut holders: BTreeMap<String, usize> = BTreeMap::new();
    for email in members.iter().filter_map(email_key) {
        let count = holders.entry(email).or_default();
        *count = count.saturating_add(1);
    }
    let emails: Vec<String> = holders.keys().cloned().collect();
    let users = if emails.is_empty() {
        Vec::new()
    } else {
        capabilities.find_by_email(&emails).map_err(|why| {
            Error::Unavailable(format!("The directory of users did not answer: {why}"))
        })?
    };
    let users: BTreeMap<String, Vec<User>> = emails.into_iter().zip(users).collect();
    let to_member = |member: Member| {
        let key = email_key(&member);
        let found = key
            .as_ref()
            .and_then(|key| users.get(key))
            .map(Vec::as_slice);
        let sharing = key.as_ref().and_then(|key| holders.get(key)).copied();
        TeamMember {
            id: member.id.to_string(),
            state: state_of(&member),
            user_match: choose(found.unwrap_or_default(), sharing.unwrap_or_default()),
            name: trimmed(member.fullname.as_deref())
                .unwrap_or_else(|| format!("Toggl user {}", member.id)),
            email: trimmed(member.email.as_deref()),
        }
    };
    Ok(members.into_iter().map(to_member).collect())
}

fn choose(users: &[User], members_sharing: usize) -> UserMatch {
    match users {
        [] => UserMatch::Unmatched,
        [user] if members_sharing <= 1 => UserMatch::Matched(user.clone()),
        [_] => UserMatch::Ambiguous(format!(
            "{members_sharing} members of the Toggl workspace have this e-mail address. Choose the user by hand."
        )),
        several => UserMatch::Ambiguous(format!(
            "{} users have this e-mail address. Choose the right one by hand.",
            several.len()
        )),
    }
}

/// The address as it is compared.
fn email_key(member: &Member) -> Option<String> {
    trimmed(member.email.as_deref()).map(|email| email.to_lowercase())
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

fn trimmed(text: Option<&str>) -> Option<String> {
    let text = text?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
