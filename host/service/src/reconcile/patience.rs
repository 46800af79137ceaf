//! What follows from an activity not being listed: decisions without any effect.
//!
//! Lists of the remote service are late, cut short or empty at times, and show less to an account with fewer rights. So
//! nothing follows from one of them.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::background::policy::later;
use crate::schedule::Schedule;

/// So many missing activities are believed to be missing sooner.
const FEW: usize = 5;

/// The most activities of a connection that are remembered as missing.
pub(super) const MAX_MISSING: usize = 5_000;

/// For how long what was marked is still asked for, so that a mark which was wrong goes soon. Later on a comparison
/// finds it.
const ASKED_FOR_AFTERWARDS: Duration = Duration::from_secs(7 * 24 * 3600);

/// An activity that the ledger has and the remote service does not list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Missing {
    pub(super) entry_id: String,
    /// What was known of it then: it is another matter when that has changed.
    pub(super) revision: String,
    pub(super) remote_user: Option<String>,
    pub(super) first_missed_at: Timestamp,
    pub(super) asked_at: Timestamp,
    /// How often it was asked for in vain.
    pub(super) times: u32,
    /// Whether nothing else of the same person was listed.
    pub(super) with_everything: bool,
    pub(super) state: MissingState,
}

/// What was concluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingState {
    /// Nothing yet: it is asked for again.
    Suspected,
    /// It is marked as deleted.
    Marked,
    /// It was marked, and a person took that back: it stays until the remote service tells of its deletion.
    Kept,
}

/// All of a connection, the first to be missed first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AllMissing {
    pub(super) activities: Vec<Missing>,
}

/// How often, and how long, something must be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Patience {
    times: u32,
    time: Duration,
}

impl AllMissing {
    /// Adds what was not missing yet, as far as there is room for it. Returns how many that is.
    pub(super) fn add(&mut self, missing: Vec<Missing>) -> usize {
        let mut added = 0;
        for one in missing {
            let known = (self.activities.iter_mut()).find(|known| known.entry_id == one.entry_id);
            if let Some(known) = known {
                if !known.is_settled_for(&one.revision) {
                    *known = one;
                    added += 1;
                }
            } else if self.make_room() {
                self.activities.push(one);
                added += 1;
            }
        }
        added
    }

    /// Forgets the oldest mark where there is no room. What is suspected, or kept by a person, is never forgotten.
    fn make_room(&mut self) -> bool {
        if self.activities.len() < MAX_MISSING {
            return true;
        }
        let oldest = (self.activities.iter()).position(|one| one.state == MissingState::Marked);
        oldest
            .map(|oldest| self.activities.remove(oldest))
            .is_some()
    }

    /// Which are to be asked for now, those first that were not asked for the longest.
    pub(super) fn due(&self, now: Timestamp, schedule: &Schedule) -> Vec<String> {
        let open = self.open();
        let mut due: Vec<&Missing> = (self.activities.iter())
            .filter(|one| one.is_due(open, now, schedule))
            .collect();
        due.sort_by_key(|one| one.asked_at);
        due.into_iter().map(|one| one.entry_id.clone()).collect()
    }

    /// Which are to be marked as deleted now.
    pub(super) fn ripe(&self, now: Timestamp, schedule: &Schedule) -> Vec<Missing> {
        let open = self.open();
        (self.activities.iter())
            .filter(|one| one.state == MissingState::Suspected && one.is_ripe(open, now, schedule))
            .cloned()
            .collect()
    }

    /// How many are suspected.
    fn open(&self) -> usize {
        let suspected = |one: &&Missing| one.state == MissingState::Suspected;
        self.activities.iter().filter(suspected).count()
    }
}

impl Missing {
    /// Whether this has its own way when the activity is missing in this state: it is asked for already, or a person has
    /// decided about the same state.
    pub(super) fn is_settled_for(&self, revision: &str) -> bool {
        self.state != MissingState::Kept || self.revision == revision
    }

    /// Notes that it was asked for in vain.
    pub(super) fn note_in_vain(&mut self, now: Timestamp) {
        self.times = self.times.saturating_add(1);
        self.asked_at = now;
        // A clock that was ahead once must not put off for long what follows.
        self.first_missed_at = self.first_missed_at.min(now);
    }

    fn patience(&self, open: usize, schedule: &Schedule) -> Patience {
        let (times, time) = if open <= FEW {
            (2, schedule.upkeep / 2)
        } else if self.with_everything {
            // An empty answer, or one to somebody who may see no others: a list that shows nothing shows nothing.
            (3, schedule.verify)
        } else {
            (3, schedule.upkeep)
        };
        Patience { times, time }
    }

