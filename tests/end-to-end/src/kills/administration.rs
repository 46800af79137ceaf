//! Killing the host in the middle of what a person asks for.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use toggl_sandbox::Scenario;

use crate::eventually;
use crate::setup::{NORTHWIND, Setup};

const TOMAS: &str = "9500002";

/// How long changes in the ledger take at most.
const CHANGING: Duration = Duration::from_millis(10);

/// What happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct InterruptedUseCases {
    /// The seed.
    pub seed: u64,
    /// Kills.
    pub kills: u32,
    /// Use cases that were answered before the kill.
    pub answered: u32,
    /// Attempts to connect that were completed or undone without an answer.
    pub connects: u32,
    /// The same of disconnecting.
    pub disconnects: u32,
}

impl fmt::Display for InterruptedUseCases {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} kills, {} connects and {} disconnects interrupted, {} use cases answered before; seed {}",
            self.kills, self.connects, self.disconnects, self.answered, self.seed
        )
    }
}

/// How long use cases take that call Toggl, because the host paces its requests.
struct Times {
    connecting: Duration,
    disconnecting: Duration,
}

/// What is known of the connection.
#[derive(Debug, Default)]
struct Known {
    name: Option<String>,
    user: Option<Value>,
}

/// Has the host connect, disconnect, rename and map, and kills it at a random moment meanwhile. An error
/// says which promise was broken: what was answered did not hold, or something was left at Toggl.
pub async fn interrupt_use_cases(kills: u32, seed: u64) -> Result<InterruptedUseCases> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut scenario = Scenario::default();
    scenario.limits.hourly_quota = false;
    let mut setup = Setup::builder().scenario(scenario).start().await?;
    // How long it takes tells within which time to kill.
    let began = Instant::now();
    let id = connect(&setup).await?;
    let connecting = began.elapsed();
    disconnect(&setup, &id).await?;
    let times = Times {
        connecting,
        disconnecting: began.elapsed() - connecting,
    };
    let mut known = Known::default();
    let mut report = InterruptedUseCases {
        seed,
        kills,
        ..InterruptedUseCases::default()
    };
    let mut connection = None;
    for kill in 0..kills {
        let round = async {
            let step = Step::choose(connection.as_deref(), kill, &mut random);
            let answer = step.interrupt(&mut setup, &times, &mut random).await?;
            report.answered += u32::from(answer.is_some());
            if answer.is_none() {
                report.connects += u32::from(matches!(step, Step::Connect));
                report.disconnects += u32::from(matches!(step, Step::Disconnect(_)));
            }
            connection = settled(&setup).await?;
            step.ensure_kept(answer, connection.as_deref(), &setup, &mut known)
                .await
        };
        round
            .await
            .with_context(|| format!("at kill {kill}, seed {seed}"))?;
    }
    // Whatever was interrupted, everything works afterwards.
    let id = match connection {
        Some(id) => id,
        None => connect(&setup).await?,
    };
    disconnect(&setup, &id).await?;
    let left = setup.toggl().subscriptions().len();
    ensure!(left == 0, "{left} subscriptions were left at Toggl");
    Ok(report)
}

/// One thing a person asks for.
#[derive(Debug)]
enum Step {
    Connect,
    Disconnect(String),
    Rename(String, String),
    Map(String, Option<&'static str>),
}

impl Step {
    fn choose(connection: Option<&str>, kill: u32, random: &mut StdRng) -> Self {
        let Some(id) = connection.map(str::to_owned) else {
            return Self::Connect;
        };
        match random.random_range(0..4) {
            0 => Self::Rename(id, format!("Name {kill}")),
            1 => Self::Map(id, kill.is_multiple_of(2).then_some("u-hugo")),
            _ => Self::Disconnect(id),
        }
    }

    /// Asks for it, kills the host meanwhile and starts it again. The answer, if it came before.
    async fn interrupt(
        &self,
        setup: &mut Setup,
        times: &Times,
        random: &mut StdRng,
    ) -> Result<Option<StatusCode>> {
        let (method, path, body, time) = match self {
            Self::Connect => {
                let body = json!({ "secrets": setup.secrets(), "scope_id": NORTHWIND.to_string(), "name": null });
                (
                    Method::POST,
                    "/connections".to_owned(),
                    body,
                    times.connecting,
                )
            }
            Self::Disconnect(id) => {
                let path = format!("/connections/{id}");
                (Method::DELETE, path, json!({}), times.disconnecting)
            }
            Self::Rename(id, name) => {
                let path = format!("/connections/{id}");
                (Method::PATCH, path, json!({ "name": name }), CHANGING)
            }
            Self::Map(id, user) => {
                let path = format!("/connections/{id}/users/{TOMAS}");
                (Method::PUT, path, json!({ "user_id": user }), CHANGING)
            }
        };
        let request = setup.host.request(method, &path).json(&body);
        let answer = tokio::spawn(async move { request.send().await.ok().map(|it| it.status()) });
        tokio::time::sleep(time.mul_f64(random.random())).await;
        setup.host.kill().await?;
        let answer = answer.await?;
        setup.restart().await?;
        Ok(answer)
    }

