//! Users of the platform, members of a team, and the mapping between them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::present;
use integration_host_contract::{MemberState, User};
use integration_host_ledger::{Connection, MatchedBy, Member, MemberPage, TeamChanges};

/// Users of the platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserList {
    /// The users, ordered by name.
    pub users: Vec<UserView>,
}

/// A user of the platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserView {
    /// Id on the platform.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// E-mail address.
    pub email: Option<String>,
}

/// A team and its mappings, or a page of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberList {
    /// The members, ordered by name.
    pub users: Vec<MemberView>,
    /// How many members of the whole team are mapped to a user.
    pub mapped: u64,
    /// How many members the whole team has.
    pub total: u64,
    /// How many members match, on all pages together.
    pub matching: u64,
    /// The `cursor` of the next page; null: this is the last.
    pub next: Option<String>,
}

/// A member of a team and the user it is mapped to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberView {
    /// The member.
    pub remote_user: RemoteUserView,
    /// The user.
    pub user: Option<UserView>,
    /// Who decided the mapping, or that there is none; null: nobody yet.
    pub matched_by: Option<MatchedByView>,
    /// Whether the last import still had the member.
    pub present: bool,
    /// Why the member could not be matched, in a sentence.
    pub note: Option<String>,
    /// Why a mapping that an import made should be looked at, and what to do: that it is no longer confirmed by e-mail, or
    /// that the address went to another user; null: it need not be.
    #[serde(default)]
    pub doubt: Option<String>,
    /// Who has the member's address now, if the mapping did not follow it.
    #[serde(default)]
    pub claimed_by: Option<UserView>,
    /// Who still has what was received before the mapping followed the address, until somebody decides on it.
    #[serde(default)]
    pub earlier_user: Option<UserView>,
}

/// A team after it was imported again, and what the import found of mappings that earlier ones had made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportedTeam {
    /// The team.
    #[serde(flatten)]
    pub team: MemberList,
    /// What the import did and found.
    pub import: ImportView,
}

/// What an import of a team did and found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportView {
    /// Members that were not in the team before.
    pub joined: u64,
    /// Members that are not in the team any more.
    pub left: u64,
    /// Mappings that no e-mail address confirms any more, and that stay.
    pub unconfirmed: u64,
    /// Mappings that stay although the address belongs to another user now, because they are more than an import changes
    /// without being told to.
    pub held_back: u64,
    /// What to decide, in a sentence or two; null: nothing. To confirm moves, import again with `moves` as large as
    /// `held_back`; to confirm removals, with `removals` as large as `unconfirmed`.
    pub question: Option<String>,
}

/// A member of the remote team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemoteUserView {
    /// Id at the remote service.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// E-mail address, where the remote service tells it.
    pub email: Option<String>,
    /// Whether the member takes part in the team.
    pub active: bool,
    /// Where the member stands in the team.
    pub state: MemberStateView,
}

/// Where a member stands in the remote team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemberStateView {
    /// Takes part.
    Active,
    /// Has not accepted the invitation yet.
    Invited,
    /// Was deactivated.
    Deactivated,
}

/// Who decided a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MatchedByView {
    /// The import, by e-mail address.
    Email,
    /// A person.
    Manual,
}

/// Whom to map a member to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MapRequest {
    /// The user's id; null: nobody. It must be given either way.
    #[serde(deserialize_with = "present")]
    #[schema(required = true)]
    pub user_id: Option<String>,
    /// What becomes of activities that belong to a user already.
    #[serde(default, skip_serializing_if = "Earlier::is_moved")]
    pub earlier: Earlier,
}

/// What becomes of activities that belong to a user already when their member is mapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Earlier {
    /// They are the new user's.
    #[default]
    Moves,
    /// They stay the user's they belong to.
    Stays,
}

impl Earlier {
    fn is_moved(&self) -> bool {
        *self == Self::Moves
    }
}

