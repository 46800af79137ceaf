//! Changes of what many activities share: a subject's name, the user of a member, the name of either.
//!
//! What few activities share is told of all of them at once. Otherwise the change is noted, and the activities are gone
//! through in the order of their numbers, a few at a time: so nobody waits long for it, whatever the ledger
//! holds, and whoever is killed amid it goes on. All changes that are noted are told of together, because most of
//! the work is to go through the activities.

use std::collections::HashMap;

use super::SubjectName;

/// How many activities one call moves at once.
pub const MOST_AT_ONCE: usize = 500;

/// How many activities one step looks at that moves at most so many: looking takes less than moving, and what is found
/// may be rare.
pub fn looked_at(most: usize) -> usize {
    most.saturating_mul(10).clamp(100, 5_000)
}

/// How many changes one step tells of.
pub const MOST_TOGETHER: usize = 1_000;

/// Something that many activities may share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Shared {
    /// What time is spent on.
    Subject {
        /// The number of its connection.
        connection: i64,
        /// Its id.
        id: String,
    },
    /// Whose time it is at the remote service.
    Member {
        /// The number of the connection.
        connection: i64,
        /// The member's id.
        remote_user: String,
    },
    /// Whose time it is on the platform.
    User(i64),
    /// Whom the activities of a member are given to that are there already.
    Mapping {
        /// The number of the connection.
        connection: i64,
        /// The member's id.
        remote_user: String,
        /// The number of the user; `None`: nobody.
        user: Option<i64>,
        /// Those that belong to a user stay that user's.
        keeps_earlier: bool,
    },
    /// Whether what runs of a connection counts.
    Running {
        /// The number of the connection.
        connection: i64,
    },
}

impl Shared {
    /// By what it is noted once.
    pub fn what(&self) -> String {
        match self {
            Self::Subject { connection, id } => format!("subject {connection} {id}"),
            Self::Member {
                connection,
                remote_user,
            } => format!("member {connection} {remote_user}"),
            Self::User(number) => format!("user {number}"),
            Self::Mapping {
                connection,
                remote_user,
                ..
            } => format!("mapping {connection} {remote_user}"),
            Self::Running { connection } => format!("running {connection}"),
        }
    }

    /// The number of the connection, if it is of one.
    pub fn connection(&self) -> Option<i64> {
        match self {
            Self::Subject { connection, .. }
            | Self::Member { connection, .. }
            | Self::Mapping { connection, .. }
            | Self::Running { connection } => Some(*connection),
            Self::User(_) => None,
        }
    }

    /// The subject, if it is one.
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::Subject { id, .. } => Some(id),
            _ => None,
        }
    }

    /// The member, if it is of one.
    pub fn remote_user(&self) -> Option<&str> {
        match self {
            Self::Member { remote_user, .. } | Self::Mapping { remote_user, .. } => {
                Some(remote_user)
            }
            _ => None,
        }
    }

    /// The number of the user, if it is of one.
    pub fn user(&self) -> Option<i64> {
        match self {
            Self::User(number) => Some(*number),
            Self::Mapping { user, .. } => *user,
            Self::Subject { .. } | Self::Member { .. } | Self::Running { .. } => None,
        }
    }

    /// `None`: it gives activities to nobody.
    pub fn keeps_earlier(&self) -> Option<bool> {
        match self {
            Self::Mapping { keeps_earlier, .. } => Some(*keeps_earlier),
            Self::Subject { .. } | Self::Member { .. } | Self::User(_) | Self::Running { .. } => {
                None
            }
        }
    }

    /// From the columns of a row; `None`: this program would not have written it.
    pub fn of(
        connection: Option<i64>,
        subject: Option<String>,
        remote_user: Option<String>,
        user: Option<i64>,
        keeps_earlier: Option<bool>,
    ) -> Option<Self> {
        match (connection, subject, remote_user, user, keeps_earlier) {
            (Some(connection), Some(id), None, None, None) => {
                Some(Self::Subject { connection, id })
            }
            (Some(connection), None, Some(remote_user), None, None) => Some(Self::Member {
                connection,
                remote_user,
            }),
            (None, None, None, Some(number), None) => Some(Self::User(number)),
            (Some(connection), None, None, None, None) => Some(Self::Running { connection }),
            (Some(connection), None, Some(remote_user), user, Some(keeps_earlier)) => {
                Some(Self::Mapping {
                    connection,
                    remote_user,
                    user,
                    keeps_earlier,
                })
            }
            _ => None,
        }
    }
}

