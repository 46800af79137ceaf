//! A ledger as large as a large company's after a year, for measuring what people wait for.
//!
//! It is filled through [`Ledger`](integration_host_ledger::Ledger) alone, as deliveries and imports fill it, only many at once.

use std::path::Path;

use anyhow::{Context as _, Result};
use futures_util::future::try_join_all;
use integration_host_contract::id::{
    ConnectionId, DeliveryId, HookId, RemoteUserId, ScopeId, UserId,
};
use integration_host_contract::{
    Activity, Changes, MemberState, RemoteUser, TeamMember, TimeLog, User, UserMatch,
};
use integration_host_database::SqliteDatabase;
use integration_host_ledger::{
    Activities as _, ConnectionState, ConnectionUpdate, Connections as _, DeliveryRecord,
    DeliveryStatus, ImportLimits, Ledger as _, NewConnection, Retention, Teams as _,
};
use integration_host_ledger_sql::SqliteLedger;
use jiff::{SignedDuration, Timestamp};

use crate::invented;

/// Activities applied at once.
const PIECE: u32 = 10_000;
/// Deliveries recorded at the same time.
const DELIVERIES_AT_ONCE: u32 = 500;

/// How large to make it.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Activities, spread evenly over the time before `until`.
    pub activities: u32,
    /// Over so many days.
    pub days: u32,
    /// Members of the team; two of three are mapped.
    pub members: u32,
    /// How many of these log time.
    pub people: u32,
    /// Deliveries in the log, a thousand a minute before `until`. One in ten thousand was ignored.
    pub deliveries: u32,
    /// The end of it all.
    pub until: Timestamp,
}

impl Shape {
    /// A company with ten thousand members, a thousand of whom log a million activities in a year.
    pub fn company(until: Timestamp) -> Self {
        Self {
            activities: 1_000_000,
            days: 365,
            members: 10_000,
            people: 1_000,
            deliveries: 1_000_000,
            until,
        }
    }
}

/// Fills the ledger in a data directory, whose host must not be running: that of its first connection,
/// which is made if there is none.
pub async fn fill_data(data: &Path, shape: &Shape) -> Result<ConnectionId> {
    let database = SqliteDatabase::open(data.join("host.sqlite"))?;
    let ledger = SqliteLedger::new(database).with_retention(Retention {
        rows: u32::MAX,
        ..Retention::default()
    });
    let mut connections = ledger.connections().await?.into_iter();
    let id = match connections.find(|connection| connection.state == ConnectionState::Active) {
        Some(connection) => connection.id,
        None => connect(&ledger, shape.until).await?,
    };
    fill(&ledger, &id, shape).await?;
    ledger.close().await;
    Ok(id)
}

async fn connect(ledger: &SqliteLedger, now: Timestamp) -> Result<ConnectionId> {
    let new = NewConnection {
        id: ConnectionId::generate(),
        hook: HookId::generate(),
        name: Some("Large company".to_owned()),
        integration: "toggl".to_owned(),
        scope_id: ScopeId::new("43"),
        created_at: now,
    };
    let id = ledger.create_connection(new).await?.id;
    let active = ConnectionUpdate {
        state: Some(ConnectionState::Active),
        ..ConnectionUpdate::default()
    };
    ledger.update_connection(&id, active, now).await?;
    Ok(id)
}

/// Fills the ledger of a connection.
pub async fn fill(ledger: &SqliteLedger, id: &ConnectionId, shape: &Shape) -> Result<()> {
    let team: Vec<TeamMember> = (0..shape.members).map(member).collect();
    ledger
        .import_members(id, &team, &ImportLimits::default())
        .await?;
    let subjects = Changes {
        subjects: invented::subjects(),
        ..Changes::default()
    };
    ledger.apply(id, &subjects, None).await?;
    for first in (0..shape.activities).step_by(PIECE as usize) {
        let last = first.saturating_add(PIECE).min(shape.activities);
        let activities = (first..last).map(|number| activity(shape, number));
        let changes = Changes {
            activities: activities.collect::<Result<_>>()?,
            ..Changes::default()
        };
        ledger.apply(id, &changes, None).await?;
    }
    let nothing = Changes::default();
    for first in (0..shape.deliveries).step_by(DELIVERIES_AT_ONCE as usize) {
        let last = first
            .saturating_add(DELIVERIES_AT_ONCE)
            .min(shape.deliveries);
        let records = (first..last).map(|number| {
            let nothing = &nothing;
            async move {
                let record = delivery(shape, number)?;
                anyhow::Ok(ledger.apply(id, nothing, Some(record)).await?)
            }
        });
        try_join_all(records).await?;
    }
    Ok(())
}

fn member(number: u32) -> TeamMember {
    let name = invented::person(number);
    let email = format!("person.{number}@example.com");
    let user = User {
        id: UserId::new(format!("user-{number}")),
        name: name.clone(),
        email: Some(email.clone()),
    };
    TeamMember {
        remote_user: RemoteUser {
            id: RemoteUserId::new((9_000_000 + number).to_string()),
            name,
            email: Some(email),
            state: MemberState::Active,
        },
        matched: if number.is_multiple_of(3) {
            UserMatch::Unmatched
        } else {
            UserMatch::Matched(user)
        },
    }
}

fn activity(shape: &Shape, number: u32) -> Result<Activity> {
    let time = SignedDuration::from_hours(24 * i64::from(shape.days));
    let left = shape.activities - number;
    let before = time.as_secs() * i64::from(left) / i64::from(shape.activities.max(1));
    let start = shape
        .until
        .checked_sub(SignedDuration::from_secs(before))
        .context("too long ago")?;
    let length = SignedDuration::from_secs(invented::length_seconds(number));
    let stop = start.checked_add(length)?;
    Ok(Activity {
        id: (3_000_000_000 + u64::from(number)).to_string(),
        revision: "1".to_owned(),
        event_id: Some(number.to_string()),
        deleted: number.is_multiple_of(500),
        content: Some(TimeLog {
            remote_user_id: RemoteUserId::new(
                (9_000_000 + invented::mixed(number, 9) % shape.people.max(1)).to_string(),
            ),
            subject: invented::subject_id(number),
            description: invented::description(number),
            start,
            stop: (stop < shape.until).then_some(stop),
            billable: invented::is_billable(number),
            tags: invented::tags(number),
        }),
    })
}

fn delivery(shape: &Shape, number: u32) -> Result<DeliveryRecord> {
    let before = SignedDuration::from_millis(60 * i64::from(shape.deliveries - number));
    let at = shape.until.checked_sub(before)?;
    Ok(DeliveryRecord {
        id: DeliveryId::generate(),
        received_at: at,
        handled_at: at,
        elapsed_us: 900,
        event_id: Some(number.to_string()),
        status: if number % 10_000 == 5_000 {
            DeliveryStatus::Ignored
        } else {
            DeliveryStatus::Accepted
        },
        detail: "Recorded.".to_owned(),
        size_bytes: 1_500,
        sealed_request: None,
        digest: None,
        times: 1,
    })
}
