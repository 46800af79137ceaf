//! Users in memory, ready for every kind of lookup.

use std::collections::HashMap;

use serde_json::Value;

use integration_host_contract::User;
use integration_host_contract::id::UserId;

/// A user, made of what a directory holds: without space around name and address, and with something to
/// call them by. `None`: there is no id, so nobody could be mapped to them.
pub(super) fn user(id: &str, email: Option<&str>, name: &str) -> Option<User> {
    let email = email
        .map(str::trim)
        .filter(|email| !normalise(email).is_empty());
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

/// A text as directories send it: a number stands for its digits. `None`: nothing, or what is neither.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// E-mail addresses are the same whatever their case, the space around them and what cannot be seen in them.
pub(super) fn normalise(email: &str) -> String {
    let seen: String = email
        .chars()
        .filter(|character| !is_invisible(*character))
        .collect();
    seen.trim().to_lowercase()
}

/// Whether a text may be an e-mail address: what cannot be one never finds anybody.
pub(super) fn may_be_email(text: &str) -> bool {
    let text = normalise(text);
    let parts = text.rsplit_once('@');
    parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && !text.contains(char::is_whitespace)
        && !text.contains(',')
        && !text.contains(';')
}

/// Whether a character shows as nothing: those that Unicode calls "default ignorable", as far as characters are
/// assigned, and control characters.
fn is_invisible(character: char) -> bool {
    let is_control = character.is_control() && !character.is_whitespace();
    is_control
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
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

/// Users in memory, ready for every kind of lookup, as [`UserDirectory`](super::UserDirectory) says it.
pub struct Users {
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
    /// These users.
    pub fn of(users: impl IntoIterator<Item = User>) -> Self {
        Self::new(users)
    }

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
                let email = normalise(email);
                if email.is_empty() {
                    continue;
                }
                let holders = by_email.entry(email).or_default();
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

    /// How many there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// For each e-mail address, in the order given, the users that have it.
    pub fn find_by_email(&self, emails: &[String]) -> Vec<Vec<User>> {
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

    /// The user with this id.
    pub fn find_by_id(&self, id: &UserId) -> Option<User> {
        self.by_id
            .get(id)
            .and_then(|index| self.users.get(*index))
            .cloned()
    }

    /// Users whose name, e-mail address or id contains `query`, ordered by name. At most `limit`.
    pub fn search(&self, query: &str, limit: usize) -> Vec<User> {
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
    let text: String = text
        .chars()
        .filter(|character| *character == '\n' || !is_invisible(*character))
        .collect();
    text.to_lowercase().replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_in_an_address_does_not_count() {
        for same in [
            "ada@example.org",
            "\u{feff}Ada@Example.org",
            "ada@\u{200b}example.org ",
            "ada\u{ad}@example.org\u{200d}",
            "\u{202a}ada@example.org\u{202c}",
            "\u{a0}ada@example\u{2060}.org\r\n",
            "ada@exam\u{fe0f}ple.org\u{0}",
        ] {
            assert_eq!(normalise(same), "ada@example.org", "{same:?}");
            assert!(may_be_email(same), "{same:?}");
        }
        for not in [
            "",
            "ada",
            "@",
            "ada@",
            "@example.org",
            "ada @example.org",
            "a@b.c, d@e.f",
            "a@b.c;d@e.f",
            "\u{200b}",
        ] {
            assert!(!may_be_email(not), "{not:?}");
        }
        assert!(may_be_email("ärne@example.org") && may_be_email("root@localhost"));
    }

    #[test]
    fn nobody_is_found_by_an_address_that_shows_as_nothing() {
        let ada = user("1", Some("\u{200b}"), "Ada").unwrap();
        assert_eq!(ada.email, None);
        let users = Users::new([ada]);
        let found = users.find_by_email(&["".to_owned(), "\u{feff}".to_owned()]);
        assert_eq!(found, [vec![], vec![]]);
    }
}
