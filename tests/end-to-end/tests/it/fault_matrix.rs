//! Upstream behaviour: whatever goes wrong at Toggl, at whatever endpoint.

use end_to_end::fault_matrix;

/// `FAULT_MATRIX="Connect at Create"` runs these cells only.
#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_toggl_comes_to_what_the_table_states() {
    let component = end_to_end::component().unwrap();
    let only = std::env::var("FAULT_MATRIX").unwrap_or_default();
    let report = fault_matrix::run_some(&component, &only).await.unwrap();
    println!("{report}");
    println!(
        "{} requests, {} calls refused within the host while a quota was used up",
        report.requests, report.spared
    );
    assert!(
        report.failures.is_empty(),
        "{report}\n{}",
        report.failures.join("\n")
    );
    assert!(report.cells > 0, "no cell has this name");
}
