//! A clock was ahead for a moment, and times of then were kept.

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection as Database;
use serde_json::Value;

use super::support::{Connected, JONAS, forgetful};

/// What a clock that is ahead by thirty days leaves behind.
const AHEAD: &str = "UPDATE heartbeat SET at = at + 2592000000;
    UPDATE connections SET connected_at = connected_at + 2592000000, covered_until = covered_until + 2592000000,
        reconciled_at = covered_until + 2592000000, last_delivery_at = covered_until + 2592000000;";

#[tokio::test]
async fn an_outage_after_a_clock_was_ahead_is_read_all_the_same() {
    let mut connected = Connected::start(forgetful(), "outage_ms = 1\nstart_delay_ms = 50").await;
    connected.setup.settle().await.unwrap();
    connected.setup.host.kill().await.unwrap();
    let path = connected.setup.options.data.join("host.sqlite");
    let database = Database::open(&path).unwrap();
    database.execute_batch(AHEAD).unwrap();
    drop(database);
    let logged = connected.log_time(JONAS);
    connected.setup.settle().await.unwrap();
    connected.setup.restart().await.unwrap();

    connected.until_logged("gap-reconciled", 1).await;
    assert!(
        connected.has(logged).await,
        "work logged during the outage is lost, because a clock was ahead before"
    );
    let connection = connected.connection().await;
    assert_eq!(connection["gap"], Value::Null, "{connection}");
    let soon = Timestamp::now() + SignedDuration::from_mins(2);
    let covered: Timestamp = connection["covered_until"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(covered < soon, "{connection}");
    let noticed = connected.kinds().await;
    let times = noticed.iter().filter(|kind| *kind == "gap-noticed").count();
    assert_eq!(times, 1, "it is said once: {noticed:?}");

    // The next outage is noticed like any other.
    connected.setup.host.kill().await.unwrap();
    let logged = connected.log_time(JONAS);
    connected.setup.settle().await.unwrap();
    connected.setup.restart().await.unwrap();
    connected.until_logged("gap-reconciled", 2).await;
    assert!(
        connected.has(logged).await,
        "the next outage is not noticed"
    );
    connected.assert_live("after the outages").await;
}
