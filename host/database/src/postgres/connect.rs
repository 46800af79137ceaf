//! Connections to a Postgres database, kept in a pool.

use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use tokio::time::timeout;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::PostgresAddress;
use super::error::{PostgresOpenError, cannot_connect};
use super::tls::connector;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Reading alone, for which a standby will do.
    Reading,
    /// Writing too: a server that cannot be written is not used.
    Writing,
}

/// How long connecting may take, and waiting for a connection that is free.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// After so long a silence the system looks whether the server is still there.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// What the server has not acknowledged after this time is lost: a pulled cable is noticed.
const UNACKNOWLEDGED: Duration = Duration::from_secs(15);

/// A pool of connections, each of which has run `setup` first. One was made, so the address works.
///
/// # Errors
/// A sentence that says what is wrong with the address or the server. A pooler that does not keep sessions is one:
/// nothing was changed through it.
pub async fn connect(
    address: &PostgresAddress,
    setup: &'static str,
    purpose: Purpose,
) -> Result<Pool, PostgresOpenError> {
    let config = config(address, purpose);
    // Each of several servers may use up its time.
    let servers = u32::try_from(address.servers()).unwrap_or(u32::MAX).max(1);
    let time = CONNECT_TIMEOUT.saturating_mul(servers);
    // A server that does not answer is told of below.
    if let Ok(kept) = timeout(time, ensure_sessions_are_kept(&config, address)).await {
        kept?;
    }
    let timeouts = Timeouts {
        wait: Some(CONNECT_TIMEOUT),
        create: Some(time),
        recycle: Some(CONNECT_TIMEOUT),
    };
    let pool = Pool::builder(manager(config, address)?)
        .max_size(address.connections())
        .timeouts(timeouts)
        .runtime(Runtime::Tokio1)
        .post_create(Hook::async_fn(move |client, _| {
            Box::pin(async move {
                client
                    .batch_execute(setup)
                    .await
                    .map_err(HookError::Backend)
            })
        }))
        .build()
        .map_err(|error| PostgresOpenError(error.to_string()))?;
    match pool.get().await {
        Ok(_) => Ok(pool),
        Err(PoolError::PostCreateHook(HookError::Backend(error))) => {
            Err(cannot_connect(address, PoolError::Backend(error)))
        }
        Err(error) => Err(cannot_connect(address, error)),
    }
}

/// How connections are made.
pub(super) fn config(address: &PostgresAddress, purpose: Purpose) -> Config {
    let mut config = address.config();
    config
        .connect_timeout(CONNECT_TIMEOUT)
        .keepalives_idle(KEEPALIVE)
        .keepalives_interval(KEEPALIVE)
        .tcp_user_timeout(UNACKNOWLEDGED);
    if purpose == Purpose::Writing {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    config
}

/// Refuses a pooler that lends one connection of the server to several clients in turn: what a session sets or prepares
/// would be missing in the next transaction, and would reach other clients.
async fn ensure_sessions_are_kept(
    config: &Config,
    address: &PostgresAddress,
) -> Result<(), PostgresOpenError> {
    let tls = connector(address.tls())?;
    match is_server_process_shared(config, tls.as_ref()).await {
        Ok(true) => Err(PostgresOpenError(format!(
            "a pooler at {} lends each connection of the server to several clients in turn, so what is set for one would reach others: have it keep sessions (PgBouncer: `pool_mode = session` for this database), or name the server itself",
            address.server()
        ))),
        // Whatever else is wrong, connecting tells.
        Ok(false) | Err(_) => Ok(()),
    }
}

/// Whether two connections that are open at once have the same process of the server behind them.
async fn is_server_process_shared(
    config: &Config,
    tls: Option<&MakeRustlsConnect>,
) -> Result<bool, tokio_postgres::Error> {
    let first = session(config, tls).await?;
    let second = session(config, tls).await?;
    let process = server_process(&first).await?;
    // In a transaction the second connection has a process to itself. A pooler gives it the one that was used last, unless
    // others are quicker.
    for _ in 0..3 {
        if let Err(error) = second.batch_execute("BEGIN").await {
            // A pooler that lends for one statement alone allows no transactions.
            return Ok(error.as_db_error().is_some());
        }
        let other = server_process(&second).await?;
        second.batch_execute("ROLLBACK").await?;
        // What only speaks the protocol may have no processes, and gives all the same number, such as 0 or -1.
        if process > 0 && other == process {
            return Ok(true);
        }
    }
    Ok(server_process(&first).await? != process)
}

/// A connection outside of the pool.
async fn session(
    config: &Config,
    tls: Option<&MakeRustlsConnect>,
) -> Result<Client, tokio_postgres::Error> {
    match tls {
        Some(tls) => {
            let (client, connection) = config.connect(tls.clone()).await?;
            tokio::spawn(connection);
            Ok(client)
        }
        None => {
            let (client, connection) = config.connect(NoTls).await?;
            tokio::spawn(connection);
            Ok(client)
        }
    }
}

/// The number of the server's process behind a connection. Asked in one message: a prepared statement might be lost.
async fn server_process(client: &Client) -> Result<i64, tokio_postgres::Error> {
    let answer = client.simple_query("SELECT pg_backend_pid()").await?;
    let number = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    });
    Ok(number.unwrap_or_default())
}

fn manager(config: Config, address: &PostgresAddress) -> Result<Manager, PostgresOpenError> {
    let settings = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    Ok(match connector(address.tls())? {
        Some(tls) => Manager::from_config(config, tls, settings),
        None => Manager::from_config(config, NoTls, settings),
    })
}
