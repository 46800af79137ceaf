use jiff::SignedDuration;

use super::*;
use crate::memory::MemoryStore;
use integration_host_contract::clock::ManualClock;

struct World {
    store: Arc<dyn KeyValueStore>,
    clock: Arc<ManualClock>,
    connection: ConnectionId,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH));
        let store = Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>));
        Self {
            store,
            clock,
            connection: ConnectionId::new("connection"),
        }
    }

    fn unit(&self) -> UnitOfWork {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        UnitOfWork::new(
            Arc::clone(&self.store),
            clock,
            self.connection.clone(),
            INTEGRATION_AREA,
        )
    }

    async fn put(&self, key: &str, value: &str) {
        self.store
            .commit(&self.connection, &[], &[write(key, Some(value))])
            .await
            .unwrap();
    }

    async fn value(&self, key: &str) -> Option<String> {
        self.store
            .get(&self.connection, key)
            .await
            .unwrap()
            .map(text)
    }
}

fn write(key: &str, value: Option<&str>) -> Write {
    Write {
        key: key.to_owned(),
        value: value.map(|value| value.as_bytes().to_vec()),
        expires_at: None,
    }
}

fn text(entry: Entry) -> String {
    String::from_utf8(entry.value).unwrap()
}

fn keys(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.key.as_str()).collect()
}

#[tokio::test]
async fn a_call_sees_its_writes_and_nobody_else_does_until_it_succeeds() {
    let world = World::new();
    world.put("integration/b", "old").await;
    let mut unit = world.unit();
    let outcome = unit
        .commit(&[], &[write("a", Some("new")), write("b", None)])
        .await
        .unwrap();
    assert_eq!(outcome, Commit::Committed);
    assert_eq!(
        unit.get("a").await.unwrap().map(text).as_deref(),
        Some("new")
    );
    assert!(unit.get("b").await.unwrap().is_none());
    assert_eq!(
        world.value("integration/a").await,
        None,
        "a write left the call before it succeeded"
    );

    assert_eq!(unit.finish().await.unwrap(), Commit::Committed);
    assert_eq!(world.value("integration/a").await.as_deref(), Some("new"));
    assert_eq!(world.value("integration/b").await, None);
}

#[tokio::test]
async fn a_call_whose_reads_changed_meanwhile_writes_nothing() {
    for (seen, listed) in [("present", false), ("absent", false), ("present", true)] {
        let world = World::new();
        world.put("integration/present", "1").await;
        let mut unit = world.unit();
        if listed {
            unit.list("", None, 10).await.unwrap();
        } else {
            unit.get(seen).await.unwrap();
        }
        unit.commit(&[], &[write("written", Some("1"))])
            .await
            .unwrap();
        world.put(&format!("integration/{seen}"), "2").await;
        assert_eq!(
            unit.finish().await.unwrap(),
            Commit::Conflict,
            "a change of a {seen} key was lost"
        );
        assert_eq!(world.value("integration/written").await, None);
    }
}

#[tokio::test]
async fn a_call_that_only_reads_commits_nothing_unless_it_saw_two_states() {
    let world = World::new();
    let mut unit = world.unit();
    unit.get("key").await.unwrap();
    world.put("integration/key", "1").await;
    assert_eq!(unit.finish().await.unwrap(), Commit::Committed);

    let mut unit = world.unit();
    unit.get("key").await.unwrap();
    world.put("integration/key", "2").await;
    unit.get("key").await.unwrap();
    assert_eq!(unit.finish().await.unwrap(), Commit::Conflict);
}

#[tokio::test]
async fn expectations_are_about_what_the_call_sees() {
    let world = World::new();
    world.put("integration/key", "1").await;
    let mut unit = world.unit();
    let absent = Expectation {
        key: "key".to_owned(),
        version: None,
    };
    let conflict = unit
        .commit(std::slice::from_ref(&absent), &[write("key", Some("2"))])
        .await
        .unwrap();
    assert_eq!(conflict, Commit::Conflict);
    assert_eq!(
        unit.get("key").await.unwrap().map(text).as_deref(),
        Some("1"),
        "a refused write is seen"
    );

    unit.commit(&[], &[write("key", None)]).await.unwrap();
    let created = unit
        .commit(&[absent], &[write("key", Some("3"))])
        .await
        .unwrap();
    assert_eq!(
        created,
        Commit::Committed,
        "set-if-absent after an own deletion"
    );
    let version = unit.get("key").await.unwrap().unwrap().version;
    let expected = Expectation {
        key: "key".to_owned(),
        version: Some(version),
    };
    let updated = unit
        .commit(std::slice::from_ref(&expected), &[write("key", Some("4"))])
        .await
        .unwrap();
    assert_eq!(updated, Commit::Committed);
    let stale = unit
        .commit(&[expected], &[write("key", Some("5"))])
        .await
        .unwrap();
    assert_eq!(stale, Commit::Conflict, "an old version was accepted");
    assert_eq!(unit.finish().await.unwrap(), Commit::Committed);
    assert_eq!(world.value("integration/key").await.as_deref(), Some("4"));
}

