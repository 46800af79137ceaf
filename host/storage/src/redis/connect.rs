//! The connection to a Redis server: one, which all requests share and which is made anew when it has
//! broken.

use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value,
    cmd,
};
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::address::RedisAddress;
use super::script::Script;
use crate::StorageError;
use integration_host_contract::certificate;
use integration_host_contract::sentence::{on_one_line, shorten};

/// A server that cannot be used, and what helps, in a sentence.
#[derive(Clone, Debug, Error)]
#[error("{0}")]
pub struct UnusableRedis(String);

impl UnusableRedis {
    pub(super) fn sentence(text: String) -> Self {
        Self(text)
    }

    /// What went wrong when it was asked something for the first time.
    pub(super) fn new(address: &RedisAddress, error: &RedisError) -> Self {
        let server = address.server();
        let cause = brief(error);
        let refuses_login = error.kind() == ErrorKind::AuthenticationFailed
            || matches!(error.code(), Some("NOAUTH" | "WRONGPASS"));
        let hangs_up = error.is_connection_dropped() && !error.is_connection_refusal();
        let is_another_language =
            error.kind() == ErrorKind::Parse || (hangs_up && !address.uses_tls());
        Self(match error.kind() {
            _ if refuses_login => format!(
                "the Redis server {server} refuses the login; correct the user and the password in `storage`"
            ),
            ErrorKind::Server(ServerErrorKind::NoPerm) => format!(
                "the Redis server {server} does not allow this user what storage needs ({cause}); allow it, or name another user in `storage`"
            ),
            ErrorKind::RESP3NotSupported => too_old(&server),
            _ if is_of_replica(error) => format!(
                "the Redis server {server} is a replica, which cannot be written to; name the server that it copies in `storage`"
            ),
            _ if cause.contains("DB index is out of range") => format!(
                "the Redis server {server} has no database {}; name another one in `storage`",
                address.database()
            ),
            _ if is_another_language => format!(
                "what answers at {server} is no Redis server, or expects TLS; correct the address in `storage`, which begins with rediss:// for TLS"
            ),
            ErrorKind::Io if error.is_timeout() => format!(
                "the Redis server {server} does not answer; start it, or correct the address in `storage`"
            ),
            ErrorKind::Io if address.uses_tls() && !error.is_connection_dropped() => format!(
                "no TLS with the Redis server {server} ({cause}); correct the address or the server's certificate, or name the authority's in `storage` as rediss://…?ca=FILE"
            ),
            ErrorKind::Io => format!(
                "cannot reach the Redis server {server} ({cause}); start it, or correct the address in `storage`"
            ),
            _ => format!(
                "the Redis server {server} cannot be used ({cause}); correct it or `storage`"
            ),
        })
    }
}

pub(super) fn too_old(server: &str) -> String {
    format!("the Redis server {server} is too old; use 6.2 or later")
}

/// What a server says, or what happened, in a few words. It can be long, and hold what somebody else wrote.
fn brief(error: &RedisError) -> String {
    if let Some(words) = certificate::cause(error) {
        return format!("its certificate cannot be trusted: {words}");
    }
    let text = error
        .detail()
        .map_or_else(|| error.to_string(), str::to_owned);
    shorten(&on_one_line(&text))
}

/// Why a request has no answer.
pub(super) enum Failure {
    /// There was none in time.
    TimedOut(Duration),
    /// The server refused it, or the connection broke.
    Redis(RedisError),
}

impl From<Failure> for StorageError {
    fn from(failure: Failure) -> Self {
        Self::Unavailable(match failure {
            Failure::TimedOut(time) => format!("the Redis server did not answer within {time:?}"),
            Failure::Redis(error) => format!("the Redis server: {}", brief(&error)),
        })
    }
}

/// The connection.
pub(super) struct Connection {
    client: Client,
    /// How long a request may take, connecting included.
    time: Duration,
    current: Mutex<Current>,
}

/// The connection there is now.
#[derive(Default)]
struct Current {
    /// How many there have been: tells whether a broken one has been replaced already.
    number: u64,
    connection: Option<MultiplexedConnection>,
}

impl Connection {
    pub(super) fn new(client: Client, time: Duration) -> Self {
        Self {
            client,
            time,
            current: Mutex::default(),
        }
    }

