//! Erased rows leave the files of their tables.
//!
//! Postgres keeps what was deleted or replaced until a table is vacuumed, and an ordinary vacuum only marks its place as
//! free: the bytes stay until something is written over them. Writing a table anew leaves them out.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Client, Pool};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::error::PostgresError;
use integration_host_contract::supervision;

/// The tables that hold what is sealed.
const TABLES: [&str; 2] = ["storage_entries", "delivery_requests"];
/// How large a table may be to be written anew, in bytes: nobody can use it meanwhile, and this is done in about a second.
const MOST_BYTES: i64 = 128 << 20;
/// What else is erased in this time is done with it.
const PAUSE: Duration = Duration::from_secs(5);
/// How long to wait after somebody's transaction was in the way.
const RETRY: Duration = Duration::from_secs(5);
/// How often it is tried, which is for a minute.
const ATTEMPTS: usize = 10;

/// Whoever waits behind the lock waits as long at most, and deliveries go on in between.
const SETUP: &str = "SET lock_timeout TO '1s'; SET statement_timeout TO '30s';";

/// Notes that something was erased, so that it is not forgotten when this host ends.
const NOTE: &str = "INSERT INTO erasures (number) VALUES (1)
     ON CONFLICT (is_here) DO UPDATE SET number = erasures.number + 1";

/// Scrubs in the background. Clones are handles to the same.
#[derive(Clone)]
pub(super) struct Scrubber {
    pool: Pool,
    wanted: Arc<Notify>,
    /// Ends the task together with the last handle, or before.
    stop: watch::Sender<bool>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Scrubber {
    pub(super) fn start(pool: Pool) -> Self {
        let wanted = Arc::<Notify>::default();
        let (stop, stopping) = watch::channel(false);
        let background = Background {
            pool: pool.clone(),
            wanted: Arc::clone(&wanted),
            stopping,
        };
        let task = tokio::spawn(supervision::task("scrubber", move || {
            background.clone().run()
        }));
        Self {
            pool,
            wanted,
            stop,
            task: Arc::new(Mutex::new(Some(task))),
        }
    }

    pub(super) async fn scrub(&self) {
        if let Err(error) = self.note().await {
            debug!(%error, "that something was erased could not be noted");
        }
        self.wanted.notify_one();
    }

    async fn note(&self) -> Result<(), PostgresError> {
        self.pool.get().await?.execute(NOTE, &[]).await?;
        Ok(())
    }

    /// Does what is wanted without waiting any longer, if that is possible, and ends.
    pub(super) async fn stop(&self) {
        self.stop.send_replace(true);
        let task = self.task.lock().take();
        if let Some(task) = task {
            // An error means that it has ended.
            let _ = task.await;
        }
    }
}

#[derive(Clone)]
struct Background {
    pool: Pool,
    wanted: Arc<Notify>,
    /// An error of it means that the last handle is gone.
    stopping: watch::Receiver<bool>,
}

impl Background {
    async fn run(mut self) {
        // Whoever was here before may have ended too early.
        let mut is_wanted = self.noted().await.is_ok_and(|number| number.is_some());
        loop {
            if !is_wanted {
                tokio::select! {
                    // What was erased just before the end is not left for the next start.
                    biased;
                    () = self.wanted.notified() => {}
                    _ = self.stopping.wait_for(|stopping| *stopping) => return,
                }
            }
            is_wanted = false;
            let is_stopping = self.is_stopping_within(PAUSE).await;
            self.scrub().await;
            if is_stopping {
                return;
            }
        }
    }

    async fn scrub(&mut self) {
        let noted = self.noted().await;
        let mut is_done = true;
        for table in TABLES {
            is_done &= self.scrub_table(table).await;
        }
        let Ok(Some(number)) = noted else { return };
        if is_done && let Err(error) = self.forget(number).await {
            // It is done again at the next start.
            debug!(%error, "that tables were written anew could not be noted");
        }
    }

    /// Whether it was done, or will never be.
    async fn scrub_table(&mut self, table: &str) -> bool {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            match try_scrub(&self.pool, table).await {
                Ok(()) => return true,
                Err(error) => last = Some(error),
            }
            if self.is_stopping_within(RETRY).await {
                break;
            }
        }
        if let Some(error) = last {
            warn!(table, %error, "what was erased may stay in the file of this table until somebody runs VACUUM FULL on it");
        }
        false
    }

    /// Waits, and says whether to end.
    async fn is_stopping_within(&mut self, time: Duration) -> bool {
        tokio::select! {
            () = sleep(time) => false,
            _ = self.stopping.wait_for(|stopping| *stopping) => true,
        }
    }

    /// What is noted; `None`: everything that was erased has left the files.
    async fn noted(&self) -> Result<Option<i64>, PostgresError> {
        let client = self.pool.get().await?;
        let noted = client.query_opt("SELECT number FROM erasures", &[]).await?;
        Ok(noted.map(|row| row.try_get(0)).transpose()?)
    }

    /// Takes a note back, unless something was erased since.
    async fn forget(&self, number: i64) -> Result<(), PostgresError> {
        let client = self.pool.get().await?;
        client
            .execute("DELETE FROM erasures WHERE number = $1", &[&number])
            .await?;
        Ok(())
    }
}

async fn try_scrub(pool: &Pool, table: &str) -> Result<(), PostgresError> {
    // A connection that is set up otherwise does not go back to the others.
    let client = Client::take(pool.get().await?);
    client.batch_execute(SETUP).await?;
    let size = "SELECT pg_total_relation_size(to_regclass($1::text))";
    let bytes: i64 = client.query_one(size, &[&table]).await?.try_get(0)?;
    if bytes <= MOST_BYTES {
        client
            .batch_execute(&format!("VACUUM FULL {table}"))
            .await?;
        debug!(table, bytes, "a table was written anew");
        return Ok(());
    }
    client.batch_execute(&format!("VACUUM {table}")).await?;
    warn!(
        table,
        bytes,
        "this table is too large to be written anew while hosts use it: until VACUUM FULL is run on it, what was erased stays in free places of its file"
    );
    Ok(())
}