#[tokio::test]
async fn lists_merge_what_was_written_and_page_through_everything() {
    let world = World::new();
    for number in (0..400).step_by(2) {
        world
            .put(&format!("integration/list/{number:03}"), "stored")
            .await;
    }
    world.put("integration/lisu", "beside").await;
    let mut unit = world.unit();
    let mut expected: Vec<String> = Vec::new();
    for number in 0..400 {
        let key = format!("list/{number:03}");
        match number % 6 {
            0 => unit
                .commit(&[], &[write(&key, None)])
                .await
                .map(drop)
                .unwrap(),
            1 => unit
                .commit(&[], &[write(&key, Some("written"))])
                .await
                .map(drop)
                .unwrap(),
            _ => {}
        }
        if matches!(number % 6, 1 | 2 | 4) {
            expected.push(key);
        }
    }
    for limit in [1, 7, 64, 1000] {
        let mut found: Vec<String> = Vec::new();
        loop {
            let page = unit
                .list("list/", found.last().map(String::as_str), limit)
                .await
                .unwrap();
            found.extend(page.iter().map(|entry| entry.key.clone()));
            if page.len() < limit {
                break;
            }
        }
        assert_eq!(found, expected, "pages of {limit}");
    }
    assert_eq!(unit.list("list/", None, 0).await.unwrap(), []);
}

#[tokio::test]
async fn a_call_cannot_leave_its_area() {
    let world = World::new();
    world.put("secret/api-token", "secret").await;
    world.put("integratioN", "beside").await;
    world.put("integration0", "beside").await;
    world.put("integration/own", "own").await;
    let mut unit = world.unit();
    for key in [
        "secret/api-token",
        "../secret/api-token",
        "/../secret/api-token",
        "integratioN",
    ] {
        assert!(
            unit.get(key).await.unwrap().is_none(),
            "{key} reaches out of the area"
        );
    }
    for (prefix, after) in [("", None), ("", Some("")), ("", Some("\0"))] {
        assert_eq!(
            keys(&unit.list(prefix, after, 1000).await.unwrap()),
            ["own"]
        );
    }
    assert!(
        unit.list("", Some("\u{10ffff}"), 1000)
            .await
            .unwrap()
            .is_empty()
    );
    unit.commit(&[], &[write("secret/api-token", Some("mine"))])
        .await
        .unwrap();
    assert_eq!(unit.finish().await.unwrap(), Commit::Committed);
    assert_eq!(
        world.value("secret/api-token").await.as_deref(),
        Some("secret")
    );
}

#[tokio::test]
async fn a_written_entry_expires_within_the_call() {
    let world = World::new();
    let mut unit = world.unit();
    let expires_at = Some(world.clock.now() + SignedDuration::from_secs(10));
    unit.commit(
        &[],
        &[Write {
            expires_at,
            ..write("key", Some("1"))
        }],
    )
    .await
    .unwrap();
    assert!(unit.get("key").await.unwrap().is_some());
    world.clock.advance(SignedDuration::from_secs(10));
    assert!(unit.get("key").await.unwrap().is_none());
    assert!(unit.list("", None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn bounds_are_kept() {
    let world = World::new();
    let mut unit = world.unit();
    let long = "k".repeat(MAX_KEY_BYTES + 1);
    for key in ["", &long] {
        assert!(matches!(unit.get(key).await, Err(StorageError::Invalid(_))));
        assert!(matches!(
            unit.commit(&[], &[write(key, None)]).await,
            Err(StorageError::Invalid(_))
        ));
    }
    unit.commit(&[], &[write(&long[1..], Some(""))])
        .await
        .unwrap();
    let twice = [write("key", None), write("key", Some("1"))];
    assert!(matches!(
        unit.commit(&[], &twice).await,
        Err(StorageError::Invalid(_))
    ));

    let large = "v".repeat(MAX_VALUE_BYTES);
    assert!(
        unit.commit(&[], &[write("key", Some(&format!("{large}v")))])
            .await
            .is_err()
    );
    for number in 0..15 {
        unit.commit(&[], &[write(&number.to_string(), Some(&large))])
            .await
            .unwrap();
    }
    // Writing a key again does not count twice.
    unit.commit(&[], &[write("14", Some(&large))])
        .await
        .unwrap();
    assert!(
        unit.commit(&[], &[write("15", Some(&large))])
            .await
            .is_err()
    );

    let mut unit = world.unit();
    let many: Vec<Write> = (0..MAX_WRITES)
        .map(|number| write(&number.to_string(), None))
        .collect();
    unit.commit(&[], &many).await.unwrap();
    unit.commit(&[], &many).await.unwrap();
    assert!(unit.commit(&[], &[write("one more", None)]).await.is_err());
    assert_eq!(unit.finish().await.unwrap(), Commit::Committed);
}
