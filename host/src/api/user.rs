//! Users of the platform, members of a team, and the mapping between them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::present;
use crate::contract::{MemberState, User};
use crate::ledger::{Connection, MatchedBy, Member, MemberPage};

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
    use crate::contract::RemoteUser;
    use crate::id::{RemoteUserId, UserId};

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
                        "matched_by": "email", "present": true, "note": null
                    },
                    {
                        "remote_user": {
                            "id": "11", "name": "Grace", "email": "grace@example.com",
                            "active": true, "state": "active"
                        },
                        "user": null, "matched_by": null, "present": true, "note": null
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
