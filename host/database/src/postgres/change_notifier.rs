//! Tells hosts that share a database when the ledger's change feed has grown.
//!
//! One connection listens for notifications and sends them, many changes in one. Nothing depends on them:
//! where they do not arrive, looking at the feed every now and then tells the same, only later.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::{debug, info};

use super::connect::{Purpose, config};
use super::error::PostgresOpenError;
use super::tls::connector;
use super::{PostgresAddress, SETUP};
use integration_host_contract::supervision;

/// Notifications are sent no more often: each takes a lock that all commits with one share.
const PAUSE: Duration = Duration::from_millis(10);
/// How often to look while notifications arrive, in case one is lost.
const LOOK: Duration = Duration::from_secs(5);
/// How often to look at a database that has no notifications.
const LOOK_WITHOUT_NOTIFICATIONS: Duration = Duration::from_millis(500);
/// How long to wait before connecting again.
const RECONNECT: Duration = Duration::from_secs(1);

/// Notifies and is notified. Clones are handles to the same.
#[derive(Clone)]
pub(super) struct ChangeNotifier {
    seen: watch::Sender<u64>,
    announced: Arc<Notify>,
    /// Ends the task together with the last handle, or before.
    stop: watch::Sender<bool>,
}

impl ChangeNotifier {
    /// Begins to listen, and goes on until the last handle is dropped.
    pub(super) fn start(address: &PostgresAddress) -> Result<Self, PostgresOpenError> {
        let notifier = Self {
            seen: watch::Sender::new(0),
            announced: Arc::default(),
            stop: watch::Sender::new(false),
        };
        let listener = Listener {
            config: config(address, Purpose::Writing),
            tls: connector(address.tls())?,
            seen: notifier.seen.clone(),
            announced: Arc::clone(&notifier.announced),
            last: None,
        };
        let mut stop = notifier.stop.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                () = supervision::task("feed-listener", || listener.clone().run()) => {}
                // An error means that the last handle is gone.
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
        Ok(notifier)
    }

    /// Tells other hosts soon.
    pub(super) fn announce(&self) {
        self.announced.notify_one();
    }

    /// Tells whenever the feed may have grown.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.seen.subscribe()
    }

    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

#[derive(Clone)]
struct Listener {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    seen: watch::Sender<u64>,
    announced: Arc<Notify>,
    /// The last place in the feed that was looked at, and its life.
    last: Option<(i64, String)>,
}

impl Listener {
    async fn run(mut self) {
        loop {
            if let Err(error) = self.listen().await {
                debug!(%error, "the connection that listens for changes has ended");
            }
            sleep(RECONNECT).await;
        }
    }

    async fn listen(&mut self) -> Result<(), tokio_postgres::Error> {
        // The database may be another one than before, or the same as it was long ago.
        self.last = None;
        let client = self.connect().await?;
        client.batch_execute(SETUP).await?;
        let listens = match client.batch_execute("LISTEN integration_host_growth").await {
            Ok(()) => true,
            Err(error) if client.is_closed() => return Err(error),
            Err(error) => {
                info!(%error, "the database sends no notifications; its change feed is looked at instead");
                false
            }
        };
        let mut look = interval(if listens {
            LOOK
        } else {
            LOOK_WITHOUT_NOTIFICATIONS
        });
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = look.tick() => self.look(&client).await?,
                () = self.announced.notified(), if listens => {
                    client.batch_execute("NOTIFY integration_host_growth").await?;
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Looks whether the feed has grown, or began anew.
    async fn look(&mut self, client: &Client) -> Result<(), tokio_postgres::Error> {
        let row = client
            .query_one(
                "SELECT last, life FROM ledger_changes, ledger_identity",
                &[],
            )
            .await?;
        let last = Some((row.try_get(0)?, row.try_get(1)?));
        if self.last != last {
            self.last = last;
            tell(&self.seen);
        }
        Ok(())
    }

    /// Connects, and passes notifications on for as long as the connection lives.
    async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                self.drive(connection);
                Ok(client)
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                self.drive(connection);
                Ok(client)
            }
        }
    }

    fn drive<S, T>(&self, mut connection: tokio_postgres::Connection<S, T>)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
        T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let seen = self.seen.clone();
        tokio::spawn(async move {
            let mut messages = stream::poll_fn(|context| connection.poll_message(context));
            while let Some(Ok(message)) = messages.next().await {
                if matches!(message, AsyncMessage::Notification(_)) {
                    tell(&seen);
                }
            }
        });
    }
}

fn tell(seen: &watch::Sender<u64>) {
    seen.send_modify(|moments| *moments = moments.wrapping_add(1));
}
