//! Connections to a Postgres database, kept in a pool.

use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use tokio_postgres::{Config, NoTls};

use super::PostgresAddress;
use super::error::{PostgresOpenError, cannot_connect};
use super::tls::connector;

/// How long connecting may take, and waiting for a connection that is free.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// After so long a silence the system looks whether the server is still there.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// What the server has not acknowledged after this time is lost: a pulled cable is noticed.
const UNACKNOWLEDGED: Duration = Duration::from_secs(15);

/// A pool of connections, each of which has run `setup` first. One was made, so the address works.
///
/// # Errors
/// A sentence that says what is wrong with the address or the server.
pub async fn connect(
    address: &PostgresAddress,
    setup: &'static str,
) -> Result<Pool, PostgresOpenError> {
    let mut config = address
        .config()
        .map_err(|error| PostgresOpenError(format!("the address {address}: {error}")))?;
    config
        .connect_timeout(CONNECT_TIMEOUT)
        .keepalives_idle(KEEPALIVE)
        .keepalives_interval(KEEPALIVE)
        .tcp_user_timeout(UNACKNOWLEDGED);
    let timeouts = Timeouts {
        wait: Some(CONNECT_TIMEOUT),
        create: Some(CONNECT_TIMEOUT),
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

fn manager(config: Config, address: &PostgresAddress) -> Result<Manager, PostgresOpenError> {
    let settings = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    Ok(match connector(address.tls())? {
        Some(tls) => Manager::from_config(config, tls, settings),
        None => Manager::from_config(config, NoTls, settings),
    })
}
