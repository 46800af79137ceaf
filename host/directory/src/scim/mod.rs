//! The platform's users from an identity provider, by SCIM 2.0 (RFC 7643 and RFC 7644).
//!
//! Services differ in what they answer to a filter. At its start, the directory asks for a user it
//! knows (`service_features`); what does not find them is not relied on, and all users are read instead
//! (`user_cache`).

mod client;
mod filter;
mod listing;
mod resource;
mod service_features;
mod token;
mod user_cache;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use url::Url;

pub use self::client::ScimError;
use self::client::{Answer, ScimClient};
use self::resource::Resource;
use self::service_features::ServiceFeatures;
pub use self::token::{TokenError, TokenSource};
use self::user_cache::UserCache;
use super::users::{Users, normalise};
use super::{DirectoryError, UserDirectory};
use integration_host_contract::User;
use integration_host_contract::id::UserId;
use integration_host_http::HttpClient;

/// Requests that one lookup has under way at once.
const CONCURRENT_REQUESTS: usize = 4;
/// Users a service returns at once, as a guess: many return no more.
const USUAL_PAGE: u64 = 100;
/// The most users that are looked at to answer a search.
const MOST_FOUND: usize = 1_000;

/// A SCIM service as a user directory.
///
/// - A user's address is the primary one of `emails`, else the first, else a `userName` with an `@`.
///   All of them find the user.
/// - The name is `displayName`, else `name`, else `userName`.
/// - Users with `active` false are not found: whoever has left is matched to nobody any more. Only the
///   count of users has them.
/// - What services send in forms of their own is taken for what it means: numbers for texts, texts for addresses. A user
///   without an id is left out, which the log says.
/// - Users are read to the end of the list, also where the service counts those of a page only.
/// - Of a search that finds more than 1,000 users, the first the service returns are looked at.
pub struct ScimDirectory {
    client: ScimClient,
    features: ServiceFeatures,
    user_cache: UserCache,
}

impl ScimDirectory {
    /// Asks the service at `base`, the address before `/Users`. `timeout` bounds each request.
    ///
    /// # Errors
    /// The token cannot be had, or the service cannot be reached, refuses the token, or is no SCIM service.
    pub async fn connect(
        http: Arc<dyn HttpClient>,
        base: Url,
        token: TokenSource,
        timeout: Duration,
    ) -> Result<Self, ScimError> {
        let client = ScimClient::new(http, base, token, timeout).await?;
        let directory = Self {
            client,
            features: ServiceFeatures::default(),
            user_cache: UserCache::default(),
        };
        directory.features.find_out(&directory.client).await?;
        Ok(directory)
    }

    async fn look_up(&self, emails: &[String]) -> Result<Vec<Vec<User>>, ScimError> {
        let mut wanted: Vec<String> = emails.iter().map(|email| normalise(email)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let filters = filter::by_email(&wanted);
        let pages = self.features.users_at_start().div_ceil(USUAL_PAGE);
        // Reading everybody may well be less work than asking for many.
        if self.features.finds_by_email() && filters.len() as u64 <= pages.max(1) {
            match self.look_up_by(filters).await {
                Err(ScimError::Unsupported) => self.features.filters_fail(),
                found => return Ok(found?.find_by_email(emails)),
            }
        }
        Ok(self.everybody(&self.client).await?.find_by_email(emails))
    }

    async fn look_up_by(&self, filters: Vec<String>) -> Result<Users, ScimError> {
        let lists: Vec<_> = stream::iter(filters)
            .map(|filter| async move { listing::all(&self.client, Some(&filter)).await })
            .buffer_unordered(CONCURRENT_REQUESTS)
            .try_collect()
            .await?;
        Ok(Users::new(lists.into_iter().flatten()))
    }

    async fn find(&self, query: &str, limit: usize) -> Result<Vec<User>, ScimError> {
        if self.features.searches() {
            let filter = (!query.is_empty()).then(|| filter::by_part(query));
            match listing::first(&self.client, filter.as_deref(), MOST_FOUND).await {
                Err(ScimError::Unsupported) => self.features.filters_fail(),
                found => return Ok(Users::new(found?).search(query, limit)),
            }
        }
        Ok(self.everybody(&self.client).await?.search(query, limit))
    }

    async fn everybody(&self, client: &ScimClient) -> Result<Arc<Users>, ScimError> {
        self.user_cache.read(client).await
    }
}

#[async_trait]
impl UserDirectory for ScimDirectory {
    async fn find_by_email(&self, emails: &[String]) -> Result<Vec<Vec<User>>, DirectoryError> {
        Ok(self.look_up(emails).await?)
    }

    async fn find_by_id(&self, id: &UserId) -> Result<Option<User>, DirectoryError> {
        // Nobody has such an id, and not every service survives being asked for it.
        if id.as_str().is_empty() || id.as_str().contains(char::is_control) {
            return Ok(None);
        }
        let resource = match self.client.get(&[id.as_str()], &[]).await? {
            Answer::Body(body) => client::parse::<serde_json::Value>(&self.client, &body)?,
            Answer::Missing => return Ok(None),
        };
        let user = Resource::read(&resource).and_then(Resource::into_listed);
        let user = user.map(|listed| listed.user);
        // An id such as `..` leads elsewhere.
        Ok(user.filter(|user| user.id == *id))
    }

    async fn search(&self, query: &str, limit: usize) -> Result<Vec<User>, DirectoryError> {
        Ok(self.find(query.trim(), limit).await?)
    }

    async fn count(&self) -> Result<u64, DirectoryError> {
        if self.client.tells_total() {
            return Ok(listing::count(&self.client).await?);
        }
        Ok(self.everybody(&self.client).await?.len() as u64)
    }
}

impl From<ScimError> for DirectoryError {
    fn from(error: ScimError) -> Self {
        Self(error.to_string())
    }
}

#[cfg(test)]
mod tests;
