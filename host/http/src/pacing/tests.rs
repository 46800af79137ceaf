#![allow(clippy::unwrap_used)]

use super::*;

fn pacer(burst: u32, requests_per_minute: u32) -> Arc<Pacer> {
    Arc::new(Pacer::new(Pacing {
        burst,
        requests_per_minute,
        longest_quota_seconds: 0,
    }))
}

fn in_seconds(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_burst_goes_at_once_and_then_the_rate_holds() {
    let pacer = pacer(5, 60);
    let key = pacer.key(["token"]);
    let start = Instant::now();
    let mut sent = Vec::new();
    for _ in 0..8 {
        pacer.acquire(key, in_seconds(60)).await.unwrap();
        sent.push(start.elapsed().as_secs());
    }
    assert_eq!(sent, [0, 0, 0, 0, 0, 1, 2, 3]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let idle = Instant::now();
    for _ in 0..5 {
        pacer.acquire(key, in_seconds(60)).await.unwrap();
    }
    assert!(
        idle.elapsed().is_zero(),
        "a bucket that had time to refill makes nobody wait"
    );
    assert!(
        pacer.acquire(key, in_seconds(60)).await.unwrap() > Duration::ZERO,
        "it holds no more than a burst"
    );
}

#[tokio::test(start_paused = true)]
async fn turns_come_in_order_of_arrival() {
    let pacer = pacer(1, 60);
    let key = pacer.key(["token"]);
    let start = Instant::now();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for number in 0..20_u64 {
        let (pacer, order) = (Arc::clone(&pacer), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            pacer
                .acquire(key, start + Duration::from_secs(100))
                .await
                .unwrap();
            order.lock().push((number, start.elapsed().as_secs()));
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let expected: Vec<_> = (0..20).map(|number| (number, number)).collect();
    assert_eq!(*order.lock(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_turn_after_the_deadline_is_refused_at_once() {
    let pacer = pacer(1, 60);
    let key = pacer.key(["token"]);
    pacer.acquire(key, in_seconds(1)).await.unwrap();
    let waiting = {
        let pacer = Arc::clone(&pacer);
        tokio::spawn(async move { pacer.acquire(key, in_seconds(10)).await })
    };
    tokio::task::yield_now().await;
    let start = Instant::now();
    let error = pacer
        .acquire(key, start + Duration::from_millis(1500))
        .await
        .unwrap_err();
    assert!(
        start.elapsed().is_zero(),
        "whoever cannot be served must not wait for it"
    );
    assert_eq!(
        error,
        PacingError::TooLate {
            wait: Duration::from_secs(2)
        }
    );
    assert!(error.to_string().contains("in 2 s"), "{error}");
    waiting.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_uses_no_turn() {
    let pacer = pacer(1, 60);
    let key = pacer.key(["token"]);
    pacer.acquire(key, in_seconds(1)).await.unwrap();
    let start = Instant::now();
    for _ in 0..10 {
        let impatient = pacer.acquire(key, in_seconds(10));
        assert!(
            tokio::time::timeout(Duration::from_millis(10), impatient)
                .await
                .is_err()
        );
    }
    pacer.acquire(key, in_seconds(10)).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn holding_back_also_delays_those_who_already_wait() {
    let pacer = pacer(5, 60);
    let key = pacer.key(["token"]);
    for _ in 0..5 {
        pacer.acquire(key, in_seconds(1)).await.unwrap();
    }
    let start = Instant::now();
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let pacer = Arc::clone(&pacer);
            tokio::spawn(async move { pacer.acquire(key, in_seconds(60)).await })
        })
        .collect();
    tokio::task::yield_now().await;
    pacer.hold_back(key, Duration::from_secs(10));
    let mut sent = Vec::new();
    for task in waiting {
        task.await.unwrap().unwrap();
        sent.push(start.elapsed().as_secs());
    }
    assert_eq!(sent, [10, 11]);
}

#[tokio::test(start_paused = true)]
async fn secrets_do_not_slow_each_other() {
    let pacer = pacer(1, 60);
    let (one, other) = (pacer.key(["one"]), pacer.key(["other"]));
    assert_ne!(pacer.key(["ab", "c"]), pacer.key(["a", "bc"]));
    assert_eq!(format!("{one:?}"), "PacingKey");
    for key in [one, other] {
        assert!(pacer.acquire(key, in_seconds(1)).await.unwrap().is_zero());
    }
}

#[tokio::test(start_paused = true)]
async fn neither_lines_nor_buckets_grow_without_bound() {
    let pacer = pacer(1, 60);
    let key = pacer.key(["token"]);
    pacer.acquire(key, in_seconds(1)).await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..MAX_WAITING {
        let pacer = Arc::clone(&pacer);
        waiting.push(tokio::spawn(async move {
            pacer.acquire(key, in_seconds(10_000)).await
        }));
    }
    while pacer.bucket(key).unwrap().waiting.load(Ordering::Relaxed) < MAX_WAITING {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        pacer.acquire(key, in_seconds(10_000)).await,
        Err(PacingError::LineFull)
    );
    for task in waiting {
        task.abort();
    }

    for number in 1..MAX_BUCKETS {
        pacer
            .acquire(pacer.key([number.to_string().as_str()]), in_seconds(1))
            .await
            .unwrap();
    }
    let late = pacer.key(["one more"]);
    assert_eq!(
        pacer.acquire(late, in_seconds(1)).await,
        Err(PacingError::TooManyBuckets)
    );
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(
        pacer.acquire(late, in_seconds(1)).await.is_ok(),
        "buckets nobody uses make room"
    );
    assert_eq!(pacer.buckets.lock().len(), 1);
}
