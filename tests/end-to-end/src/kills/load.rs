//! Deliveries whose outcome is known: entries that are created, edited and deleted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng, RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use toggl_sandbox::control::Control;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::silence::Silence;
use crate::PATIENCE;
use crate::setup::{TOMAS, delivery};

/// Senders that deliver at the same time.
const SENDERS: u64 = 32;

/// The first entry's id. Ids of events and entries are apart.
const FIRST_ENTRY: usize = 500_000_000;

/// The most events of one entry.
const MOST_STATES: usize = 4;

/// How far an event may be from its place in the order of events.
const DISORDER: usize = 64;

/// How long a sender waits before it sends again.
const PAUSE: Duration = Duration::from_millis(25);

/// How long a delivery may take before the sender gives up, as Toggl does.
const ANSWER: Duration = Duration::from_secs(20);

/// Where deliveries of one workspace go.
pub(super) struct Hook {
    pub(super) connection: String,
    workspace: i64,
    callback: String,
    secret: String,
    subscription: i64,
}

impl Hook {
    /// The hook of a connection, from Toggl's side.
    pub(super) fn of(toggl: &Control, workspace: i64, connection: &Value) -> Result<Self> {
        let subscription = toggl
            .subscriptions()
            .into_iter()
            .find(|subscription| subscription.workspace_id == workspace)
            .context("nothing is subscribed")?;
        Ok(Self {
            connection: connection["id"].as_str().context("no id")?.to_owned(),
            workspace,
            callback: subscription.url_callback,
            secret: subscription.secret,
            subscription: subscription.id,
        })
    }
}

/// One entry and its states, of which the last may be that it is deleted.
pub(super) struct Entry {
    hook: usize,
    pub(super) states: usize,
    pub(super) ends_deleted: bool,
    /// Whether all of its events are of one second.
    hasty: bool,
    /// The newest state that was acknowledged, counted from 1.
    acknowledged: AtomicUsize,
}

impl Entry {
    pub(super) fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// The newest state that was acknowledged, and whether the entry is deleted in it.
    pub(super) fn truth(&self) -> Option<(usize, bool)> {
        let newest = self.acknowledged();
        (newest > 0).then_some((newest, self.ends_deleted && newest == self.states))
    }
}

/// One event of an entry.
struct Event {
    entry: usize,
    state: usize,
    acknowledged: AtomicU32,
    sent: AtomicU32,
}

/// All deliveries, how far they are, and who acknowledged them.
pub(super) struct Load {
    hooks: Vec<Hook>,
    pub(super) entries: Vec<Entry>,
    events: Vec<Event>,
    /// The order in which the events are sent for the first time.
    order: Vec<usize>,
    next: AtomicUsize,
    progress: watch::Sender<u64>,
    duplicates: AtomicU64,
    failed: AtomicBool,
    stopped: AtomicBool,
    pub(super) silence: Silence,
    client: reqwest::Client,
}

impl Load {
    pub(super) fn new(hooks: Vec<Hook>, deliveries: usize, random: &mut impl Rng) -> Result<Self> {
        let (mut entries, mut events) = (Vec::new(), Vec::new());
        while events.len() < deliveries {
            let states = random
                .random_range(1..=MOST_STATES)
                .min(deliveries - events.len());
            for state in 0..states {
                events.push(Event {
                    entry: entries.len(),
                    state,
                    acknowledged: AtomicU32::new(0),
                    sent: AtomicU32::new(0),
                });
            }
            entries.push(Entry {
                hook: random.random_range(0..hooks.len()),
                states,
                ends_deleted: states > 1 && random.random_ratio(1, 4),
                hasty: random.random_ratio(1, 3),
                acknowledged: AtomicUsize::new(0),
            });
        }
        let mut order: Vec<_> = (0..events.len()).collect();
        for window in order.chunks_mut(DISORDER) {
            window.shuffle(random);
        }
        Ok(Self {
            hooks,
            entries,
            events,
            order,
            next: AtomicUsize::new(0),
            progress: watch::Sender::new(0),
            duplicates: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            silence: Silence::begin(),
            client: reqwest::Client::builder()
                .no_proxy()
                .timeout(ANSWER)
                .build()?,
        })
    }

    /// Starts all senders, whose random numbers follow from a seed.
    pub(super) fn start(self: &Arc<Self>, seed: u64) -> Vec<JoinHandle<Result<()>>> {
        (0..SENDERS)
            .map(|sender| {
                let random = StdRng::seed_from_u64(seed.wrapping_add(sender + 1));
                tokio::spawn(Arc::clone(self).send(random))
            })
            .collect()
    }

    /// Sends what nobody else sends, until everything is acknowledged.
    async fn send(self: Arc<Self>, mut random: StdRng) -> Result<()> {
        let result = self.send_all(&mut random).await;
        self.failed.fetch_or(result.is_err(), Ordering::SeqCst);
        // Whoever waits for progress is to see that there will be none.
        self.progress.send_modify(|_| {});
        result
    }

