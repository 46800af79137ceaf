//! The host program: how quickly it is ready, and what it costs after ten thousand deliveries.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use end_to_end::{HostProcess, NORTHWIND, Setup};

use super::{load, median, print, resources};

const STARTS: usize = 7;
const DELIVERIES: u64 = 10_000;
const CLIENTS: u64 = 16;

pub async fn measure() -> Result<()> {
    let mut setup = Setup::builder().start().await?;
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
    let host = &setup.host;
    let started = Instant::now();
    let times = load::deliver(&setup.toggl().subscriptions(), 0..DELIVERIES, CLIENTS).await?;
    let per_second = DELIVERIES as f64 / started.elapsed().as_secs_f64();
    print(
        "deliveries accepted, over HTTP, on disk",
        format!("{per_second:.0} /s"),
        "",
    );
    let figure = format!("{:.1} ms", median(times).as_secs_f64() * 1e3);
    print("  acknowledged within (median, 16 clients)", figure, "");
    let id = host.id().context("the host has ended")?;
    let figure = format!("{:.1} MB", resources::memory(id)? as f64 / 1e6);
    print(
        "host, resident memory after 10,000 deliveries",
        figure,
        "≤ 80 MB",
    );
    Ok(())
}