    /// Makes sure that what was answered holds, and that without an answer it was done or not.
    async fn ensure_kept(
        &self,
        answer: Option<StatusCode>,
        connection: Option<&str>,
        setup: &Setup,
        known: &mut Known,
    ) -> Result<()> {
        let done = answer.is_some_and(|status| status.is_success());
        if let Some(status) = answer
            && !done
        {
            // Connecting again before the undoing is through.
            ensure!(
                matches!(self, Self::Connect) && status == StatusCode::CONFLICT,
                "{self:?} was answered with {status}"
            );
        }
        match self {
            Self::Connect if done => ensure!(connection.is_some(), "a connection was lost"),
            Self::Disconnect(_) if done => ensure!(connection.is_none(), "it is back"),
            _ => {}
        }
        let Some(id) = connection else {
            return Ok(());
        };
        let shown = setup.host.get(&format!("/connections/{id}")).await?;
        let name = shown["name"].as_str().map(str::to_owned);
        let users = setup.host.get(&format!("/connections/{id}/users")).await?;
        let user = users["users"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|user| user["remote_user"]["id"] == TOMAS)
            .map(|user| user["user"]["id"].clone());
        match self {
            Self::Rename(_, new) if name.as_deref() == Some(new) => {}
            Self::Rename(_, new) if done => bail!("the name {new} was lost: {name:?}"),
            _ => ensure!(
                known.name.is_none() || name == known.name,
                "the name changed to {name:?} from {:?}",
                known.name
            ),
        }
        match self {
            Self::Map(_, new) if user == Some(json!(new)) => {}
            Self::Map(_, new) if done => bail!("the mapping to {new:?} was lost: {user:?}"),
            _ => ensure!(
                known.user.is_none() || user == known.user,
                "the mapping changed to {user:?} from {:?}",
                known.user
            ),
        }
        (known.name, known.user) = (name, user);
        Ok(())
    }
}

/// Waits until what is connected here is what is subscribed at Toggl, and says what that is.
async fn settled(setup: &Setup) -> Result<Option<String>> {
    eventually(
        "what was interrupted was neither undone nor completed",
        async || {
            let list = setup.host.get("/connections").await?;
            let here = list["connections"].as_array().context("no list")?;
            let hooks: Vec<_> = here.iter().map(|one| one["callback_url"].clone()).collect();
            let there = setup.toggl().subscriptions();
            let subscribed: Vec<_> = there.iter().map(|one| json!(one.url_callback)).collect();
            ensure!(
                hooks == subscribed,
                "{} subscriptions at Toggl, connected here: {list}",
                there.len()
            );
            let id = here.first().and_then(|one| one["id"].as_str());
            Ok(id.map(str::to_owned))
        },
    )
    .await
}

/// Connects, as soon as the host has undone an earlier attempt.
async fn connect(setup: &Setup) -> Result<String> {
    let attempt = async || {
        let body =
            json!({ "secrets": setup.secrets(), "scope_id": NORTHWIND.to_string(), "name": null });
        let (status, body) = setup.host.call(Method::POST, "/connections", body).await?;
        match status {
            StatusCode::CREATED => Ok(Some(body["id"].as_str().context("no id")?.to_owned())),
            StatusCode::CONFLICT => Ok(None),
            _ => bail!("connecting was answered with {status}: {body}"),
        }
    };
    // Only a conflict goes away by itself.
    eventually("the workspace stays taken", async || {
        attempt().await.transpose()
    })
    .await?
}

async fn disconnect(setup: &Setup, id: &str) -> Result<()> {
    let path = format!("/connections/{id}");
    let (status, body) = setup.host.call(Method::DELETE, &path, Value::Null).await?;
    ensure!(
        status == StatusCode::NO_CONTENT,
        "disconnecting was answered with {status}: {body}"
    );
    Ok(())
}
