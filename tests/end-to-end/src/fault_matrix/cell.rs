//! One cell: the fault, what it comes to, and that all is well once it is over.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use integration_host_contract::ErrorCode;
use integration_host_ledger::{ActivityFilter, Connection, ConnectionState};
use toggl_sandbox::control::Flush;
use tokio::time::Instant;

use super::edge::excess;
use super::fault::{Fault, QUOTA_SECONDS, RETRY_AFTER_SECONDS};
use super::site::{Common, PACING, Site};
use super::subject::Subject;
use super::table::{Act, Outcome, Row, Standing, expected};
use crate::{PATIENCE, eventually};

/// How often it is asked meanwhile.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// What a cell has seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Requests that left the host.
    pub requests: usize,
    /// Calls that were refused without a request because a quota was used up.
    pub spared: usize,
}

/// Runs a cell. The error says what was not as it must be.
pub(super) async fn run(common: &Common, row: Row, fault: Fault) -> Result<Seen> {
    let site = Site::start(common, fault.is_slow()).await?;
    let mut subject = Subject::prepare(common, &site, row)
        .await
        .context("the cell could not be prepared")?;
    let expected = expected(row, fault);
    let before = site.edge.attempts().len();
    inject(common, &site, row, fault)?;

    let result = subject.act().await;
    let outcome = match &result {
        Ok(outcome) => *outcome,
        Err(error) => Outcome::Failed(error.code.as_str()),
    };
    let told = result.as_ref().err().map(ToString::to_string);
    ensure!(
        outcome == expected.outcome,
        "it ends with {outcome:?} ({told:?}) instead of {:?}",
        expected.outcome
    );
    if let Err(error) = &result {
        ensure!(
            error.message.len() > 20 && !error.message.contains("1970-01-01"),
            "nobody can act on “{error}”"
        );
        if error.code == ErrorCode::QuotaExhausted {
            let seconds = error.retry_after_seconds;
            ensure!(
                seconds.is_some_and(|seconds| seconds <= QUOTA_SECONDS),
                "the quota is said to reset in {seconds:?} s"
            );
        }
    }
    let attempts = site.edge.attempts_at(row.endpoint, before);
    ensure!(
        attempts.len() == expected.attempts,
        "{} requests are sent instead of {}",
        attempts.len(),
        expected.attempts
    );
    match fault {
        Fault::TooManyRetryAfter => ensure_waits(&attempts, RETRY_AFTER_SECONDS)?,
        // What comes after the repetition is another request.
        Fault::TooManyOnce => {
            let repeated = attempts.get(..2).unwrap_or_default();
            ensure_waits(repeated, RETRY_AFTER_SECONDS)?;
        }
        _ => {}
    }
    ensure_standing(&site, &subject, expected.standing).await?;

    site.sandbox.control().clear_faults();
    site.edge.divert(None);
    let spared = recover(&site, &mut subject, row).await?;
    ensure_recovered(&site, &subject, row).await?;

    let attempts = site.edge.attempts();
    let interval = Duration::from_secs(60) / PACING.requests_per_minute;
    // One request may be recorded a little late on a busy machine.
    let excess = excess(&attempts, PACING.burst, interval);
    ensure!(
        excess <= 1,
        "{excess} requests are sent faster than the pace"
    );
    site.service.stop().await;
    Ok(Seen {
        requests: attempts.len(),
        spared,
    })
}

fn inject(common: &Common, site: &Site, row: Row, fault: Fault) -> Result<()> {
    if let Some(fault) = fault.at_the_sandbox(row.endpoint) {
        site.sandbox.control().fail_calls(fault);
    }
    let diversion = fault.at_the_edge(row.endpoint, &site.sandbox_url()?, &common.nobody);
    site.edge.divert(diversion);
    Ok(())
}

fn ensure_waits(attempts: &[Instant], seconds: u32) -> Result<()> {
    let asked = Duration::from_secs(seconds.into());
    for (before, after) in attempts.iter().zip(attempts.iter().skip(1)) {
        let waited = after.saturating_duration_since(*before);
        ensure!(
            waited >= asked,
            "Toggl asks to wait {seconds} s, and is asked again after {waited:?}"
        );
    }
    Ok(())
}

