//! A Postgres server of one's own.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::{database, leave_out};

/// How long a server may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often to look whether it has started.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Whether what is committed must outlive the machine's power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// As a real server: every commit is on disk.
    Disk,
    /// Only the end of the server's process: quicker, and enough for tests.
    Process,
}

/// How a server's process comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As when it is restarted: connections are cut, and everything is put in order.
    Orderly,
    /// At once, with its children; what it did last is recovered from its log.
    Immediate,
    /// By `kill -9` of its main process alone; its children notice that by themselves.
    Killed,
}

/// What a server says that finds children of one before it that was killed.
const CHILDREN_LEFT: &str = "is still in use";

/// A Postgres server with an empty cluster. Dropping it kills it.
pub struct PostgresServer {
    programs: PathBuf,
    folder: TempDir,
    port: u16,
    durability: Durability,
    encrypts: bool,
    process: Option<Child>,
}

impl PostgresServer {
    /// Starts a server; `None`: Postgres is not installed, which was said.
    pub fn start(durability: Durability) -> Result<Option<Self>> {
        let Some(programs) = programs() else {
            leave_out("Postgres", "install Debian's package postgresql")?;
            return Ok(None);
        };
        let mut server = Self {
            programs,
            folder: tempfile::tempdir()?,
            // Free a moment ago: nothing says so better.
            port: TcpListener::bind("127.0.0.1:0")?.local_addr()?.port(),
            durability,
            encrypts: false,
            process: None,
        };
        server.make_cluster()?;
        server.start_again()?;
        Ok(Some(server))
    }