    async fn send_all(&self, random: &mut StdRng) -> Result<()> {
        while !self.stopped.load(Ordering::SeqCst) {
            let place = self.next.fetch_add(1, Ordering::SeqCst);
            let Some(event) = self.order.get(place).and_then(|at| self.events.get(*at)) else {
                return Ok(());
            };
            let number = self.order.get(place).copied().unwrap_or_default();
            let delivered_again = async {
                while !self.deliver(number, event).await? {
                    sleep(PAUSE).await;
                }
                anyhow::Ok(())
            };
            timeout(PATIENCE, delivered_again)
                .await
                .context("a delivery is not acknowledged")??;
            self.progress.send_modify(|acknowledged| *acknowledged += 1);
            // Toggl delivers some twice.
            if random.random_ratio(1, 32) && self.deliver(number, event).await? {
                self.duplicates.fetch_add(1, Ordering::SeqCst);
            }
        }
        Ok(())
    }

    /// Has senders end as soon as what they are at is acknowledged.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// Whether the delivery was acknowledged. Only 503 and no answer at all are reasons to send it again.
    async fn deliver(&self, number: usize, event: &Event) -> Result<bool> {
        let entry = self.entries.get(event.entry).context("no such entry")?;
        let hook = self.hooks.get(entry.hook).context("no such hook")?;
        let (signature, body) = delivery(&hook.secret, &self.body(number, event, entry, hook)?);
        event.sent.fetch_add(1, Ordering::SeqCst);
        let answer = self
            .client
            .post(&hook.callback)
            .header("content-type", "application/json")
            .header("X-Webhook-Signature-256", signature)
            .body(body)
            .send()
            .await;
        match answer.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => {
                event.acknowledged.fetch_add(1, Ordering::SeqCst);
                entry
                    .acknowledged
                    .fetch_max(event.state + 1, Ordering::SeqCst);
                self.silence.end();
                Ok(true)
            }
            Ok(reqwest::StatusCode::SERVICE_UNAVAILABLE) | Err(_) => Ok(false),
            Ok(status) => bail!("a genuine delivery was answered with {status}"),
        }
    }

    fn body(&self, number: usize, event: &Event, entry: &Entry, hook: &Hook) -> Result<Value> {
        let id = FIRST_ENTRY + event.entry;
        let deleted = entry.ends_deleted && event.state + 1 == entry.states;
        let created: Timestamp = "2026-03-02T10:00:00Z".parse()?;
        let step = if entry.hasty { 100 } else { 1_500 };
        let changed = created + SignedDuration::from_millis(step * event.state as i64);
        let action = match (event.state, deleted) {
            (_, true) => "deleted",
            (0, false) => "created",
            (_, false) => "updated",
        };
        let at = changed.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string();
        Ok(json!({
            "event_id": number + 1, "created_at": changed.to_string(), "creator_id": TOMAS,
            "metadata": { "action": action, "model": "time_entry",
                "workspace_id": hook.workspace.to_string(), "time_entry_id": id.to_string() },
            "payload": {
                "at": at, "billable": false, "description": description(event.entry, event.state),
                "duration": 60, "id": id, "project_id": null, "start": "2026-03-02T09:59:00Z",
                "stop": "2026-03-02T10:00:00Z", "tags": ["load"], "user_id": TOMAS,
                "server_deleted_at": deleted.then_some(at.clone()), "workspace_id": hook.workspace
            },
            "subscription_id": hook.subscription, "timestamp": Timestamp::now().to_string(),
            "url_callback": hook.callback
        }))
    }

    /// Waits until so many events were acknowledged.
    pub(super) async fn acknowledged_reach(&self, count: u64) -> Result<()> {
        let mut progress = self.progress.subscribe();
        // Looking at the progress in here as well would wait for a sender that waits for this to end.
        let enough = count.min(self.events.len() as u64);
        let reached =
            |acknowledged: &u64| *acknowledged >= enough || self.failed.load(Ordering::SeqCst);
        timeout(PATIENCE, progress.wait_for(reached))
            .await
            .context("too few deliveries were acknowledged")??;
        Ok(())
    }

    pub(super) fn is_done(&self) -> bool {
        *self.progress.borrow() >= self.events.len() as u64
    }

    /// Answers with 2xx.
    pub(super) fn acknowledged(&self) -> u64 {
        *self.progress.borrow() + self.duplicates.load(Ordering::SeqCst)
    }

    /// Requests.
    pub(super) fn sent(&self) -> u64 {
        let counts = self.events.iter().map(|event| &event.sent);
        counts
            .map(|sent| u64::from(sent.load(Ordering::SeqCst)))
            .sum()
    }

    /// For each event how often it was acknowledged and sent, in the order of their ids, which begin at 1.
    pub(super) fn counts(&self) -> Vec<(u32, u32)> {
        self.events
            .iter()
            .map(|event| {
                (
                    event.acknowledged.load(Ordering::SeqCst),
                    event.sent.load(Ordering::SeqCst),
                )
            })
            .collect()
    }

    /// The number of the entry that an activity shows and the state it shows, counted from 1.
    pub(super) fn seen(&self, activity: &Value) -> Option<(usize, usize)> {
        let title = activity["title"].as_array()?.last()?.as_str()?;
        let mut words = title.split(' ');
        let number: usize = words.nth(1)?.parse().ok()?;
        let state = words.nth(1)?.parse().ok()?;
        let entry = self.entries.get(number)?;
        let hook = self.hooks.get(entry.hook)?;
        let is_here = activity["connection_id"] == hook.connection.as_str()
            && activity["source"]["entry_id"] == (FIRST_ENTRY + number).to_string().as_str();
        is_here.then_some((number, state))
    }
}

fn description(entry: usize, state: usize) -> String {
    format!("Entry {entry} state {}", state + 1)
}
