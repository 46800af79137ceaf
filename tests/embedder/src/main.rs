//! Opens a host whose ledger and storage are one SQLite file, and says what the integration is called.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use integration_host::Host;
use integration_host_contract::clock::SystemClock;
use integration_host_database::SqliteDatabase;
use integration_host_ledger_sql::SqliteLedger;
use integration_host_storage::SqliteStore;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let component = arguments.next().context("name the component")?;
    let database = arguments.next().context("name the database")?;
    let database = SqliteDatabase::open(Path::new(&database))?;
    let host = Host::builder(std::fs::read(component)?)
        .ledger(SqliteLedger::new(database.clone()))
        .storage(SqliteStore::new(database, Arc::new(SystemClock)))
        .public_url("https://time.example.com")
        .start()
        .await?;
    println!("{} is ready", host.manifest().name);
    host.stop().await;
    Ok(())
}
