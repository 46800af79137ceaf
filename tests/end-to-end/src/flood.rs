//! What a flood costs real deliveries: their latency while nothing else happens and under attack, measured
//! in turn in one run.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use toggl_sandbox::model::Subscription;
use tokio::task::JoinSet;

use crate::raw::{RawConnection, path_of, post};
use crate::setup::{NORTHWIND, Setup, delivery};

/// Another workspace of the sandbox's owner.
const OTHER_WORKSPACE: i64 = 7_400_002;
/// Where real deliveries come from.
const TOGGL: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// Where forged ones come from.
const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Connections of the attacker, each with one forged delivery at a time.
const ATTACKERS: usize = 64;
/// Connections on which headers drip.
const SLOW_CONNECTIONS: usize = 180;
/// What lies between two real deliveries, and between two bytes of a slow header.
const PACE: Duration = Duration::from_millis(5);
const DRIP: Duration = Duration::from_millis(500);

/// What is going on while real deliveries are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// Nothing.
    Quiet,
    /// Forged deliveries at the hook of the real ones.
    SameHook,
    /// Forged deliveries at the hook of another connection.
    OtherHook,
    /// Forged deliveries at hooks that do not exist, each at another one.
    UnknownHooks,
    /// Connections whose headers never end.
    SlowConnections,
}

impl Attack {
    /// All, in the order they are measured.
    pub const ALL: [Self; 5] = [
        Self::Quiet,
        Self::SameHook,
        Self::OtherHook,
        Self::UnknownHooks,
        Self::SlowConnections,
    ];
}

/// Figures for one kind of attack.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Which.
    pub attack: Attack,
    /// Real deliveries measured; all were accepted.
    pub deliveries: usize,
    /// Half of them took no longer.
    pub p50: Duration,
    /// All but one in a hundred took no longer.
    pub p99: Duration,
    /// Requests of the attacker that were answered, per second.
    pub attacks_per_second: f64,
}

/// Measures each attack for `rounds` rounds of `deliveries` real ones.
///
/// # Errors
/// A real delivery was not accepted.
pub async fn measure(rounds: usize, deliveries: usize) -> Result<Vec<Measured>> {
    let setup = Setup::builder().unlimited().start().await?;
    setup.connect(NORTHWIND).await?;
    let real = only_subscription(&setup, NORTHWIND)?;
    setup.connect(OTHER_WORKSPACE).await?;
    let other = only_subscription(&setup, OTHER_WORKSPACE)?;
    let mut sender = Sender::new(&setup, &real).await?;
    sender.send(deliveries).await?;
    let mut samples = Attack::ALL.map(|attack| (attack, Vec::new(), 0_u64, Duration::ZERO));
    for _ in 0..rounds {
        for (attack, times, answered, duration) in &mut samples {
            let attackers = Attackers::start(*attack, &setup, &real, &other).await?;
            let before = attackers.answered();
            let started = Instant::now();
            times.extend(sender.send(deliveries).await?);
            *duration += started.elapsed();
            *answered += attackers.answered() - before;
        }
    }
    Ok(samples
        .into_iter()
        .map(|(attack, mut times, answered, duration)| {
            times.sort_unstable();
            let at = |percent: usize| {
                let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
                times.get(index).copied().unwrap_or_default()
            };
            Measured {
                attack,
                deliveries: times.len(),
                p50: at(50),
                p99: at(99),
                attacks_per_second: answered as f64 / duration.as_secs_f64(),
            }
        })
        .collect())
}

fn only_subscription(setup: &Setup, workspace: i64) -> Result<Subscription> {
    let subscriptions = setup.toggl().subscriptions().into_iter();
    let mut of_workspace =
        subscriptions.filter(|subscription| subscription.workspace_id == workspace);
    of_workspace.next().context("nothing is subscribed")
}

/// Sends real deliveries, one after the other.
struct Sender {
    connection: RawConnection,
    subscription: Subscription,
    sent: u64,
}

impl Sender {
    async fn new(setup: &Setup, subscription: &Subscription) -> Result<Self> {
        Ok(Self {
            connection: RawConnection::open(&setup.host.url, TOGGL).await?,
            subscription: subscription.clone(),
            sent: 0,
        })
    }

