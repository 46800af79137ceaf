//! A connected host whose background work is quick.

use end_to_end::{NORTHWIND, Setup, eventually};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use toggl_sandbox::control::StartTimer;
use toggl_sandbox::scenario::Limits;
use toggl_sandbox::{NewEntry, Scenario};

pub const MARA: i64 = 9_500_001;
pub const JONAS: i64 = 9_500_004;

pub struct Connected {
    pub setup: Setup,
    pub id: String,
}

/// A sandbox without quota, which gives up a delivery at its first failure.
pub fn forgetful() -> Scenario {
    let mut scenario = Scenario {
        limits: Limits {
            hourly_quota: false,
            ..Limits::default()
        },
        ..Scenario::default()
    };
    scenario.delivery.retry_delays_ms = Vec::new();
    scenario
}

impl Connected {
    /// Connects with these lines in the `[background]` section.
    pub async fn start(scenario: Scenario, background: &str) -> Self {
        let configuration = format!("[background]\n{background}\n");
        let setup = Setup::builder()
            .scenario(scenario)
            .configuration(configuration)
            .start()
            .await
            .unwrap();
        let connection = setup.connect(NORTHWIND).await.unwrap();
        Self {
            id: connection["id"].as_str().unwrap().to_owned(),
            setup,
        }
    }

    pub async fn connection(&self) -> Value {
        let path = format!("/connections/{}", self.id);
        self.setup.host.get(&path).await.unwrap()
    }

    /// The kinds of events in the log, oldest first.
    pub async fn kinds(&self) -> Vec<String> {
        let mut kinds: Vec<_> = self
            .log()
            .await
            .iter()
            .map(|event| event["kind"].as_str().unwrap().to_owned())
            .collect();
        kinds.reverse();
        kinds
    }

    /// The log, newest first.
    pub async fn log(&self) -> Vec<Value> {
        let path = format!("/connections/{}/log?limit=1000", self.id);
        let log = self.setup.host.get(&path).await.unwrap();
        log["events"].as_array().unwrap().clone()
    }

    /// Waits until the log has so many events of a kind.
    pub async fn until_logged(&self, kind: &str, times: usize) {
        let what = format!("{kind} is not in the log {times} times");
        self.until(&what, async || {
            let kinds = self.kinds().await;
            kinds.iter().filter(|one| *one == kind).count() >= times
        })
        .await;
    }

    /// Waits until something is so. Nothing depends on how long it takes.
    pub async fn until(&self, failure: &str, is_so: impl AsyncFn() -> bool) {
        if let Err(error) = eventually(failure, is_so).await {
            panic!(
                "{error}\n{:#}\n{:#?}\n{}",
                self.connection().await,
                self.log().await,
                self.setup.host.log().unwrap()
            );
        }
    }

    /// Logs a minute of finished work.
    pub fn log_time(&self, user_id: i64) -> i64 {
        let start = Timestamp::now();
        let entry = NewEntry {
            workspace_id: NORTHWIND,
            user_id,
            start: Some(start),
            stop: Some(start + SignedDuration::from_mins(1)),
            ..NewEntry::default()
        };
        self.setup.toggl().log_time(entry).unwrap().id
    }

    /// Starts a timer. While it runs, only a delivery can tell of it.
    pub fn start_timer(&self, user_id: i64) -> i64 {
        let timer = StartTimer {
            workspace_id: NORTHWIND,
            user_id,
            ..StartTimer::default()
        };
        self.setup.toggl().start_timer(timer).unwrap().id
    }

    pub async fn has(&self, entry: i64) -> bool {
        !self.setup.activity(entry).await.unwrap().is_null()
    }

    /// Deliveries arrive: what only they can tell is there.
    pub async fn assert_live(&self, after: &str) {
        let arrive = self.setup.ensure_deliveries_arrive().await;
        arrive.unwrap_or_else(|error| panic!("{after}: {error}"));
    }
}
