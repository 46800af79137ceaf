//! Members of teams and the users they are mapped to.

use serde::{Deserialize, Serialize};

use crate::contract::{RemoteUser, User};
use crate::id::UserId;

/// A member of a connection's team and the user it is mapped to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The member.
    pub remote_user: RemoteUser,
    /// Whether the last import still had the member.
    pub present: bool,
    /// The user, if mapped.
    pub user: Option<User>,
    /// Who decided the mapping, or that there is none; `None`: nobody yet.
    pub matched_by: Option<MatchedBy>,
    /// Why the import could not match the member, in a sentence, unless somebody decided meanwhile.
    pub note: Option<String>,
}

impl Member {
    /// Whom it is mapped to, and who decided.
    pub fn mapping(&self) -> Mapping {
        Mapping {
            user: self.user.as_ref().map(|user| user.id.clone()),
            matched_by: self.matched_by,
        }
    }
}

/// Whom a member is mapped to, and who decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// The user; `None`: nobody.
    pub user: Option<UserId>,
    /// Who decided; `None`: nobody yet, and there is no user.
    pub matched_by: Option<MatchedBy>,
}

/// A change of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingChange {
    /// The user; `None`: nobody.
    pub user: Option<User>,
    /// Who decided; `None`: nobody, so that the next import does.
    pub matched_by: Option<MatchedBy>,
    /// What it must be before; `None`: whatever it is.
    pub before: Option<Mapping>,
}

impl MappingChange {
    /// What a person decides, whatever was before.
    pub fn by_hand(user: Option<User>) -> Self {
        Self {
            user,
            matched_by: Some(MatchedBy::Manual),
            before: None,
        }
    }
}

/// What an import changed in a team.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TeamChanges {
    /// Members that were not in it.
    pub joined: u64,
    /// Members that are not in it any more.
    pub left: u64,
}

/// Who decided a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchedBy {
    /// The import, by e-mail address.
    Email,
    /// A person.
    Manual,
}

impl MatchedBy {
    /// Every way.
    pub const ALL: [Self; 2] = [Self::Email, Self::Manual];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Manual => "manual",
        }
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}

/// Which members of a team to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberFilter {
    /// With this in their name, in their e-mail address or in the name of the user they are mapped to. Case
    /// does not matter.
    pub query: Option<String>,
    /// Mapped to nobody.
    pub unmapped: bool,
    /// Whose mapping was decided so.
    pub matched_by: Option<MatchedBy>,
}

/// One page of a team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberPage {
    /// The members.
    pub members: Vec<Member>,
    /// How many members match, on all pages together.
    pub matching: u64,
    /// What to pass to get the next page; `None`: this is the last.
    pub next: Option<String>,
    /// What to pass to get the page before; `None`: this is the first.
    pub previous: Option<String>,
}
