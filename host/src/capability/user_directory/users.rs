//! Users in memory, ready for every kind of lookup.

use std::collections::HashMap;

use crate::contract::User;
use crate::id::UserId;

/// A user, made of what a directory holds: without space around name and address, and with something to
/// call them by. `None`: there is no id, so nobody could be mapped to them.
pub(super) fn user(id: &str, email: Option<&str>, name: &str) -> Option<User> {
    let email = email.map(str::trim).filter(|email| !email.is_empty());
    let name = match name.trim() {
        "" => email.unwrap_or(id),
        name => name,
    };
    (!id.trim().is_empty()).then(|| User {
        id: UserId::new(id),
        name: name.to_owned(),
        email: email.map(str::to_owned),
    })
}

/// E-mail addresses are the same whatever their case and the space around them.
pub(super) fn normalise(email: &str) -> String {
    email.trim().to_lowercase()
}

/// A user and every address that finds them.
pub(super) struct Listed {
    pub(super) user: User,
    /// Addresses beside the one shown.
    pub(super) further_emails: Vec<String>,
}

impl From<User> for Listed {
    fn from(user: User) -> Self {
        Self {
            user,
            further_emails: Vec::new(),
        }
    }
}

/// Users, ready for every kind of lookup.
pub(super) struct Users {
    /// By name.
    users: Vec<User>,
    by_id: HashMap<UserId, usize>,
    by_email: HashMap<String, Vec<usize>>,
    /// Name, e-mail address and id of every user in lower case, in order, each on a line of its own.
    text: String,
    /// Where each user's lines begin in `text`.
    starts: Vec<usize>,
}

impl Users {
    pub(super) fn new(listed: impl IntoIterator<Item = impl Into<Listed>>) -> Self {
        let mut listed: Vec<Listed> = listed.into_iter().map(Into::into).collect();
        listed.sort_by_cached_key(|listed| {
            let user = &listed.user;
            (user.name.to_lowercase(), user.id.clone())
        });
        let mut by_id = HashMap::with_capacity(listed.len());
        let mut by_email: HashMap<String, Vec<usize>> = HashMap::with_capacity(listed.len());
        let (mut text, mut starts) = (String::new(), Vec::with_capacity(listed.len()));
        for (
            index,
            Listed {
                user,
                further_emails,
            },
        ) in listed.iter().enumerate()
        {
            by_id.insert(user.id.clone(), index);
            for email in user.email.iter().chain(further_emails) {
                let holders = by_email.entry(normalise(email)).or_default();
                if holders.last() != Some(&index) {
                    holders.push(index);
                }
            }
            starts.push(text.len());
            for part in [
                user.name.as_str(),
                user.email.as_deref().unwrap_or_default(),
                user.id.as_str(),
            ] {
                text.push_str(&searchable(part));
                text.push('\n');
            }
        }
        Self {
            users: listed.into_iter().map(|listed| listed.user).collect(),
            by_id,
            by_email,
            text,
            starts,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.users.len()
    }

    pub(super) fn find_by_email(&self, emails: &[String]) -> Vec<Vec<User>> {
        emails
            .iter()
            .map(|email| {
                let found = self.by_email.get(&normalise(email));
                found
                    .into_iter()
                    .flatten()
                    .filter_map(|index| self.users.get(*index))
                    .cloned()
                    .collect()
            })
            .collect()
    }

    pub(super) fn find_by_id(&self, id: &UserId) -> Option<User> {
        self.by_id
            .get(id)
            .and_then(|index| self.users.get(*index))
            .cloned()
    }

    pub(super) fn search(&self, query: &str, limit: usize) -> Vec<User> {
        let query = searchable(query.trim());
        let mut found = Vec::new();
        let mut from = 0;
        while found.len() < limit {
            let Some(position) = self.text.get(from..).and_then(|rest| rest.find(&query)) else {
                break;
            };
            let after = self
                .starts
                .partition_point(|start| *start <= from + position);
            let Some(user) = after.checked_sub(1).and_then(|index| self.users.get(index)) else {
                break;
            };
            found.push(user.clone());
            let Some(next) = self.starts.get(after) else {
                break;
            };
            from = *next;
        }
        found
    }
}

fn searchable(text: &str) -> String {
    text.to_lowercase().replace('\n', " ")
}
