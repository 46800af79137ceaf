//! Redis servers: a part of the one that all tests share, and servers of a test's own, which it may stop, kill and
//! set as it likes.

use std::env;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::leave_out;

const VARIABLE: &str = "TEST_REDIS_URL";

/// How long a server may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// An address in the server that `TEST_REDIS_URL` names, which no other test uses; `None`: there is no server, which
/// was said. More letters and digits at its end make further ones.
///
/// # Errors
/// There is no server, and `SERVICE_TESTS=required`.
pub fn part_of_redis() -> Result<Option<String>> {
    match env::var(VARIABLE) {
        Ok(server) => {
            let part = rand::random::<u64>();
            Ok(Some(format!("{server}?prefix=test-{part:016x}")))
        }
        Err(_) => {
            leave_out(
                VARIABLE,
                "run `cargo xtask test` with Debian's package redis-server installed, or name a server in it",
            )?;
            Ok(None)
        }
    }
}

/// A Redis server that keeps what it acknowledges, unless told otherwise. Dropping it kills it.
pub struct RedisServer {
    port: u16,
    arguments: Vec<String>,
    folder: TempDir,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts a server with further arguments; `None`: Redis is not installed, which was said.
    pub fn start(arguments: &[&str]) -> Result<Option<Self>> {
        if Command::new("redis-server")
            .arg("--version")
            .output()
            .is_err()
        {
            leave_out("redis-server", "install Debian's package redis-server")?;
            return Ok(None);
        }
        let mut server = Self {
            // Free a moment ago: nothing says so better.
            port: TcpListener::bind("127.0.0.1:0")?.local_addr()?.port(),
            arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
            folder: tempfile::tempdir()?,
            process: None,
        };
        server.start_again()?;
        Ok(Some(server))
    }

    /// Starts it where it was.
    pub fn start_again(&mut self) -> Result<()> {
        let port = self.port.to_string();
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port, "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "always"])
            .arg("--dir")
            .arg(self.folder.path())
            .args(&self.arguments)
            .stdout(Stdio::null())
            .spawn()?;
        self.process = Some(process);
        let began = Instant::now();
        while !self.answers() {
            ensure!(began.elapsed() < PATIENCE, "redis-server does not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Whether it is there and has read its data. Of one that expects TLS or a login, whether it is there.
    fn answers(&self) -> bool {
        match self.ask(&["PING"]) {
            Ok(answer) => !answer.starts_with("-LOADING"),
            Err(error) => error.downcast_ref::<Unexpected>().is_some(),
        }
    }

    /// Its address, such as `127.0.0.1:6379`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its address as a host is told it.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address())
    }

    /// Where it keeps its data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Sends it a signal, such as `STOP`.
    pub fn signal(&self, name: &str) -> Result<()> {
        let process = self.process.as_ref().context("it does not run")?;
        let id = process.id().to_string();
        let status = Command::new("kill")
            .args([&format!("-{name}"), &id])
            .status()?;
        ensure!(status.success(), "the signal was not sent");
        Ok(())
    }

    /// Kills it without warning.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }

    /// Sends it a command and returns the answer, numbers and simple texts as the server writes them, such
    /// as `:3` or `+OK`.
    pub fn ask(&self, command: &[&str]) -> Result<String> {
        let mut stream = TcpStream::connect(self.address())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "*{}\r\n", command.len())?;
        for part in command {
            write!(stream, "${}\r\n{part}\r\n", part.len())?;
        }
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(1..) => {}
            _ => bail!(Unexpected),
        }
        let line = line.trim_end();
        match line.strip_prefix('$').map(str::parse::<usize>) {
            Some(Ok(length)) => {
                let mut text = vec![0; length];
                reader.read_exact(&mut text)?;
                Ok(String::from_utf8(text)?)
            }
            _ => Ok(line.to_owned()),
        }
    }
}

/// What answers does not speak as expected.
#[derive(Debug)]
struct Unexpected;

impl std::fmt::Display for Unexpected {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("no answer that can be read")
    }
}

impl std::error::Error for Unexpected {}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Nothing is left to be done about one that cannot be killed.
        let _ = self.kill();
    }
}