/// A change that is noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// What is shared.
    pub shared: Shared,
    /// The last place in the feed that does not show it; of a mapping, the number of the last activity that it goes for.
    pub until: i64,
    /// The activities up to this number were gone through.
    pub passed: i64,
}

/// An activity that is looked at.
pub struct Seen {
    /// Its number.
    pub number: i64,
    /// The number of its connection.
    pub connection: i64,
    /// Whose time it is, at the remote service.
    pub remote_user: Option<String>,
    /// What the time is spent on.
    pub subject: Option<String>,
    /// The number of its user; `None`: nobody.
    pub user: Option<i64>,
    /// Whether it has no end.
    pub runs: bool,
    /// Its place in the change feed.
    pub change: i64,
}

/// What one step does: it tells the changes that were told of the fewest activities of the next ones.
pub struct Step {
    /// Changes that this step tells of, and up to where places show them not.
    until: HashMap<Shared, i64>,
    /// Mappings among them, by connection and member.
    mappings: HashMap<(i64, String), Given>,
    /// The activities up to this number were gone through.
    pub passed: i64,
    /// Where the changes that come after these are; these become one with them there.
    pub end: Option<i64>,
    has_subjects: bool,
}

/// Whom the activities of a member are given to, up to a number.
#[derive(Clone, Copy)]
struct Given {
    user: Option<i64>,
    keeps_earlier: bool,
    until: i64,
}

/// An activity that is given to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenActivity {
    /// Its number.
    pub number: i64,
    /// Its member, whom an update may change meanwhile.
    pub remote_user: String,
    /// The number of its user; `None`: nobody.
    pub user: Option<i64>,
}

/// How a step ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Activities to be moved to the end of the feed.
    pub moved: Vec<i64>,
    /// Those of them that change hands.
    pub given: Vec<GivenActivity>,
    /// Up to where was gone through; `None`: to the end, so that the changes are told.
    pub passed: Option<i64>,
}

impl Step {
    /// The next step, from what is noted, in the order of its progress. `None`: there is nothing to do.
    pub fn next(noted: &[Noted]) -> Option<Self> {
        let passed = noted.first()?.passed;
        let mut until = HashMap::new();
        let mut mappings = HashMap::new();
        let mut end = None;
        for change in noted {
            if change.passed > passed {
                end = Some(change.passed);
                break;
            }
            until.insert(change.shared.clone(), change.until);
            if let Shared::Mapping {
                connection,
                remote_user,
                user,
                keeps_earlier,
            } = &change.shared
            {
                let given = Given {
                    user: *user,
                    keeps_earlier: *keeps_earlier,
                    until: change.until,
                };
                mappings.insert((*connection, remote_user.clone()), given);
            }
        }
        let has_subjects = until
            .keys()
            .any(|shared| matches!(shared, Shared::Subject { .. }));
        Some(Self {
            until,
            mappings,
            passed,
            end,
            has_subjects,
        })
    }

    /// The changes that this step tells of, by what they are noted.
    pub fn whats(&self) -> impl Iterator<Item = (String, i64)> {
        (self.until.iter()).map(|(shared, until)| (shared.what(), *until))
    }

    /// Whether what activities are spent on must be known.
    pub fn has_subjects(&self) -> bool {
        self.has_subjects
    }

    /// Looks at activities: all that are there after `passed`, or [`looked_at`]. At most `most` are moved.
    pub fn look<E>(
        &self,
        seen: &[Seen],
        most: usize,
        mut path: impl FnMut(i64, &str) -> Result<Vec<SubjectName>, E>,
    ) -> Result<Outcome, E> {
        let mut outcome = Outcome::default();
        for activity in seen {
            let given = self.given(activity);
            if given.is_some() || self.concerns(activity, &mut path)? {
                if outcome.moved.len() >= most.max(1) {
                    return Ok(outcome);
                }
                outcome.moved.push(activity.number);
                outcome.given.extend(given);
            }
            outcome.passed = Some(activity.number);
        }
        if seen.len() < looked_at(most) {
            outcome.passed = self.end;
        }
        Ok(outcome)
    }

    /// Whether a mapping gives an activity to another user. Its place tells nothing of that: an update leaves it with the
    /// user that it has.
    fn given(&self, activity: &Seen) -> Option<GivenActivity> {
        let remote_user = activity.remote_user.as_ref()?;
        // Without this, nothing is copied for each activity.
        if self.mappings.is_empty() {
            return None;
        }
        let key = (activity.connection, remote_user.clone());
        let given = self.mappings.get(&key)?;
        let is_given = activity.number <= given.until
            && activity.user != given.user
            && (activity.user.is_none() || !given.keeps_earlier);
        is_given.then_some(GivenActivity {
            number: activity.number,
            remote_user: key.1,
            user: given.user,
        })
    }

