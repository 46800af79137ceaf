//! The team of a connection and whom its members are mapped to.

use super::{Service, ServiceError};
use crate::contract::User;
use crate::id::{ConnectionId, RemoteUserId, UserId};
use crate::ledger::{
    MAX_PAGE, Mapping, MappingChange, Member, MemberFilter, MemberPage, TeamChanges,
};

/// The most users one search returns.
pub(crate) const MAX_FOUND_USERS: usize = 50;

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
        let ledger = &self.ledger;
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
    pub async fn refresh_users(&self, id: &ConnectionId) -> Result<TeamChanges, ServiceError> {
        self.connection(id).await?;
        self.import_team(id).await
    }

    pub(super) async fn import_team(&self, id: &ConnectionId) -> Result<TeamChanges, ServiceError> {
        let parts = &self.inner.parts;
        let team = parts.integration.map_users(&self.context(id)).await?;
        let changes = self.ledger.import_members(id, &team).await?;
        self.announce_changes();
        Ok(changes)
    }

    /// One member of the team.
    pub async fn member(
        &self,
        id: &ConnectionId,
        remote_user: &RemoteUserId,
    ) -> Result<Member, ServiceError> {
        self.connection(id).await?;
        let member = self.ledger.member(id, remote_user).await?;
        member.ok_or_else(|| {
            ServiceError::not_found(format!(
                "the team has no member {remote_user} any more; import the team again"
            ))
        })
    }

    /// Maps a member by hand, to a user of the directory or to nobody.
    pub async fn map_user(
        &self,
        id: &ConnectionId,
        remote_user: &RemoteUserId,
        user: Option<&UserId>,
    ) -> Result<Member, ServiceError> {
        self.connection(id).await?;
        let change = MappingChange::by_hand(self.required_user(user).await?);
        self.set_mapping(id, remote_user, &change).await
    }

    /// Maps a member, unless the mapping is not what it was `before`: that is a conflict. A mapping that was
    /// there earlier can be restored with who decided it.
    pub async fn change_mapping(
        &self,
        id: &ConnectionId,
        remote_user: &RemoteUserId,
        before: Mapping,
        after: Mapping,
    ) -> Result<Member, ServiceError> {
        self.connection(id).await?;
        let change = MappingChange {
            user: self.required_user(after.user.as_ref()).await?,
            matched_by: after.matched_by,
            before: Some(before),
        };
        self.set_mapping(id, remote_user, &change).await
    }

    async fn set_mapping(
        &self,
        id: &ConnectionId,
        remote_user: &RemoteUserId,
        change: &MappingChange,
    ) -> Result<Member, ServiceError> {
        let ledger = &self.ledger;
        let member = ledger.set_mapping(id, remote_user, change).await?;
        self.announce_changes();
        Ok(member)
    }

    async fn required_user(&self, id: Option<&UserId>) -> Result<Option<User>, ServiceError> {
        let Some(id) = id else { return Ok(None) };
        let user = self.user(id).await?;
        user.map(Some).ok_or_else(|| {
            ServiceError::invalid(format!("the user directory has no user with the id {id}"))
        })
    }

    /// The user of the platform with this id.
    pub async fn user(&self, id: &UserId) -> Result<Option<User>, ServiceError> {
        Ok(self.inner.parts.directory.find_by_id(id).await?)
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
