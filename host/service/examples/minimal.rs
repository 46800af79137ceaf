//! A host in a program of one's own: a component, a ledger, and which workspaces a token can connect. Run it with a
//! component and a Toggl API token:
//!
//! ```sh
//! TOGGL_API_TOKEN=… cargo run --package integration-host --example minimal -- target/dist/toggl.wasm
//! ```

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use integration_host::{Host, Secret};
use integration_host_ledger_sql::SqliteLedger;

#[tokio::main]
async fn main() -> Result<()> {
    let component = std::env::args().nth(1).context("name the component")?;
    let token = std::env::var("TOGGL_API_TOKEN").context("set TOGGL_API_TOKEN")?;
    // Only for trials: where requests to Toggl go instead, such as `api.track.toggl.com=http://127.0.0.1:8787`.
    let upstream = std::env::var("UPSTREAM").ok();
    let upstream = upstream.map(|upstream| upstream.parse()).transpose()?;

    let host = Host::builder(std::fs::read(component)?)
        .ledger(SqliteLedger::in_memory()?)
        .public_url("https://time.example.com")
        .upstreams(upstream)
        .start()
        .await?;

    let secrets = BTreeMap::from([("api-token".to_owned(), Secret::new(token))]);
    let report = host.test(secrets).await?;
    println!("{} can connect:", report.account.name);
    for scope in report
        .scopes
        .iter()
        .filter(|scope| scope.obstacle.is_none())
    {
        println!("  {} {}", scope.id, scope.name);
    }
    host.stop().await;
    Ok(())
}
