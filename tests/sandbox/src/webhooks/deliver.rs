//! The delivery worker: POSTs what is due, notes the answers, retries with growing waits.

use std::sync::Arc;

use http::header;
use tokio::{
    task::JoinSet,
    time::{Duration, Instant, sleep_until},
};

use super::{
    event,
    outbox::{Attempt, DeliveryState, Pending},
    signature::{SIGNATURE_HEADER, sign},
};
use crate::{shared::Shared, world::model::Subscription};

/// How much of an answer is read and remembered, in bytes.
const ANSWER_BYTES: usize = 16 * 1024;

/// Runs until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut under_way = JoinSet::new();
    loop {
        while under_way.try_join_next().is_some() {}
        let next_due = loop {
            let room = under_way.len() < shared.read(|world| world.delivery.concurrency);
            if !room {
                break None;
            }
            match shared.change_quietly(|world| world.outbox.take_due(Instant::now())) {
                Ok(pending) => drop(under_way.spawn(attempt(Arc::clone(&shared), pending))),
                Err(due) => break due,
            }
        };
        let due = async {
            match next_due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.wake.notified() => {}
            () = due => {}
            Some(_) = under_way.join_next() => {}
        }
    }
}

async fn attempt(shared: Arc<Shared>, mut pending: Pending) {
    let prepared = shared.read(|world| {
        let subscription = world
            .subscriptions
            .get(&pending.subscription_id)
            .filter(|it| it.enabled && it.validated_at.is_some())?;
        Some((
            event::body(&pending.event, subscription, world.now()),
            subscription.clone(),
            world.delivery.timeout_ms,
        ))
    });
    let Some((body, subscription, timeout_ms)) = prepared else {
        shared.change(|world| world.outbox.settle(&pending, DeliveryState::Cancelled));
        return;
    };
    let made = post(&shared, &subscription, body, timeout_ms).await;
    pending.attempts = pending.attempts.saturating_add(1);
    let delivered = made
        .status
        .is_some_and(|status| (200..300).contains(&status));
    shared.change(|world| {
        world.outbox.note_attempt(pending.delivery_id, made);
        let wait = world
            .delivery
            .retry_delays_ms
            .get(pending.attempts.saturating_sub(1))
            .copied();
        match wait {
            _ if delivered => world.outbox.settle(&pending, DeliveryState::Delivered),
            Some(wait_ms) => world.outbox.retry(pending, Duration::from_millis(wait_ms)),
            None => world.outbox.settle(&pending, DeliveryState::GivenUp),
        }
    });
}

/// Sends one signed POST to a subscription's callback.
pub(crate) async fn post(
    shared: &Shared,
    subscription: &Subscription,
    body: String,
    timeout_ms: u64,
) -> Attempt {
    let at = jiff::Timestamp::now();
    let started = Instant::now();
    let signature = sign(&subscription.secret, body.as_bytes());
    let sent = shared
        .callbacks
        .post(&subscription.url_callback)
        .header(header::CONTENT_TYPE, "application/json")
        .header(SIGNATURE_HEADER, &signature)
        .timeout(Duration::from_millis(timeout_ms))
        .body(body.clone())
        .send()
        .await;
    let (status, error, answer) = match sent {
        Ok(response) => {
            let status = response.status().as_u16();
            (Some(status), None, read_answer(response).await)
        }
        Err(error) => (None, Some(reason(&error)), String::new()),
    };
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Attempt {
        at,
        elapsed_ms,
        status,
        error,
        signature,
        body,
        answer,
    }
}

async fn read_answer(mut response: reqwest::Response) -> String {
    let mut answer = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        answer.extend_from_slice(&piece);
        if answer.len() >= ANSWER_BYTES {
            answer.truncate(ANSWER_BYTES);
            break;
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The innermost cause says what a person can act on ("connection refused").
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "request timed out".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
