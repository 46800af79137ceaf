//! Embedding the host: the use cases with providers of one's own choice, without the server and the
//! command line. Run it with a component and a Toggl API token:
//!
//! ```sh
//! TOGGL_API_TOKEN=… cargo run --package integration-host --example embed -- target/dist/toggl.wasm
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use integration_host::schedule::Schedule;
use integration_host::{DeletedEntries, Parts, Service};
use integration_host_contract::clock::SystemClock;
use integration_host_contract::limits::Limits;
use integration_host_database::SqliteDatabase;
use integration_host_directory::EmptyDirectory;
use integration_host_engine::{Engine, Integration};
use integration_host_http::{AllowList, HttpLender, HttpLimits, HttpMetrics, ReqwestClient};
use integration_host_ledger_sql::SqliteLedger;
use integration_host_seal::secret::Secret;
use integration_host_seal::{SealingKey, SealingKeys};
use integration_host_storage::MemoryStore;

#[tokio::main]
async fn main() -> Result<()> {
    let component = std::env::args().nth(1).context("name the component")?;
    let token = std::env::var("TOGGL_API_TOKEN").context("set TOGGL_API_TOKEN")?;

    // The engine lives as long as the process; an integration as long as its component is loaded.
    let engine = Engine::new(Limits::default(), None)?;
    let integration = Integration::load(&engine, &std::fs::read(component)?).await?;

    // What the integration declares is what it is lent, and no more.
    let manifest = integration.manifest();
    let client = Arc::new(ReqwestClient::new(Duration::from_secs(5))?);
    let allow_list = AllowList::new(&manifest.hosts, None, &[])?;
    let metrics = Arc::new(HttpMetrics::default());
    let http = HttpLender::new(client, manifest, allow_list, HttpLimits::default(), metrics);

    // Each of these is a trait object: a platform puts its own in.
    let clock = Arc::new(SystemClock);
    let service = Service::start(Parts {
        http: Arc::new(http),
        store: Arc::new(MemoryStore::new(clock.clone())),
        ledger: Arc::new(SqliteLedger::new(SqliteDatabase::open_in_memory()?)),
        directory: Arc::new(EmptyDirectory),
        keys: Arc::new(SealingKeys::new(SealingKey::generate())),
        backup: None,
        clock,
        public_url: "https://time.example.com".parse()?,
        deleted_entries: DeletedEntries::default(),
        schedule: Schedule::default(),
        integration,
    })
    .await?;

    // From here on the platform calls use cases: test, connect, map_user, activities, changes, …
    // and hands what arrives at /hooks/{hook} to `handle_delivery`.
    let secrets = BTreeMap::from([("api-token".to_owned(), Secret::new(token))]);
    let report = service.test(secrets).await?;
    println!("{} can connect:", report.account.name);
    for scope in report
        .scopes
        .iter()
        .filter(|scope| scope.obstacle.is_none())
    {
        println!("  {} {}", scope.id, scope.name);
    }
    service.stop().await;
    Ok(())
}
