//! Lists of users, page by page (RFC 7644, section 3.4.2.4).

use std::collections::HashSet;

use super::client::{Answer, ScimClient, ScimError, parse};
use super::resource::{ATTRIBUTES, Page, Resource};
use crate::capability::user_directory::users::Listed;

/// Users asked for at once. Services may return fewer.
const PAGE: usize = 500;
/// The most users that are read.
pub(super) const MOST_USERS: usize = 200_000;

/// All users that match.
pub(super) async fn all(
    client: &ScimClient,
    filter: Option<&str>,
) -> Result<Vec<Listed>, ScimError> {
    let list = Listing {
        client,
        filter,
        by_name: false,
    };
    list.read(MOST_USERS, true).await
}

/// The first users that match, by name where the service sorts them, and at least `most` if there are
/// as many.
pub(super) async fn first(
    client: &ScimClient,
    filter: Option<&str>,
    most: usize,
) -> Result<Vec<Listed>, ScimError> {
    let list = Listing {
        client,
        filter,
        by_name: true,
    };
    list.read(most, false).await
}

/// How many users there are, inactive ones included.
pub(super) async fn count(client: &ScimClient) -> Result<u64, ScimError> {
    Ok(sample(client, None, 1).await?.total_results)
}

/// A few users.
pub(super) async fn sample(
    client: &ScimClient,
    filter: Option<&str>,
    most: usize,
) -> Result<Page, ScimError> {
    let list = Listing {
        client,
        filter,
        by_name: false,
    };
    list.page(1, most).await
}

struct Listing<'a> {
    client: &'a ScimClient,
    filter: Option<&'a str>,
    by_name: bool,
}

impl Listing<'_> {
    async fn read(&self, most: usize, must_be_all: bool) -> Result<Vec<Listed>, ScimError> {
        let mut seen = HashSet::new();
        let mut users = Vec::new();
        // Counted from 1.
        let mut start = 1;
        loop {
            let page = self.page(start, PAGE).await?;
            let resources = page.resources.unwrap_or_default();
            let (received, known) = (resources.len(), seen.len());
            for resource in resources {
                let Some(id) = resource.id.clone() else {
                    continue;
                };
                if seen.insert(id) {
                    users.extend(resource.into_listed());
                }
            }
            start += received;
            // The total is not relied on alone: users come and go meanwhile.
            if received == 0 || start as u64 > page.total_results {
                return Ok(users);
            }
            let place = self.client.place();
            if seen.len() == known {
                return Err(ScimError::Repeating { place });
            }
            if seen.len() >= most {
                return match must_be_all {
                    true => Err(ScimError::TooMany { place, most }),
                    false => Ok(users),
                };
            }
        }
    }

    async fn page(&self, start: usize, count: usize) -> Result<Page, ScimError> {
        let (start, count) = (start.to_string(), count.to_string());
        let mut query = vec![
            ("startIndex", start.as_str()),
            ("count", count.as_str()),
            ("attributes", ATTRIBUTES),
        ];
        query.extend(self.filter.map(|filter| ("filter", filter)));
        if self.by_name {
            query.extend([("sortBy", "displayName"), ("sortOrder", "ascending")]);
        }
        match self.client.get(&[], &query).await? {
            Answer::Body(body) => parse(self.client, &body),
            Answer::Missing => Err(ScimError::Misplaced {
                place: self.client.place(),
                status: 404,
            }),
        }
    }
}

/// The first of a few users for whom something is there.
pub(super) fn find_in<T>(page: &Page, wanted: impl FnMut(&Resource) -> Option<T>) -> Option<T> {
    page.resources.iter().flatten().find_map(wanted)
}
