//! A few histories of a world that lies; `cargo xtask chaos --only world` plays more.

use end_to_end::world::{Kind, run};

/// Histories that are played on each kind of database.
const HISTORIES: u32 = 10;

/// The first seed: the same every time, so that a failure is one of the change that is being tested.
const FIRST: u64 = 1;

async fn everything_is_found_back_to(kind: Kind) {
    match run(kind, FIRST, HISTORIES).await {
        Ok(report) => eprintln!("{report:?}"),
        Err(difference) => panic!("{difference:#}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_with_sqlite_finds_back_to_the_truth() {
    everything_is_found_back_to(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_with_postgres_find_back_to_the_truth() {
    everything_is_found_back_to(Kind::Postgres).await;
}
