//! A database of a test's own, on a server that many tests share.

use std::env;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use anyhow::{Context as _, Result};
use tokio_postgres::{Client, Config, NoTls};

use crate::leave_out;

const VARIABLE: &str = "TEST_POSTGRES_URL";

/// An empty database on the server that `TEST_POSTGRES_URL` names. Dropping it drops the database.
pub struct TestDatabase {
    server: String,
    name: String,
}

impl TestDatabase {
    /// Makes a database; `None`: there is no server, which was said.
    ///
    /// # Errors
    /// There is no server, and `SERVICE_TESTS=required`; or it refuses.
    pub fn create() -> Result<Option<Self>> {
        match env::var(VARIABLE) {
            Ok(server) => Self::create_on(server).map(Some),
            Err(_) => {
                leave_out(
                    VARIABLE,
                    "run `cargo xtask test` with Debian's package postgresql installed, or name a server in it",
                )?;
                Ok(None)
            }
        }
    }

    /// Makes a database on a server.
    pub fn create_on(server: String) -> Result<Self> {
        let name = fresh_name();
        execute(&server, format!("CREATE DATABASE {name}"))
            .with_context(|| format!("{VARIABLE} must name somebody who may make databases"))?;
        Ok(Self { server, name })
    }

    /// Another database with what is in this one, which nobody may be connected to.
    ///
    /// # Errors
    /// Somebody is, or the server refuses.
    pub fn copy(&self) -> Result<Self> {
        let copy = Self {
            server: self.server.clone(),
            name: fresh_name(),
        };
        let statement = format!("CREATE DATABASE {} TEMPLATE {}", copy.name, self.name);
        execute(&self.server, statement)?;
        Ok(copy)
    }

    /// Executes statements in it.
    pub fn execute(&self, statements: &str) -> Result<()> {
        execute(&self.url(), statements.to_owned())
    }

    /// The one number that a query in it answers with.
    pub fn number(&self, query: &str) -> Result<i64> {
        number(&self.url(), query)
    }

    /// Its address.
    pub fn url(&self) -> String {
        let (start, _) = self.server.rsplit_once('/').unwrap_or((&self.server, ""));
        format!("{start}/{}", self.name)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        if let Err(error) = execute(&self.server, statement) {
            eprintln!("the database {} stays behind: {error:#}", self.name);
        }
    }
}

fn fresh_name() -> String {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    format!("test_{}_{number}", std::process::id())
}

/// Executes statements.
pub(crate) fn execute(server: &str, statements: String) -> Result<()> {
    ask(server, async move |client| {
        Ok(client.batch_execute(&statements).await?)
    })
}

/// The one number that a query answers with.
pub(crate) fn number(server: &str, query: &str) -> Result<i64> {
    let query = query.to_owned();
    ask(server, async move |client| {
        Ok(client.query_one(&query, &[]).await?.try_get(0)?)
    })
}

/// Asks a server something, on a thread of its own: the caller may or may not run asynchronously.
fn ask<T: Send + 'static>(
    server: &str,
    question: impl AsyncFnOnce(&Client) -> Result<T> + Send + 'static,
) -> Result<T> {
    let config: Config = server.parse()?;
    let asked = thread::spawn(move || -> Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let (client, connection) = config.connect(NoTls).await?;
            let driver = tokio::spawn(connection);
            let answer = question(&client).await?;
            drop(client);
            driver.await??;
            Ok(answer)
        })
    });
    asked
        .join()
        .unwrap_or_else(|_| anyhow::bail!("the thread panicked"))
}