    /// Starts a standby of this server, which follows it until it is promoted with `SELECT pg_promote()`.
    pub fn start_standby(&self) -> Result<Self> {
        let mut standby = Self {
            programs: self.programs.clone(),
            folder: tempfile::tempdir()?,
            port: TcpListener::bind("127.0.0.1:0")?.local_addr()?.port(),
            durability: self.durability,
            encrypts: false,
            process: None,
        };
        if let Some((user, group)) = owner()? {
            chown(standby.folder.path(), Some(user), Some(group))?;
        }
        let output = standby
            .command("pg_basebackup")?
            .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"])
            .args(["--dbname", &self.url()])
            .arg("--pgdata")
            .arg(standby.data())
            .output()?;
        ensure!(
            output.status.success(),
            "pg_basebackup failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        standby.start_again()?;
        Ok(standby)
    }

    /// Where it listens, such as `127.0.0.1:5432`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Has the server encrypt connections from its next start on, with a certificate and its key, in PEM.
    pub fn encrypt(&mut self, certificate: &str, key: &str) -> Result<()> {
        for (name, content) in [("server.crt", certificate), ("server.key", key)] {
            let path = self.data().join(name);
            fs::write(&path, content)?;
            // Postgres refuses a key that others may read.
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            if let Some((user, group)) = owner()? {
                chown(&path, Some(user), Some(group))?;
            }
        }
        self.encrypts = true;
        Ok(())
    }

    /// The address of its administrator.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Executes statements as its administrator.
    pub fn execute(&self, statements: &str) -> Result<()> {
        database::execute(&self.url(), statements.to_owned())
    }

    /// The one number that a query of its administrator answers with.
    pub fn number(&self, query: &str) -> Result<i64> {
        database::number(&self.url(), query)
    }

    /// The id of its main process, to which signals can be sent.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// The cluster's folder, where its settings are.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Kills it, together with everybody's connections.
    pub fn kill(&mut self) -> Result<()> {
        self.end(Ending::Immediate)
    }

    /// Ends it, and everybody's connections.
    pub fn end(&mut self, ending: Ending) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            let signal = match ending {
                Ending::Orderly => "-INT",
                Ending::Immediate => "-QUIT",
                Ending::Killed => "-KILL",
            };
            let id = process.id().to_string();
            let status = Command::new("kill").args([signal, &id]).status()?;
            ensure!(status.success(), "the Postgres server could not be ended");
            process.wait()?;
        }
        Ok(())
    }

    /// Starts it where it was.
    pub fn start_again(&mut self) -> Result<()> {
        let began = Instant::now();
        loop {
            self.spawn()?;
            if self.is_ready_within(PATIENCE)? {
                return Ok(());
            }
            let log = fs::read_to_string(self.folder.path().join("log"))?;
            ensure!(
                log.contains(CHILDREN_LEFT) && began.elapsed() < PATIENCE,
                "the Postgres server did not start:\n{log}"
            );
            thread::sleep(LOOK_AGAIN);
        }
    }

    fn spawn(&mut self) -> Result<()> {
        let log = fs::File::create(self.folder.path().join("log"))?;
        let mut command = self.command("postgres")?;
        command
            .arg("-D")
            .arg(self.data())
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-k", ""])
            .args(["-c", "max_connections=300"])
            .stdout(Stdio::null())
            .stderr(log);
        if self.encrypts {
            command.args(["-c", "ssl=on"]);
        }
        if self.durability == Durability::Process {
            command.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
        }
        self.process = Some(command.spawn()?);
        Ok(())
    }

    /// Whether it takes connections before it ends or this time is over.
    fn is_ready_within(&mut self, time: Duration) -> Result<bool> {
        let began = Instant::now();
        while began.elapsed() < time {
            let ready = Command::new(self.programs.join("pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                .status()?;
            if ready.success() {
                return Ok(true);
            }
            let ended = match &mut self.process {
                Some(process) => process.try_wait()?.is_some(),
                None => true,
            };
            if ended {
                return Ok(false);
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(false)
    }

    fn make_cluster(&self) -> Result<()> {
        let owner = owner()?;
        let data = self.data();
        fs::create_dir(&data)?;
        if let Some((user, group)) = owner {
            chown(self.folder.path(), Some(user), Some(group))?;
            chown(&data, Some(user), Some(group))?;
        }
        // Texts are ordered as people order them, so that a query that relies on bytes shows.
        let output = self
            .command("initdb")?
            .args([
                "--username=postgres",
                "--auth=trust",
                "--no-sync",
                "--encoding=UTF8",
            ])
            .args([
                "--locale=C.UTF-8",
                "--locale-provider=icu",
                "--icu-locale=en",
            ])
            .arg("-D")
            .arg(&data)
            .output()?;
        ensure!(
            output.status.success(),
            "initdb failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// Postgres refuses to run as root.
    fn command(&self, program: &str) -> Result<Command> {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(self.folder.path());
        if let Some((user, group)) = owner()? {
            command.uid(user).gid(group);
        }
        Ok(command)
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // It goes in any case when its folder does.
        let _ = self.kill();
    }
}

/// Where its programs are: Debian keeps them apart, by version.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut folders: Vec<PathBuf> = versions
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|folder| has_server(folder))
        .collect();
    folders.sort_by_key(|folder| {
        let version = folder.parent().and_then(Path::file_name);
        version.and_then(|version| version.to_str()?.parse::<u32>().ok())
    });
    folders.pop().or_else(|| {
        let output = Command::new("pg_config").arg("--bindir").output().ok()?;
        let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
        has_server(&folder).then_some(folder)
    })
}

fn has_server(folder: &Path) -> bool {
    folder.join("postgres").exists() && folder.join("initdb").exists()
}

/// As whom to run it, if this runs as root: the user that its package made.
pub(crate) fn owner() -> Result<Option<(u32, u32)>> {
    if id(&["-u"])? != 0 {
        return Ok(None);
    }
    let user = id(&["-u", "postgres"]).context("there is no user postgres to run the server as")?;
    Ok(Some((user, id(&["-g", "postgres"])?)))
}

fn id(arguments: &[&str]) -> Result<u32> {
    let output = Command::new("id").args(arguments).output()?;
    ensure!(output.status.success(), "`id` knows no such user");
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}