async fn ensure_standing(site: &Site, subject: &Subject<'_>, expected: Standing) -> Result<()> {
    let connections = site.service.connections().await?;
    let subscriptions = site.sandbox.control().subscriptions().len();
    match expected {
        Standing::Nothing => {
            ensure!(connections.is_empty(), "a connection is left behind");
            let is_over = subject.connection.is_some();
            let recorded = site.ledger.connections().await?;
            // A disconnected one is remembered for its activities.
            // One whose webhook may still come is remembered too.
            let is_remembered = |connection: &Connection| {
                connection.state == ConnectionState::Disconnected
                    && connection.unsettled_since.is_some()
            };
            ensure!(
                is_over || recorded.iter().all(is_remembered),
                "an unfinished connection is left behind"
            );
            ensure!(
                is_over || subscriptions == 0,
                "a subscription is left behind at Toggl"
            );
        }
        Standing::LeftOver => {
            ensure!(connections.is_empty(), "it looks as if it were connected");
            ensure!(subscriptions == 1, "{subscriptions} subscriptions at Toggl");
        }
        Standing::Active | Standing::Attention(_) | Standing::Gap => {
            let [connection] = connections.as_slice() else {
                bail!("there are {} connections", connections.len());
            };
            let attention = connection.attention.as_ref();
            let code = attention.map(|attention| attention.code.as_str());
            let wanted = match expected {
                Standing::Attention(code) => Some(code),
                _ => None,
            };
            ensure!(
                code == wanted,
                "the connection's attention is {code:?} instead of {wanted:?}"
            );
            ensure!(
                expected != Standing::Gap || connection.coverage.gap.is_some(),
                "the connection passes for complete"
            );
        }
    }
    Ok(())
}

/// Asks again until it goes well. While a quota is used up, no request may draw on it.
async fn recover(site: &Site, subject: &mut Subject<'_>, row: Row) -> Result<usize> {
    let mut spared = 0;
    let mut act = async || -> Result<Option<()>> {
        let before = site.edge.attempts().len();
        match subject.act().await {
            Ok(Outcome::Done) => return Ok(Some(())),
            Err(error) if error.code == ErrorCode::QuotaExhausted => {
                let attempts = site.edge.attempts_at(row.endpoint, before).len();
                // What a person asks for is tried all the same.
                let most = usize::from(row.act.is_a_persons());
                ensure!(
                    attempts <= most,
                    "{attempts} requests are sent although the quota is used up"
                );
                spared += 1;
            }
            // Names are asked for again later, that is: now.
            Ok(_) => {}
            Err(error) => bail!("it does not recover: {error}"),
        }
        tokio::time::sleep(ASK_AGAIN).await;
        Ok(None)
    };
    let failure = "it does not recover: the quota never resets";
    eventually(failure, async || act().await.transpose()).await??;
    Ok(spared)
}

/// Once Toggl is well, everything is in order, and nothing is there twice.
async fn ensure_recovered(site: &Site, subject: &Subject<'_>, row: Row) -> Result<()> {
    match row.act {
        Act::Test | Act::FillNames | Act::FindNames | Act::FindManyNames => return Ok(()),
        Act::Disconnect => {
            let connections = site.service.connections().await?.len();
            ensure!(connections == 0, "it stays connected");
            return Ok(());
        }
        Act::Connect
        | Act::Check
        | Act::Repair
        | Act::ImportTeam
        | Act::Reconcile
        | Act::ReplaceToken => {}
    }
    let id = subject.connection.as_ref().context("it is not connected")?;
    let failure = "it cannot be checked afterwards";
    let health = eventually(failure, async || match site.service.check(id).await {
        Err(error) if error.code == ErrorCode::QuotaExhausted => {
            tokio::time::sleep(ASK_AGAIN).await;
            None
        }
        health => Some(health),
    });
    let health = health.await?.context(failure)?;
    if let Some(problem) = health.problem {
        bail!("a problem remains: {}", problem.error.message);
    }
    ensure_standing(site, subject, Standing::Active).await?;
    let subscriptions = site.sandbox.control().subscriptions();
    let working = subscriptions
        .iter()
        .filter(|subscription| subscription.enabled && subscription.validated_at.is_some());
    let (working, all) = (working.count(), subscriptions.len());
    ensure!(
        working == 1 && all == 1,
        "{working} of {all} subscriptions at Toggl work instead of exactly one"
    );
    ensure_deliveries_arrive(site).await
}

/// Time logged from now on is in the ledger as soon as Toggl has delivered it.
async fn ensure_deliveries_arrive(site: &Site) -> Result<()> {
    let entry = site.log_time(None, None)?;
    let control = site.sandbox.control();
    let patience = Flush {
        timeout_ms: u64::try_from(PATIENCE.as_millis())?,
    };
    let flushed = control.flush(patience).await;
    ensure!(flushed.settled, "a delivery stays on its way");
    let filter = ActivityFilter {
        include_unmapped: true,
        ..ActivityFilter::default()
    };
    let activities = site.service.activities(&filter, None, 100).await?;
    let entry_id = entry.to_string();
    let arrived = activities
        .items
        .iter()
        .any(|activity| activity.entry_id == entry_id);
    ensure!(arrived, "time logged afterwards does not arrive");
    Ok(())
}
