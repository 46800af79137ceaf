//! Lists of users, page by page (RFC 7644, section 3.4.2.4).
//!
//! Where a list ends, its pages tell: one without users, or with none that is new. What a service says is the total may
//! be the size of the page, so it ends a list only where it was found to be more than that.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::client::{Answer, ScimClient, ScimError, parse};
use super::resource::{ATTRIBUTES, Page, Resource};
use crate::users::Listed;

/// Users asked for at once, and fewer where that is refused. Services may return fewer.
const PAGES: [usize; 4] = [500, 100, 50, SMALLEST_PAGE];
const SMALLEST_PAGE: usize = 10;
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

/// How many users the service says there are, inactive ones included.
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

/// Whether the service's total counts all users, of whom `page` has the first. What some mean by it is the page.
pub(super) async fn tells_total(client: &ScimClient, page: &Page) -> Result<bool, ScimError> {
    let received = page.resources.len();
    if page.total_results > received as u64 {
        return Ok(true);
    }
    let list = Listing {
        client,
        filter: None,
        by_name: false,
    };
    let next = match list.page(received + 1, received.max(1)).await {
        Err(ScimError::Unsupported | ScimError::Misplaced { .. }) => return Ok(received > 0),
        next => next?,
    };
    let known: HashSet<_> = page.resources.iter().map(key).collect();
    let has_new = (next.resources.iter()).any(|user| !known.contains(&key(user)));
    // A service without any users tells nothing of how it counts.
    Ok(received > 0 && !has_new)
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
        let mut unreadable = Unreadable::default();
        let mut received = 0;
        // How many there are, as far as the service says it.
        let mut total = 0;
        loop {
            let page = match self.page(received + 1, PAGES[0]).await {
                // Some refuse to look further than they have users.
                Err(ScimError::Unsupported | ScimError::Misplaced { .. })
                    if received > 0 && received as u64 >= total =>
                {
                    break;
                }
                page => page?,
            };
            total = page.total_results;
            let (before, known) = (received, seen.len());
            for (user, position) in page.resources.iter().zip(received + 1..) {
                if !seen.insert(key(user)) {
                    continue;
                }
                match Resource::read(user) {
                    Some(user) => users.extend(user.into_listed()),
                    None => unreadable.add(position),
                }
            }
            received += page.resources.len();
            if seen.len() == known {
                if received > before && (before as u64) < total {
                    let place = self.client.place();
                    return Err(ScimError::Repeating { place });
                }
                received = before;
                break;
            }
            if must_be_all && seen.len() > most {
                let place = self.client.place();
                return Err(ScimError::TooMany { place, most });
            }
            if !must_be_all && seen.len() >= most {
                break;
            }
            // All users are read on to a page that has none. With a filter that would cost every lookup a request, so
            // the total will do if it is known to be one.
            if self.filter.is_some() && self.client.tells_total() && received as u64 >= total {
                break;
            }
        }
        self.client.report_unreadable(&unreadable);
        if must_be_all && self.filter.is_none() {
            self.client.report_missing(received, total);
        }
        Ok(users)
    }

    /// A page of at most so many users; of fewer where the service does not send so many.
    async fn page(&self, start: usize, most: usize) -> Result<Page, ScimError> {
        let most = most.min(self.client.page_size.largest());
        let mut refused = match self.request(start, Some(most)).await {
            Err(error) if error.may_be_about_size() => error,
            page => return page,
        };
        let proven = self.client.page_size.proven();
        for fewer in PAGES
            .into_iter()
            .filter(|size| (proven..most).contains(size))
        {
            match self.request(start, Some(fewer)).await {
                Ok(page) => {
                    self.client.page_size.limit(fewer);
                    return Ok(page);
                }
                Err(error) if error.may_be_about_size() => refused = error,
                Err(error) => return Err(error),
            }
        }
        // Perhaps it knows nothing of what there is to say about a page.
        match start == 1 && proven < SMALLEST_PAGE {
            true => self.request(start, None).await.map_err(|_| refused),
            false => Err(refused),
        }
    }

    async fn request(&self, start: usize, count: Option<usize>) -> Result<Page, ScimError> {
        let count_asked = count.unwrap_or_default();
        let start = start.to_string();
        let count = count.map(|count| count.to_string());
        let mut query = Vec::new();
        if let Some(count) = &count {
            query.extend([("startIndex", start.as_str()), ("count", count.as_str())]);
            query.push(("attributes", ATTRIBUTES));
        }
        query.extend(self.filter.map(|filter| ("filter", filter)));
        if self.by_name {
            query.extend([("sortBy", "displayName"), ("sortOrder", "ascending")]);
        }
        match self.client.get(&[], &query).await? {
            Answer::Body(body) => {
                let page = parse(self.client, &body)?;
                self.client.page_size.works(count_asked);
                Ok(page)
            }
            Answer::Missing => Err(ScimError::Misplaced {
                place: self.client.place(),
                status: 404,
            }),
        }
    }
}

/// What tells users apart: the id, or all there is of one that cannot be read.
fn key(user: &serde_json::Value) -> Result<String, String> {
    match Resource::read(user) {
        Some(user) => Ok(user.id),
        None => Err(user.to_string()),
    }
}

/// Users of a list that cannot be read: who they are is not known, only where.
#[derive(Default)]
pub(super) struct Unreadable {
    pub(super) number: usize,
    /// The position of the first in the list, counted from 1.
    pub(super) first: usize,
}

impl Unreadable {
    /// Adds the user at a position.
    fn add(&mut self, position: usize) {
        if self.number == 0 {
            self.first = position;
        }
        self.number += 1;
    }
}

/// How many users a service can be asked for at once, as far as it is known.
#[derive(Debug)]
pub(super) struct PageSize {
    /// The most that it sent an answer for.
    proven: AtomicUsize,
    /// The most it is asked for.
    largest: AtomicUsize,
}

impl Default for PageSize {
    fn default() -> Self {
        Self {
            proven: AtomicUsize::new(0),
            largest: AtomicUsize::new(PAGES[0]),
        }
    }
}

impl PageSize {
    fn proven(&self) -> usize {
        self.proven.load(Ordering::Relaxed)
    }

    fn largest(&self) -> usize {
        self.largest.load(Ordering::Relaxed)
    }

    fn works(&self, size: usize) {
        self.proven.fetch_max(size, Ordering::Relaxed);
    }

    fn limit(&self, size: usize) {
        self.largest.store(size, Ordering::Relaxed);
        tracing::info!(
            size,
            "the SCIM service refuses larger pages of users, so it is asked for fewer at once"
        );
    }
}
