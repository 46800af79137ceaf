//! Everything that can go wrong at Toggl, at every endpoint.

use anyhow::Result;
use end_to_end::{component, fault_matrix};

use super::table::Table;

pub async fn run(table: &mut Table) -> Result<()> {
    let report = fault_matrix::run(&component()?).await?;
    table.promise(
        "fault-matrix cells passed",
        format!("{}/{}", report.passed(), report.cells),
        "all",
        report.failures.is_empty(),
    );
    table.detail(format!(
        "{} requests; {} calls refused without one because a quota was used up",
        report.requests, report.spared
    ));
    for failure in &report.failures {
        table.detail(failure);
    }
    Ok(())
}
