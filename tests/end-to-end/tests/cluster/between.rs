//! Storage and ledger need not be one database: whatever was written to one when the host died, both tell the same in
//! the end.

use end_to_end::kills;
use end_to_end::world::Kind;

async fn dying_between_storage_and_ledger_loses_no_name(kind: Kind) {
    let component = end_to_end::component().unwrap();
    let Some(report) = kills::die_between(&component, kind).await.unwrap() else {
        return;
    };
    println!("{} deaths", report.deaths);
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
    // Four use cases, each before and after a commit at least; how many commits there are varies with what is retried.
    assert!(report.deaths >= 8, "only {} deaths", report.deaths);
}

#[tokio::test(flavor = "multi_thread")]
async fn dying_between_two_files_of_sqlite_loses_no_name() {
    dying_between_storage_and_ledger_loses_no_name(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dying_between_two_databases_of_postgres_loses_no_name() {
    dying_between_storage_and_ledger_loses_no_name(Kind::Postgres).await;
}
