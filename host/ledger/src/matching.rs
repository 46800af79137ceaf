//! What an import of a team makes of its mappings. Every ledger decides by this and only reads and writes itself.
//!
//! What is not there is weak evidence: a directory may be empty for a moment, and an address may go to somebody else. So an
//! import never takes activities from a user, and takes a mapping away only if a person said so.

use std::collections::{BTreeMap, HashMap};

use super::spreading::Shared;
use super::{
    ImportLimits, LedgerError, MappingChange, MappingFound, MatchedBy, Member, TeamChanges,
};
use integration_host_contract::id::RemoteUserId;
use integration_host_contract::{MemberState, RemoteUser, TeamMember, User, UserMatch};

/// A mapping and what imports found of it. Users are the numbers by which a ledger knows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The user; `None`: nobody.
    pub user: Option<i64>,
    /// Who decided.
    pub matched_by: Option<MatchedBy>,
    /// Whether the e-mail address confirms it no longer.
    pub unconfirmed: bool,
    /// Another user who has the address now.
    pub claimed_by: Option<i64>,
    /// The user before the address changed hands.
    pub earlier_user: Option<i64>,
}

impl Held {
    /// What a person decided, or nobody.
    pub(super) fn decided(user: Option<i64>, matched_by: Option<MatchedBy>) -> Self {
        Self {
            user,
            matched_by,
            ..Self::default()
        }
    }
}

/// Of a member that is listed twice the last one counts.
pub fn distinct(team: &[TeamMember]) -> Vec<&TeamMember> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut listed: Vec<&TeamMember> = Vec::with_capacity(team.len());
    for member in team {
        let id = member.remote_user.id.as_str();
        match places.get(id).and_then(|place| listed.get_mut(*place)) {
            Some(earlier) => *earlier = member,
            None => {
                places.insert(id, listed.len());
                listed.push(member);
            }
        }
    }
    listed
}

/// Why a member could not be matched.
fn note(member: &TeamMember) -> Option<&str> {
    match &member.matched {
        UserMatch::Ambiguous(note) => Some(note),
        UserMatch::Matched(_) | UserMatch::Unmatched => None,
    }
}

/// What an import wants to do with one mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Leave,
    Confirm,
    Give(i64),
    Move(i64),
    Remove,
}

fn wish(before: &Held, found: Option<i64>) -> Wish {
    match (before.matched_by, before.user, found) {
        (Some(MatchedBy::Manual), ..) | (_, None, None) => Wish::Leave,
        (_, None, Some(found)) => Wish::Give(found),
        (_, Some(user), Some(found)) if user == found => Wish::Confirm,
        (_, Some(_), Some(found)) => Wish::Move(found),
        (_, Some(_), None) => Wish::Remove,
    }
}

/// The mappings of listed members after an import: each from what it was and whom its address belongs to now.
fn after_import(
    listed: &[(Held, Option<i64>)],
    limits: &ImportLimits,
) -> Vec<(Held, Option<MappingFound>)> {
    let wishes: Vec<Wish> = (listed.iter())
        .map(|(before, found)| wish(before, *found))
        .collect();
    let count =
        |wanted: fn(&Wish) -> bool| wishes.iter().filter(|wish| wanted(wish)).count() as u64;
    let may_move = count(|wish| matches!(wish, Wish::Move(_))) <= limits.moves;
    let may_remove = count(|wish| matches!(wish, Wish::Remove)) <= limits.removals;
    (listed.iter())
        .zip(wishes)
        .map(|((before, _), wish)| {
            let after = carry_out(*before, wish, may_move, may_remove);
            (after, difference(before, &after))
        })
        .collect()
}

fn carry_out(before: Held, wish: Wish, may_move: bool, may_remove: bool) -> Held {
    let kept = Held {
        unconfirmed: false,
        claimed_by: None,
        ..before
    };
    match wish {
        Wish::Leave => before,
        Wish::Confirm => kept,
        Wish::Give(user) => Held::decided(Some(user), Some(MatchedBy::Email)),
        Wish::Move(user) if may_move => Held {
            earlier_user: before.user,
            ..Held::decided(Some(user), Some(MatchedBy::Email))
        },
        Wish::Move(user) => Held {
            claimed_by: Some(user),
            ..kept
        },
        Wish::Remove if may_remove => Held::default(),
        Wish::Remove => Held {
            unconfirmed: true,
            ..kept
        },
    }
}

