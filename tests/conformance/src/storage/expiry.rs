//! Expiry: by the clock, everywhere at the same moment.

use anyhow::{Result, ensure};
use integration_host_contract::clock::Clock as _;
use integration_host_storage::Commit;
use jiff::{SignedDuration, Timestamp};

use super::scope::{absent, put, put_until, unchanged};
use super::{Case, World};
use crate::suite::{case, same};

const MOMENT: &str = "A key with an expiry is there before that time and absent from then on, by the clock the provider \
    was made with: for get, for list and for expectations, all at the same moment, whenever it is really removed.";
const PRECISION: &str =
    "An expiry is kept to the millisecond and told as it was given; what is finer may be cut.";
const RANGE: &str = "An expiry may be in the past, which leaves the key absent, and as far in the future as a Timestamp \
    goes.";

pub(super) const CASES: &[Case] = &[
    case!(
        an_expired_key_is_not_read,
        MOMENT,
        "a name or a secret that is no longer valid would be used"
    ),
    case!(
        an_expired_key_is_not_listed,
        MOMENT,
        "a name or a secret that is no longer valid would be used"
    ),
    case!(
        an_expired_key_is_absent_for_expectations,
        MOMENT,
        "a lease that ran out could not be taken over, or a lost one would still pass for held"
    ),
    case!(
        keys_expire_to_the_millisecond,
        PRECISION,
        "two hosts would hold the same lease"
    ),
    case!(
        an_expiry_is_told_as_it_was_given,
        PRECISION,
        "whoever writes the value again would change its expiry"
    ),
    case!(
        any_time_may_be_an_expiry,
        RANGE,
        "a value that is to be kept for ever would be gone, or one that is over would be kept"
    ),
];

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

async fn an_expired_key_is_not_read(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    let soon = world.clock().now() + seconds(60);
    scope
        .write(&[put_until("short", "1", soon), put("long", "1")])
        .await?;
    world.clock().advance(seconds(59));
    ensure!(
        scope.get("short").await?.is_some(),
        "a key is gone before it expires"
    );
    world.clock().advance(seconds(1));
    same(scope.get("short").await?, None, "a key that has expired")?;
    ensure!(
        scope.get("long").await?.is_some(),
        "a key without an expiry is gone"
    );
    // Writing another key, which may clear up, brings nothing back.
    scope.write(&[put("another", "1")]).await?;
    same(
        scope.get("short").await?,
        None,
        "a key that has expired, after a commit",
    )
}

async fn an_expired_key_is_not_listed(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    let soon = world.clock().now() + seconds(60);
    let writes = [
        put_until("a", "1", soon),
        put("b", "1"),
        put_until("c", "1", soon),
    ];
    scope.write(&writes).await?;
    same(
        scope.all().await?,
        ["a", "b", "c"],
        "keys before any expires",
    )?;
    world.clock().advance(seconds(60));
    same(scope.all().await?, ["b"], "keys after two have expired")
}

async fn an_expired_key_is_absent_for_expectations(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    let soon = world.clock().now() + seconds(60);
    scope.write(&[put_until("lease", "mine", soon)]).await?;
    let held = scope.entry("lease").await?;
    let early = scope
        .commit(&[absent("lease")], &[put("lease", "yours")])
        .await?;
    same(
        early,
        Commit::Conflict,
        "a key that has not expired was expected to be absent",
    )?;
    let kept = scope
        .commit(&[unchanged(&held)], &[put("work", "1")])
        .await?;
    same(
        kept,
        Commit::Committed,
        "a key that has not expired was expected to be unchanged",
    )?;
    world.clock().advance(seconds(60));
    let lost = scope
        .commit(&[unchanged(&held)], &[put("work", "2")])
        .await?;
    same(
        lost,
        Commit::Conflict,
        "a key that has expired was expected to be unchanged",
    )?;
    let taken = scope
        .commit(&[absent("lease")], &[put("lease", "yours")])
        .await?;
    same(
        taken,
        Commit::Committed,
        "a key that has expired was expected to be absent",
    )?;
    world.clock().advance(seconds(3600));
    same(
        scope.value("lease").await?,
        Some(b"yours".to_vec()),
        "a key written after its predecessor expired",
    )
}

async fn keys_expire_to_the_millisecond(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    world.clock().advance(SignedDuration::from_millis(250));
    let soon = world.clock().now() + SignedDuration::from_millis(1500);
    scope.write(&[put_until("key", "1", soon)]).await?;
    world.clock().advance(SignedDuration::from_millis(1499));
    ensure!(
        scope.get("key").await?.is_some(),
        "a key is gone a millisecond early"
    );
    same(
        scope.all().await?,
        ["key"],
        "keys a millisecond before the expiry",
    )?;
    world.clock().advance(SignedDuration::from_millis(1));
    same(
        scope.get("key").await?,
        None,
        "a key in the millisecond it expires in",
    )?;
    same(
        scope.all().await?,
        [""; 0],
        "keys in the millisecond of the expiry",
    )
}

async fn an_expiry_is_told_as_it_was_given(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    let soon = world.clock().now() + SignedDuration::from_millis(60_123);
    scope.write(&[put_until("key", "1", soon)]).await?;
    same(
        scope.entry("key").await?.expires_at,
        Some(soon),
        "the expiry of a key",
    )?;
    let listed = scope.list("", None, 1).await?;
    same(
        listed.first().and_then(|entry| entry.expires_at),
        Some(soon),
        "the expiry in a list",
    )?;
    let finer = soon + SignedDuration::from_micros(456);
    scope.write(&[put_until("key", "1", finer)]).await?;
    let told = scope
        .entry("key")
        .await?
        .expires_at
        .map(Timestamp::as_millisecond);
    same(
        told,
        Some(soon.as_millisecond()),
        "the millisecond of a finer expiry",
    )
}

async fn any_time_may_be_an_expiry(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    let now = world.clock().now();
    let past = [Timestamp::MIN, Timestamp::UNIX_EPOCH, now - seconds(1), now];
    for (number, at) in past.into_iter().enumerate() {
        scope.write(&[put("past", number.to_string())]).await?;
        scope.write(&[put_until("past", "over", at)]).await?;
        same(
            scope.get("past").await?,
            None,
            format!("a key that expired at {at}"),
        )?;
        let outcome = scope
            .commit(&[absent("past")], &[put("present", "1")])
            .await?;
        same(
            outcome,
            Commit::Committed,
            format!("a key that expired at {at} was expected to be absent"),
        )?;
    }
    scope
        .write(&[put_until("future", "1", Timestamp::MAX)])
        .await?;
    world
        .clock()
        .advance(SignedDuration::from_hours(24 * 365 * 1000));
    same(
        scope.value("future").await?,
        Some(b"1".to_vec()),
        "a key that expires at the end of time",
    )
}
