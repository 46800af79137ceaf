//! A host whose integrations keep what they store in a table of the platform's: connects what the token can, shows what is in
//! the table, disconnects it and shows that nothing is left.
//!
//! ```sh
//! TOGGL_API_TOKEN=… PUBLIC_URL=https://time.example.com \
//!     cargo run --package integration-host-server --example custom_storage -- target/dist/toggl.wasm
//! ```

mod table;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use integration_host::{ConnectRequest, Host, Secret};
use integration_host_contract::clock::SystemClock;
use integration_host_ledger_sql::SqliteLedger;
use integration_host_server::Server;
use tokio::net::TcpListener;

use self::table::TableStore;

#[tokio::main]
async fn main() -> Result<()> {
    let component = std::env::args().nth(1).context("name the component")?;
    let token = std::env::var("TOGGL_API_TOKEN").context("set TOGGL_API_TOKEN")?;
    let public_url = std::env::var("PUBLIC_URL").context("set PUBLIC_URL")?;
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    // Only for trials: where requests to Toggl go instead.
    let upstream = std::env::var("UPSTREAM").ok();
    let upstream = upstream.map(|upstream| upstream.parse()).transpose()?;

    let store = TableStore::new(Arc::new(SystemClock));
    let host = Host::builder(std::fs::read(component)?)
        .ledger(SqliteLedger::in_memory()?)
        .storage(store.clone())
        .public_url(public_url)
        .upstreams(upstream)
        .start()
        .await?;

    // Toggl calls back while a webhook is made.
    let listener = TcpListener::bind(listen).await?;
    let hooks = Server::new(&host).hooks();
    let hooks = hooks.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, hooks).await });

    let secrets = BTreeMap::from([("api-token".to_owned(), Secret::new(token))]);
    let scopes = host.test(secrets.clone()).await?.scopes;
    let scope = scopes.into_iter().find(|scope| scope.obstacle.is_none());
    let request = ConnectRequest {
        secrets,
        scope_id: scope.context("the token can connect nothing")?.id,
        name: None,
    };
    let connection = host.connect(request).await?;
    println!("{} is connected. In the table:", connection.name);
    for (key, bytes) in store.sizes() {
        println!("  {key}: {bytes} bytes, sealed");
    }
    host.disconnect(&connection.id).await?;
    println!("Disconnected, {} rows left.", store.sizes().len());
    host.stop().await;
    Ok(())
}
