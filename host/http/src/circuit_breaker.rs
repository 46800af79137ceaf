//! Sparing a remote service that fails: a pause for all connections together, which grows.
//!
//! Each connection tries again ever more rarely by itself, but hundreds of them are still a flood for a service that is
//! down. So once everything that was sent to a host has failed for some time, requests are refused here, and one after
//! each pause shows whether it is back. What a person asks for is sent all the same.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

use integration_host_contract::backoff::Backoff;

/// So many failures in a row, whichever connections they are of, mean that the service is down.
const FAILURES: u32 = 10;

/// The first pause.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause, and so how much later than it could the host notices that the service is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Each pause that ends with a failure is followed by a longer one.
const PAUSES: Backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);

/// What is known of each host of the allow-list.
#[derive(Default)]
pub(super) struct CircuitBreaker {
    circuits: Mutex<HashMap<String, Arc<Mutex<Circuit>>>>,
}

#[derive(Default)]
struct Circuit {
    /// How many requests have failed in a row.
    failures: u32,
    /// The pause after the last failure; none while the service answers.
    pause: Option<Pause>,
    /// Whether a request is on its way that shows whether the service is back.
    is_being_tried: bool,
}

#[derive(Clone, Copy)]
struct Pause {
    until: Instant,
    /// How many there were in a row, this one included.
    number: u32,
}

/// Leave to send one request; whoever has it tells what became of it.
pub(super) struct Admission {
    circuit: Arc<Mutex<Circuit>>,
    is_trial: bool,
}

impl CircuitBreaker {
    /// Leave to send a request to a host, or after which time to ask again.
    pub fn admit(&self, host: &str, asked_by_person: bool) -> Result<Admission, Duration> {
        let circuit = {
            let mut circuits = self.circuits.lock();
            Arc::clone(circuits.entry(host.to_owned()).or_default())
        };
        let is_trial = {
            let mut state = circuit.lock();
            match state.pause {
                None => false,
                // It counts as a trial if none is under way, and is sent in any case.
                Some(_) if asked_by_person => !std::mem::replace(&mut state.is_being_tried, true),
                Some(pause) => {
                    let left = pause.until.saturating_duration_since(Instant::now());
                    if !left.is_zero() || state.is_being_tried {
                        return Err(left.max(FIRST_PAUSE));
                    }
                    state.is_being_tried = true;
                    true
                }
            }
        };
        Ok(Admission { circuit, is_trial })
    }
}

impl Admission {
    /// The service answered, be it with a refusal.
    pub fn succeeded(&self, host: &str) {
        let mut circuit = self.circuit.lock();
        circuit.failures = 0;
        if circuit.pause.take().is_some() {
            info!(host, "the remote service answers again");
        }
    }

    /// It could not be reached, or has a problem of its own.
    pub fn failed(&self, host: &str) {
        let mut circuit = self.circuit.lock();
        circuit.failures = circuit.failures.saturating_add(1);
        let number = match circuit.pause {
            // What was on its way when the pause began says nothing new.
            Some(_) if !self.is_trial => return,
            Some(pause) => pause.number.saturating_add(1),
            None if circuit.failures < FAILURES => return,
            None => {
                warn!(
                    host,
                    failures = circuit.failures,
                    "the remote service fails; background work pauses"
                );
                1
            }
        };
        circuit.pause = Some(Pause {
            until: Instant::now() + PAUSES.delay(number),
            number,
        });
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if self.is_trial {
            self.circuit.lock().is_being_tried = false;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const HOST: &str = "api.example.com";

    fn fail(breaker: &CircuitBreaker, times: u32) {
        for _ in 0..times {
            breaker.admit(HOST, false).unwrap().failed(HOST);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_is_down_gets_one_request_after_each_growing_pause() {
        let breaker = CircuitBreaker::default();
        fail(&breaker, FAILURES - 1);
        breaker.admit(HOST, false).unwrap().succeeded(HOST);
        fail(&breaker, FAILURES);
        let began = Instant::now();
        let mut trials = Vec::new();
        while began.elapsed() < Duration::from_secs(300) {
            // Three hundred connections ask.
            let admitted: Vec<_> = (0..300)
                .filter_map(|_| breaker.admit(HOST, false).ok())
                .collect();
            if let Some(trial) = admitted.first() {
                assert_eq!(admitted.len(), 1, "each connection tries for itself");
                trials.push(began.elapsed().as_secs());
                trial.failed(HOST);
            }
            drop(admitted);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        assert_eq!(trials, [1, 3, 7, 15, 31, 63, 123, 183, 243]);
        assert!(
            breaker.admit("other.example.com", false).is_ok(),
            "one service that is down keeps from asking another"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn one_answer_ends_the_pause() {
        let breaker = CircuitBreaker::default();
        fail(&breaker, FAILURES);
        tokio::time::sleep(FIRST_PAUSE).await;
        let trial = breaker.admit(HOST, false).unwrap();
        assert!(breaker.admit(HOST, false).is_err());
        trial.succeeded(HOST);
        assert!(breaker.admit(HOST, false).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_person_asks_for_is_sent_all_the_same() {
        let breaker = CircuitBreaker::default();
        fail(&breaker, FAILURES);
        let (one, other) = (breaker.admit(HOST, true), breaker.admit(HOST, true));
        other.unwrap().failed(HOST);
        one.unwrap().succeeded(HOST);
        assert!(breaker.admit(HOST, false).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_that_is_given_up_does_not_stop_the_next() {
        let breaker = CircuitBreaker::default();
        fail(&breaker, FAILURES);
        tokio::time::sleep(FIRST_PAUSE).await;
        drop(breaker.admit(HOST, false).unwrap());
        assert!(
            breaker.admit(HOST, false).is_ok(),
            "a call that was cut off stops everything for good"
        );
    }
}
