//! What a database does for a ledger: running statements that are the same in both, and a few things that each does in
//! its own way.

use std::collections::BTreeMap;
use std::pin::Pin;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::failure::{Failure, Result};
use crate::values::{Column, Columns, Value, damaged, values};
use integration_host_contract::id::ConnectionId;
use integration_host_contract::{Changes, User};
use integration_host_ledger::activity_list::Place;
use integration_host_ledger::matching::StoredMember;
use integration_host_ledger::spreading::{GivenActivity, Shared};
use integration_host_ledger::titles::Paths;
use integration_host_ledger::{
    ActivityFilter, Applied, DeadLetter, DeliveryRecord, LedgerError, Retention, Summary,
};

pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Something to be done with what is given, on one connection to the database.
pub type Work<A, T> = for<'a> fn(&'a (dyn Backend + 'a), &'a A) -> BoxFuture<'a, Result<T>>;

/// A database that a ledger is in.
#[async_trait]
pub trait SqlDatabase: Send + Sync + 'static {
    /// Asks a question.
    async fn read<A, T>(&self, given: A, query: Work<A, T>) -> Result<T, LedgerError>
    where
        A: Send + Sync + 'static,
        T: Send + 'static;

    /// Makes a change, which is durable when this returns `Ok` and leaves nothing when it fails. `change` may run several
    /// times. What is fenced is changed only while the handle's leases are nobody else's.
    async fn change<A, T>(&self, given: A, change: Work<A, T>) -> Result<T, LedgerError>
    where
        A: Send + Sync + 'static,
        T: Send + 'static;

    /// The same for what may come late, whatever became of leases.
    async fn change_unfenced<A, T>(&self, given: A, change: Work<A, T>) -> Result<T, LedgerError>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.change(given, change).await
    }

    /// Applies what arrived, together with what else arrives at the moment.
    async fn apply(
        &self,
        id: &ConnectionId,
        changes: &Changes,
        delivery: Option<DeliveryRecord>,
        retention: &Retention,
    ) -> Result<Applied, LedgerError>;

    /// Tells other hosts that the change feed may have grown.
    fn announce_changes(&self) {}

    /// Tells whenever another host may have made it grow. `None`: there is no other.
    fn watch_changes(&self) -> Option<watch::Receiver<u64>> {
        None
    }

    /// Called when nothing is left to prune.
    async fn pruned(&self) -> Result<(), LedgerError> {
        Ok(())
    }
}

/// Where the databases write the same thing in different ways.
pub struct Dialect {
    /// The column with the number of a user.
    pub user: &'static str,
    /// The key of a table's only row, and its value.
    pub single: &'static str,
    /// See `single`.
    pub one: &'static str,
    /// A join whose tables stay in order: what SQLite has counted must not make it go through everything of each
    /// connection.
    pub join: &'static str,
    /// Keeps others from changing a row until the transaction ends.
    pub lock: &'static str,
    /// The same, and from removing it or referring to it.
    pub lock_whole: &'static str,
    /// Passes over rows that others change.
    pub skip_locked: &'static str,
    /// The greater of two.
    pub greatest: &'static str,
    list: fn(usize) -> String,
    index: fn(&str) -> String,
}

impl Dialect {
    /// A condition for what is in the list that is given as `$number`.
    pub fn is_one_of(&self, number: usize) -> String {
        (self.list)(number)
    }

    /// Goes by an index, where that must be said.
    pub fn by(&self, index: &str) -> String {
        (self.index)(index)
    }
}

#[cfg(feature = "sqlite")]
pub static SQLITE: Dialect = Dialect {
    user: "user",
    single: "only",
    one: "1",
    join: "CROSS JOIN",
    lock: "",
    lock_whole: "",
    skip_locked: "",
    greatest: "max",
    list: |number| format!("IN (SELECT value FROM json_each(${number}))"),
    index: |index| format!("INDEXED BY {index}"),
};

#[cfg(feature = "postgres")]
pub static POSTGRES: Dialect = Dialect {
    user: "user_number",
    single: "single",
    one: "true",
    join: "JOIN",
    lock: " FOR NO KEY UPDATE",
    lock_whole: " FOR UPDATE",
    skip_locked: " FOR UPDATE SKIP LOCKED",
    greatest: "greatest",
    list: |number| format!("= ANY (${number})"),
    index: |_| String::new(),
};

/// Reads a row.
pub type Read<'a> = dyn FnMut(&dyn Columns) -> Result<()> + Send + 'a;

/// A connection to a database, within a transaction if something is changed.
#[async_trait]
pub trait Backend: Send + Sync {
    fn dialect(&self) -> &'static Dialect;

