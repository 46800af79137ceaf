//! Any order, repetition and loss of deliveries leads to the same ledger: the one Toggl's own state
//! asks for. Through the real component, the real ledger and the sandbox Toggl.

use end_to_end::histories;

const HISTORIES: u32 = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn histories_converge_to_what_toggl_holds() {
    let seed = 20_261_124;
    let report = histories::run(HISTORIES, seed)
        .await
        .unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(report.histories, HISTORIES);
    // That much happened: nothing was compared with nothing.
    assert!(report.deliveries > report.events, "{report:?}");
    assert!(
        report.lost > 0 && report.compared > u64::from(HISTORIES),
        "{report:?}"
    );
    println!("{report:?}");
}
