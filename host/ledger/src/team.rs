//! Teams: which members a list has, in which order, on which page.
//!
//! A team is read as a whole, which takes milliseconds for ten thousand, and ordered by what databases
//! cannot order by: names in any script without regard to case.

use super::{LedgerError, MAX_PAGE, MatchedBy, MemberFilter, TextQuery};

/// Names are put in order by so many characters, which keeps cursors short.
const ORDERED_CHARACTERS: usize = 60;

/// Where a member is in a team: what its name is ordered by, then its id.
type Place = (String, String);

/// A member that a list may have.
pub struct Candidate<'a> {
    /// Its id at the remote service.
    pub remote_user: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its e-mail address.
    pub email: Option<&'a str>,
    /// Whether it is mapped to a user.
    pub is_mapped: bool,
    /// Who decided on its mapping.
    pub matched_by: Option<MatchedBy>,
    /// Whether a person is to look at its mapping.
    pub is_in_doubt: bool,
    /// The name of the user it is mapped to, if [`Listing::searches`].
    pub user_name: Option<&'a str>,
}

/// The members that match a filter.
pub struct Listing<'a> {
    filter: &'a MemberFilter,
    wanted: Option<TextQuery>,
    places: Vec<Place>,
}

/// The ids of a page, and what is before and after it.
pub struct TeamPage {
    /// The ids, in order.
    pub remote_users: Vec<String>,
    /// How many members match.
    pub matching: u64,
    /// Where the next page begins.
    pub next: Option<String>,
    /// Where the previous page begins.
    pub previous: Option<String>,
}

impl<'a> Listing<'a> {
    /// An empty list of those that match.
    pub fn new(filter: &'a MemberFilter) -> Self {
        Self {
            filter,
            wanted: filter.query.as_deref().and_then(TextQuery::new),
            places: Vec::new(),
        }
    }

    /// Whether the names of users matter.
    pub fn searches(&self) -> bool {
        self.wanted.is_some()
    }

    /// Takes a member in, if it matches.
    pub fn offer(&mut self, member: &Candidate<'_>) {
        let matches = !(self.filter.unmapped && member.is_mapped)
            && (member.is_in_doubt || !self.filter.in_doubt)
            && (self.filter.matched_by).is_none_or(|by| member.matched_by == Some(by))
            && self.wanted.as_ref().is_none_or(|wanted| {
                let mut texts = [Some(member.name), member.email, member.user_name]
                    .into_iter()
                    .flatten();
                texts.any(|text| wanted.is_in(text))
            });
        if matches {
            let order = (member.name.to_lowercase().chars())
                .take(ORDERED_CHARACTERS)
                .collect();
            self.places.push((order, member.remote_user.to_owned()));
        }
    }

    /// The page that begins after a cursor.
    pub fn page(self, cursor: Option<&str>, limit: usize) -> Result<TeamPage, LedgerError> {
        let after: Option<Place> = cursor
            .map(|cursor| {
                serde_json::from_str(cursor).map_err(|_| {
                    LedgerError::Invalid(format!("`{cursor}` is not a cursor of a list of members"))
                })
            })
            .transpose()?;
        let mut places = self.places;
        places.sort_unstable();
        let matching = places.len() as u64;
        let limit = limit.clamp(1, MAX_PAGE);
        let start = match &after {
            None => 0,
            Some(after) => places.partition_point(|place| place <= after),
        };
        let end = places.len().min(start + limit);
        let last = |places: usize| places.checked_sub(1);
        let next = places
            .get(end)
            .and(last(end))
            .and_then(|last| places.get(last));
        let next = next.map(cursor_after);
        // The first page begins after what stands before all names.
        let previous = (start > 0).then(|| {
            let before = last(start.saturating_sub(limit)).and_then(|last| places.get(last));
            before.map_or_else(|| cursor_after(&Place::default()), cursor_after)
        });
        let on_page = places.into_iter().take(end).skip(start);
        Ok(TeamPage {
            remote_users: on_page.map(|(_, remote_user)| remote_user).collect(),
            matching,
            next,
            previous,
        })
    }
}

fn cursor_after((name, id): &Place) -> String {
    serde_json::json!([name, id]).to_string()
}
