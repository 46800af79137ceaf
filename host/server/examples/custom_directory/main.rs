//! A host that looks people up among the platform's own accounts: connects what the token can, and shows who of the team was
//! recognised.
//!
//! ```sh
//! TOGGL_API_TOKEN=… PUBLIC_URL=https://time.example.com \
//!     cargo run --package integration-host-server --example custom_directory -- \
//!     target/dist/toggl.wasm ada@example.com grace@example.com
//! ```

mod accounts;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use integration_host::{ConnectRequest, Host, Secret};
use integration_host_contract::User;
use integration_host_contract::id::UserId;
use integration_host_ledger::MemberFilter;
use integration_host_ledger_sql::SqliteLedger;
use integration_host_server::Server;
use tokio::net::TcpListener;

use self::accounts::Accounts;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let component = arguments.next().context("name the component")?;
    let accounts = arguments.map(|email| User {
        id: UserId::new(email.clone()),
        name: email.clone(),
        email: Some(email),
    });
    let token = std::env::var("TOGGL_API_TOKEN").context("set TOGGL_API_TOKEN")?;
    let public_url = std::env::var("PUBLIC_URL").context("set PUBLIC_URL")?;
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    // Only for trials: where requests to Toggl go instead.
    let upstream = std::env::var("UPSTREAM").ok();
    let upstream = upstream.map(|upstream| upstream.parse()).transpose()?;

    let host = Host::builder(std::fs::read(component)?)
        .ledger(SqliteLedger::in_memory()?)
        .directory(Accounts::new(accounts))
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
    let team = host
        .all_users(&connection.id, &MemberFilter::default())
        .await?;
    println!("The team of {}:", connection.name);
    for member in team.members {
        let user = member.user.map_or("nobody".to_owned(), |user| user.name);
        println!("  {} is {user}", member.remote_user.name);
    }
    host.disconnect(&connection.id).await?;
    host.stop().await;
    Ok(())
}
