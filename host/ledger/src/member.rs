//! Members of teams and the users they are mapped to.

use serde::{Deserialize, Serialize};

use integration_host_contract::id::{RemoteUserId, UserId};
use integration_host_contract::{RemoteUser, User};

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
    /// Whether the last import found that no address confirms any more what an earlier one mapped.
    #[serde(default)]
    pub unconfirmed: bool,
    /// Who has the member's address now, if the mapping did not follow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_by: Option<User>,
    /// Who still has earlier activities, because the mapping followed the address for what is new only, and nobody has
    /// decided on the rest yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier_user: Option<User>,
}

impl Member {
    /// Whom it is mapped to, and who decided.
    pub fn mapping(&self) -> Mapping {
        Mapping {
            user: self.user.as_ref().map(|user| user.id.clone()),
            matched_by: self.matched_by,
        }
    }

    /// What a person should know and decide about a mapping that an import made, in a sentence or two; `None`: nothing.
    pub fn doubt(&self) -> Option<String> {
        let user = &self.user.as_ref()?.name;
        if let Some(other) = &self.claimed_by {
            return Some(format!(
                "No longer confirmed by e-mail: the address belongs to {} now. Nothing was changed; map the member by hand to \
                 {user} or to {}, or import the team again and confirm the moves.",
                other.name, other.name
            ));
        }
        if self.unconfirmed {
            let why = (self.note.as_deref())
                .unwrap_or("No user has the member's e-mail address any more.");
            return Some(format!(
                "No longer confirmed by e-mail: {why} The mapping to {user} stays until somebody changes it; map by hand to keep it \
                 for good, or remove it."
            ));
        }
        let earlier = &self.earlier_user.as_ref()?.name;
        Some(format!(
            "The address belongs to {user} now, who has what arrives from then on; what was received before stays with {earlier}. Map \
             the member by hand to decide on it: all to {user}, all to {earlier}, or as it is."
        ))
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
    /// Whether activities that belong to a user stay that user's: then the change goes for those of nobody and for those
    /// still to come.
    pub keeps_earlier: bool,
}

impl MappingChange {
    /// What a person decides, whatever was before.
    pub fn by_hand(user: Option<User>) -> Self {
        Self {
            user,
            matched_by: Some(MatchedBy::Manual),
            before: None,
            keeps_earlier: false,
        }
    }
}

/// How many mappings an import changes without being told to. A directory or a list that is wrong for a moment would
/// change most of them, so that beyond these numbers it changes none and says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportLimits {
    /// At most so many members are mapped to the users who have their addresses now, instead of to those who had them.
    pub moves: u64,
    /// At most so many mappings are removed that no address confirms any more.
    pub removals: u64,
}

impl Default for ImportLimits {
    /// A few moves; nothing is removed unless a person says so.
    fn default() -> Self {
        Self {
            moves: 3,
            removals: 0,
        }
    }
}

/// What an import changed in a team.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TeamChanges {
    /// Members that were not in it.
    pub joined: u64,
    /// Members that are not in it any more.
    pub left: u64,
    /// What it found of mappings that earlier imports had made, unless it had been found before.
    pub mappings: Vec<(RemoteUserId, MappingFound)>,
    /// Mappings of listed members that no address confirms now, and that stay.
    pub unconfirmed: u64,
    /// Mappings that stay although the address belongs to somebody else now.
    pub claimed: u64,
}

impl TeamChanges {
    /// What a person is asked about, in a sentence or two; `None`: nothing. How to answer follows.
    pub fn question(&self) -> Option<String> {
        let moves = match self.claimed {
            0 => None,
            1 => Some("The e-mail address of 1 member belongs to another user now.".to_owned()),
            many => Some(format!(
                "The e-mail addresses of {many} members belong to other users now."
            )),
        };
        let moves = moves.map(|what| {
            format!("{what} Nothing was moved, because the directory may be wrong for a moment; confirm it to give those users what is new.")
        });
        let removals = match self.unconfirmed {
            0 => None,
            1 => Some("1 mapping is no longer confirmed by e-mail. It stays".to_owned()),
            many => Some(format!(
                "{many} mappings are no longer confirmed by e-mail. They stay"
            )),
        };
        let removals = removals
            .map(|what| format!("{what}, because the directory may be incomplete; confirm it to remove what nobody confirms."));
        let sentences: Vec<_> = moves.into_iter().chain(removals).collect();
        (!sentences.is_empty()).then(|| sentences.join(" "))
    }
}

/// What an import found of a mapping that an earlier one had made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MappingFound {
    /// No address confirms it any more; it stays.
    Unconfirmed,
    /// The address belongs to somebody else now; it stays.
    Claimed,
    /// The address belongs to somebody else now, who has what is new.
    Moved,
    /// No address confirms it any more; it was removed, as a person wanted.
    Removed,
    /// It is confirmed again.
    Confirmed,
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
    /// Whose mapping a person should look at ([`Member::doubt`]).
    pub in_doubt: bool,
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
