//! When requests are sent, with a provider that answers at once and time that passes as needed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::super::*;
use super::fixture::{HOST, TOKEN, get, in_a_minute, manifest, secrets};
use integration_host_contract::Pacing;

type Outcome = Result<IncomingResponse, HttpError>;

/// Gives the prepared outcomes, then 200, and remembers when it was asked.
struct Scripted {
    start: Instant,
    outcomes: Mutex<std::vec::IntoIter<Outcome>>,
    sent_at: Mutex<Vec<Duration>>,
    timeouts: Mutex<Vec<Duration>>,
}

#[async_trait]
impl HttpClient for Scripted {
    async fn send(&self, request: OutgoingRequest) -> Outcome {
        self.sent_at.lock().unwrap().push(self.start.elapsed());
        self.timeouts.lock().unwrap().push(request.timeout);
        let next = self.outcomes.lock().unwrap().next();
        next.unwrap_or_else(|| answer(200, &[]))
    }
}

fn answer(status: u16, headers: &[(&str, &str)]) -> Outcome {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Ok(IncomingResponse {
        status,
        headers,
        body: Vec::new(),
    })
}

fn lender(client: Arc<impl HttpClient>, pacing: Pacing) -> Arc<OutboundHttp> {
    let manifest = manifest(pacing);
    let allow_list = AllowList::new(&manifest.hosts, None, []).unwrap();
    Arc::new(OutboundHttp::new(
        client,
        &manifest,
        allow_list,
        HttpLimits::default(),
        Arc::default(),
    ))
}

fn scripted(outcomes: Vec<Outcome>) -> Arc<Scripted> {
    Arc::new(Scripted {
        start: Instant::now(),
        outcomes: Mutex::new(outcomes.into_iter()),
        sent_at: Mutex::default(),
        timeouts: Mutex::default(),
    })
}

impl Scripted {
    fn sent_at(&self) -> Vec<f64> {
        self.sent_at
            .lock()
            .unwrap()
            .iter()
            .map(Duration::as_secs_f64)
            .collect()
    }
}

const FAST: Pacing = Pacing {
    burst: 100,
    requests_per_minute: 6000,
    longest_quota_seconds: 0,
};

#[tokio::test(start_paused = true)]
async fn retry_after_is_waited_for() {
    let client = scripted(vec![
        answer(429, &[("retry-after", "7")]),
        answer(503, &[("retry-after", "5")]),
    ]);
    let mut lent = lender(client.clone(), FAST).for_call(secrets(), in_a_minute());
    assert_eq!(lent.send(get("/")).await.unwrap().status, 200);
    let sent_at = client.sent_at();
    assert!((7.0..7.3).contains(&sent_at[1]), "{sent_at:?}");
    assert!((12.0..12.6).contains(&sent_at[2]), "{sent_at:?}");
}

