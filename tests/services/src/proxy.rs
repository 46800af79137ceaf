//! A proxy between a machine and the internet: Tinyproxy.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::leave_out;

/// How long it may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// An HTTP proxy. Dropping it kills it.
pub struct Proxy {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Proxy {
    /// Starts one that makes tunnels to this port; `None`: Tinyproxy is not installed, which was said.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(tunnels_to: u16) -> Result<Option<Self>> {
        if Command::new("tinyproxy").arg("-v").output().is_err() {
            leave_out("Tinyproxy", "install Debian's package tinyproxy-bin")?;
            return Ok(None);
        }
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let configuration = folder.path().join("tinyproxy.conf");
        let log = folder.path().join("log").display().to_string();
        let text = format!(
            "Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nConnectPort {tunnels_to}\nLogFile \"{log}\"\nLogLevel Connect\n"
        );
        fs::write(&configuration, text)?;
        let process = Command::new("tinyproxy")
            .arg("-d")
            .arg("-c")
            .arg(&configuration)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            ensure!(began.elapsed() < PATIENCE, "Tinyproxy does not start");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Some(Self {
            process,
            port,
            folder,
        }))
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it has seen of those that use it.
    ///
    /// # Errors
    /// It keeps no log.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.path().join("log"))?)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It has nothing to put in order.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
