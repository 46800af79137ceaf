//! Whatever happens to a commit on its way, it has happened as a whole or not at all, and leaves nothing behind for ever.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use keyvalue_storage::{Bucket, Commit, Expectation, Failure, Write, commit, get, list};

const NOW: u64 = 1_700_000_000;

/// A bucket in memory that can stop answering.
#[derive(Default)]
struct Memory {
    keys: RefCell<BTreeMap<String, (u64, Vec<u8>)>>,
    changes: Cell<u64>,
    /// After how many more changes nothing is answered; `None`: never.
    changes_left: Cell<Option<u64>>,
}

impl Memory {
    fn change(&self, key: &str, value: Option<Vec<u8>>) -> Result<(), Failure> {
        match self.changes_left.get() {
            Some(0) => return Err(Failure::Unavailable("it was cut off".to_owned())),
            Some(left) => self.changes_left.set(Some(left - 1)),
            None => {}
        }
        self.changes.set(self.changes.get() + 1);
        let mut keys = self.keys.borrow_mut();
        match value {
            Some(value) => {
                keys.insert(key.to_owned(), (self.changes.get(), value));
            }
            None => {
                keys.remove(key);
            }
        }
        Ok(())
    }

    fn version(&self, key: &str) -> Option<u64> {
        self.keys.borrow().get(key).map(|(version, _)| *version)
    }
}

impl Bucket for Memory {
    type Seen = (String, Option<u64>);

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.keys.borrow().get(key).map(|(_, value)| value.clone()))
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<(), Failure> {
        self.change(key, Some(value.to_vec()))
    }

    fn delete(&self, key: &str) -> Result<(), Failure> {
        self.change(key, None)
    }

    fn exists(&self, key: &str) -> Result<bool, Failure> {
        Ok(self.keys.borrow().contains_key(key))
    }

    fn increment(&self, key: &str) -> Result<u64, Failure> {
        let number = match self.get(key)? {
            Some(value) => u64::from_be_bytes(value.try_into().unwrap()),
            None => 0,
        };
        self.set(key, &(number + 1).to_be_bytes())?;
        Ok(number + 1)
    }

    fn look(&self, key: &str) -> Result<(Self::Seen, Option<Vec<u8>>), Failure> {
        Ok(((key.to_owned(), self.version(key)), self.get(key)?))
    }

    fn swap(&self, (key, version): Self::Seen, value: &[u8]) -> Result<bool, Failure> {
        if self.version(&key) != version {
            return Ok(false);
        }
        self.set(&key, value).map(|()| true)
    }
}

fn put(key: &str, value: Vec<u8>) -> Write {
    Write {
        key: key.to_owned(),
        value: Some(value),
        expires_at: None,
    }
}

fn delete(key: &str) -> Write {
    Write {
        key: key.to_owned(),
        value: None,
        expires_at: None,
    }
}

fn everything(bucket: &Memory, now: u64) -> Vec<(String, Vec<u8>)> {
    let entries = list(bucket, now, "", None, 100_000).unwrap();
    entries
        .into_iter()
        .map(|entry| (entry.key, entry.value))
        .collect()
}

/// Small values and large ones, which are kept differently.
fn state(round: u8) -> Vec<Write> {
    (0..60)
        .map(|number| {
            let bytes = if number % 3 == 0 { 5_000 } else { 20 };
            put(&format!("key/{number:02}"), vec![round; bytes])
        })
        .collect()
}

#[test]
fn a_commit_that_is_cut_off_anywhere_leaves_the_old_state_or_the_new_one_and_no_rubbish() {
    let clean = Memory::default();
    for round in [1, 2] {
        commit(&clean, NOW, &[], &state(round)).unwrap();
    }
    let pieces = clean.keys.borrow().len();
    let mut outcomes = [0, 0];
    for cut in 0.. {
        let bucket = Memory::default();
        commit(&bucket, NOW, &[], &state(1)).unwrap();
        let old = everything(&bucket, NOW);
        bucket.changes_left.set(Some(cut));
        let cut_off = commit(&bucket, NOW, &[], &state(2));
        let left = bucket.changes_left.replace(None).unwrap();
        let now = everything(&bucket, NOW);
        let is_new = now != old;
        assert!(now.len() == 60 && now.iter().all(|(_, value)| value[0] == now[0].1[0]));
        assert!(
            cut_off.is_err() || is_new,
            "what was acknowledged is lost, cut off at {cut}"
        );
        outcomes[usize::from(is_new)] += 1;
        // The next commits tidy up.
        commit(&bucket, NOW, &[], &state(3)).unwrap();
        commit(&bucket, NOW, &[], &state(4)).unwrap();
        assert_eq!(
            bucket.keys.borrow().len(),
            pieces,
            "something was left behind, cut off at {cut}"
        );
        if left > 0 {
            break;
        }
    }
    assert!(outcomes.iter().all(|count| *count > 10), "{outcomes:?}");
}