#[tokio::test(start_paused = true)]
async fn delays_grow_and_are_never_the_same() {
    let down = || Err(HttpError::Unavailable("down".to_owned()));
    let client = scripted(vec![down(), down(), down(), down()]);
    let mut lent = lender(client.clone(), FAST).for_call(secrets(), in_a_minute());
    assert_eq!(lent.send(get("/")).await, down());
    let sent_at = client.sent_at();
    assert_eq!(sent_at.len(), 4);
    for (pair, longest) in sent_at.windows(2).zip([0.25, 0.5, 1.0]) {
        let delay = pair[1] - pair[0];
        assert!(
            (longest / 2.0..longest + 0.02).contains(&delay),
            "{sent_at:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_would_come_too_late_is_not_waited_for() {
    for asked in ["61", "99999999999999999999"] {
        let client = scripted(vec![answer(503, &[("retry-after", asked)])]);
        let start = Instant::now();
        let mut lent = lender(client.clone(), FAST).for_call(secrets(), in_a_minute());
        let response = lent.send(get("/")).await.unwrap();
        assert_eq!(response.status, 503);
        assert_eq!(
            response.headers,
            [("retry-after".to_owned(), asked.to_owned())]
        );
        assert!(start.elapsed().is_zero());
    }
}

#[tokio::test(start_paused = true)]
async fn each_attempt_takes_its_turn() {
    let client = scripted(vec![answer(500, &[]), answer(500, &[])]);
    let slow = Pacing {
        burst: 1,
        requests_per_minute: 6,
        longest_quota_seconds: 0,
    };
    let mut lent = lender(client.clone(), slow).for_call(secrets(), in_a_minute());
    assert_eq!(lent.send(get("/")).await.unwrap().status, 200);
    let sent_at: Vec<u64> = client
        .sent_at()
        .iter()
        .map(|at| at.round() as u64)
        .collect();
    assert_eq!(sent_at, [0, 10, 20]);
}

#[tokio::test(start_paused = true)]
async fn no_turn_before_the_deadline_means_the_last_answer_or_an_error() {
    let client = scripted(vec![answer(500, &[])]);
    let slow = Pacing {
        burst: 1,
        requests_per_minute: 1,
        longest_quota_seconds: 0,
    };
    let lender = lender(client.clone(), slow);
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut lent = lender.for_call(secrets(), deadline);
    assert_eq!(lent.send(get("/")).await.unwrap().status, 500);
    let error = lender
        .for_call(secrets(), deadline)
        .send(get("/"))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, HttpError::Unavailable(text) if text.contains("waiting for their turn")),
        "{error:?}"
    );
    assert_eq!(client.sent_at().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_calls_429_slows_the_others_with_the_same_token() {
    let client = scripted(vec![answer(429, &[("retry-after", "20")])]);
    let lender = lender(client.clone(), FAST);
    let once = || GuestRequest {
        idempotent: false,
        ..get("/")
    };
    assert_eq!(
        lender
            .for_call(secrets(), in_a_minute())
            .send(once())
            .await
            .unwrap()
            .status,
        429
    );
    let anonymous = GuestRequest {
        authorization: Authorization::Anonymous,
        ..once()
    };
    lender
        .for_call(secrets(), in_a_minute())
        .send(anonymous)
        .await
        .unwrap();
    lender
        .for_call(secrets(), in_a_minute())
        .send(once())
        .await
        .unwrap();
    let sent_at: Vec<u64> = client
        .sent_at()
        .iter()
        .map(|at| at.round() as u64)
        .collect();
    assert_eq!(sent_at, [0, 0, 20]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_gets_no_more_time_than_the_call_has() {
    let client = scripted(Vec::new());
    let lender = lender(client.clone(), FAST);
    for seconds in [5, 60] {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        lender
            .for_call(secrets(), deadline)
            .send(get("/"))
            .await
            .unwrap();
    }
    assert_eq!(
        *client.timeouts.lock().unwrap(),
        [
            Duration::from_secs(5),
            HttpLimits::default().exchange_timeout
        ]
    );
}

/// A provider as it should not be.
struct Careless;

#[async_trait]
impl HttpClient for Careless {
    async fn send(&self, request: OutgoingRequest) -> Outcome {
        if request.url.path() == "/hang" {
            std::future::pending::<()>().await;
        }
        Err(HttpError::Refused(format!("cannot send {TOKEN} to {HOST}")))
    }
}

#[tokio::test(start_paused = true)]
async fn a_careless_provider_neither_hangs_a_call_nor_reveals_a_secret() {
    let lender = lender(Arc::new(Careless), FAST);
    let error = lender
        .for_call(secrets(), in_a_minute())
        .send(get("/"))
        .await
        .unwrap_err();
    assert_eq!(
        error,
        HttpError::Refused(format!("cannot send {} to {HOST}", "*".repeat(32)))
    );
    let start = Instant::now();
    let error = lender
        .for_call(secrets(), in_a_minute())
        .send(get("/hang"))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, HttpError::Unavailable(text) if text.contains("did not answer")),
        "{error:?}"
    );
    assert_eq!(start.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn refusals_without_a_delay_hold_back_the_secret_longer_and_longer() {
    let refused = || answer(429, &[]);
    let client = scripted(vec![
        refused(),
        refused(),
        refused(),
        answer(200, &[]),
        refused(),
    ]);
    let lender = lender(client.clone(), FAST);
    for _ in 0..6 {
        // Each comes from another call, and none is repeated.
        let mut lent = lender.for_call(secrets(), in_a_minute());
        let request = GuestRequest {
            idempotent: false,
            ..get("/")
        };
        lent.send(request).await.unwrap();
    }
    let sent_at = client.sent_at();
    let delays: Vec<_> = sent_at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (delay, expected) in delays.iter().zip([0.25, 0.5, 1.0, 0.0, 0.25]) {
        assert!(
            (expected - 0.001..expected + 0.02).contains(delay),
            "a service that says “too fast” must be asked less and less often: {delays:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_call_learns_of_a_quota_holds_for_every_call_with_its_secrets() {
    let lender = lender(scripted(Vec::new()), FAST);
    let mut one = lender.for_call(secrets(), in_a_minute());
    one.mark_quota_used_up("workspace/43", 90);
    drop(one);
    let same = lender.for_call(secrets(), in_a_minute());
    assert_eq!(same.quota_resets_in_seconds("workspace/43"), Some(90));
    assert_eq!(same.quota_resets_in_seconds("user"), None);
    let other = [(
        "api-token".to_owned(),
        integration_host_seal::secret::Secret::new("another"),
    )]
    .into();
    let other = lender.for_call(other, in_a_minute());
    assert_eq!(
        other.quota_resets_in_seconds("workspace/43"),
        None,
        "one token's quota must not stop another's connections"
    );
    tokio::time::sleep(Duration::from_secs(91)).await;
    assert_eq!(same.quota_resets_in_seconds("workspace/43"), None);
}
