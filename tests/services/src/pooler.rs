//! A pooler before a Postgres server: PgBouncer.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::leave_out;
use crate::postgres::{PostgresServer, owner};

/// How long it may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// PgBouncer before a server. Dropping it kills it.
pub struct Pooler {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Pooler {
    /// Starts one that lends the server's connections for a `session`, a `transaction` or a `statement`; `None`: PgBouncer is
    /// not installed, which was said.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(server: &PostgresServer, mode: &str) -> Result<Option<Self>> {
        let program = "/usr/sbin/pgbouncer";
        if Command::new(program).arg("--version").output().is_err() {
            leave_out("PgBouncer", "install Debian's package pgbouncer")?;
            return Ok(None);
        }
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = server.address();
        let (host, server_port) = address.split_once(':').unwrap_or((&address, "5432"));
        let configuration = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host={host} port={server_port} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n"
        );
        fs::write(&configuration, text)?;
        let mut command = Command::new(program);
        if let Some((user, group)) = owner()? {
            chown(folder.path(), Some(user), Some(group))?;
            chown(&configuration, Some(user), Some(group))?;
            command.uid(user).gid(group);
        }
        let process = command
            .arg(&configuration)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            ensure!(began.elapsed() < PATIENCE, "PgBouncer does not start");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Some(Self {
            process,
            port,
            _folder: folder,
        }))
    }

    /// The address of the server's administrator, through it.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // It has nothing to put in order.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
