//! Everybody outside at once: sources that are idle, slow, forging, repeating and flooding, beside genuine deliveries,
//! of which none may be lost or late, and what it costs the host in memory and log.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use toggl_sandbox::model::Subscription;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::raw::{RawConnection, path_of, post};
use crate::setup::{NORTHWIND, Setup, delivery, finished_entry};

const SIGNATURE: &str = "x-webhook-signature-256";
/// Where genuine deliveries come from.
const TOGGL: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// What lies between two genuine deliveries.
const PACE: Duration = Duration::from_millis(5);
/// How long strangers are at it before genuine deliveries are measured.
const WARMING: Duration = Duration::from_secs(2);
/// How long anything may take; only a host that hangs takes so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many strangers there are.
#[derive(Clone, Copy, Debug)]
pub struct Strangers {
    /// Addresses of each kind.
    pub sources: u8,
    /// Connections that do nothing or little, of each address.
    pub idle: u8,
    /// Connections with forged deliveries, of each address. One forges some twenty a second, since each waits for its
    /// answer.
    pub forging: u8,
    /// Connections that ask for whatever is open to anybody, in all.
    pub flooding: u8,
    /// Genuine deliveries that are measured quietly, and as many among strangers.
    pub deliveries: u64,
    /// Decides what strangers do.
    pub seed: u64,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// 99 of 100 genuine deliveries took no longer while nobody else was there.
    pub quiet_p99: Duration,
    /// And among strangers.
    pub p99: Duration,
    /// Genuine deliveries that were answered otherwise than with 200.
    pub refused: u64,
    /// Genuine deliveries that had to be sent again, because their connection was closed.
    pub sent_again: u64,
    /// Genuine deliveries that were acknowledged and are not in the ledger.
    pub lost: u64,
    /// Health checks that found no answer.
    pub unhealthy: u64,
    /// Forged, repeated and other requests that were answered, per second.
    pub forged_per_second: f64,
    /// See above.
    pub repeated_per_second: f64,
    /// See above.
    pub others_per_second: f64,
    /// Memory of the host before and after, in bytes.
    pub memory: (u64, u64),
    /// What was logged meanwhile, in bytes.
    pub logged: usize,
    /// Rows that the delivery log has of the delivery that was repeated.
    pub rows_of_repeated: usize,
}

impl Seen {
    /// How many times longer than quietly a genuine delivery took.
    pub fn ratio(&self) -> f64 {
        self.p99.as_secs_f64() / self.quiet_p99.as_secs_f64().max(1e-6)
    }
}

/// Lets strangers loose on a host.
///
/// # Errors
/// The trial itself failed.
pub async fn run(strangers: Strangers) -> Result<Seen> {
    let setup = Setup::builder().unlimited().start().await?;
    setup.connect(NORTHWIND).await?;
    let subscription = setup
        .toggl()
        .subscriptions()
        .into_iter()
        .next()
        .context("nothing is subscribed")?;
    let mut genuine = Genuine::new(&setup, &subscription);
    genuine.send(strangers.deliveries.min(200)).await?;
    let mut quiet = genuine.send(strangers.deliveries).await?;
    let memory = memory(&setup)?;
    let logged = setup.host.log()?.len();

    let crowd = Crowd::gather(strangers, &setup, &subscription)?;
    sleep(WARMING).await;
    let before = crowd.counts();
    let started = Instant::now();
    let mut among_strangers = genuine.send(strangers.deliveries).await?;
    let seconds = started.elapsed().as_secs_f64();
    let after = crowd.counts();
    drop(crowd);

    let memory = (memory, self::memory(&setup)?);
    let logged = setup.host.log()?.len() - logged;
    let lost = genuine.lost(&setup).await?;
    let rows = setup.host.get("/deliveries?limit=1000").await?;
    let rows = rows["deliveries"].as_array().context("no log")?.iter();
    let rate = |kind: usize| {
        let count = |counts: &[u64; 3]| counts.get(kind).copied().unwrap_or_default();
        (count(&after) - count(&before)) as f64 / seconds
    };
    Ok(Seen {
        quiet_p99: p99(&mut quiet),
        p99: p99(&mut among_strangers),
        refused: genuine.refused,
        sent_again: genuine.sent_again,
        lost,
        unhealthy: genuine.unhealthy,
        forged_per_second: rate(FORGED),
        repeated_per_second: rate(REPEATED),
        others_per_second: rate(OTHERS),
        memory,
        logged,
        rows_of_repeated: rows.filter(|row| row["event_id"] == "1").count(),
    })
}

fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    let index = (times.len() * 99 / 100).min(times.len().saturating_sub(1));
    times.get(index).copied().unwrap_or_default()
}

/// The memory of the host that is in use, in bytes.
fn memory(setup: &Setup) -> Result<u64> {
    let id = setup.host.id().context("the host has ended")?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes: u64 = line
        .and_then(|line| line.split_whitespace().nth(1))
        .context("no VmRSS")?
        .parse()?;
    Ok(kilobytes << 10)
}

/// Sends genuine deliveries, every other one on a connection of its own, and asks for the host's health.
struct Genuine {
    url: String,
    subscription: Subscription,
    regular: Option<RawConnection>,
    sent: u64,
    refused: u64,
    sent_again: u64,
    unhealthy: u64,
}

impl Genuine {
    fn new(setup: &Setup, subscription: &Subscription) -> Self {
        Self {
            url: setup.host.url.clone(),
            subscription: subscription.clone(),
            regular: None,
            sent: 0,
            refused: 0,
            sent_again: 0,
            unhealthy: 0,
        }
    }

    /// How long each took until it was acknowledged.
    async fn send(&mut self, number: u64) -> Result<Vec<Duration>> {
        let mut times = Vec::new();
        for _ in 0..number {
            self.sent += 1;
            let request = genuine(&self.subscription, self.sent);
            let started = Instant::now();
            // Toggl delivers again what finds no answer.
            let status = loop {
                match timeout(PATIENCE, self.attempt(&request)).await {
                    Ok(Ok(status)) => break status,
                    Ok(Err(_)) if started.elapsed() < PATIENCE => self.sent_again += 1,
                    _ => bail!("a genuine delivery found no answer"),
                }
            };
            times.push(started.elapsed());
            self.refused += u64::from(status != 200);
            if self.sent.is_multiple_of(20) && !self.is_healthy().await {
                self.unhealthy += 1;
            }
            sleep(PACE).await;
        }
        Ok(times)
    }

    async fn attempt(&mut self, request: &[u8]) -> Result<u16> {
        let mut connection = match self.regular.take() {
            Some(regular) if self.sent.is_multiple_of(2) => regular,
            _ => RawConnection::open(&self.url, TOGGL).await?,
        };
        connection.send(request).await?;
        let answer = connection.answer().await?;
        self.regular = Some(connection);
        Ok(answer.status)
    }

    async fn is_healthy(&self) -> bool {
        let asked = async {
            let mut connection = RawConnection::open(&self.url, TOGGL).await?;
            connection.send(get("/healthz")).await?;
            connection.answer().await
        };
        matches!(timeout(PATIENCE, asked).await, Ok(Ok(answer)) if answer.status == 200)
    }

    /// How many are not in the ledger.
    async fn lost(&self, setup: &Setup) -> Result<u64> {
        let mut found = std::collections::BTreeSet::new();
        let mut after = "0".to_owned();
        loop {
            let page = setup
                .host
                .get(&format!("/activities/changes?after={after}&limit=1000"))
                .await?;
            let activities = page["activities"].as_array().context("no feed")?;
            let Some(next) = page["next"].as_str().map(str::to_owned) else {
                bail!("the feed has no place: {page}");
            };
            found.extend(
                activities
                    .iter()
                    .filter_map(|activity| activity["source"]["entry_id"].as_str())
                    .filter_map(|entry| entry.parse::<u64>().ok()),
            );
            if activities.is_empty() || next == after {
                break;
            }
            after = next;
        }
        ensure!(
            !found.contains(&FORGED_ENTRY),
            "a forged delivery is in the ledger"
        );
        let lost = (1..=self.sent).filter(|entry| !found.contains(entry));
        Ok(lost.count() as u64)
    }
}

const FORGED_ENTRY: u64 = 666_000_000;

