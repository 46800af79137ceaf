//! Two copies of one host, made by a restored backup or file by file, work for the same workspace.

use toggl_integration::model::{Callback, Problem};

use super::*;

/// The same hook at another host.
const COPY: &str = "https://staging.example.com/hooks/0123456789abcdef";

fn callback(url: &str, holder: &str) -> Callback {
    Callback {
        url: url.into(),
        holder: holder.into(),
        take_over: false,
    }
}

/// A webhook as both copies see it, and the two hosts.
struct World {
    row: Value,
    hosts: [(FakeHost, Callback); 2],
}

impl World {
    /// The first has made the webhook, the second is a copy of it.
    fn copied(lives: [&str; 2]) -> Self {
        let original = host(3);
        let own = callback(CALLBACK, lives[0]);
        list(&original, &[]);
        let mut world = Self {
            row: Value::Null,
            hosts: [(original, own), (host(3), callback(COPY, lives[1]))],
        };
        let made = |description: &Value| row(json!({"description": description}));
        let (original, own) = &world.hosts[0];
        original.on(
            Post,
            LIST,
            200,
            &made(&"WorkSights time sync".into()).to_string(),
        );
        original.toggl().subscribe(own.clone()).unwrap();
        world.row = made(&original.last_body(Post)["description"]);
        // As Toggl really keeps it.
        let mut webhook = original.state("webhook");
        webhook["description"] = world.row["description"].clone();
        original.set_state("webhook", webhook);
        let state = original.storage.borrow().clone();
        *world.hosts[1].0.storage.borrow_mut() = state;
        world
    }

    /// A check of a host, with the repair that follows. What it leaves to a person is returned.
    fn check(&mut self, which: usize) -> Option<Error> {
        let (host, callback) = &self.hosts[which];
        let list = Value::from(vec![self.row.clone()]).to_string();
        host.reset(Get, LIST);
        host.on(Get, LIST, 200, &list);
        host.on(Get, "/me/quota", 200, "[]");
        match host.toggl().check(callback.clone()).unwrap().problem? {
            Problem {
                repairable: true, ..
            } => self.subscribe(which, false).err(),
            problem => Some(problem.error),
        }
    }

    fn subscribe(&mut self, which: usize, take_over: bool) -> Result<(), Error> {
        let (host, callback) = &self.hosts[which];
        let callback = Callback {
            take_over,
            ..callback.clone()
        };
        host.reset(Put, ONE);
        host.on(Put, ONE, 200, &self.row.to_string());
        let before = host.calls().len();
        host.toggl().subscribe(callback.clone())?;
        assert!(
            host.calls()[before..]
                .iter()
                .any(|call| call.starts_with("Put"))
        );
        let body = host.last_body(Put);
        for key in ["url_callback", "description", "event_filters"] {
            self.row[key] = body[key].clone();
        }
        // What the answer would have said.
        let mut webhook = host.state("webhook");
        webhook["description"] = body["description"].clone();
        host.set_state("webhook", webhook);
        Ok(())
    }

    fn pass(&self, seconds: i64) {
        for (host, _) in &self.hosts {
            host.now.set(host.now.get().after(seconds));
        }
    }

    fn puts(&self) -> usize {
        let puts = |host: &FakeHost| {
            let calls = host.calls();
            calls.iter().filter(|call| call.starts_with("Put")).count()
        };
        self.hosts.iter().map(|(host, _)| puts(host)).sum()
    }
}

#[test]
fn of_two_copies_one_goes_on_and_the_other_says_so() {
    for lives in [["ab.1", "ab.1"], ["ab.1", "ab.2"]] {
        let mut world = World::copied(lives);
        let mut told = Vec::new();
        for round in 0..10 {
            for which in [0, 1] {
                if let Some(error) = world.check(which) {
                    told.push((which, error, round));
                }
            }
        }
        assert!(
            told.iter().all(|(which, ..)| *which == 1) && told.len() >= 8,
            "{lives:?}: {told:?}"
        );
        let Error::Conflict(message) = &told[0].1 else {
            panic!("{told:?}")
        };
        assert!(
            message.contains("https://time.example.com") && !message.contains("0123456789abcdef"),
            "{message}"
        );
        assert_eq!(world.row["url_callback"], CALLBACK, "{lives:?}");
        assert!(
            world.puts() <= 2,
            "{lives:?}: they repair it back and forth: {} times",
            world.puts()
        );
    }
}

#[test]
fn a_copy_goes_on_leaving_it_alone_and_may_be_told_to_take_it_over() {
    let mut world = World::copied(["ab.1", "ab.1"]);
    assert_eq!(world.check(1), None);
    assert_eq!(world.check(0), None);
    for _ in 0..60 {
        let (host, _) = &world.hosts[1];
        host.now.set(host.now.get().after(3600));
        assert!(
            matches!(world.check(1), Some(Error::Conflict(_))),
            "it begins again after a day"
        );
    }
    // It does not run at weekends.
    let (host, _) = &world.hosts[1];
    host.now.set(host.now.get().after(64 * 3600));
    assert!(
        matches!(world.check(1), Some(Error::Conflict(_))),
        "each Monday it takes the deliveries of the original"
    );
    assert!(matches!(world.subscribe(1, false), Err(Error::Conflict(_))));
    world.subscribe(1, true).unwrap();
    assert_eq!(world.row["url_callback"], COPY);
    assert_eq!(world.check(1), None);
    assert!(
        matches!(world.check(0), Some(Error::Conflict(_))),
        "what a person decided is undone"
    );
}

