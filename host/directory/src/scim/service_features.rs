//! What a service can be asked, found out by asking for a user it has.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::client::{ScimClient, ScimError};
use super::filter;
use super::listing::{sample, tells_total};
use super::resource::Page;

/// Users among whom one with an address and a name is looked for.
const SAMPLE: usize = 20;
/// An address that nobody has (RFC 2606).
const NOBODY: &str = "nobody@directory.invalid";

/// What a service can be asked.
#[derive(Default)]
pub(super) struct ServiceFeatures {
    finds_by_email: AtomicBool,
    searches: AtomicBool,
    users_at_start: AtomicU64,
}

impl ServiceFeatures {
    /// Finds out.
    pub(super) async fn find_out(&self, client: &ScimClient) -> Result<(), ScimError> {
        let page = match sample(client, None, SAMPLE).await {
            Err(ScimError::Unsupported) => {
                return Err(ScimError::Refusing {
                    place: client.place(),
                    source_name: client.source_name(),
                });
            }
            page => page?,
        };
        self.users_at_start
            .store(page.total_results, Ordering::Relaxed);
        let tells_total = tells_total(client, &page).await?;
        client.note_tells_total(tells_total);
        if !tells_total {
            tracing::info!(
                "the SCIM service does not tell how many users it has, so they are read to the end of the list"
            );
        }
        let finds_by_email = finds_by_email(client, &page).await?;
        let searches = searches(client, &page).await?;
        if !(finds_by_email && searches) {
            tracing::info!(
                users = page.total_results,
                finds_by_email,
                searches,
                "the SCIM service does not answer every filter as the standard has it, so all users are read instead"
            );
        }
        self.finds_by_email.store(finds_by_email, Ordering::Relaxed);
        self.searches.store(searches, Ordering::Relaxed);
        Ok(())
    }

    /// Whether users are found by their addresses, several at once and in any case.
    pub(super) fn finds_by_email(&self) -> bool {
        self.finds_by_email.load(Ordering::Relaxed)
    }

    /// Whether users are found by parts of their names in any case.
    pub(super) fn searches(&self) -> bool {
        self.searches.load(Ordering::Relaxed)
    }

    /// How many users there were.
    pub(super) fn users_at_start(&self) -> u64 {
        self.users_at_start.load(Ordering::Relaxed)
    }

    /// A filter was refused after all.
    pub(super) fn filters_fail(&self) {
        tracing::warn!("the SCIM service refused a filter, so all users are read from now on");
        self.finds_by_email.store(false, Ordering::Relaxed);
        self.searches.store(false, Ordering::Relaxed);
    }
}

async fn finds_by_email(client: &ScimClient, page: &Page) -> Result<bool, ScimError> {
    let known = page.readable().find_map(|user| {
        let email = user.addresses().first()?.to_uppercase();
        Some((user.id, email))
    });
    let Some((id, email)) = known else {
        return Ok(false);
    };
    let filters = filter::by_email(&[NOBODY.to_owned(), email]);
    finds(client, filters.first(), &id, page).await
}

async fn searches(client: &ScimClient, page: &Page) -> Result<bool, ScimError> {
    let known = page.readable().find_map(|user| {
        let name = user.searchable_name()?.to_uppercase();
        Some((user.id, name))
    });
    let Some((id, name)) = known else {
        return Ok(false);
    };
    // Without its beginning, the name is found by who looks inside.
    let part: String = name.chars().skip(1).collect();
    finds(client, Some(&filter::by_part(&part)), &id, page).await
}

/// Whether a filter finds a user, and not everybody.
async fn finds(
    client: &ScimClient,
    filter: Option<&String>,
    id: &str,
    everybody: &Page,
) -> Result<bool, ScimError> {
    let Some(filter) = filter else {
        return Ok(false);
    };
    let found = match sample(client, Some(filter), SAMPLE).await {
        Err(ScimError::Unsupported | ScimError::Misplaced { .. } | ScimError::Failing { .. }) => {
            return Ok(false);
        }
        found => found?,
    };
    let is_found = found.readable().any(|user| user.id == id);
    let is_selective =
        everybody.total_results <= 1 || found.total_results < everybody.total_results;
    Ok(is_found && is_selective)
}
