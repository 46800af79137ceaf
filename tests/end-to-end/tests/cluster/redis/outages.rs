//! A server that is restarted, killed, stopped or full.

use std::time::Instant;

use end_to_end::eventually;
use integration_host_contract::clock::{Clock as _, ManualClock};
use integration_host_storage::{Commit, StorageError};
use jiff::{SignedDuration, Timestamp};

use super::*;

#[tokio::test]
async fn a_server_that_is_started_anew_goes_on_being_used() {
    let Some(mut server) = RedisServer::start(&[]).unwrap() else {
        return;
    };
    let store = open(&server, PATIENCE).await;
    let commit = async |value: &[u8]| store.commit(&connection(), &[], &[put("key", value)]).await;
    commit(b"1").await.unwrap();
    let before = get(&store, "key").await.unwrap();
    server.kill().unwrap();
    let down = store.get(&connection(), "key").await;
    assert!(
        matches!(down, Err(StorageError::Unavailable(_))),
        "{down:?}"
    );
    server.start_again().unwrap();
    assert_eq!(
        get(&store, "key").await,
        Some(before.clone()),
        "what was acknowledged is lost"
    );
    assert_eq!(commit(b"2").await.unwrap(), Commit::Committed);
    assert_ne!(get(&store, "key").await.unwrap().version, before.version);
    // Scripts can be forgotten without a restart, too.
    server.ask(&["SCRIPT", "FLUSH"]).unwrap();
    assert_eq!(commit(b"3").await.unwrap(), Commit::Committed);
    server.kill().unwrap();
    server.start_again().unwrap();
    assert_eq!(get(&store, "key").await.unwrap().value, b"3");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_survives_a_kill_at_any_moment() {
    let Some(mut server) = RedisServer::start(&[]).unwrap() else {
        return;
    };
    let store = Arc::new(open(&server, PATIENCE).await);
    let mut acknowledged = 0_u32;
    for round in 0..5 {
        let writer = Arc::clone(&store);
        let writing = tokio::spawn(async move {
            let mut number = acknowledged;
            loop {
                let value = (number + 1).to_string().into_bytes();
                let writes = [put("left", &value), put("right", &value)];
                match writer.commit(&connection(), &[], &writes).await {
                    Ok(_) => number += 1,
                    Err(_) => return number,
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(20 + 7 * round)).await;
        server.kill().unwrap();
        acknowledged = writing.await.unwrap();
        server.start_again().unwrap();
        let entries = store.list(&connection(), "", None, 10).await.unwrap();
        let numbers: Vec<u32> = entries
            .iter()
            .map(|entry| str::from_utf8(&entry.value).unwrap().parse().unwrap())
            .collect();
        assert_eq!(numbers.len(), 2);
        assert_eq!(numbers[0], numbers[1], "half of a commit is there");
        // The last one may have happened without having been acknowledged.
        assert!(
            (acknowledged..=acknowledged + 1).contains(&numbers[0]),
            "{acknowledged} were acknowledged, {numbers:?} is there"
        );
        acknowledged = numbers[0];
    }
    assert!(acknowledged > 0);
}

#[tokio::test]
async fn a_server_that_hangs_holds_nobody_up_for_longer_than_the_time_set() {
    let Some(server) = RedisServer::start(&[]).unwrap() else {
        return;
    };
    let store = open(&server, Duration::from_millis(300)).await;
    server.signal("STOP").unwrap();
    let began = Instant::now();
    for _ in 0..2 {
        let read = store.get(&connection(), "key").await;
        assert!(matches!(read, Err(StorageError::Unavailable(_))));
        let commit = store.commit(&connection(), &[], &[put("key", b"1")]).await;
        assert!(matches!(commit, Err(StorageError::Unavailable(_))));
    }
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    server.signal("CONT").unwrap();
    eventually("it is not used again", async || {
        store.get(&connection(), "key").await
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_server_whose_memory_is_full_refuses_to_add_and_still_deletes() {
    let Some(server) = RedisServer::start(&[]).unwrap() else {
        return;
    };
    let store = open(&server, PATIENCE).await;
    let commit = async |writes: &[Write]| store.commit(&connection(), &[], writes).await;
    commit(&[put("old", &[7; 100_000])]).await.unwrap();
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    let full = commit(&[put("new", b"1"), put("old", b"1")]).await;
    let Err(StorageError::Unavailable(text)) = full else {
        panic!("{full:?}");
    };
    assert!(text.contains("maxmemory"), "{text}");
    assert_eq!(get(&store, "new").await, None);
    assert_eq!(get(&store, "old").await.unwrap().value.len(), 100_000);
    let delete = Write {
        value: None,
        ..put("old", b"")
    };
    assert_eq!(commit(&[delete]).await.unwrap(), Commit::Committed);
    assert_eq!(get(&store, "old").await, None);
}

#[tokio::test]
async fn what_has_expired_and_what_is_deleted_takes_up_no_room() {
    let Some(server) = RedisServer::start(&[]).unwrap() else {
        return;
    };
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let address = server.url().parse().unwrap();
    let store = RedisStore::open(&address, PATIENCE, clock.clone())
        .await
        .unwrap();
    let writes: Vec<_> = (0..200)
        .map(|number| Write {
            expires_at: Some(clock.now() + SignedDuration::from_secs(1)),
            ..put(&number.to_string(), b"value")
        })
        .collect();
    store.commit(&connection(), &[], &writes).await.unwrap();
    clock.advance(SignedDuration::from_secs(1));
    let delete = Write {
        value: None,
        ..put("none", b"")
    };
    for _ in 0..10 {
        store
            .commit(&connection(), &[], std::slice::from_ref(&delete))
            .await
            .unwrap();
    }
    // The last version is all there is to remember.
    assert_eq!(server.ask(&["DBSIZE"]).unwrap(), ":1");
}

/// As behind a balancer, or a name that leads elsewhere: what is open goes on leading to the server that was the first.
#[tokio::test]
async fn a_server_that_has_become_a_replica_is_left_for_the_one_that_took_over() {
    let Some(first) = RedisServer::start(&[]).unwrap() else {
        return;
    };
    let second = RedisServer::start(&[]).unwrap().unwrap();
    let replicate = |server: &RedisServer, of: &RedisServer| {
        let (host, port) = of
            .address()
            .split_once(':')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        server.ask(&["REPLICAOF", &host, &port]).unwrap();
    };
    replicate(&second, &first);
    let forwarder = Forwarder::start(&first.address()).unwrap();
    let address = format!("redis://{}/0", forwarder.address())
        .parse()
        .unwrap();
    let store = RedisStore::open(&address, PATIENCE, Arc::new(SystemClock))
        .await
        .unwrap();
    let commit = async |value: &[u8]| store.commit(&connection(), &[], &[put("key", value)]).await;
    commit(b"1").await.unwrap();
    // The replica has it before it takes over.
    let size = |server: &RedisServer| server.ask(&["DBSIZE"]).unwrap();
    eventually("the replica does not get it", async || {
        size(&second) == size(&first)
    })
    .await
    .unwrap();
    second.ask(&["REPLICAOF", "NO", "ONE"]).unwrap();
    replicate(&first, &second);
    // Not used, as long as nothing else takes over: what it holds may be old.
    commit(b"2").await.unwrap_err();
    store.get(&connection(), "key").await.unwrap_err();
    commit(b"2").await.unwrap_err();
    forwarder.lead_to(&second.address());
    assert_eq!(get(&store, "key").await.unwrap().value, b"1");
    assert_eq!(commit(b"3").await.unwrap(), Commit::Committed);
    assert_eq!(get(&store, "key").await.unwrap().value, b"3");
}
