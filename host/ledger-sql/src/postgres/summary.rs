//! Summing up activities: one pass over those of a time.

use std::collections::HashMap;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::activity_scan::{ActivityScan, examined, is_frozen, place, stop, user};
use super::connection::Postgres;
use super::subjects;
use super::values::get;
use crate::activities::user_number;
use crate::failure::Result;
use crate::values::{Columns, damaged};
use integration_host_contract::User;
use integration_host_contract::id::{ConnectionId, RemoteUserId};
use integration_host_database::postgres::rows;
use integration_host_ledger::summary_accumulator::{Passed, SummaryAccumulator};
use integration_host_ledger::titles::Paths;
use integration_host_ledger::totals::{Names, Totals, described};
use integration_host_ledger::{ActivityFilter, LedgerError, Person, SubjectName, Summary};

/// How many activities are read at once.
const PIECE: usize = 4096;

/// A summary, for which about so many activities are looked at.
pub(super) async fn summarize(
    client: &impl GenericClient,
    filter: &ActivityFilter,
    times: &[i64],
    now: Timestamp,
    most_examined: usize,
) -> Result<Summary> {
    filter.ensure_names_connection()?;
    // Facets disregard everything but connection and visibility, so that all of these are looked at.
    let everything = ActivityFilter {
        connection: filter.connection.clone(),
        from: times.first().copied().map(time).transpose()?,
        to: times.last().copied().map(time).transpose()?,
        include_unmapped: filter.include_unmapped,
        only_unmapped: filter.only_unmapped,
        ..ActivityFilter::default()
    };
    let user = match &filter.user {
        Some(user) => Some(user_number(&Postgres(client), user).await?),
        None => None,
    };
    let mut pass = SummaryAccumulator::new(filter, user, now, times);
    let mut paths = Paths::default();
    let mut left = most_examined;
    let mut complete = true;
    if let Some(mut pieces) = ActivityScan::new(client, &everything, None, PIECE).await? {
        loop {
            let (found, is_last) = pieces.next(client).await?;
            let passed = found.get(..left).unwrap_or(&found);
            add(&mut pass, client, passed, &mut paths).await?;
            if found.len() > left {
                complete = false;
                break;
            }
            left -= found.len();
            if is_last {
                break;
            }
        }
    }
    let mut names = Lookup::read(client, &pass.totals, paths).await?;
    Ok(Summary {
        complete,
        ..described(pass.totals, &mut names)?
    })
}

fn time(milliseconds: i64) -> Result<Timestamp> {
    Timestamp::from_millisecond(milliseconds).map_err(damaged)
}

/// Passes activities, whose subjects are looked up at once.
async fn add(
    pass: &mut SummaryAccumulator,
    client: &impl GenericClient,
    found: &[Row],
    paths: &mut Paths,
) -> Result<()> {
    let mut subjects = Vec::new();
    for row in found {
        let activity = examined(row)?;
        let subject = activity.subject;
        subjects.extend(subject.map(|subject| (activity.connection, subject.to_owned())));
    }
    subjects::read(client, paths, &subjects).await?;
    for row in found {
        let (start, _) = place(row)?;
        let passed = Passed {
            start,
            stop: stop(row)?,
            is_frozen: is_frozen(row)?,
            user: user(row)?,
        };
        pass.add(&examined(row)?, &passed, |connection, subject| {
            Ok(paths.path(connection, Some(subject)))
        })?;
    }
    Ok(())
}

/// The names of everything in a summary, read at once.
struct Lookup {
    connections: HashMap<i64, ConnectionId>,
    members: HashMap<(i64, String), String>,
    users: HashMap<i64, User>,
    paths: Paths,
}

impl Lookup {
    async fn read(client: &impl GenericClient, totals: &Totals, paths: Paths) -> Result<Self> {
        let (connections, remote_users): (Vec<i64>, Vec<&str>) = totals.people().unzip();
        let members = rows(
            client,
            "SELECT connection, remote_user, name FROM members
             WHERE (connection, remote_user) IN (SELECT * FROM unnest($1::bigint[], $2::text[]))",
            &[&connections, &remote_users],
        )
        .await?;
        let users = rows(
            client,
            "SELECT number, id, name, email FROM users WHERE number = ANY ($1)",
            &[&totals.users().collect::<Vec<i64>>()],
        )
        .await?;
        let mut numbers = connections.clone();
        numbers.sort_unstable();
        numbers.dedup();
        let connections = rows(
            client,
            "SELECT number, id FROM connections WHERE number = ANY ($1)",
            &[&numbers],
        )
        .await?;
        let mut lookup = Self {
            connections: HashMap::new(),
            members: HashMap::new(),
            users: HashMap::new(),
            paths,
        };
        for row in &connections {
            let id = ConnectionId::new(get::<String>(row, 1)?);
            lookup.connections.insert(get(row, 0)?, id);
        }
        for row in &members {
            let key = (get(row, 0)?, get(row, 1)?);
            lookup.members.insert(key, get(row, 2)?);
        }
        for row in &users {
            if let Some(user) = (row as &dyn Columns).user(1)? {
                lookup.users.insert(get(row, 0)?, user);
            }
        }
        Ok(lookup)
    }
}

impl Names for Lookup {
    fn connection(&mut self, number: i64) -> Result<ConnectionId, LedgerError> {
        let id = self.connections.get(&number).cloned();
        id.ok_or_else(|| LedgerError::NotFound("a connection was just removed".to_owned()))
    }

    fn person(
        &mut self,
        connection: i64,
        remote_user: &str,
        user: Option<i64>,
    ) -> Result<Person, LedgerError> {
        let member = (connection, remote_user.to_owned());
        Ok(Person {
            connection_id: self.connection(connection)?,
            remote_user_id: RemoteUserId::new(remote_user),
            name: self.members.get(&member).cloned(),
            user: user.and_then(|user| self.users.get(&user).cloned()),
        })
    }

    fn path(&mut self, connection: i64, subject: &str) -> Result<Vec<SubjectName>, LedgerError> {
        Ok(self.paths.path(connection, Some(subject)))
    }
}
