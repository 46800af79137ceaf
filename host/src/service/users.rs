//! The team of a connection and whom its members are mapped to.

use super::{Service, ServiceError};
use crate::contract::User;
use crate::id::{ConnectionId, RemoteUserId, UserId};
use crate::ledger::{MAX_PAGE, Member, MemberFilter, MemberPage};

/// The most users one search returns.
const MAX_FOUND_USERS: usize = 50;

impl Service {
    /// One page of the members that match, ordered by name.
    pub async fn users(
        &self,
        id: &ConnectionId,
        filter: &MemberFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<MemberPage, ServiceError> {
        self.connection(id).await?;
        let ledger = &self.inner.parts.ledger;
        Ok(ledger.members(id, filter, cursor, limit).await?)
    }

    /// All members that match, ordered by name.
    pub async fn all_users(
        &self,
        id: &ConnectionId,
        filter: &MemberFilter,
    ) -> Result<MemberPage, ServiceError> {
        let mut all = self.users(id, filter, None, MAX_PAGE).await?;
        while let Some(cursor) = all.next.take() {
            let page = self.users(id, filter, Some(&cursor), MAX_PAGE).await?;
            all.members.extend(page.members);
            all.next = page.next;
        }
        Ok(all)
    }

    /// Imports the team again. What a person mapped stays.
    pub async fn refresh_users(&self, id: &ConnectionId) -> Result<(), ServiceError> {
        self.connection(id).await?;
        self.import_team(id).await
    }

    pub(super) async fn import_team(&self, id: &ConnectionId) -> Result<(), ServiceError> {
        let parts = &self.inner.parts;
        let team = parts.integration.map_users(&self.context(id)).await?;
        parts.ledger.import_members(id, &team).await?;
        self.announce_changes();
        Ok(())
    }

    /// Maps a member by hand, to a user of the directory or to nobody.
    pub async fn map_user(
        &self,
        id: &ConnectionId,
        remote_user: &RemoteUserId,
        user: Option<&UserId>,
    ) -> Result<Member, ServiceError> {
        self.connection(id).await?;
        let parts = &self.inner.parts;
        let user = match user {
            None => None,
            Some(id) => Some(parts.directory.find_by_id(id).await?.ok_or_else(|| {
                ServiceError::invalid(format!("the user directory has no user with the id {id}"))
            })?),
        };
        let member = parts
            .ledger
            .set_mapping(id, remote_user, user.as_ref())
            .await?;
        self.announce_changes();
        Ok(member)
    }

    /// How many users the platform's directory has.
    pub async fn count_users(&self) -> Result<u64, ServiceError> {
        Ok(self.inner.parts.directory.count().await?)
    }

    /// Users of the platform whose name, address or id contains the query.
    pub async fn search_users(&self, query: &str) -> Result<Vec<User>, ServiceError> {
        Ok(self
            .inner
            .parts
            .directory
            .search(query.trim(), MAX_FOUND_USERS)
            .await?)
    }
}
