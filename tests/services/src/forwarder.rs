//! What leads connections to a server, as a balancer or a changed name does, and elsewhere after a failover.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Result;

/// Leads each new connection to where it is told; those that are open stay where they are.
pub struct Forwarder {
    address: SocketAddr,
    target: Arc<Mutex<String>>,
}

impl Forwarder {
    /// Leads connections to an address such as `127.0.0.1:5432`, as long as the process lives.
    ///
    /// # Errors
    /// No port is free.
    pub fn start(target: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let target = Arc::new(Mutex::new(target.to_owned()));
        let current = Arc::clone(&target);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let target = current
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                // A server that is away is one that closes at once.
                if let Ok(server) = TcpStream::connect(target) {
                    let _ = join(client, server);
                }
            }
        });
        Ok(Self { address, target })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads new connections to another address.
    pub fn lead_to(&self, target: &str) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = target.to_owned();
    }
}

fn join(client: TcpStream, server: TcpStream) -> io::Result<()> {
    for (mut from, mut to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        });
    }
    Ok(())
}
