//! Revisions: texts whose bytewise order is the order of an entity's states.
//!
//! `SECONDS/NANOSECONDS/EVENT`: the entity's `at` truncated to seconds, as deliveries carry no
//! fraction and REST does; then the event's `created_at`, stable across retries; then its id. What
//! was read rather than told has no event: its full-precision `at` stands in for `created_at`.

use std::fmt::Write;

use crate::time::Timestamp;

/// The revision of a state that an event told of.
pub(crate) fn told(at: Timestamp, created_at: Timestamp, event: u64) -> String {
    let mut revision = String::with_capacity(72);
    at.push_seconds(&mut revision);
    revision.push_str("Z/");
    created_at.push_nanoseconds(&mut revision);
    // Twenty digits hold every id; event ids near 2^53 and beyond have been seen.
    let _ = write!(revision, "Z/{event:020}");
    revision
}

/// The revision of a state that was read at the time `now`. An `at` without a fraction stands for the
/// end of its second: once that has passed, what is read includes every change of the second.
pub(crate) fn read(at: Timestamp, now: Timestamp) -> String {
    let next_second = at.after(1);
    let within = if at.is_whole_second() && next_second <= now {
        Timestamp::from_nanoseconds(next_second.nanoseconds().saturating_sub(1))
    } else {
        at
    };
    told(at, within, 0)
}

/// The revision of a state that was asked for at the time `now`, because it is not what the host has with the revision
/// `outdated`. Not every change moves `at`, such as a new name of a tag: what is read now came after whatever was known of
/// the same `at`.
pub(crate) fn asked(at: Timestamp, now: Timestamp, outdated: Option<&str>) -> String {
    let read = read(at, now);
    if outdated.is_some_and(|outdated| is_at(outdated, at)) {
        return read.max(told(at, now, 0));
    }
    read
}

/// Whether a revision is of an entity whose `at` was in the same second.
pub(crate) fn is_at(revision: &str, at: Timestamp) -> bool {
    let mut second = String::with_capacity(24);
    at.push_seconds(&mut second);
    revision.strip_prefix(second.as_str()).is_some()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn has_a_fixed_width_so_that_bytes_sort_like_time() {
        let at = Timestamp::parse("2023-07-17T11:43:32+00:00").unwrap();
        let created = Timestamp::parse("2023-07-17T11:43:32.827Z").unwrap();
        assert_eq!(
            told(at, created, 8_023_169_274_704_072),
            "2023-07-17T11:43:32Z/2023-07-17T11:43:32.827000000Z/00008023169274704072"
        );
        assert_eq!(
            told(at, created, u64::MAX).len(),
            told(at, created, 0).len()
        );
    }

    #[test]
    fn a_read_state_ranks_before_the_event_of_the_same_second() {
        let read_at = Timestamp::parse("2024-12-13T00:18:26.835197Z").unwrap();
        let told_at = Timestamp::parse("2024-12-13T00:18:26+00:00").unwrap();
        let created = Timestamp::parse("2024-12-13T00:18:26.9Z").unwrap();
        assert!(read(read_at, read_at.after(60)) < told(told_at, created, 7));
    }

    #[test]
    fn what_is_asked_for_outranks_what_was_known_of_the_same_change_and_nothing_newer() {
        let at = Timestamp::parse("2024-12-13T00:18:26+00:00").unwrap();
        let created = Timestamp::parse("2024-12-13T00:18:27.2Z").unwrap();
        let now = at.after(24 * 3600);
        let held = told(at, created, 7);
        assert!(read(at, now) < held, "a renamed tag would never be seen");
        let renamed = asked(at, now, Some(&held));
        assert!(renamed > held);
        assert!(asked(at, now.after(60), Some(&renamed)) > renamed);
        let next = told(at.after(1), at.after(1), 8);
        assert!(renamed < next, "an event after it would never count");
        assert_eq!(asked(at, now, Some(&next)), read(at, now));
    }

    #[test]
    fn a_read_state_without_a_fraction_ranks_after_every_event_of_its_second() {
        let at = Timestamp::parse("2024-12-13T00:18:26+00:00").unwrap();
        let created = Timestamp::parse("2024-12-13T00:18:26.999Z").unwrap();
        let next = told(at.after(1), at.after(1), 8);
        let later = read(at, at.after(1));
        assert!(told(at, created, 7) < later && later < next);
        assert!(
            read(at, at) < told(at, created, 7),
            "more may happen in a second that has not passed"
        );
    }
}
