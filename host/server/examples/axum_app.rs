//! The host inside an axum application: hooks, API and console under a path of it, its own sign-in, and activities taken into
//! a table of its own. Run it with a component:
//!
//! ```sh
//! PUBLIC_URL=https://app.example.com/time cargo run --package integration-host-server --example axum_app -- target/dist/toggl.wasm
//! ```
//!
//! Then sign in at `/sign-in?as=ada`, who may do everything, or as anybody else, who may look.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use axum::extract::{Query, State};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::StreamExt as _;
use integration_host::{FeedPage, FeedPlace, Host};
use integration_host_ledger_sql::SqliteLedger;
use integration_host_server::{Authenticator, Identity, Role, Server};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;

#[tokio::main]
async fn main() -> Result<()> {
    let component = std::env::args().nth(1).context("name the component")?;
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let public_url = std::env::var("PUBLIC_URL").context("set PUBLIC_URL")?;
    // Only for trials: where requests to Toggl go instead.
    let upstream = std::env::var("UPSTREAM").ok();
    let upstream = upstream.map(|upstream| upstream.parse()).transpose()?;

    let host = Host::builder(std::fs::read(component)?)
        .ledger(SqliteLedger::in_memory()?)
        .public_url(public_url)
        .upstreams(upstream)
        .start()
        .await?;

    let table = Table::default();
    let following = tokio::spawn(follow(host.clone(), table.clone()));

    let server = Server::new(&host).authenticator(CookieOfPlatform);
    let app = Router::new()
        .route("/", get(hours))
        .route("/sign-in", get(sign_in))
        .with_state(table)
        .nest_service("/time", server.routes())
        .into_make_service_with_connect_info::<SocketAddr>();

    let (stop, mut stopping) = watch::channel(false);
    tokio::spawn(async move {
        // That there is no signal to wait for is no reason to stop.
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.send_replace(true);
        }
        std::future::pending::<()>().await;
    });
    let streams = server.clone();
    axum::serve(TcpListener::bind(listen).await?, app)
        .with_graceful_shutdown(async move {
            let _ = stopping.wait_for(|stopping| *stopping).await;
            streams.end_streams();
        })
        .await?;
    server.finish(Duration::from_secs(10)).await;
    following.abort();
    host.stop().await;
    println!("stopped");
    Ok(())
}

/// The platform's own table. A real one keeps the place in the feed beside it, changed in the same transaction.
#[derive(Clone, Default)]
struct Table(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    place: Option<FeedPlace>,
    rows: BTreeMap<String, Row>,
}

#[derive(Clone, Serialize)]
struct Row {
    title: String,
    seconds: Option<i64>,
}

impl Table {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, page: FeedPage) {
        let mut kept = self.kept();
        for activity in page.activities {
            let id = format!("{} {}", activity.connection_id, activity.entry_id);
            if activity.deleted {
                kept.rows.remove(&id);
                continue;
            }
            let times = activity.start.zip(activity.stop);
            let row = Row {
                title: activity.title.join(" · "),
                seconds: times.map(|(start, stop)| stop.duration_since(start).as_secs()),
            };
            kept.rows.insert(id, row);
        }
        kept.place = Some(page.next);
    }
}

/// Takes what the host learns into the table, for ever.
async fn follow(host: Host, table: Table) {
    loop {
        let place = table.kept().place.clone();
        let mut pages = Box::pin(host.follow(place.unwrap_or(FeedPlace::BEGINNING)));
        while let Some(page) = pages.next().await {
            // What fails in passing the stream tries again.
            if let Ok(page) = page {
                table.take(page);
            }
        }
        // The host's data was restored: everything is told anew.
        *table.kept() = Kept::default();
    }
}

/// A page of the platform that shows its table.
async fn hours(State(table): State<Table>) -> Json<Vec<Row>> {
    Json(table.kept().rows.values().cloned().collect())
}

/// The platform's sign-in. A real one asks for more than a name.
async fn sign_in(Query(query): Query<BTreeMap<String, String>>) -> impl IntoResponse {
    let name: String = query
        .get("as")
        .map(|name| name.chars().filter(char::is_ascii_alphanumeric).collect())
        .unwrap_or_default();
    let cookie = format!("person={name}; Path=/; HttpOnly; SameSite=Lax");
    ([(SET_COOKIE, cookie)], Redirect::to("/time/"))
}

struct CookieOfPlatform;

#[async_trait]
impl Authenticator for CookieOfPlatform {
    async fn authenticate(&self, request: &Parts) -> Option<Identity> {
        let cookies = request.headers.get(COOKIE)?.to_str().ok()?;
        let name = cookies
            .split("; ")
            .find_map(|cookie| cookie.strip_prefix("person="))
            .filter(|name| !name.is_empty())?;
        let role = match name {
            "ada" => Role::Admin,
            _ => Role::Reader,
        };
        Some(Identity::new(name, role))
    }

    fn sign_in_url(&self) -> &str {
        "/sign-in"
    }
}
