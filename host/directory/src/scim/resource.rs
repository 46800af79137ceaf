//! A user as SCIM has it (RFC 7643, section 4.1), as far as it matters here.
//!
//! Services send what they have in forms of their own: numbers for texts, texts for truth values, one value for a list
//! of one. What is meant is taken, and names of attributes are the same in upper and lower case (RFC 7643, section 2.1).

use serde::Deserialize;
use serde_json::Value;

use crate::users::{Listed, text, user};

/// What is asked for of each user.
pub(super) const ATTRIBUTES: &str = "id,userName,displayName,name,emails,active";

/// One page of users (RFC 7644, section 3.4.2).
#[derive(Deserialize)]
#[serde(try_from = "Value")]
pub(super) struct Page {
    /// How many users the service says there are. What some mean by it is how many this page has.
    pub(super) total_results: u64,
    pub(super) resources: Vec<Value>,
}

impl TryFrom<Value> for Page {
    type Error = &'static str;

    fn try_from(mut value: Value) -> Result<Self, Self::Error> {
        let total = get(&value, "totalResults").and_then(text);
        let total = total.and_then(|total| total.trim().parse().ok());
        let resources = value.as_object_mut().and_then(|members| {
            let mut members = members.iter_mut();
            let found = members.find(|(name, _)| name.eq_ignore_ascii_case("Resources"));
            found.map(|(_, value)| value.take())
        });
        let resources = match (resources, total) {
            (Some(Value::Array(resources)), _) => resources,
            // Without users, the list may be left out.
            (None | Some(Value::Null), Some(_)) => Vec::new(),
            _ => return Err("it is no list of users"),
        };
        Ok(Self {
            total_results: total.unwrap_or(resources.len() as u64),
            resources,
        })
    }
}

impl Page {
    /// The users of the page that can be read.
    pub(super) fn readable(&self) -> impl Iterator<Item = Resource> {
        self.resources.iter().filter_map(Resource::read)
    }
}

/// A user. Whatever may be missing at some service may be missing here.
pub(super) struct Resource {
    pub(super) id: String,
    pub(super) user_name: Option<String>,
    display_name: Option<String>,
    name: Name,
    /// Every address in `emails`, the primary one first.
    emails: Vec<String>,
    active: Option<bool>,
}

#[derive(Default)]
struct Name {
    formatted: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
}

impl Resource {
    /// Reads a user. `None`: it has no id, so nobody could be mapped to it.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let attribute = |name| get(value, name).and_then(text);
        let name = match get(value, "name") {
            Some(name @ Value::Object(_)) => {
                let part = |part| get(name, part).and_then(text);
                Name {
                    formatted: part("formatted"),
                    given_name: part("givenName"),
                    family_name: part("familyName"),
                }
            }
            Some(name) => Name {
                formatted: text(name),
                ..Name::default()
            },
            None => Name::default(),
        };
        Some(Self {
            id: attribute("id").filter(|id| !id.trim().is_empty())?,
            user_name: attribute("userName"),
            display_name: attribute("displayName"),
            name,
            emails: emails(get(value, "emails").or_else(|| get(value, "email"))),
            active: get(value, "active").and_then(flag),
        })
    }

    /// The user, unless inactive.
    pub(super) fn into_listed(self) -> Option<Listed> {
        if self.active == Some(false) {
            return None;
        }
        let name = self.shown_name().unwrap_or_default();
        let mut emails = self.addresses();
        let email = (!emails.is_empty()).then(|| emails.remove(0));
        Some(Listed {
            user: user(&self.id, email, &name)?,
            further_emails: emails.into_iter().map(str::to_owned).collect(),
        })
    }

    /// Every address, the one to show first.
    pub(super) fn addresses(&self) -> Vec<&str> {
        let user_name = self.user_name.as_deref();
        self.emails
            .iter()
            .map(String::as_str)
            .chain(user_name.filter(|name| name.contains('@')))
            .map(str::trim)
            .filter(|email| !email.is_empty())
            .collect()
    }

    /// The name that services can be searched for.
    pub(super) fn searchable_name(&self) -> Option<&str> {
        [&self.display_name, &self.name.formatted]
            .into_iter()
            .flatten()
            .map(|name| name.trim())
            .find(|name| !name.is_empty())
    }

    fn shown_name(&self) -> Option<String> {
        if let Some(name) = self.searchable_name() {
            return Some(name.to_owned());
        }
        let parts: Vec<_> = [&self.name.given_name, &self.name.family_name]
            .into_iter()
            .flatten()
            .map(|part| part.trim())
            .filter(|part| !part.is_empty())
            .collect();
        match parts.as_slice() {
            [] => self.user_name.clone(),
            parts => Some(parts.join(" ")),
        }
    }
}

/// An attribute of an object.
fn get<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let mut members = object.as_object()?.iter();
    let found = members.find(|(found, _)| found.eq_ignore_ascii_case(name));
    found
        .map(|(_, value)| value)
        .filter(|value| !value.is_null())
}

/// Addresses, the primary one first: objects with a `value`, or plain texts, or one of them without a list around it.
fn emails(value: Option<&Value>) -> Vec<String> {
    let list = match value {
        Some(Value::Array(list)) => list.as_slice(),
        Some(value) => std::slice::from_ref(value),
        None => &[],
    };
    let mut found: Vec<(bool, String)> = list
        .iter()
        .filter_map(|email| match email {
            Value::Object(_) => {
                let is_primary = get(email, "primary").and_then(flag) == Some(true);
                Some((is_primary, get(email, "value").and_then(text)?))
            }
            email => Some((false, text(email)?)),
        })
        .collect();
    found.sort_by_key(|(is_primary, _)| !is_primary);
    found.into_iter().map(|(_, email)| email).collect()
}

/// A truth value. Some services send it as a text or a number.
fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        value => match text(value)?.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Some(true),
            "false" | "0" | "no" => Some(false),
            _ => None,
        },
    }
}