impl From<TeamChanges> for ImportView {
    fn from(changes: TeamChanges) -> Self {
        Self {
            question: changes.question(),
            joined: changes.joined,
            left: changes.left,
            unconfirmed: changes.unconfirmed,
            held_back: changes.claimed,
        }
    }
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            name: user.name,
            email: user.email,
        }
    }
}

impl From<Vec<User>> for UserList {
    fn from(users: Vec<User>) -> Self {
        Self {
            users: users.into_iter().map(UserView::from).collect(),
        }
    }
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        Self {
            doubt: member.doubt(),
            claimed_by: member.claimed_by.map(UserView::from),
            earlier_user: member.earlier_user.map(UserView::from),
            remote_user: RemoteUserView {
                id: member.remote_user.id.to_string(),
                name: member.remote_user.name,
                email: member.remote_user.email,
                active: member.remote_user.state == MemberState::Active,
                state: member.remote_user.state.into(),
            },
            user: member.user.map(UserView::from),
            matched_by: member.matched_by.map(MatchedByView::from),
            present: member.present,
            note: member.note,
        }
    }
}

impl MemberList {
    /// A page of a connection's team.
    pub fn new(connection: &Connection, page: MemberPage) -> Self {
        Self {
            users: page.members.into_iter().map(MemberView::from).collect(),
            mapped: connection.users_mapped,
            total: connection.users_total,
            matching: page.matching,
            next: page.next,
        }
    }
}

impl From<MemberState> for MemberStateView {
    fn from(state: MemberState) -> Self {
        match state {
            MemberState::Active => Self::Active,
            MemberState::Invited => Self::Invited,
            MemberState::Deactivated => Self::Deactivated,
        }
    }
}

impl From<MatchedBy> for MatchedByView {
    fn from(matched_by: MatchedBy) -> Self {
        match matched_by {
            MatchedBy::Email => Self::Email,
            MatchedBy::Manual => Self::Manual,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use integration_host_contract::RemoteUser;
    use integration_host_contract::id::{RemoteUserId, UserId};

    fn member(user: Option<User>) -> Member {
        Member {
            remote_user: RemoteUser {
                id: RemoteUserId::new("11"),
                name: "Grace".into(),
                email: Some("grace@example.com".into()),
                state: MemberState::Active,
            },
            present: true,
            matched_by: user.as_ref().map(|_| MatchedBy::Email),
            user,
            note: None,
            unconfirmed: false,
            claimed_by: None,
            earlier_user: None,
        }
    }

    #[test]
    fn a_team_has_the_published_fields() {
        let grace = User {
            id: UserId::new("u1"),
            name: "Grace".into(),
            email: Some("grace@example.com".into()),
        };
        let list = MemberList {
            users: vec![member(Some(grace)).into(), member(None).into()],
            mapped: 58,
            total: 119,
            matching: 3,
            next: Some("c".into()),
        };
        assert_eq!(
            serde_json::to_value(list).unwrap(),
            json!({
                "users": [
                    {
                        "remote_user": {
                            "id": "11", "name": "Grace", "email": "grace@example.com",
                            "active": true, "state": "active"
                        },
                        "user": {"id": "u1", "name": "Grace", "email": "grace@example.com"},
                        "matched_by": "email", "present": true, "note": null,
                        "doubt": null, "claimed_by": null, "earlier_user": null
                    },
                    {
                        "remote_user": {
                            "id": "11", "name": "Grace", "email": "grace@example.com",
                            "active": true, "state": "active"
                        },
                        "user": null, "matched_by": null, "present": true, "note": null,
                        "doubt": null, "claimed_by": null, "earlier_user": null
                    }
                ],
                "mapped": 58, "total": 119, "matching": 3, "next": "c"
            })
        );
    }

    #[test]
    fn mapping_to_nobody_must_be_said() {
        let request: MapRequest = serde_json::from_str(r#"{"user_id":null}"#).unwrap();
        assert_eq!(request.user_id, None);
        let error = serde_json::from_str::<MapRequest>("{}").unwrap_err();
        assert!(error.to_string().contains("missing field `user_id`"));
    }
}