fn genuine(subscription: &Subscription, number: u64) -> Vec<u8> {
    let event = finished_entry(subscription, number, number);
    let (signature, body) = delivery(&subscription.secret, &event);
    let path = path_of(&subscription.url_callback);
    post(path, &[(SIGNATURE, &signature)], &body)
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

const FORGED: usize = 0;
const REPEATED: usize = 1;
const OTHERS: usize = 2;

/// Strangers that go on until this is dropped.
struct Crowd {
    answered: Arc<[AtomicU64; 3]>,
    _tasks: JoinSet<()>,
}

impl Crowd {
    fn gather(strangers: Strangers, setup: &Setup, subscription: &Subscription) -> Result<Self> {
        let answered: Arc<[AtomicU64; 3]> = Arc::default();
        let mut tasks = JoinSet::new();
        let mut random = StdRng::seed_from_u64(strangers.seed);
        let url = &setup.host.url;
        let path = path_of(&subscription.url_callback).to_owned();
        let forged = {
            let event = finished_entry(subscription, FORGED_ENTRY, FORGED_ENTRY);
            let (signature, body) = delivery("not the secret", &event);
            post(&path, &[(SIGNATURE, &signature)], &body)
        };
        let begun = format!("POST {path} HTTP/1.1\r\nhost: h\r\n{SIGNATURE}: sha256=00");
        for number in 0..strangers.sources {
            // Of each kind in a few networks.
            let from = |kind: u8| Ipv4Addr::new(127, kind, number % 8, number + 1);
            for _ in 0..strangers.idle {
                let pause = Duration::from_millis(random.random_range(200..10_000));
                tasks.spawn(idle(url.clone(), from(11), pause));
                let pace = Duration::from_millis(random.random_range(100..1_000));
                tasks.spawn(drip(url.clone(), from(12), begun.clone(), pace));
            }
            for _ in 0..strangers.forging {
                let requests = vec![forged.clone()];
                tasks.spawn(ask(
                    url.clone(),
                    from(13),
                    requests,
                    Arc::clone(&answered),
                    FORGED,
                ));
            }
            if number.is_multiple_of(10) {
                let requests = vec![genuine(subscription, 1)];
                tasks.spawn(ask(
                    url.clone(),
                    from(14),
                    requests,
                    Arc::clone(&answered),
                    REPEATED,
                ));
            }
        }
        for number in 0..strangers.flooding {
            let unknown = format!("/hooks/{:032x}", random.random::<u128>());
            let requests = vec![
                get("/api/openapi.json"),
                get("/readyz"),
                get("/sign-in"),
                get("/api/v1/users"),
                get("/nowhere"),
                post(
                    &unknown,
                    &[(SIGNATURE, &format!("sha256={}", "0".repeat(64)))],
                    b"{}",
                ),
            ];
            let from = Ipv4Addr::new(127, 15, number % 8, number + 1);
            tasks.spawn(ask(
                url.clone(),
                from,
                requests,
                Arc::clone(&answered),
                OTHERS,
            ));
        }
        Ok(Self {
            answered,
            _tasks: tasks,
        })
    }

    fn counts(&self) -> [u64; 3] {
        [FORGED, REPEATED, OTHERS].map(|kind| {
            let counter = self.answered.get(kind);
            counter.map_or(0, |counter| counter.load(Ordering::Relaxed))
        })
    }
}

/// Asks for little, from time to time, for ever.
async fn idle(url: String, from: Ipv4Addr, pause: Duration) {
    loop {
        if let Ok(mut connection) = RawConnection::open(&url, from).await {
            while connection.send(get("/healthz")).await.is_ok()
                && connection.answer().await.is_ok()
            {
                sleep(pause).await;
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Sends what has no end, a byte at a time, for ever.
async fn drip(url: String, from: Ipv4Addr, beginning: String, pace: Duration) {
    loop {
        if let Ok(mut connection) = RawConnection::open(&url, from).await
            && connection.send(&beginning).await.is_ok()
        {
            while connection.send("0").await.is_ok() {
                sleep(pace).await;
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Sends requests, each when the one before was answered, for ever.
async fn ask(
    url: String,
    from: Ipv4Addr,
    requests: Vec<Vec<u8>>,
    answered: Arc<[AtomicU64; 3]>,
    kind: usize,
) {
    let mut requests = requests.iter().cycle();
    loop {
        if let Ok(mut connection) = RawConnection::open(&url, from).await {
            for request in requests.by_ref() {
                if connection.send(request).await.is_err() || connection.answer().await.is_err() {
                    break;
                }
                if let Some(counter) = answered.get(kind) {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        sleep(Duration::from_millis(20)).await;
    }
}