fn difference(before: &Held, after: &Held) -> Option<MappingFound> {
    let was_doubted = before.unconfirmed || before.claimed_by.is_some();
    if before.user.is_none() {
        None
    } else if after.user.is_none() {
        Some(MappingFound::Removed)
    } else if after.user != before.user {
        Some(MappingFound::Moved)
    } else if after.claimed_by.is_some() {
        (after.claimed_by != before.claimed_by).then_some(MappingFound::Claimed)
    } else if after.unconfirmed {
        (!before.unconfirmed).then_some(MappingFound::Unconfirmed)
    } else {
        was_doubted.then_some(MappingFound::Confirmed)
    }
}

/// What a ledger has of a member before an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberBefore {
    /// Its name.
    pub name: String,
    /// Whether the import before still had it.
    pub present: bool,
    /// Its mapping.
    pub held: Held,
}

/// A member as it is to be stored.
#[derive(Clone, Copy, Debug)]
pub struct StoredMember<'a> {
    /// The member.
    pub remote_user: &'a RemoteUser,
    /// Whether an import lists it.
    pub present: bool,
    /// Its mapping.
    pub held: Held,
    /// Why it could not be matched.
    pub note: Option<&'a str>,
}

/// What an import does.
#[derive(Debug)]
pub struct ImportPlan<'a> {
    /// What it changes, as it is told.
    pub changes: TeamChanges,
    /// The members that it lists, as they are then.
    pub listed: Vec<StoredMember<'a>>,
    /// Members that it does not list: they stay, as not present, if anybody decided something about them or if they have
    /// activities.
    pub missing: Vec<String>,
    /// What it changes of activities that are there already.
    pub shared: Vec<Shared>,
}

/// The users whom an import of distinct members matches, by id. Of one user the last counts.
pub fn matched_users<'a>(team: &[&'a TeamMember]) -> BTreeMap<&'a str, &'a User> {
    (team.iter())
        .filter_map(|member| matched_user(member))
        .map(|user| (user.id.as_str(), user))
        .collect()
}

fn matched_user(member: &TeamMember) -> Option<&User> {
    match &member.matched {
        UserMatch::Matched(user) => Some(user),
        UserMatch::Unmatched | UserMatch::Ambiguous(_) => None,
    }
}

/// What an import of [`distinct`] members does, from what the ledger has of a connection's team by id. `number` is the
/// number of a user.
pub fn plan_import<'a>(
    connection: i64,
    mut before: BTreeMap<String, MemberBefore>,
    team: &[&'a TeamMember],
    number: impl Fn(&User) -> Option<i64>,
    limits: &ImportLimits,
) -> ImportPlan<'a> {
    let known: Vec<MemberBefore> = (team.iter())
        .map(|member| {
            let id = member.remote_user.id.as_str();
            before.remove(id).unwrap_or_default()
        })
        .collect();
    let mappings: Vec<_> = (team.iter().zip(&known))
        .map(|(member, known)| (known.held, matched_user(member).and_then(&number)))
        .collect();
    let mut changes = TeamChanges::default();
    let mut listed = Vec::with_capacity(team.len());
    let mut shared = Vec::new();
    let after = after_import(&mappings, limits);
    for ((member, known), (held, found)) in team.iter().zip(known).zip(after) {
        let remote_user = &member.remote_user;
        changes.joined += u64::from(!known.present);
        changes.add(&remote_user.id, &held, found);
        if known.held.user.is_none() != held.user.is_none() {
            shared.push(Shared::Mapping {
                connection,
                remote_user: remote_user.id.to_string(),
                user: held.user,
                keeps_earlier: held.user.is_some(),
            });
        }
        if known.name != remote_user.name {
            shared.push(Shared::Member {
                connection,
                remote_user: remote_user.id.to_string(),
            });
        }
        listed.push(StoredMember {
            remote_user,
            present: true,
            held,
            note: note(member),
        });
    }
    changes.left = before.values().filter(|known| known.present).count() as u64;
    ImportPlan {
        changes,
        listed,
        missing: before.into_keys().collect(),
        shared,
    }
}

/// A member that only activities mention.
pub fn mentioned(remote_user: &RemoteUserId) -> RemoteUser {
    RemoteUser {
        id: remote_user.clone(),
        name: remote_user.to_string(),
        email: None,
        state: MemberState::Active,
    }
}

