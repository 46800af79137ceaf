//! The fault matrix: every call of the host that reaches Toggl, at every endpoint it reaches, with
//! everything that can go wrong there. The real component runs in the real service and talks real HTTP
//! to the sandbox; faults are made in the sandbox and at the edge of the network.
//!
//! A cell states how the call ends, how many requests it costs and how the connection stands. Then the
//! fault is over, and the cell makes sure that all is well again, with nothing doubled.

mod cell;
mod edge;
mod endpoint;
mod fault;
mod site;
mod subject;
mod table;

use std::fmt;
use std::path::Path;

use anyhow::Result;
use futures_util::{StreamExt as _, stream};

use self::cell::Seen;
use self::site::Common;

/// How many cells run at the same time. They mostly wait.
const AT_ONCE: usize = 160;

/// What running the matrix has shown.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Cells that were run: all there are.
    pub cells: usize,
    /// What failed, a sentence each.
    pub failures: Vec<String>,
    /// Requests that left the host.
    pub requests: usize,
    /// Calls that were refused without a request because a quota was used up.
    pub spared: usize,
}

impl Report {
    /// Cells that came to what they must.
    pub fn passed(&self) -> usize {
        self.cells - self.failures.len()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "fault-matrix cells passed {}/{}",
            self.passed(),
            self.cells
        )
    }
}

/// Runs every cell.
///
/// # Errors
/// The component cannot be loaded.
pub async fn run(component: &Path) -> Result<Report> {
    run_some(component, "").await
}

/// Runs the cells whose name contains a text, such as `Connect at Create`.
///
/// # Errors
/// The component cannot be loaded.
pub async fn run_some(component: &Path, name_contains: &str) -> Result<Report> {
    let common = &Common::new(component).await?;
    let cells = table::cells().into_iter().map(|(row, fault)| {
        let name = format!("{:?} at {:?} with {fault:?}", row.act, row.endpoint);
        (name, row, fault)
    });
    let cells = cells.filter(|(name, ..)| name.contains(name_contains));
    let results = stream::iter(cells).map(|(name, row, fault)| async move {
        let result = cell::run(common, row, fault).await;
        result.map_err(|error| {
            let suffering = table::what_suffers(row.act);
            format!("{name}: {suffering}: {error:#}")
        })
    });
    let mut report = Report::default();
    let mut results = results.buffer_unordered(AT_ONCE);
    while let Some(result) = results.next().await {
        report.cells += 1;
        match result {
            Ok(Seen { requests, spared }) => {
                report.requests += requests;
                report.spared += spared;
            }
            Err(failure) => report.failures.push(failure),
        }
    }
    report.failures.sort();
    Ok(report)
}