#[test]
fn an_index_of_many_leaves_stays_what_a_map_is() {
    let bucket = Memory::default();
    let mut model = BTreeMap::new();
    let mut random = 7_u64;
    for round in 0..300_u32 {
        let mut writes = BTreeMap::new();
        for _ in 0..20 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let key = format!("{:05}/{}", (random >> 40) % 3_000, "k".repeat(100));
            let write = match random >> 62 {
                0 => delete(&key),
                _ => put(&key, round.to_be_bytes().repeat(20)),
            };
            writes.insert(key, write);
        }
        let writes: Vec<_> = writes.into_values().collect();
        assert_eq!(commit(&bucket, NOW, &[], &writes), Ok(Commit::Committed));
        for write in writes {
            match write.value {
                Some(value) => model.insert(write.key, value),
                None => model.remove(&write.key),
            };
        }
    }
    let expected: Vec<_> = model.into_iter().collect();
    assert!(expected.len() > 1_000);
    assert_eq!(everything(&bucket, NOW), expected);
    for (key, value) in expected.iter().step_by(37) {
        assert_eq!(&get(&bucket, NOW, key).unwrap().unwrap().value, value);
        let page = list(&bucket, NOW, "", Some(key), 3).unwrap();
        let next = expected
            .iter()
            .skip_while(|(other, _)| other <= key)
            .take(3);
        assert!(
            page.iter()
                .map(|entry| &entry.key)
                .eq(next.map(|(key, _)| key))
        );
    }
    let all: Vec<_> = expected.iter().map(|(key, _)| delete(key)).collect();
    commit(&bucket, NOW, &[], &all).unwrap();
    assert_eq!(everything(&bucket, NOW), []);
    // The root and the number of attempts.
    assert_eq!(bucket.keys.borrow().len(), 2);
}

#[test]
fn what_has_expired_is_removed_wherever_commits_happen() {
    let bucket = Memory::default();
    let writes: Vec<_> = (0..2_000)
        .map(|number| Write {
            expires_at: Some(NOW + 1),
            ..put(&format!("{number:04}"), vec![1; 200])
        })
        .collect();
    commit(&bucket, NOW, &[], &writes).unwrap();
    assert!(bucket.keys.borrow().len() > 10);
    for _ in 0..40 {
        commit(&bucket, NOW + 1, &[], &[put("other", vec![1])]).unwrap();
    }
    // The root, the number of attempts and one leaf.
    assert_eq!(bucket.keys.borrow().len(), 3);
}

#[test]
fn a_commit_that_others_come_before_is_made_on_what_they_left() {
    /// Somebody commits whenever a commit is about to happen, a few times.
    struct Busy<'a>(&'a Memory, Cell<u32>);

    impl Bucket for Busy<'_> {
        type Seen = <Memory as Bucket>::Seen;

        fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
            self.0.get(key)
        }
        fn set(&self, key: &str, value: &[u8]) -> Result<(), Failure> {
            self.0.set(key, value)
        }
        fn delete(&self, key: &str) -> Result<(), Failure> {
            self.0.delete(key)
        }
        fn exists(&self, key: &str) -> Result<bool, Failure> {
            self.0.exists(key)
        }
        fn increment(&self, key: &str) -> Result<u64, Failure> {
            self.0.increment(key)
        }
        fn look(&self, key: &str) -> Result<(Self::Seen, Option<Vec<u8>>), Failure> {
            self.0.look(key)
        }
        fn swap(&self, seen: Self::Seen, value: &[u8]) -> Result<bool, Failure> {
            if self.1.get() > 0 {
                self.1.set(self.1.get() - 1);
                let write = put(&format!("theirs/{}", self.1.get()), vec![1; 2_000]);
                commit(self.0, NOW, &[], &[write])?;
            }
            self.0.swap(seen, value)
        }
    }

    let memory = Memory::default();
    let absent = Expectation {
        key: "ours".to_owned(),
        version: None,
    };
    let busy = Busy(&memory, Cell::new(3));
    let ours = [put("ours", vec![2; 2_000])];
    assert_eq!(
        commit(&busy, NOW, std::slice::from_ref(&absent), &ours),
        Ok(Commit::Committed)
    );
    let keys: Vec<_> = everything(&memory, NOW)
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(keys, ["ours", "theirs/0", "theirs/1", "theirs/2"]);
    assert_eq!(commit(&busy, NOW, &[absent], &ours), Ok(Commit::Conflict));
    // The root, the number of attempts, one leaf and four values.
    assert_eq!(memory.keys.borrow().len(), 7);
}
