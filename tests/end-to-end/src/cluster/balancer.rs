//! One address for several hosts: each connection goes to the next one that accepts it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A plain round-robin balancer. Dropping it closes it.
pub(super) struct Balancer {
    address: SocketAddr,
    hosts: Arc<Hosts>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Hosts {
    addresses: Mutex<Vec<SocketAddr>>,
    next: AtomicUsize,
}

impl Balancer {
    /// A balancer without hosts.
    pub(super) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let hosts = Arc::<Hosts>::default();
        let task = tokio::spawn(serve(listener, Arc::clone(&hosts)));
        Ok(Self {
            address,
            hosts,
            task,
        })
    }

    /// Its address.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// One more host to go round among.
    pub(super) fn add(&self, host: SocketAddr) {
        self.hosts.addresses().push(host);
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Hosts {
    fn addresses(&self) -> std::sync::MutexGuard<'_, Vec<SocketAddr>> {
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection to the next host that accepts one.
    async fn connect(&self) -> Option<TcpStream> {
        let addresses = self.addresses().clone();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        for turn in 0..addresses.len() {
            let address = addresses.get((first + turn) % addresses.len())?;
            if let Ok(stream) = TcpStream::connect(address).await {
                return Some(stream);
            }
        }
        None
    }
}

async fn serve(listener: TcpListener, hosts: Arc<Hosts>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let hosts = Arc::clone(&hosts);
        tokio::spawn(async move {
            if let Some(mut host) = hosts.connect().await {
                // Whoever ends it, it has ended.
                let _ = copy_bidirectional(&mut client, &mut host).await;
            }
        });
    }
}