impl MappingChange {
    /// Whether a member's mapping is what the change expects before.
    ///
    /// # Errors
    /// Somebody changed it.
    pub fn ensure_follows(
        &self,
        remote_user: &RemoteUserId,
        before: Option<&Member>,
    ) -> Result<(), LedgerError> {
        let mapping = before.map(Member::mapping).unwrap_or_default();
        if self.before.as_ref().is_some_and(|seen| *seen != mapping) {
            return Err(LedgerError::Conflict(format!(
                "the mapping of the member {remote_user} was changed meanwhile: look at it again"
            )));
        }
        Ok(())
    }

    /// What it changes of activities that are there already. Some may belong to another user although the mapping is the
    /// same.
    pub fn shared(&self, connection: i64, remote_user: &RemoteUserId, user: Option<i64>) -> Shared {
        Shared::Mapping {
            connection,
            remote_user: remote_user.to_string(),
            user,
            keeps_earlier: self.keeps_earlier,
        }
    }
}

impl TeamChanges {
    /// Takes note of what became of a listed member's mapping.
    fn add(&mut self, member: &RemoteUserId, after: &Held, found: Option<MappingFound>) {
        self.unconfirmed += u64::from(after.unconfirmed);
        self.claimed += u64::from(after.claimed_by.is_some());
        self.mappings
            .extend(found.map(|found| (member.clone(), found)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_email(user: i64) -> Held {
        Held::decided(Some(user), Some(MatchedBy::Email))
    }

    fn one(before: Held, found: Option<i64>) -> (Held, Option<MappingFound>) {
        many(&[(before, found)], &ImportLimits::default())[0]
    }

    fn many(
        listed: &[(Held, Option<i64>)],
        limits: &ImportLimits,
    ) -> Vec<(Held, Option<MappingFound>)> {
        after_import(listed, limits)
    }

    #[test]
    fn whom_nobody_confirms_any_more_stays_mapped_and_is_told_of_once() {
        let (doubted, found) = one(by_email(1), None);
        assert_eq!((doubted.user, doubted.unconfirmed), (Some(1), true));
        assert_eq!(found, Some(MappingFound::Unconfirmed));
        assert_eq!(one(doubted, None), (doubted, None));
        assert_eq!(
            one(doubted, Some(1)),
            (by_email(1), Some(MappingFound::Confirmed))
        );
    }

    #[test]
    fn an_address_of_somebody_else_moves_what_is_new_and_leaves_a_question() {
        let (moved, found) = one(by_email(1), Some(2));
        assert_eq!((moved.user, moved.earlier_user), (Some(2), Some(1)));
        assert_eq!(found, Some(MappingFound::Moved));
        // The question stays until a person answers it, also while the directory is away.
        let (away, _) = one(moved, None);
        assert_eq!(one(away, Some(2)).0, moved);
    }

    #[test]
    fn more_than_a_few_moves_are_not_made_unasked() {
        let before: Vec<_> = (0..4)
            .map(|user| (by_email(user), Some(user + 10)))
            .collect();
        for (after, found) in many(&before, &ImportLimits::default()) {
            assert_eq!(
                (after.claimed_by, found),
                (
                    after.user.map(|user| user + 10),
                    Some(MappingFound::Claimed)
                )
            );
        }
        let confirmed = ImportLimits {
            moves: 4,
            removals: 0,
        };
        for (after, found) in many(&before, &confirmed) {
            assert_eq!(
                (after.earlier_user, found),
                (after.user.map(|user| user - 10), Some(MappingFound::Moved))
            );
        }
    }

    #[test]
    fn mappings_are_removed_only_up_to_the_number_a_person_confirmed() {
        let before = [(by_email(1), None), (by_email(2), None)];
        let confirmed = |removals| ImportLimits { moves: 0, removals };
        let users = |limits| {
            many(&before, &limits)
                .into_iter()
                .map(|(after, _)| after.user)
                .collect::<Vec<_>>()
        };
        assert_eq!(users(confirmed(1)), [Some(1), Some(2)]);
        assert_eq!(users(confirmed(2)), [None, None]);
    }

    #[test]
    fn what_a_person_decided_is_left_alone() {
        for user in [None, Some(1)] {
            let manual = Held::decided(user, Some(MatchedBy::Manual));
            for found in [None, Some(1), Some(2)] {
                assert_eq!(one(manual, found), (manual, None));
            }
        }
    }
}
