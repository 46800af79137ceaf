//! Telling a ledger that it was brought back to an earlier moment by other means than `restore`.

use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::output::Output;
use super::place::{Location, no_database};
use crate::assembly;
use crate::config::{LedgerChoice, Settings};
use integration_host_contract::clock::{Clock as _, SystemClock};
use integration_host_database::is_missing;
use integration_host_ledger::{
    ConnectionState, CoverageChange, Ledger, LedgerError, LedgerIdentity,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  integration-host restored --data ./data
  integration-host restored --ledger postgres://host@db/time

Run it once after the ledger's database was brought back to an earlier moment by other means than
`integration-host restore`: a dump that was loaded, a copied file, a snapshot of its disk. Hosts may run meanwhile.
Whoever follows the change feed is then told to read it from the beginning, and what was delivered since that moment is
read from the remote service. A Postgres server that was recovered to a point in time is noticed without this.";

#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    location: Location,
}

/// What the ledger is from now on.
#[derive(Serialize)]
struct Begun {
    ledger: String,
    id: String,
    life: String,
}

/// `restored`
pub(super) async fn run(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    let settings = Settings::resolve_without_component(arguments.location.overrides())?;
    match &settings.ledger {
        LedgerChoice::Memory => {
            return Err(Failure::usage(
                "what a host keeps in memory is never restored; name another ledger with --ledger",
            ));
        }
        LedgerChoice::Sqlite(file) if is_missing(file) => return Err(no_database(file)),
        _ => {}
    }
    let ledger = assembly::open_ledger(&settings)
        .await
        .map_err(|error| Failure::failed(format!("{error:#}")))?;
    let begun = begin_again(&*ledger).await;
    ledger.close().await;
    let LedgerIdentity { id, life, .. } =
        begun.map_err(|error| Failure::failed(error.to_string()))?;
    let begun = Begun {
        ledger: settings.ledger.to_string(),
        id: id.to_string(),
        life: life.to_string(),
    };
    output.answer(&begun, |begun| {
        format!(
            "{} counts as restored from now on. Whoever follows the change feed reads it from the beginning, and hosts read what was delivered since.",
            begun.ledger
        )
    })
}

/// Takes note that the ledger was brought back to an earlier moment. What was delivered after that moment is not in it,
/// however short ago that was: hosts read it.
pub(super) async fn begin_again(ledger: &dyn Ledger) -> Result<LedgerIdentity, LedgerError> {
    let identity = ledger.begin_life().await?;
    for connection in ledger.connections().await? {
        if connection.state != ConnectionState::Active {
            continue;
        }
        let noticed = CoverageChange::GapNoticed {
            from: None,
            reason: "the ledger was restored from a backup".to_owned(),
            at: SystemClock.now(),
        };
        ledger.change_coverage(&connection.id, noticed).await?;
    }
    Ok(identity)
}
