//! The part of a filter that no index serves.

use std::collections::HashMap;

use super::{ActivityFilter, LedgerError, SubjectName, TextQuery, stored};

/// What [`UnindexedFilter::matches`] needs to know of an activity.
pub struct Examined<'a> {
    /// The number of its connection.
    pub connection: i64,
    /// Whose time it is, at the remote service.
    pub remote_user: Option<&'a str>,
    /// What the time is spent on.
    pub subject: Option<&'a str>,
    /// As they are stored.
    pub tags: Option<&'a str>,
    /// Whether it is billable.
    pub billable: bool,
    /// Free text.
    pub description: Option<&'a str>,
}

/// A filter without connection, user, times and visibility, which indexes serve.
pub struct UnindexedFilter {
    remote_user: Option<String>,
    subject: Option<String>,
    tag: Option<Tag>,
    billable: Option<bool>,
    text: Option<TextQuery>,
    /// What was found out about subjects, by connection and id.
    about: HashMap<i64, HashMap<String, About>>,
}

struct Tag {
    name: String,
    /// How it stands in a JSON array.
    json: String,
}

#[derive(Clone, Copy)]
struct About {
    /// Whether it is the wanted subject or below it.
    is_wanted: bool,
    /// Whether its name, or one above it, has the text.
    has_text: bool,
}

impl UnindexedFilter {
    /// `None`: everything matches.
    pub fn of(filter: &ActivityFilter) -> Option<Self> {
        let residual = Self {
            remote_user: filter.remote_user.as_ref().map(ToString::to_string),
            subject: filter.subject.as_ref().map(ToString::to_string),
            tag: filter.tag.as_ref().map(|name| Tag {
                name: name.clone(),
                json: serde_json::Value::from(name.as_str()).to_string(),
            }),
            billable: filter.billable,
            text: filter.text.as_deref().and_then(TextQuery::new),
            about: HashMap::new(),
        };
        let is_any = residual.remote_user.is_some()
            || residual.subject.is_some()
            || residual.tag.is_some()
            || residual.billable.is_some()
            || residual.text.is_some();
        is_any.then_some(residual)
    }

    /// Whether paths of subjects matter.
    pub fn needs_paths(&self) -> bool {
        self.subject.is_some() || self.text.is_some()
    }

    /// Whether an activity matches. `path` looks up a connection's subject after what is above it.
    pub fn matches<E: From<LedgerError>>(
        &mut self,
        activity: &Examined<'_>,
        path: impl FnOnce(i64, &str) -> Result<Vec<SubjectName>, E>,
    ) -> Result<bool, E> {
        if let Some(wanted) = &self.remote_user
            && activity.remote_user != Some(wanted.as_str())
        {
            return Ok(false);
        }
        if let Some(wanted) = self.billable
            && activity.billable != wanted
        {
            return Ok(false);
        }
        if let Some(wanted) = &self.tag {
            // Looking for the encoded text first spares decoding most of them.
            let json = activity.tags.unwrap_or_default();
            if !json.contains(&wanted.json)
                || !stored::texts(activity.tags)
                    .map_err(stored::damaged)?
                    .contains(&wanted.name)
            {
                return Ok(false);
            }
        }
        if !self.needs_paths() {
            return Ok(true);
        }
        let about = match activity.subject {
            Some(subject) => self.about(activity.connection, subject, path)?,
            None => About {
                is_wanted: false,
                has_text: false,
            },
        };
        if self.subject.is_some() && !about.is_wanted {
            return Ok(false);
        }
        let Some(text) = &self.text else {
            return Ok(true);
        };
        Ok(about.has_text || activity.description.is_some_and(|words| text.is_in(words)))
    }

    fn about<E>(
        &mut self,
        connection: i64,
        subject: &str,
        path: impl FnOnce(i64, &str) -> Result<Vec<SubjectName>, E>,
    ) -> Result<About, E> {
        let known = self.about.entry(connection).or_default();
        if let Some(about) = known.get(subject) {
            return Ok(*about);
        }
        let path = path(connection, subject)?;
        let wanted = self.subject.as_deref();
        let about = About {
            is_wanted: path.iter().any(|part| Some(part.id.as_str()) == wanted),
            has_text: self.text.as_ref().is_some_and(|text| {
                let mut names = path.iter().filter_map(|part| part.name.as_deref());
                names.any(|name| text.is_in(name))
            }),
        };
        known.insert(subject.to_owned(), about);
        Ok(about)
    }
}
