//! One connection to the database, or a transaction on one.

use std::collections::BTreeMap;

use async_trait::async_trait;
use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::types::ToSql;

use super::{activity_scan, feed, members, spreading, subjects, summary, users};
use crate::backend::{Backend, Dialect, POSTGRES, Read, Scanned, Users};
use crate::failure::Result;
use crate::values::{Value, values};
use integration_host_contract::User;
use integration_host_database::postgres::{execute, rows};
use integration_host_ledger::activity_list::Place;
use integration_host_ledger::matching::StoredMember;
use integration_host_ledger::spreading::{GivenActivity, Shared};
use integration_host_ledger::titles::Paths;
use integration_host_ledger::{ActivityFilter, DeadLetter, Summary};

/// A connection or a transaction.
pub struct Postgres<'a, C>(pub &'a C);

fn parameters<'a>(values: &'a [Value<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    (values.iter())
        .map(|value| value as &(dyn ToSql + Sync))
        .collect()
}

#[async_trait]
impl<C: GenericClient> Backend for Postgres<'_, C> {
    fn dialect(&self) -> &'static Dialect {
        &POSTGRES
    }

    async fn query(&self, sql: &str, values: &[Value<'_>], read: &mut Read<'_>) -> Result<()> {
        for row in &rows(self.0, sql, &parameters(values)).await? {
            read(row)?;
        }
        Ok(())
    }

    async fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64> {
        Ok(execute(self.0, sql, &parameters(values)).await?)
    }

    async fn note_heartbeat(&self, now: Timestamp) -> Result<()> {
        // Clocks of hosts differ a little: the database's tells what would be in the future.
        Backend::execute(
            self,
            "INSERT INTO heartbeat (at)
             SELECT least($1, latest.at) FROM (
                 SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint + 60000 AS at
             ) AS latest
             ON CONFLICT (single) DO UPDATE SET at = greatest(
                 CASE WHEN heartbeat.at <= (extract(epoch FROM clock_timestamp()) * 1000)::bigint + 60000
                     THEN heartbeat.at END,
                 excluded.at)",
            values![now],
        )
        .await?;
        Ok(())
    }

    async fn number_users(&self, users: &BTreeMap<&str, &User>) -> Result<Users> {
        users::number_users(self.0, users).await
    }

    async fn put_members(&self, connection: i64, members: &[StoredMember<'_>]) -> Result<()> {
        members::put(self.0, connection, members).await
    }

    async fn spread(&self, connection: i64, mut changed: Vec<Shared>) -> Result<()> {
        if changed.len() > 1 {
            spreading::keep_those_with_activities(self.0, connection, &mut changed).await?;
        }
        spreading::spread(self.0, &changed).await
    }

    async fn is_alone(&self) -> Result<bool> {
        spreading::is_alone(self.0).await
    }

    async fn hold_feed(&self) -> Result<()> {
        feed::lock(self.0).await
    }

    async fn tell(&self, numbers: &[i64], given: &[GivenActivity]) -> Result<()> {
        spreading::tell(self.0, numbers, given).await
    }

    async fn read_subjects(&self, paths: &mut Paths, subjects: &[(i64, String)]) -> Result<()> {
        subjects::read(self.0, paths, subjects).await
    }

    async fn scan(
        &self,
        filter: &ActivityFilter,
        cursor: Option<Place>,
        limit: usize,
        most_examined: usize,
    ) -> Result<Scanned> {
        activity_scan::scan(self.0, filter, cursor, limit, most_examined).await
    }

    async fn summarize(
        &self,
        filter: &ActivityFilter,
        times: &[i64],
        now: Timestamp,
        most_examined: usize,
    ) -> Result<Summary> {
        summary::summarize(self.0, filter, times, now, most_examined).await
    }

    async fn replace_dead_letter(&self, kept: &DeadLetter, sealed: &[u8]) -> Result<()> {
        let sql = "UPDATE delivery_requests SET sealed = $3 WHERE delivery = $1 AND sealed = $2";
        let given = values![kept.place, &kept.sealed, sealed];
        Backend::execute(self, sql, given).await?;
        Ok(())
    }

    async fn count_removed(&self, removed: &BTreeMap<i64, i64>) -> Result<()> {
        let (connections, counts): (Vec<i64>, Vec<i64>) = removed.iter().unzip();
        Backend::execute(
            self,
            "UPDATE connections SET deliveries = connections.deliveries - removed.deliveries
             FROM unnest($1::bigint[], $2::bigint[]) AS removed (connection, deliveries)
             WHERE connections.number = removed.connection",
            values![&connections, &counts],
        )
        .await?;
        Ok(())
    }
}