    fn concerns<E>(
        &self,
        activity: &Seen,
        path: &mut impl FnMut(i64, &str) -> Result<Vec<SubjectName>, E>,
    ) -> Result<bool, E> {
        let shows = |shared: &Shared| {
            let until = self.until.get(shared);
            until.is_some_and(|until| activity.change <= *until)
        };
        let connection = activity.connection;
        if activity.user.is_some_and(|user| shows(&Shared::User(user))) {
            return Ok(true);
        }
        if let Some(remote_user) = activity.remote_user.clone()
            && shows(&Shared::Member {
                connection,
                remote_user,
            })
        {
            return Ok(true);
        }
        if activity.runs && shows(&Shared::Running { connection }) {
            return Ok(true);
        }
        if !self.has_subjects {
            return Ok(false);
        }
        let Some(subject) = &activity.subject else {
            return Ok(false);
        };
        Ok(path(connection, subject)?.into_iter().any(|part| {
            shows(&Shared::Subject {
                connection,
                id: part.id.to_string(),
            })
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn member(passed: i64, name: &str) -> Noted {
        Noted {
            shared: Shared::Member {
                connection: 1,
                remote_user: name.to_owned(),
            },
            until: 100,
            passed,
        }
    }

    fn seen(number: i64, name: &str, change: i64) -> Seen {
        Seen {
            number,
            connection: 1,
            remote_user: Some(name.to_owned()),
            subject: None,
            user: None,
            runs: false,
            change,
        }
    }

    fn look(step: &Step, seen: &[Seen], most: usize) -> Outcome {
        let nothing = |_: i64, _: &str| Ok::<_, Infallible>(Vec::new());
        step.look(seen, most, nothing).unwrap_or_default()
    }

    #[test]
    fn what_shows_the_change_already_is_left_where_it_is() {
        let step = Step::next(&[member(0, "a")]);
        let step = step.as_ref();
        let rows = [seen(1, "a", 100), seen(2, "a", 101), seen(3, "b", 1)];
        let outcome = step.map(|step| look(step, &rows, 10));
        let expected = Outcome {
            moved: vec![1],
            ..Outcome::default()
        };
        assert_eq!(outcome, Some(expected));
    }

    #[test]
    fn a_step_ends_where_it_has_moved_enough_and_where_others_wait() {
        let rows: Vec<_> = (1..=5).map(|number| seen(number, "a", number)).collect();
        let step = Step::next(&[member(0, "a"), member(7, "b")]);
        let outcome = step.as_ref().map(|step| look(step, &rows, 2));
        let expected = Outcome {
            moved: vec![1, 2],
            passed: Some(2),
            ..Outcome::default()
        };
        assert_eq!(outcome, Some(expected));
        let outcome = step.as_ref().map(|step| look(step, &rows, 10));
        assert_eq!(outcome.and_then(|outcome| outcome.passed), Some(7));
        assert!(Step::next(&[]).is_none());
    }

    #[test]
    fn a_mapping_gives_what_was_there_before_it_and_takes_nothing_that_is_to_be_kept() {
        let given_to = |activities: &[Seen], keeps_earlier| {
            let mapping = Shared::Mapping {
                connection: 1,
                remote_user: "a".to_owned(),
                user: Some(7),
                keeps_earlier,
            };
            let noted = Noted {
                shared: mapping,
                until: 4,
                passed: 0,
            };
            let outcome = Step::next(&[noted]).map(|step| look(&step, activities, 10));
            let given = outcome.unwrap_or_default().given;
            given
                .iter()
                .map(|given| (given.number, given.user))
                .collect::<Vec<_>>()
        };
        let with_user = |number, user, change| Seen {
            user,
            ..seen(number, "a", change)
        };
        // One that was updated since is behind every place of the mapping.
        let activities = [
            with_user(1, None, 1_000),
            with_user(2, Some(6), 2),
            with_user(3, Some(7), 3),
            seen(4, "b", 4),
            with_user(5, Some(8), 5),
        ];
        assert_eq!(given_to(&activities, true), [(1, Some(7))]);
        assert_eq!(given_to(&activities, false), [(1, Some(7)), (2, Some(7))]);
    }
}