#[test]
fn a_moved_host_and_a_restored_one_need_nobody() {
    // The same ledger under another URL, and back.
    let mut world = World::copied(["ab.1", "ab.1"]);
    for url in [COPY, CALLBACK, COPY, CALLBACK] {
        world.hosts[0].1.url = url.into();
        assert_eq!(world.check(0), None, "{url}");
        assert_eq!(world.row["url_callback"], url);
        assert_eq!(world.check(0), None, "{url}");
    }
    // A backup that was restored in place, twice.
    for holder in ["ab.2", "ab.3"] {
        world.hosts[0].1.holder = holder.into();
        assert_eq!(world.check(0), None, "{holder}");
        assert!(
            world.row["description"].as_str().unwrap().contains(holder),
            "{}",
            world.row
        );
        let puts = world.puts();
        assert_eq!(world.check(0), None, "{holder}");
        assert_eq!(world.puts(), puts, "it is repaired at each check");
    }
    // One that was restored at another URL, with the former one gone.
    let mut world = World::copied(["ab.1", "ab.2"]);
    assert_eq!(world.check(1), None);
    assert_eq!(world.row["url_callback"], COPY);
    assert_eq!(world.check(1), None);
}

#[test]
fn what_was_redirected_before_it_was_stored_is_ours() {
    let own = callback(CALLBACK, "ledger.life");
    let made = {
        let host = host(3);
        list(&host, &[]);
        host.on(Post, LIST, 200, &row(json!({})).to_string());
        host.toggl().subscribe(own.clone()).unwrap();
        host.last_body(Post)["description"].clone()
    };
    let made = made.as_str().unwrap();
    let redirected = |description: &str| {
        row(json!({
            "subscription_id": 8, "url_callback": "https://elsewhere.example/other", "description": description,
        }))
    };
    let cases = [
        (made.to_owned(), true),
        // Before a backup was restored.
        (made.replace("ledger.life", "ledger.another"), true),
        (made.replace("ledger.life", "another.life"), false),
        // A copy of the host made it for its own callback.
        (
            "WorkSights time sync 01234567 [ledger.life]".to_owned(),
            false,
        ),
    ];
    for (description, is_ours) in cases {
        let host = host(3);
        list(&host, &[row(json!({})), redirected(&description)]);
        host.on(Put, ONE, 200, &row(json!({})).to_string());
        host.on(Delete, "/subscriptions/2230580/8", 200, "{}");
        host.toggl().subscribe(own.clone()).unwrap();
        let calls = host.calls();
        let is_deleted = calls.iter().any(|call| call.starts_with("Delete"));
        assert_eq!(is_deleted, is_ours, "{description}");
    }
}

#[test]
fn a_copy_under_the_same_url_is_recognised_too() {
    let mut world = World::copied(["ab.1", "ab.2"]);
    world.hosts[1].1.url = CALLBACK.into();
    let mut told = 0;
    for _ in 0..10 {
        for which in [0, 1] {
            world.pass(3600);
            told += usize::from(world.check(which).is_some());
        }
    }
    assert!(told >= 8 && world.puts() <= 4, "{told} {}", world.puts());
}

#[test]
fn what_was_under_way_when_a_backup_was_restored_is_no_copy() {
    let mut world = World::copied(["ab.1", "ab.1"]);
    let former = world.row["description"].clone();
    world.hosts[0].1.holder = "ab.2".into();
    assert_eq!(world.check(0), None);
    // Toggl does late what the former life asked for, or lists for a while what was there before.
    for (seconds, is_undone) in [(3600, true), (1, true), (60, true), (3600, false)] {
        if is_undone {
            world.row["description"] = former.clone();
        }
        world.pass(seconds);
        assert_eq!(world.check(0), None, "it takes itself for another copy");
        assert!(
            world.row["description"].as_str().unwrap().contains("ab.2"),
            "{}",
            world.row
        );
    }
}

#[test]
fn a_copy_that_is_disconnected_leaves_the_others_webhook() {
    // A restored one, which knows by itself, and one that was copied file by file and told to decide.
    let restored = World::copied(["ab.1", "ab.2"]);
    let mut copied = World::copied(["ab.1", "ab.1"]);
    assert_eq!((copied.check(1), copied.check(0)), (None, None));
    assert!(matches!(copied.check(1), Some(Error::Conflict(_))));
    for world in [restored, copied] {
        leaves_the_others_webhook(&world);
    }
}

fn leaves_the_others_webhook(world: &World) {
    let (host, callback) = &world.hosts[1];
    list(host, std::slice::from_ref(&world.row));
    host.toggl().disconnect(callback.clone()).unwrap();
    // Nor by its id, if the list leaves it out.
    host.reset(Get, LIST);
    list(host, &[]);
    host.on(Delete, ONE, 200, "{}");
    host.toggl().disconnect(callback.clone()).unwrap();
    assert!(
        !host.calls().iter().any(|call| call.starts_with("Delete")),
        "disconnecting a copy ends the deliveries of the original"
    );
}

#[test]
fn a_slot_that_a_copy_holds_is_not_said_to_be_another_tools() {
    let world = World::copied(["ab.1", "ab.2"]);
    let host = host(3);
    list(&host, std::slice::from_ref(&world.row));
    let text = "User 1 already reached the limit of 1 enabled subscriptions for workspace 2230580";
    host.on(Post, LIST, 400, &Value::from(text).to_string());
    let own = callback("https://staging.example.com/hooks/ffffffffffffffff", "ab.2");
    let Err(Error::PlanLimit(message)) = host.toggl().subscribe(own) else {
        panic!("it was made")
    };
    assert!(
        message.contains("another copy of this host") && !message.contains("tools"),
        "{message}"
    );
}
