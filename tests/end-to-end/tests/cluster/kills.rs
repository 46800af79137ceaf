//! Hosts that are killed and paused, and a database that is restarted under them.

use std::time::Duration;

use end_to_end::kills::{HostKillPlan, run_hosts};

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_are_killed_and_paused_lose_and_double_nothing_and_do_no_work_twice() {
    let plan = HostKillPlan {
        hosts: 3,
        kills: 12,
        pauses: 1,
        database_restarts: 3,
        seed: 5,
    };
    let Some(report) = run_hosts(plan).await.unwrap() else {
        return;
    };
    println!("{report:?}");
    assert_eq!((report.pauses, report.database_restarts), (1, 3));
    assert!(report.deliveries.is_clean(), "{}", report.deliveries);
    assert!(
        report.work > 0,
        "no background work was done, so that nothing could be done twice"
    );
    assert!(
        report.collisions.is_empty(),
        "two hosts were at work on a workspace at the same time, and its quota would be used up twice:\n{}",
        report.collisions.join("\n")
    );
    assert!(
        report.deliveries.slowest_recovery < Duration::from_secs(30),
        "a host took long to come back: {}",
        report.deliveries
    );
}