    /// Asks something that changes nothing.
    pub(super) async fn ask(&self, request: &Cmd) -> Result<Value, Failure> {
        self.send(request, Instant::now() + self.time).await
    }

    /// Runs a script that changes nothing. If the connection turns out to be broken it is run again, so a
    /// server that was started anew costs nothing but a moment.
    pub(super) async fn read(&self, script: &Script, request: &Cmd) -> Result<Value, Failure> {
        let deadline = Instant::now() + self.time;
        match self.run(script, request, deadline).await {
            Err(Failure::Redis(error)) if error.is_connection_dropped() => {
                self.run(script, request, deadline).await
            }
            answer => answer,
        }
    }

    /// Runs a script that changes something. Without an answer, nobody knows whether it was run.
    pub(super) async fn write(&self, script: &Script, request: &Cmd) -> Result<Value, Failure> {
        self.run(script, request, Instant::now() + self.time).await
    }

    async fn run(
        &self,
        script: &Script,
        request: &Cmd,
        deadline: Instant,
    ) -> Result<Value, Failure> {
        match self.send(request, deadline).await {
            // The server was started anew, or told to forget its scripts. It ran nothing.
            Err(Failure::Redis(error))
                if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) =>
            {
                self.send(&script.load(), deadline).await?;
                self.send(request, deadline).await
            }
            answer => answer,
        }
    }

    async fn send(&self, request: &Cmd, deadline: Instant) -> Result<Value, Failure> {
        let timed_out = |_| Failure::TimedOut(self.time);
        let (number, mut connection) = timeout_at(deadline, self.connection())
            .await
            .map_err(timed_out)?
            .map_err(Failure::Redis)?;
        let answer = timeout_at(deadline, connection.send_packed_command(request)).await;
        let answer = answer.map_err(timed_out).and_then(|answer| {
            // An answer can be an error that the server gives.
            answer
                .and_then(Value::extract_error)
                .map_err(Failure::Redis)
        });
        let is_broken = match &answer {
            Ok(_) => false,
            // Whoever does not answer may be gone without a word.
            Err(Failure::TimedOut(_)) => true,
            Err(Failure::Redis(error)) => {
                error.is_io_error() || error.is_unrecoverable_error() || is_of_replica(error)
            }
        };
        if is_broken {
            self.forget(number).await;
        }
        answer
    }

    /// The connection there is, or else a new one, and its number.
    async fn connection(&self) -> RedisResult<(u64, MultiplexedConnection)> {
        // Whoever waits for the lock waits for the connection that is being made.
        let mut current = self.current.lock().await;
        if let Some(connection) = &current.connection {
            return Ok((current.number, connection.clone()));
        }
        // Time is kept by the request as a whole.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let connection = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let mut connection = connection;
        ensure_it_can_be_written(&mut connection).await?;
        current.number += 1;
        current.connection = Some(connection.clone());
        Ok((current.number, connection))
    }

    /// Has the next request make a new connection, unless somebody else did so already.
    async fn forget(&self, number: u64) {
        let mut current = self.current.lock().await;
        if current.number == number {
            current.connection = None;
        }
    }
}

/// Whether a server refuses a change because it copies another one, or does not reach that: after a failover, another one
/// is to be used. What a script ran into stands in the text of older servers only.
fn is_of_replica(error: &RedisError) -> bool {
    let kinds = [
        ErrorKind::Server(ServerErrorKind::ReadOnly),
        ErrorKind::Server(ServerErrorKind::MasterDown),
    ];
    let says_so = || {
        error
            .detail()
            .is_some_and(|detail| detail.contains("READONLY"))
    };
    kinds.contains(&error.kind()) || matches!(error.code(), Some("READONLY")) || says_so()
}

/// Refuses a server that copies another one: it would answer with what was there a while ago. One that does not tell is
/// found out by the first change.
async fn ensure_it_can_be_written(connection: &mut MultiplexedConnection) -> RedisResult<()> {
    let info = cmd("INFO").arg("replication").take();
    let info: String = info.query_async(connection).await.unwrap_or_default();
    match info.lines().any(|line| line.trim() == "role:slave") {
        true => Err((
            ErrorKind::Server(ServerErrorKind::ReadOnly),
            "it is a replica, which cannot be written to",
        )
            .into()),
        false => Ok(()),
    }
}
