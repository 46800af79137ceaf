//! Teams: which members a list has, in which order, on which page.
//!
//! A team is read as a whole, which takes milliseconds for ten thousand, and ordered by what databases
//! cannot order by: names in any script without regard to case.

use async_trait::async_trait;
use auto_impl::auto_impl;

use super::{
    ImportLimits, LedgerError, MappingChange, MatchedBy, Member, MemberFilter, MemberPage,
    TeamChanges, TextQuery, in_page,
};
use integration_host_contract::TeamMember;
use integration_host_contract::id::{ConnectionId, RemoteUserId};

/// Names are put in order by so many characters, which keeps cursors short.
const ORDERED_CHARACTERS: usize = 60;

/// Where a member is in a team: what its name is ordered by, then its id.
type Place = (String, String);

/// A member that a list may have.
pub struct Candidate<'a> {
    /// Its id at the remote service.
    pub remote_user: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its e-mail address.
    pub email: Option<&'a str>,
    /// Whether it is mapped to a user.
    pub is_mapped: bool,
    /// Who decided on its mapping.
    pub matched_by: Option<MatchedBy>,
    /// Whether a person is to look at its mapping.
    pub is_in_doubt: bool,
    /// The name of the user it is mapped to, if [`Listing::searches`].
    pub user_name: Option<&'a str>,
}

/// The members that match a filter.
pub struct Listing<'a> {
    filter: &'a MemberFilter,
    wanted: Option<TextQuery>,
    places: Vec<Place>,
}

/// The ids of a page, and what is before and after it.
pub struct TeamPage {
    /// The ids, in order.
    pub remote_users: Vec<String>,
    /// How many members match.
    pub matching: u64,
    /// Where the next page begins.
    pub next: Option<String>,
    /// Where the previous page begins.
    pub previous: Option<String>,
}

impl<'a> Listing<'a> {
    /// An empty list of those that match.
    pub fn new(filter: &'a MemberFilter) -> Self {
        Self {
            filter,
            wanted: filter.query.as_deref().and_then(TextQuery::new),
            places: Vec::new(),
        }
    }

    /// Whether the names of users matter.
    pub fn searches(&self) -> bool {
        self.wanted.is_some()
    }

    /// Takes a member in, if it matches.
    pub fn offer(&mut self, member: &Candidate<'_>) {
        let matches = !(self.filter.unmapped && member.is_mapped)
            && (member.is_in_doubt || !self.filter.in_doubt)
            && (self.filter.matched_by).is_none_or(|by| member.matched_by == Some(by))
            && self.wanted.as_ref().is_none_or(|wanted| {
                let mut texts = [Some(member.name), member.email, member.user_name]
                    .into_iter()
                    .flatten();
                texts.any(|text| wanted.is_in(text))
            });
        if matches {
            let order = (member.name.to_lowercase().chars())
                .take(ORDERED_CHARACTERS)
                .collect();
            self.places.push((order, member.remote_user.to_owned()));
        }
    }

    /// The page that begins after a cursor.
    pub fn page(self, cursor: Option<&str>, limit: usize) -> Result<TeamPage, LedgerError> {
        let after: Option<Place> = cursor
            .map(|cursor| {
                serde_json::from_str(cursor).map_err(|_| {
                    LedgerError::Invalid(format!("`{cursor}` is not a cursor of a list of members"))
                })
            })
            .transpose()?;
        let mut places = self.places;
        places.sort_unstable();
        let matching = places.len() as u64;
        let limit = in_page(limit);
        let start = match &after {
            None => 0,
            Some(after) => places.partition_point(|place| place <= after),
        };
        let end = places.len().min(start + limit);
        let last = |places: usize| places.checked_sub(1);
        let next = places
            .get(end)
            .and(last(end))
            .and_then(|last| places.get(last));
        let next = next.map(cursor_after);
        // The first page begins after what stands before all names.
        let previous = (start > 0).then(|| {
            let before = last(start.saturating_sub(limit)).and_then(|last| places.get(last));
            before.map_or_else(|| cursor_after(&Place::default()), cursor_after)
        });
        let on_page = places.into_iter().take(end).skip(start);
        Ok(TeamPage {
            remote_users: on_page.map(|(_, remote_user)| remote_user).collect(),
            matching,
            next,
            previous,
        })
    }
}

fn cursor_after((name, id): &Place) -> String {
    serde_json::json!([name, id]).to_string()
}

/// The part of a [ledger](super::Ledger) that records teams, and whom their members are mapped to. What is said there of calls, errors and pages
/// goes for these too.
///
/// - An import makes the team what it lists: who is missing stays, as not present, if somebody decided the mapping, a user
///   is mapped or activities mention the member, and is removed otherwise.
/// - Of a member that an import lists more than once the last one counts, and of a user whom it tells with several names or
///   addresses the last.
/// - What a person decided stays, whatever is imported; who is mapped to nobody follows the import.
/// - A mapping that an earlier import made stays when no address confirms it any more, and says so until one does or a
///   person decides; only as many as [`ImportLimits::removals`] allows are removed, or none.
/// - When a member's address belongs to another user, that user has the activities still to come, and those that belong to
///   a user already stay that user's; beyond [`ImportLimits::moves`] no mapping is moved, and each says so.
/// - An import tells what it found of mappings that earlier ones made, each once until it changes, and how many stay
///   unconfirmed.
/// - An import tells how many members joined and how many left, each counted once.
/// - Members are ordered by their names in lower case, as [`str::to_lowercase`] has them, then by id; pages lead on and
///   back, and tell how many match on all of them.
/// - A list of members has whom its [`MemberFilter`] describes, without regard to case in any script.
/// - A mapping that is not what it was expected to be is left alone, as a [`LedgerError::Conflict`].
/// - A member that only activities mention can be mapped; one that nothing mentions is [`LedgerError::NotFound`].
/// - A decision that is taken back leaves the member undecided, with the import's note, for the next import to decide.
/// - A mapping by hand goes for all activities of a member, those received before and those still to come, unless it keeps
///   earlier ones with the users they belong to; for many of them as [`Feed::spread_changes`](super::Feed::spread_changes) goes on.
/// - A connection tells how many members its team has and how many of them are mapped.
#[async_trait]
#[auto_impl(Arc)]
pub trait Teams: Send + Sync + 'static {
    /// Takes over an imported team. Members that are missing stay if they are mapped or have
    /// activities, marked as not present. What a person decided stays, and what earlier imports mapped is changed within
    /// limits.
    async fn import_members(
        &self,
        id: &ConnectionId,
        team: &[TeamMember],
        limits: &ImportLimits,
    ) -> Result<TeamChanges, LedgerError>;

    /// The members of a team that match, ordered by name without regard to case, and how many they are.
    /// At most `limit` and [`MAX_PAGE`](super::MAX_PAGE) at once; `cursor` is a page's `next` or `previous`.
    async fn members(
        &self,
        id: &ConnectionId,
        filter: &MemberFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<MemberPage, LedgerError>;

    /// One member of a team, if an import has listed it.
    async fn member(
        &self,
        id: &ConnectionId,
        remote_user: &RemoteUserId,
    ) -> Result<Option<Member>, LedgerError>;

    /// Maps a member to a user or to nobody. A member that activities mention and no import has listed is
    /// accepted; `NotFound` for any other. `Conflict` if the mapping is not what it must be before.
    async fn set_mapping(
        &self,
        id: &ConnectionId,
        remote_user: &RemoteUserId,
        change: &MappingChange,
    ) -> Result<Member, LedgerError>;
}
