//! The team of a connection and whom its members are mapped to.

use tracing::info;

use super::{Host, HostError};
use integration_host_contract::User;
use integration_host_contract::id::{ConnectionId, RemoteUserId, UserId};
use integration_host_ledger::{
    EventKind, ImportLimits, MAX_PAGE, Mapping, MappingChange, MappingFound, Member, MemberFilter,
    MemberPage, TeamChanges,
};

/// The most mappings that the log of a connection tells of for one import; the rest is told as a number.
const TOLD_MAPPINGS: usize = 20;

/// The most users one search returns.
pub const MAX_FOUND_USERS: usize = 50;

impl Host {
    /// One page of the members that match, ordered by name.
    pub async fn users(
        &self,
        id: &ConnectionId,
        filter: &MemberFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<MemberPage, HostError> {
        self.connection(id).await?;
        let ledger = &self.ledger;
        Ok(ledger.members(id, filter, cursor, limit).await?)
    }

    /// All members that match, ordered by name.
    pub async fn all_users(
        &self,
        id: &ConnectionId,
        filter: &MemberFilter,
    ) -> Result<MemberPage, HostError> {
        let mut all = self.users(id, filter, None, MAX_PAGE).await?;
        while let Some(cursor) = all.next.take() {
            let page = self.users(id, filter, Some(&cursor), MAX_PAGE).await?;
            all.members.extend(page.members);
            all.next = page.next;
        }
        Ok(all)
    }

    /// Imports the team again. What a person mapped stays, and what earlier imports mapped is changed within limits.
    pub async fn refresh_users(
        &self,
        id: &ConnectionId,
        limits: &ImportLimits,
    ) -> Result<TeamChanges, HostError> {
        self.connection(id).await?;
        self.import_team(id, limits).await
    }

    pub(super) async fn import_team(
        &self,
        id: &ConnectionId,
        limits: &ImportLimits,
    ) -> Result<TeamChanges, HostError> {
        let parts = &self.inner.parts;
        let team = parts.integration.map_users(&self.context(id)).await?;
        let changes = (self.ledger)
            .import_members(id, &team.members, limits)
            .await?;
        self.announce_changes();
        self.note_all(id, &team.notes).await;
        self.tell_of_mappings(id, &changes).await;
        Ok(changes)
    }

    /// Writes into the log of a connection what an import found of mappings.
    async fn tell_of_mappings(&self, id: &ConnectionId, changes: &TeamChanges) {
        for (remote_user, found) in changes.mappings.iter().take(TOLD_MAPPINGS) {
            info!(connection = %id, member = %remote_user, ?found, "an import found a mapping to be different");
            // That it cannot be read must not fail an import that is done.
            if let Ok(Some(member)) = self.ledger.member(id, remote_user).await {
                let message = mapping_sentence(&member, *found);
                self.record(id, EventKind::TeamImported, message).await;
            }
        }
        let untold = changes.mappings.len().saturating_sub(TOLD_MAPPINGS);
        if untold > 0 {
            let question = changes.question().unwrap_or_default();
            let message = format!("So it is with {untold} more mappings. {question}");
            self.record(id, EventKind::TeamImported, message.trim_end().to_owned())
                .await;
        }
    }

    /// One member of the team.
    pub async fn member(
        &self,
        id: &ConnectionId,
        remote_user: &RemoteUserId,
    ) -> Result<Member, HostError> {
        self.connection(id).await?;
        let member = self.ledger.member(id, remote_user).await?;
        member.ok_or_else(|| {
            HostError::not_found(format!(
                "the team has no member {remote_user} any more; import the team again"
            ))
        })
    }

    /// Maps a member by hand, to a user of the directory or to nobody; with `keeps_earlier`, activities that belong to a
    /// user already stay that user's.
    pub async fn map_user(
        &self,
        id: &ConnectionId,
        remote_user: &RemoteUserId,
        user: Option<&UserId>,
        keeps_earlier: bool,
    ) -> Result<Member, HostError> {
        self.connection(id).await?;
        let change = MappingChange {
            keeps_earlier,
            ..MappingChange::by_hand(self.required_user(id, remote_user, user).await?)
        };
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
        keeps_earlier: bool,
    ) -> Result<Member, HostError> {
        self.connection(id).await?;
        let user = after.user.as_ref();
        let change = MappingChange {
            user: self.required_user(id, remote_user, user).await?,
            matched_by: after.matched_by,
            before: Some(before),
            keeps_earlier,
        };
        self.set_mapping(id, remote_user, &change).await
    }

    async fn set_mapping(
        &self,
        id: &ConnectionId,
        remote_user: &RemoteUserId,
        change: &MappingChange,
    ) -> Result<Member, HostError> {
        let ledger = &self.ledger;
        let member = ledger.set_mapping(id, remote_user, change).await?;
        self.announce_changes();
        Ok(member)
    }

    /// The user to map a member to. One that the member is or was mapped to may have left the directory since: keeping
    /// the mapping must be possible.
    async fn required_user(
        &self,
        connection: &ConnectionId,
        remote_user: &RemoteUserId,
        id: Option<&UserId>,
    ) -> Result<Option<User>, HostError> {
        let Some(id) = id else { return Ok(None) };
        let user = self.user(id).await?;
        if user.is_some() {
            return Ok(user);
        }
        let member = self.ledger.member(connection, remote_user).await?;
        let known = member
            .into_iter()
            .flat_map(|member| [member.user, member.earlier_user].into_iter().flatten());
        known
            .into_iter()
            .find(|user| user.id == *id)
            .map(Some)
            .ok_or_else(|| {
                HostError::invalid(format!("the user directory has no user with the id {id}"))
            })
    }

    /// The user of the platform with this id.
    pub async fn user(&self, id: &UserId) -> Result<Option<User>, HostError> {
        Ok(self.inner.parts.directory.find_by_id(id).await?)
    }

    /// How many users the platform's directory has.
    pub async fn count_users(&self) -> Result<u64, HostError> {
        Ok(self.inner.parts.directory.count().await?)
    }

    /// Users of the platform whose name, address or id contains the query.
    pub async fn search_users(&self, query: &str) -> Result<Vec<User>, HostError> {
        Ok(self
            .inner
            .parts
            .directory
            .search(query.trim(), MAX_FOUND_USERS)
            .await?)
    }
}

/// What an import found of a member's mapping, as the log of a connection says it.
fn mapping_sentence(member: &Member, found: MappingFound) -> String {
    let name = &member.remote_user.name;
    match found {
        MappingFound::Removed => {
            format!(
                "{name}: the mapping was removed, as somebody confirmed, because no e-mail address confirmed it any more."
            )
        }
        MappingFound::Confirmed => format!("{name}: the mapping is confirmed by e-mail again."),
        MappingFound::Unconfirmed | MappingFound::Claimed | MappingFound::Moved => {
            // It may have been decided meanwhile.
            let doubt = member
                .doubt()
                .unwrap_or_else(|| "the mapping was decided meanwhile.".to_owned());
            format!("{name}: {doubt}")
        }
    }
}