    /// How long each took from its first byte to the end of its answer.
    async fn send(&mut self, number: usize) -> Result<Vec<Duration>> {
        let mut times = Vec::new();
        for _ in 0..number {
            self.sent += 1;
            let (signature, body) = delivery(
                &self.subscription.secret,
                &event(&self.subscription, self.sent),
            );
            let headers = [("x-webhook-signature-256", signature.as_str())];
            let request = post(path_of(&self.subscription.url_callback), &headers, &body);
            let started = Instant::now();
            self.connection.send(request).await?;
            let answer = self.connection.answer().await?;
            times.push(started.elapsed());
            ensure!(
                answer.status == 200,
                "a real delivery was answered with {}",
                answer.status
            );
            tokio::time::sleep(PACE).await;
        }
        Ok(times)
    }
}

fn event(subscription: &Subscription, number: u64) -> serde_json::Value {
    json!({
        "event_id": number, "created_at": "2026-03-02T11:43:32.827Z", "creator_id": 9_500_002,
        "metadata": { "action": "created", "model": "time_entry",
            "workspace_id": subscription.workspace_id.to_string(), "time_entry_id": number.to_string() },
        "payload": {
            "at": "2026-03-02T11:43:32+00:00", "billable": false, "description": "Entry", "duration": 60,
            "id": number, "project_id": null, "start": "2026-03-02T11:42:32Z",
            "stop": "2026-03-02T11:43:32Z", "tags": [], "user_id": 9_500_002,
            "workspace_id": subscription.workspace_id
        },
        "subscription_id": subscription.id, "timestamp": "2026-03-02T11:43:33Z",
        "url_callback": subscription.url_callback
    })
}

/// An attack that goes on until this is dropped.
struct Attackers {
    answered: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Attackers {
    async fn start(
        attack: Attack,
        setup: &Setup,
        real: &Subscription,
        other: &Subscription,
    ) -> Result<Self> {
        let answered = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        let url = setup.host.url.clone();
        match attack {
            Attack::Quiet => {}
            Attack::SlowConnections => {
                for _ in 0..SLOW_CONNECTIONS {
                    tasks.spawn(drip(url.clone()));
                }
            }
            Attack::SameHook | Attack::OtherHook | Attack::UnknownHooks => {
                // Everything is right but the secret.
                let (signature, body) = delivery("not the secret", &event(real, 1));
                let target = match attack {
                    Attack::SameHook => Some(path_of(&real.url_callback).to_owned()),
                    Attack::OtherHook => Some(path_of(&other.url_callback).to_owned()),
                    _ => None,
                };
                for attacker in 0..ATTACKERS {
                    let (url, target, answered) =
                        (url.clone(), target.clone(), Arc::clone(&answered));
                    let (signature, body) = (signature.clone(), body.clone());
                    tasks.spawn(async move {
                        let mut number = attacker as u128;
                        while let Ok(mut connection) = RawConnection::open(&url, ATTACKER).await {
                            loop {
                                number += ATTACKERS as u128;
                                let path = target
                                    .clone()
                                    .unwrap_or_else(|| format!("/hooks/{number:032x}"));
                                let headers = [("x-webhook-signature-256", signature.as_str())];
                                let request = post(&path, &headers, &body);
                                if connection.send(request).await.is_err()
                                    || connection.answer().await.is_err()
                                {
                                    break;
                                }
                                answered.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    });
                }
            }
        }
        // Under way, and past the first moment.
        tokio::time::sleep(DRIP).await;
        Ok(Self {
            answered,
            _tasks: tasks,
        })
    }

    fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }
}

/// Sends headers a byte at a time, for ever.
async fn drip(url: String) {
    while let Ok(mut connection) = RawConnection::open(&url, ATTACKER).await {
        let begun = connection.send("POST /hooks/0 HTTP/1.1\r\nhost: localhost\r\nx: ");
        if begun.await.is_ok() {
            while connection.send("a").await.is_ok() {
                tokio::time::sleep(DRIP).await;
            }
        }
    }
}
