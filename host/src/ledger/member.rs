//! Members of teams and the users they are mapped to.

use crate::contract::{RemoteUser, User};

/// A member of a connection's team and the user it is mapped to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The member.
    pub remote_user: RemoteUser,
    /// Whether the last import still had the member.
    pub present: bool,
    /// The user, if mapped.
    pub user: Option<User>,
    /// Who decided the mapping, or that there is none; `None`: nobody yet.
    pub matched_by: Option<MatchedBy>,
    /// Why the import could not match the member, in a sentence.
    pub note: Option<String>,
}

/// Who decided a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchedBy {
    /// The import, by e-mail address.
    Email,
    /// A person.
    Manual,
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
}
