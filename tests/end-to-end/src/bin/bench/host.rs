//! The host program: how quickly it is ready, and what it costs after ten thousand deliveries.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use end_to_end::{HostProcess, NORTHWIND, Setup, delivery};
use serde_json::json;

use super::{median, print};

const STARTS: usize = 7;
const DELIVERIES: u64 = 10_000;
const CLIENTS: u64 = 16;

pub async fn measure() -> Result<()> {
    let mut setup = Setup::start().await?;
    setup.connect(NORTHWIND).await?;
    measure_start(&mut setup).await?;
    measure_deliveries(&setup).await
}

/// From starting the program to its first answer that it is ready.
async fn measure_start(setup: &mut Setup) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        setup.host.terminate().await?;
        let started = Instant::now();
        setup.restart().await?;
        ensure!(
            is_ready(&setup.host).await?,
            "the host is not ready after its start"
        );
        times.push(started.elapsed());
    }
    let figure = format!("{} ms", median(times).as_millis());
    print(
        "host, start to ready, compiled component cached (median)",
        figure,
        "≤ 300 ms",
    );
    Ok(())
}

async fn is_ready(host: &HostProcess) -> Result<bool> {
    let response = reqwest::get(format!("{}/readyz", host.url)).await?;
    Ok(response.status().is_success())
}

async fn measure_deliveries(setup: &Setup) -> Result<()> {
    let subscription = setup
        .toggl()
        .subscriptions()
        .into_iter()
        .next()
        .context("nothing is subscribed")?;
    let (secret, callback) = (
        subscription.secret.as_str(),
        subscription.url_callback.as_str(),
    );
    let host = &setup.host;
    let started = Instant::now();
    let clients = (0..CLIENTS).map(|client| async move {
        let mut times = Vec::new();
        for number in (client..DELIVERIES).step_by(CLIENTS as usize) {
            let event = json!({
                "event_id": number + 1, "created_at": "2026-03-02T11:43:32.827Z",
                "creator_id": 9_500_002,
                "metadata": { "action": "created", "model": "time_entry",
                    "workspace_id": "7400001", "time_entry_id": (number + 1).to_string() },
                "payload": {
                    "at": "2026-03-02T11:43:32+00:00", "billable": false,
                    "description": format!("Entry {number}"), "duration": 60, "id": number + 1,
                    "project_id": null, "start": "2026-03-02T11:42:32Z",
                    "stop": "2026-03-02T11:43:32Z", "tags": ["a"], "user_id": 9_500_002,
                    "workspace_id": NORTHWIND
                },
                "subscription_id": subscription.id, "timestamp": "2026-03-02T11:43:33Z",
                "url_callback": callback
            });
            let (signature, body) = delivery(secret, &event);
            let sent = Instant::now();
            let status = host.deliver(callback, Some(&signature), body).await?;
            ensure!(status.is_success(), "a delivery was answered with {status}");
            times.push(sent.elapsed());
        }
        Ok(times)
    });
    let times: Vec<Duration> = futures_util::future::try_join_all(clients).await?.concat();
    let per_second = DELIVERIES as f64 / started.elapsed().as_secs_f64();
    print(
        "deliveries accepted, over HTTP, on disk",
        format!("{per_second:.0} /s"),
        "",
    );
    let figure = format!("{:.1} ms", median(times).as_secs_f64() * 1e3);
    print("  acknowledged within (median, 16 clients)", figure, "");
    let figure = format!("{:.1} MB", resident_bytes(host)? as f64 / 1e6);
    print(
        "host, resident memory after 10,000 deliveries",
        figure,
        "≤ 80 MB",
    );
    Ok(())
}

/// What the kernel counts as resident.
fn resident_bytes(host: &HostProcess) -> Result<u64> {
    let id = host.id().context("the host has ended")?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("the kernel does not tell")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * 1024)
}
