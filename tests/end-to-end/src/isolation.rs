//! What one connection feels while another is attacked: the latency of real deliveries to the Toggl
//! component over HTTP, quiet and while the misbehaving component does its worst on the same engine.
//!
//! Quiet and attacked rounds take turns, so that whatever else the machine does affects both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use integration_host_contract::id::ConnectionId;
use integration_host_contract::limits::Limits;
use integration_host_engine::{CallContext, Engine, Integration};
use serde_json::json;
use toggl_sandbox::model::Subscription;
use tokio::task::JoinHandle;

use crate::hostile::{Cage, delivery as hostile_delivery};
use crate::{Embedded, NORTHWIND, delivery};

/// What the attacker tries in `handle-webhook`, all the time.
pub const ATTACKS: [&str; 6] = [
    "loop",
    "loop-log",
    "loop-list",
    "grow",
    "return-flood",
    "trap",
];

/// How many calls the attacker has under way or waiting: about as many as it may.
const ATTACKERS: usize = 64;

/// Pause between two deliveries of the healthy connection.
const PAUSE: Duration = Duration::from_millis(5);

/// Times of the healthy connection's deliveries.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    /// Half of them took no longer.
    pub median: Duration,
    /// All but one in a hundred took no longer.
    pub p99: Duration,
}

impl Latency {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |share: usize| {
            let place = times.len() * share / 100;
            times
                .get(place)
                .or(times.last())
                .copied()
                .unwrap_or_default()
        };
        Self {
            median: at(50),
            p99: at(99),
        }
    }
}

/// The latency quiet and under one attack.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// The attempt's name.
    pub attack: &'static str,
    /// Without the attack.
    pub quiet: Latency,
    /// With it.
    pub attacked: Latency,
    /// Calls the attacker made meanwhile, turned away or not.
    pub attacks: u64,
}

impl Measurement {
    /// How many times longer the slowest one in a hundred takes under attack.
    pub fn p99_ratio(&self) -> f64 {
        self.attacked.p99.as_secs_f64() / self.quiet.p99.as_secs_f64()
    }
}

/// Measures each attack with so many rounds of so many deliveries, quiet and attacked in turn.
///
/// # Errors
/// A delivery of the healthy connection is not accepted: then isolation has failed altogether.
pub async fn measure(rounds: usize, deliveries: usize) -> Result<Vec<Measurement>> {
    let limits = Limits::default();
    let engine = Engine::new(limits.clone(), None)?;
    let healthy = Embedded::builder(&crate::component()?)
        .limits(limits)
        .engine(&engine)
        .start()
        .await?;
    let (_, subscription) = healthy.connect().await?;
    let cage = Cage::new(&engine).await?;
    let attacker = Attacker {
        integration: Arc::new(cage.integration),
        context: CallContext {
            connection: ConnectionId::new("attacker"),
            ..cage.context
        },
    };
    let mut number = 0;
    deliver(&subscription, &mut number, deliveries).await?;
    let mut measurements = Vec::new();
    for attack in ATTACKS {
        let (mut quiet, mut attacked, mut attacks) = (Vec::new(), Vec::new(), 0);
        for _ in 0..rounds {
            quiet.extend(deliver(&subscription, &mut number, deliveries).await?);
            let under_way = attacker.start(attack);
            attacked.extend(deliver(&subscription, &mut number, deliveries).await?);
            attacks += under_way.stop().await;
        }
        measurements.push(Measurement {
            attack,
            quiet: Latency::of(quiet),
            attacked: Latency::of(attacked),
            attacks,
        });
    }
    Ok(measurements)
}

struct Attacker {
    integration: Arc<Integration>,
    context: CallContext,
}

struct Attack {
    stop: Arc<AtomicBool>,
    begun: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
}

impl Attacker {
    fn start(&self, attack: &'static str) -> Attack {
        let stop = Arc::<AtomicBool>::default();
        let begun = Arc::<AtomicU64>::default();
        let tasks = (0..ATTACKERS)
            .map(|_| {
                let (stop, begun) = (Arc::clone(&stop), Arc::clone(&begun));
                let (integration, context) = (Arc::clone(&self.integration), self.context.clone());
                tokio::spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        begun.fetch_add(1, Ordering::Relaxed);
                        let call = integration.handle_webhook(&context, hostile_delivery(attack));
                        let _ = call.await;
                    }
                })
            })
            .collect();
        Attack { stop, begun, tasks }
    }
}

impl Attack {
    async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.abort();
            let _ = task.await;
        }
        self.begun.load(Ordering::Relaxed)
    }
}

/// Sends deliveries one after the other from a thread of their own, as Toggl would from elsewhere.
async fn deliver(
    subscription: &Subscription,
    number: &mut u64,
    count: usize,
) -> Result<Vec<Duration>> {
    let subscription = subscription.clone();
    let first = *number + 1;
    *number += count as u64;
    let sending = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let client = reqwest::Client::new();
            let mut times = Vec::with_capacity(count);
            for number in first..first + count as u64 {
                let (signature, body) = event(&subscription, number);
                let sent = Instant::now();
                let response = client
                    .post(&subscription.url_callback)
                    .header("x-webhook-signature-256", signature)
                    .header("content-type", "application/json")
                    .body(body)
                    .send()
                    .await?;
                let status = response.status();
                times.push(sent.elapsed());
                ensure!(
                    status.is_success(),
                    "a healthy delivery was answered {status}"
                );
                tokio::time::sleep(PAUSE).await;
            }
            Ok(times)
        })
    };
    tokio::task::spawn_blocking(sending).await?
}

fn event(subscription: &Subscription, number: u64) -> (String, Vec<u8>) {
    let event = json!({
        "event_id": number, "created_at": "2026-03-02T11:43:32.827Z", "creator_id": 9_500_002,
        "metadata": { "action": "created", "model": "time_entry", "workspace_id": "7400001",
            "time_entry_id": number.to_string() },
        "payload": {
            "at": "2026-03-02T11:43:32+00:00", "billable": false, "description": "healthy",
            "duration": 60, "id": number, "project_id": null, "start": "2026-03-02T11:42:32Z",
            "stop": "2026-03-02T11:43:32Z", "tags": ["a"], "user_id": 9_500_002,
            "workspace_id": NORTHWIND
        },
        "subscription_id": subscription.id, "timestamp": "2026-03-02T11:43:33Z",
        "url_callback": subscription.url_callback
    });
    delivery(&subscription.secret, &event)
}
