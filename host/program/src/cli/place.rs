//! Where a host keeps everything, for commands that look into it without one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use super::failure::Failure;
use super::output::Output;
use crate::assembly;
use crate::assembly::Backends;
use crate::assembly::presence::draft_of;
use crate::config::{
    LedgerChoice, Overrides, Settings, StorageChoice, is_directory_token_in_environment,
};
use integration_host_contract::clock::{Clock as _, SystemClock};
use integration_host_database::is_in_use;
use integration_host_ledger::Ledger;
use integration_host_ledger::transfer::Transfer;
use integration_host_seal::{KeySource, SealingKeys};

/// How much later than expected a host may say that it runs.
const LATENESS: Duration = Duration::from_secs(5);

/// Where a host keeps everything, as `serve` takes it.
#[derive(Args, Debug)]
pub(super) struct Location {
    /// The host's configuration file; flags and environment win over it
    #[arg(long, value_name = "FILE", env = "INTEGRATION_HOST_CONFIG")]
    config: Option<PathBuf>,
    /// The host's data directory [default: ./integration-host-data]
    #[arg(long, value_name = "DIR", env = "INTEGRATION_HOST_DATA")]
    data: Option<PathBuf>,
    /// What keeps the integration's storage, as with `serve`; a Postgres address is the ledger's too
    #[arg(
        long,
        value_name = "STORAGE",
        env = "INTEGRATION_HOST_STORAGE",
        hide_env_values = true
    )]
    storage: Option<String>,
    /// What keeps the ledger, as with `serve`
    #[arg(
        long,
        value_name = "LEDGER",
        env = "INTEGRATION_HOST_LEDGER",
        hide_env_values = true
    )]
    ledger: Option<String>,
    /// Whether a key is in the environment, where it is not looked at.
    #[arg(skip = KeySource::is_in_environment())]
    sealing_key_in_environment: bool,
}

impl Location {
    /// Settings that are left to the configuration but for where it is.
    pub(super) fn overrides(self) -> Overrides {
        Overrides {
            config: self.config,
            data: self.data,
            storage: self.storage,
            ledger: self.ledger,
            sealing_key_in_environment: self.sealing_key_in_environment,
            directory_token_in_environment: is_directory_token_in_environment(),
            ..Overrides::default()
        }
    }
}

/// What `serve` takes of it.
#[derive(Args, Debug)]
pub(super) struct Place {
    #[command(flatten)]
    location: Location,
    /// File of the place's sealing keys [default: DIR/sealing-key]
    #[arg(long, value_name = "FILE", env = "INTEGRATION_HOST_SEALING_KEY_FILE")]
    sealing_key_file: Option<PathBuf>,
    /// Every host is stopped: do not wait to be sure of it
    #[arg(long)]
    hosts_stopped: bool,
}

/// A place whose hosts are stopped, as far as that can be told.
pub(super) struct StoppedPlace {
    pub(super) settings: Settings,
    hosts_stopped: bool,
}

impl Place {
    /// Finds out where it is.
    pub(super) fn resolve(self) -> Result<StoppedPlace, Failure> {
        let settings = Settings::resolve_without_component(Overrides {
            sealing_key_file: self.sealing_key_file,
            ..self.location.overrides()
        })?;
        if settings.ledger == LedgerChoice::Memory || settings.storage == StorageChoice::Memory {
            return Err(Failure::usage(
                "what a host keeps in memory ends with it, so there is nothing to move from or to; name another place with --storage or --ledger",
            ));
        }
        Ok(StoppedPlace {
            settings,
            hosts_stopped: self.hosts_stopped,
        })
    }
}

impl StoppedPlace {
    /// The files of embedded databases.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        if let StorageChoice::Sqlite(path) = &self.settings.storage {
            files.push(path.clone());
        }
        if let LedgerChoice::Sqlite(path) = &self.settings.ledger {
            files.push(path.clone());
        }
        files.dedup();
        files
    }

    /// Opens it, unless a host runs. With `keys`, they are those of its hosts.
    pub(super) async fn open(
        &self,
        keys: Option<&SealingKeys>,
        output: Output,
    ) -> Result<Backends, Failure> {
        for file in self.files() {
            if is_in_use(&file) {
                return Err(Failure::failed(format!(
                    "the database {} is in use by another program, such as a host: stop it first",
                    file.display()
                )));
            }
        }
        let kept = assembly::open_place(&self.settings, keys)
            .await
            .map_err(|error| Failure::failed(format!("{error:#}")))?;
        // Of an embedded database the file told already.
        let is_shared = !matches!(self.settings.ledger, LedgerChoice::Sqlite(_));
        if is_shared && !self.hosts_stopped {
            self.wait_for_hosts(&*kept.ledger, output).await?;
        }
        Ok(kept)
    }

    /// Makes sure that no host says any more that it runs.
    async fn wait_for_hosts(&self, ledger: &dyn Ledger, output: Output) -> Result<(), Failure> {
        let failed = |error| Failure::failed(format!("{error}"));
        let Some(last) = ledger.last_heartbeat().await.map_err(failed)? else {
            return Ok(());
        };
        let interval = self.settings.schedule.heartbeat + LATENESS;
        let wait = remaining(last, SystemClock.now(), interval);
        if wait.is_zero() {
            return Ok(());
        }
        if !output.is_json() {
            output.progress(&format!(
                "A host of this ledger was running a moment ago. Waiting {} seconds to be sure that it is stopped; --hosts-stopped says so …",
                wait.as_secs() + 1
            ));
        }
        tokio::time::sleep(wait).await;
        if ledger.last_heartbeat().await.map_err(failed)? == Some(last) {
            return Ok(());
        }
        Err(Failure::failed(format!(
            "a host of the ledger {} is running: stop every host first",
            self.settings.ledger
        )))
    }
}

/// How much longer to wait for a host that said at `last` that it runs and says so every `interval`.
fn remaining(last: Timestamp, now: Timestamp, interval: Duration) -> Duration {
    let since = Duration::try_from(now.duration_since(last)).unwrap_or_default();
    interval.saturating_sub(since)
}

/// There is no database where there should be one.
pub(super) fn no_database(path: &Path) -> Failure {
    let (shown, draft) = (path.display(), draft_of(path));
    Failure::usage(if draft.symlink_metadata().is_ok() {
        format!(
            "there is no database {shown}, and {} is left of a restore that did not come to its end: run the same `integration-host restore` again",
            draft.display()
        )
    } else {
        format!(
            "there is no database {shown}; name the right place with --data, --storage or --ledger"
        )
    })
}

/// The part of a ledger that moves it.
pub(super) fn transfer(kept: &Backends) -> Result<&dyn Transfer, Failure> {
    kept.ledger
        .transfer()
        .ok_or_else(|| Failure::failed("this ledger cannot be moved"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_may_still_run_is_waited_for_until_it_would_have_said_so() {
        let interval = Duration::from_secs(65);
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let ago = |seconds: i64| Timestamp::from_second(1_700_000_000 - seconds).unwrap();
        assert_eq!(remaining(ago(5), now, interval), Duration::from_secs(60));
        assert_eq!(remaining(ago(65), now, interval), Duration::ZERO);
        assert_eq!(remaining(ago(9000), now, interval), Duration::ZERO);
        // The other clock is ahead.
        assert_eq!(remaining(ago(-5), now, interval), interval);
    }
}
