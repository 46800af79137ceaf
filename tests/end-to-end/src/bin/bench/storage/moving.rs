//! The commands that move a ledger, in a process of their own as people run them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use end_to_end::host_program;
use tokio::process::Command;
use tokio::time::sleep;

use crate::resources;

/// How often to look how much memory a command has.
const LOOK: Duration = Duration::from_millis(50);

/// Where a host keeps everything.
pub struct Place {
    pub data: PathBuf,
    /// The address of a Postgres database, if it is not kept in the data directory.
    pub postgres: Option<String>,
}

/// What a command took.
pub struct Moved {
    pub elapsed: Duration,
    /// The most memory it was seen with, in bytes.
    pub most_memory: u64,
}

impl Place {
    /// Imports what was exported into a file.
    pub async fn import(&self, file: &Path) -> Result<Moved> {
        let mut command = self.command("import")?;
        command.arg(file);
        run(command).await
    }

    /// Exports everything into a file.
    pub async fn export(&self, file: &Path) -> Result<Moved> {
        let mut command = self.command("export")?;
        command.arg("--output").arg(file);
        run(command).await
    }

    fn command(&self, name: &str) -> Result<Command> {
        let mut command = Command::new(host_program()?);
        command
            .args([name, "--json", "--hosts-stopped", "--data"])
            .arg(&self.data);
        if let Some(postgres) = &self.postgres {
            command.args(["--storage", postgres]);
        }
        Ok(command)
    }
}

async fn run(mut command: Command) -> Result<Moved> {
    let began = Instant::now();
    let mut child = command.stdout(Stdio::null()).kill_on_drop(true).spawn()?;
    let mut most_memory = 0;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            () = sleep(LOOK) => {
                // One that has just ended has none any more.
                let now = child.id().and_then(|id| resources::memory(id).ok());
                most_memory = most_memory.max(now.unwrap_or_default());
            }
        }
    };
    let elapsed = began.elapsed();
    ensure!(status.success(), "{command:?} failed");
    Ok(Moved {
        elapsed,
        most_memory,
    })
}
