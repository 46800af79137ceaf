//! A user as SCIM has it (RFC 7643, section 4.1), as far as it matters here.

use serde::{Deserialize, Deserializer};

use crate::capability::user_directory::users::{Listed, user};

/// What is asked for of each user.
pub(super) const ATTRIBUTES: &str = "id,userName,displayName,name,emails,active";

/// One page of users (RFC 7644, section 3.4.2).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    pub(super) total_results: u64,
    #[serde(rename = "Resources", default)]
    pub(super) resources: Option<Vec<Resource>>,
}

/// A user. Whatever may be missing at some service may be missing here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resource {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) user_name: Option<String>,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    name: Option<Name>,
    #[serde(default)]
    emails: Option<Vec<Email>>,
    #[serde(default, deserialize_with = "flag")]
    active: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Name {
    #[serde(default)]
    formatted: Option<String>,
    #[serde(default)]
    given_name: Option<String>,
    #[serde(default)]
    family_name: Option<String>,
}

#[derive(Deserialize)]
struct Email {
    #[serde(default)]
    value: Option<String>,
    #[serde(default, deserialize_with = "flag")]
    primary: Option<bool>,
}

/// A truth value. Some services send it as a text.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Flag {
        Bool(bool),
        Text(String),
    }
    Ok(match Option::<Flag>::deserialize(deserializer)? {
        Some(Flag::Bool(flag)) => Some(flag),
        Some(Flag::Text(text)) => Some(text.eq_ignore_ascii_case("true")),
        None => None,
    })
}

impl Resource {
    /// The user, unless inactive or without an id.
    pub(super) fn into_listed(self) -> Option<Listed> {
        if self.active == Some(false) {
            return None;
        }
        let id = self.id.as_deref()?;
        let name = self.shown_name().unwrap_or_default();
        let mut emails = self.addresses();
        let email = (!emails.is_empty()).then(|| emails.remove(0));
        Some(Listed {
            user: user(id, email, &name)?,
            further_emails: emails.into_iter().map(str::to_owned).collect(),
        })
    }

    /// Every address, the one to show first.
    pub(super) fn addresses(&self) -> Vec<&str> {
        let mut emails: Vec<&Email> = self.emails.iter().flatten().collect();
        emails.sort_by_key(|email| email.primary != Some(true));
        let user_name = self.user_name.as_deref();
        emails
            .into_iter()
            .filter_map(|email| email.value.as_deref())
            .chain(user_name.filter(|name| name.contains('@')))
            .map(str::trim)
            .filter(|email| !email.is_empty())
            .collect()
    }

    /// The name that services can be searched for.
    pub(super) fn searchable_name(&self) -> Option<&str> {
        let formatted = || self.name.as_ref()?.formatted.as_deref();
        self.display_name
            .as_deref()
            .filter(|name| !name.trim().is_empty())
            .or_else(formatted)
            .map(str::trim)
            .filter(|name| !name.is_empty())
    }

    fn shown_name(&self) -> Option<String> {
        if let Some(name) = self.searchable_name() {
            return Some(name.to_owned());
        }
        let name = self.name.as_ref();
        let parts = name.and_then(|name| name.given_name.as_deref());
        let parts = parts
            .into_iter()
            .chain(name.and_then(|name| name.family_name.as_deref()));
        let parts: Vec<_> = parts
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect();
        match parts.as_slice() {
            [] => self.user_name.clone(),
            parts => Some(parts.join(" ")),
        }
    }
}