    /// Reads the rows of a query.
    async fn query(&self, sql: &str, values: &[Value<'_>], read: &mut Read<'_>) -> Result<()>;

    /// Executes a statement and returns how many rows it touched.
    async fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64>;

    /// Notes that a host runs. Nobody takes back that one ran, unless it would be in the future.
    async fn note_heartbeat(&self, now: Timestamp) -> Result<()>;

    /// The numbers of users. Their names and addresses are updated.
    async fn number_users(&self, users: &BTreeMap<&str, &User>) -> Result<Users>;

    /// Stores members of a connection, each of them once.
    async fn put_members(&self, connection: i64, members: &[StoredMember<'_>]) -> Result<()>;

    /// Tells the activities that share something of its change, at once if they are few.
    async fn spread(&self, connection: i64, changed: Vec<Shared>) -> Result<()>;

    /// Whether nobody else goes on spreading changes until the transaction ends.
    async fn is_alone(&self) -> Result<bool>;

    /// Keeps others from giving out places in the change feed until the transaction ends.
    async fn hold_feed(&self) -> Result<()>;

    /// Gives activities to users, and moves those that show a change to the end of the change feed, which is held.
    async fn tell(&self, numbers: &[i64], given: &[GivenActivity]) -> Result<()>;

    /// Reads subjects with everything above them, unless they were read before.
    async fn read_subjects(&self, paths: &mut Paths, subjects: &[(i64, String)]) -> Result<()>;

    /// Goes through a list up to a page's end, or until about so many activities were looked at.
    async fn scan(
        &self,
        filter: &ActivityFilter,
        cursor: Option<Place>,
        limit: usize,
        most_examined: usize,
    ) -> Result<Scanned>;

    /// Sums up activities between boundaries, in milliseconds, of which about so many are looked at.
    async fn summarize(
        &self,
        filter: &ActivityFilter,
        times: &[i64],
        now: Timestamp,
        most_examined: usize,
    ) -> Result<Summary>;

    /// Exchanges a dead letter that is still what it was.
    async fn replace_dead_letter(&self, kept: &DeadLetter, sealed: &[u8]) -> Result<()>;

    /// Counts deliveries that were removed from the logs of connections.
    async fn count_removed(&self, removed: &BTreeMap<i64, i64>) -> Result<()>;
}

/// What a page of a list has.
#[derive(Default)]
pub struct Scanned {
    /// The numbers of its activities, in order.
    pub numbers: Vec<i64>,
    /// Where to go on; `None`: this is the end.
    pub next: Option<Place>,
    /// The subjects that were looked up on the way.
    pub paths: Paths,
}

/// The numbers by which the tables know users.
#[derive(Default)]
pub struct Users {
    pub numbers: BTreeMap<String, i64>,
    /// Users whose name or address is another one than before.
    pub changed: Vec<i64>,
}

impl Users {
    /// The number of a user.
    pub fn number(&self, user: &User) -> Option<i64> {
        self.numbers.get(user.id.as_str()).copied()
    }

    /// What activities that are there already show of those that have changed.
    pub fn shared(&self) -> impl Iterator<Item = Shared> {
        self.changed.iter().copied().map(Shared::User)
    }
}

/// The rows of a query.
pub async fn rows<T: Send>(
    db: &dyn Backend,
    sql: &str,
    values: &[Value<'_>],
    read: fn(&dyn Columns) -> Result<T>,
) -> Result<Vec<T>> {
    let mut found = Vec::new();
    let mut each = |row: &dyn Columns| {
        found.push(read(row)?);
        Ok(())
    };
    db.query(sql, values, &mut each).await?;
    Ok(found)
}

/// The only row of a query, if there is one.
pub async fn row<T: Send>(
    db: &dyn Backend,
    sql: &str,
    values: &[Value<'_>],
    read: fn(&dyn Columns) -> Result<T>,
) -> Result<Option<T>> {
    Ok(rows(db, sql, values, read).await?.pop())
}

/// The only row of a query, which is always there.
pub async fn only<T: Send>(
    db: &dyn Backend,
    sql: &str,
    values: &[Value<'_>],
    read: fn(&dyn Columns) -> Result<T>,
) -> Result<T> {
    let found = row(db, sql, values, read).await?;
    found.ok_or_else(|| damaged("a row is missing that is always there: restore a backup"))
}

/// The value of a row's first column.
pub fn first<T: for<'a> Column<'a>>(row: &dyn Columns) -> Result<T> {
    row.get(0)
}

/// The number by which the tables know a connection.
pub async fn connection_number(db: &dyn Backend, id: &ConnectionId) -> Result<i64> {
    numbered(db, id, "SELECT number FROM connections WHERE id = $1").await
}

/// The number of a connection, if one is named.
pub async fn number_if_named(db: &dyn Backend, id: Option<&ConnectionId>) -> Result<Option<i64>> {
    match id {
        Some(id) => connection_number(db, id).await.map(Some),
        None => Ok(None),
    }
}

/// The number of a connection, of which nobody else changes anything until the transaction ends.
pub async fn lock_connection(db: &dyn Backend, id: &ConnectionId) -> Result<i64> {
    let lock = db.dialect().lock;
    let sql = format!("SELECT number FROM connections WHERE id = $1{lock}");
    numbered(db, id, &sql).await
}

async fn numbered(db: &dyn Backend, id: &ConnectionId, sql: &str) -> Result<i64> {
    let found = row(db, sql, values![id.as_str()], first).await?;
    found.ok_or_else(|| Failure::no_connection(id))
}