    fn is_due(&self, open: usize, now: Timestamp, schedule: &Schedule) -> bool {
        let pause = match self.state {
            MissingState::Suspected => {
                let patience = self.patience(open, schedule);
                let pause = patience.time / patience.times.saturating_sub(1).max(1);
                // What is not marked although it has been missing for long is asked for ever more rarely.
                let beyond = self.times.saturating_sub(patience.times);
                let longer = schedule.upkeep.saturating_mul(beyond);
                pause.max(longer.min(schedule.verify))
            }
            MissingState::Marked
                if later(self.first_missed_at, self.is_asked_for(schedule)) > now =>
            {
                schedule.upkeep / 2
            }
            MissingState::Marked | MissingState::Kept => return false,
        };
        self.asked_at > now || later(self.asked_at, pause) <= now
    }

    fn is_asked_for(&self, schedule: &Schedule) -> Duration {
        ASKED_FOR_AFTERWARDS.saturating_add(schedule.verify)
    }

    fn is_ripe(&self, open: usize, now: Timestamp, schedule: &Schedule) -> bool {
        let patience = self.patience(open, schedule);
        self.times >= patience.times && later(self.first_missed_at, patience.time) <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60;

    fn at(minutes: u64) -> Timestamp {
        later(Timestamp::UNIX_EPOCH, Duration::from_secs(minutes * MINUTE))
    }

    fn missing(id: usize, with_everything: bool) -> Missing {
        Missing {
            entry_id: id.to_string(),
            revision: "1".to_owned(),
            remote_user: None,
            first_missed_at: at(0),
            asked_at: at(0),
            times: 1,
            with_everything,
            state: MissingState::Suspected,
        }
    }

    /// When activities that stay missing are marked, if they are asked for about once an hour.
    fn marked_after(count: usize, with_everything: bool) -> u64 {
        let schedule = Schedule::default();
        let mut all = AllMissing::default();
        all.add((0..count).map(|id| missing(id, with_everything)).collect());
        for minutes in (45..10_000).step_by(45) {
            let now = at(minutes);
            let due = all.due(now, &schedule);
            for one in &mut all.activities {
                if due.contains(&one.entry_id) {
                    one.note_in_vain(now);
                }
            }
            if all.ripe(now, &schedule).len() == count {
                return minutes;
            }
        }
        panic!("{count} activities that were really deleted are never marked");
    }

    #[test]
    fn the_more_is_missing_the_less_is_believed() {
        assert_eq!(marked_after(1, true), 45);
        assert_eq!(marked_after(FEW, false), 45);
        assert_eq!(marked_after(FEW + 1, false), 90);
        assert!(marked_after(12, true) >= 24 * 60);
    }

    #[test]
    fn one_answer_marks_nothing_however_late_it_comes() {
        let mut all = AllMissing::default();
        all.add(vec![missing(1, false)]);
        assert_eq!(all.ripe(at(100_000), &Schedule::default()), []);
    }

    #[test]
    fn what_a_person_keeps_is_neither_asked_for_nor_marked() {
        let mut all = AllMissing::default();
        all.add(vec![Missing {
            state: MissingState::Kept,
            times: 9,
            ..missing(1, false)
        }]);
        let now = at(100_000);
        assert!(all.due(now, &Schedule::default()).is_empty());
        assert!(all.ripe(now, &Schedule::default()).is_empty());
        assert_eq!(all.add(vec![missing(1, false)]), 0, "it is suspected again");
        let changed = Missing {
            revision: "2".to_owned(),
            ..missing(1, false)
        };
        assert_eq!(
            all.add(vec![changed]),
            1,
            "it can never be deleted any more"
        );
    }

    #[test]
    fn a_clock_that_was_ahead_puts_nothing_off() {
        let mut all = AllMissing::default();
        all.add(vec![Missing {
            first_missed_at: at(100_000),
            asked_at: at(100_000),
            ..missing(1, false)
        }]);
        let schedule = Schedule::default();
        assert_eq!(all.due(at(60), &schedule), ["1"]);
        all.activities[0].note_in_vain(at(60));
        assert_eq!(all.ripe(at(90), &schedule).len(), 1);
    }

    #[test]
    fn what_was_marked_is_asked_for_for_some_days() {
        let mut all = AllMissing::default();
        all.add(vec![Missing {
            state: MissingState::Marked,
            ..missing(1, false)
        }]);
        let schedule = Schedule::default();
        assert_eq!(all.due(at(60), &schedule), ["1"]);
        assert!(all.due(at(9 * 24 * 60), &schedule).is_empty());
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut all = AllMissing::default();
        let many = (0..MAX_MISSING).map(|id| missing(id, false)).collect();
        assert_eq!(all.add(many), MAX_MISSING);
        assert_eq!(all.add(vec![missing(MAX_MISSING, false)]), 0);
        all.activities[7].state = MissingState::Marked;
        assert_eq!(all.add(vec![missing(MAX_MISSING, false)]), 1);
        assert_eq!(all.activities.len(), MAX_MISSING);
    }
}
