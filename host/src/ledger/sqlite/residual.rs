//! The part of a filter that no index knows.

use std::collections::HashMap;

use rusqlite::Row;

use super::titles::Titles;
use super::{Result, rows};
use crate::ledger::{ActivityFilter, Wanted};

/// What [`Residual::matches`] needs to know of an activity.
pub(super) const COLUMNS: &str = "connection, remote_user, subject, tags, billable, description";

/// What is left of a filter without connection, user, times and visibility.
pub(super) struct Residual {
    remote_user: Option<String>,
    subject: Option<String>,
    tag: Option<Tag>,
    billable: Option<bool>,
    text: Option<Wanted>,
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

impl Residual {
    /// `None`: everything matches.
    pub(super) fn of(filter: &ActivityFilter) -> Option<Self> {
        let residual = Self {
            remote_user: filter.remote_user.as_ref().map(ToString::to_string),
            subject: filter.subject.as_ref().map(ToString::to_string),
            tag: filter.tag.as_ref().map(|name| Tag {
                name: name.clone(),
                json: serde_json::Value::from(name.as_str()).to_string(),
            }),
            billable: filter.billable,
            text: filter.text.as_deref().and_then(Wanted::new),
            about: HashMap::new(),
        };
        let is_any = residual.remote_user.is_some()
            || residual.subject.is_some()
            || residual.tag.is_some()
            || residual.billable.is_some()
            || residual.text.is_some();
        is_any.then_some(residual)
    }

    /// Whether a row matches that has [`COLUMNS`] from `first` on.
    pub(super) fn matches(
        &mut self,
        titles: &mut Titles<'_>,
        row: &Row<'_>,
        first: usize,
    ) -> Result<bool> {
        if let Some(wanted) = &self.remote_user
            && rows::text(row, first + 1)? != Some(wanted.as_str())
        {
            return Ok(false);
        }
        if let Some(wanted) = self.billable
            && row.get::<_, bool>(first + 4)? != wanted
        {
            return Ok(false);
        }
        if let Some(wanted) = &self.tag {
            // Looking for the encoded text first spares decoding most rows.
            let json = rows::text(row, first + 3)?.unwrap_or_default();
            if !json.contains(&wanted.json) || !rows::texts(row, first + 3)?.contains(&wanted.name)
            {
                return Ok(false);
            }
        }
        if self.subject.is_none() && self.text.is_none() {
            return Ok(true);
        }
        let about = match rows::text(row, first + 2)? {
            Some(subject) => self.about(titles, row.get(first)?, subject)?,
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
        Ok(about.has_text
            || rows::text(row, first + 5)?.is_some_and(|description| text.is_in(description)))
    }

    fn about(&mut self, titles: &mut Titles<'_>, connection: i64, subject: &str) -> Result<About> {
        let known = self.about.entry(connection).or_default();
        if let Some(about) = known.get(subject) {
            return Ok(*about);
        }
        let path = titles.path(connection, Some(subject))?;
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
