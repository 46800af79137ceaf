//! Leases, by the database's clock.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Transaction};

use super::PostgresLedger;
use super::values::get;
use crate::failure::{Failure, Result};
use crate::values::{Columns, signed};
use integration_host_database::postgres::{execute, row, rows, within_time};
use integration_host_ledger::{Lease, LeaseAnswer, LeaseStore, Ledger, LedgerError};

/// How long nobody may ask for a lease before it is forgotten, in milliseconds.
const FORGOTTEN_AFTER: i64 = 7 * 24 * 3_600_000;

/// A lease that would last for longer than this, in milliseconds, and than twice what is asked for, was written by a
/// clock that was ahead. Whoever has it all the same renews it much sooner.
const LONGEST_LEASE: f64 = 600_000.0;

/// No lease rests for longer than this, in milliseconds; one that seems to was given back by a clock that was ahead.
const LONGEST_REST: f64 = 24.0 * 3_600_000.0;

#[async_trait]
impl LeaseStore for PostgresLedger {
    async fn take_lease(
        &self,
        name: &str,
        time: Duration,
        is_urgent: bool,
    ) -> Result<LeaseAnswer, LedgerError> {
        let client = self
            .database
            .database
            .client()
            .await
            .map_err(Failure::from)?;
        Ok(within_time(take(&client, name, time, is_urgent)).await?)
    }

    async fn renew_lease(&self, lease: &Lease, time: Duration) -> Result<bool, LedgerError> {
        let client = self
            .database
            .database
            .client()
            .await
            .map_err(Failure::from)?;
        let renewed = within_time(execute(
            &client,
            "UPDATE leases SET held_until = clock_timestamp() + $3 * interval '1 millisecond'
             WHERE name = $1 AND fence = $2",
            &[&lease.name, &signed(lease.fence), &milliseconds(time)],
        ))
        .await;
        Ok(renewed.map_err(Failure::from)? > 0)
    }

    async fn end_lease(&self, lease: &Lease, rest: Duration) -> Result<(), LedgerError> {
        let client = self
            .database
            .database
            .client()
            .await
            .map_err(Failure::from)?;
        let ended = within_time(execute(
            &client,
            "UPDATE leases SET held_until = clock_timestamp(),
                 rests_until = clock_timestamp() + least($3::float8, $4::float8) * interval '1 millisecond'
             WHERE name = $1 AND fence = $2",
            &[
                &lease.name,
                &signed(lease.fence),
                &milliseconds(rest),
                &LONGEST_REST,
            ],
        ))
        .await;
        ended.map_err(Failure::from)?;
        Ok(())
    }

    fn fenced(&self, leases: &[Lease]) -> Option<Arc<dyn Ledger>> {
        let mut handle = self.clone();
        handle.database.leases.extend_from_slice(leases);
        Some(Arc::new(handle))
    }
}

/// Fails if one of these leases was granted to somebody else. Whoever asks for one of them then waits until the
/// transaction ends, so that it finds what was changed here, and all of it.
pub(super) async fn ensure_held(transaction: &Transaction<'_>, leases: &[Lease]) -> Result<()> {
    if leases.is_empty() {
        return Ok(());
    }
    let (names, fences): (Vec<&str>, Vec<i64>) = leases
        .iter()
        .map(|lease| (lease.name.as_str(), signed(lease.fence)))
        .unzip();
    let held = rows(
        transaction,
        "SELECT fence FROM leases
         WHERE (name, fence) IN (SELECT * FROM unnest($1::text[], $2::bigint[])) FOR SHARE",
        &[&names, &fences],
    )
    .await?;
    if held.len() == leases.len() {
        Ok(())
    } else {
        Err(LedgerError::LeaseLost.into())
    }
}

async fn take(
    client: &impl GenericClient,
    name: &str,
    time: Duration,
    is_urgent: bool,
) -> Result<LeaseAnswer> {
    // Fences go on from where they were, whatever was forgotten meanwhile.
    let granted = row(
        client,
        "INSERT INTO leases (name, fence, held_until, rests_until)
         VALUES ($1, nextval('lease_fences'), clock_timestamp() + $2 * interval '1 millisecond', clock_timestamp())
         ON CONFLICT (name) DO UPDATE SET fence = excluded.fence, held_until = excluded.held_until
         WHERE (leases.held_until <= clock_timestamp()
                 OR leases.held_until > clock_timestamp() + greatest(2 * $2::float8, $4::float8) * interval '1 millisecond')
             AND ($3 OR leases.rests_until <= clock_timestamp()
                 OR leases.rests_until > clock_timestamp() + $5 * interval '1 millisecond')
         RETURNING fence",
        &[&name, &milliseconds(time), &is_urgent, &LONGEST_LEASE, &LONGEST_REST],
    )
    .await?;
    if let Some(granted) = granted {
        return Ok(LeaseAnswer::Granted(Lease {
            name: name.to_owned(),
            fence: (&granted as &dyn Columns).get(0)?,
        }));
    }
    let held = row(
        client,
        "SELECT extract(epoch FROM greatest(held_until, CASE WHEN $2 THEN held_until ELSE rests_until END)
             - clock_timestamp())::float8
         FROM leases WHERE name = $1",
        &[&name, &is_urgent],
    )
    .await?;
    let seconds: f64 = held.map_or(Ok(0.0), |held| get(&held, 0))?;
    Ok(LeaseAnswer::Refused {
        wait: Duration::try_from_secs_f64(seconds).unwrap_or_default(),
    })
}

/// Forgets leases that nobody has asked for in a long time.
pub(super) async fn forget(client: &impl GenericClient) -> Result<()> {
    execute(
        client,
        "DELETE FROM leases WHERE greatest(held_until, rests_until) < clock_timestamp() - $1 * interval '1 millisecond'",
        &[&(FORGOTTEN_AFTER as f64)],
    )
    .await?;
    Ok(())
}

/// As the database multiplies an interval.
fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
