//! An export of a ledger that never was, as large as one likes, for measuring what depends on size.
//!
//! It is written as it is made, so it may be larger than memory. The same shape is the same export always, and what
//! a ledger tells that has taken it over.

use std::io::Write;

use anyhow::{Context as _, Result};
use integration_host_cli::transfer::{ExportWriter, FORMAT, FORMAT_VERSION, Footer, Header};
use integration_host_contract::id::{
    ConnectionId, HookId, LedgerId, RemoteUserId, ScopeId, UserId,
};
use integration_host_contract::{Account, MemberState, RemoteUser, Subscription, User};
use integration_host_ledger::transfer::{
    ExportActivity, ExportConnection, ExportContent, ExportDeletion, ExportLedger, ExportMember,
    ExportName, ExportSubject, Record,
};
use integration_host_ledger::{Connection, ConnectionState, Coverage, MatchedBy, Member};
use jiff::{SignedDuration, Timestamp};

use crate::invented::{self, mixed};

/// How large to make it.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Connections, each with a team of its own and some five hundred subjects.
    pub connections: u32,
    /// Members of all teams, spread evenly over these; two of three are mapped, each to a user of their own.
    pub members: u32,
    /// Activities, spread evenly over members and over the time before `until`; one in five hundred is deleted.
    pub activities: u32,
    /// Over so many days.
    pub days: u32,
    /// The end of it all.
    pub until: Timestamp,
    /// Whether all time is spent on one project.
    pub on_one_project: bool,
}

impl Shape {
    /// The project that all time is spent on if it is one.
    pub const PROJECT: &str = "project/0";

    /// The same number of activities, all of one member and on one project.
    pub fn of_one_member(activities: u32) -> Self {
        Self {
            connections: 1,
            members: 1,
            on_one_project: true,
            ..Self::year(activities)
        }
    }

    /// A year of a hundred teams with a thousand members in all.
    pub fn year(activities: u32) -> Self {
        Self {
            connections: 100,
            members: 1_000,
            activities,
            days: 365,
            until: Timestamp::constant(1_767_225_600, 0),
            on_one_project: false,
        }
    }

    /// The connection with this number, below `connections`.
    pub fn connection(&self, number: u32) -> ConnectionId {
        ConnectionId::new(format!("generated-{number}"))
    }

    /// The user with this number, if the member with this number, below `members`, is mapped.
    pub fn user(&self, number: u32) -> Option<UserId> {
        (!number.is_multiple_of(3)).then(|| UserId::new(format!("user-{number}")))
    }

    fn begin(&self) -> Result<Timestamp> {
        let time = SignedDuration::from_hours(24 * i64::from(self.days));
        self.until.checked_sub(time).context("too many days")
    }

    /// The connection of the member with this number.
    fn connection_of(&self, member: u32) -> ConnectionId {
        self.connection(member % self.connections.max(1))
    }

    /// The members of the connection with this number.
    fn team(&self, connection: u32) -> impl Iterator<Item = u32> {
        (connection..self.members).step_by(self.connections.max(1) as usize)
    }
}

/// Writes an export of this shape. It holds nothing sealed, so any place can import it, without the keys of another.
pub fn generate(shape: &Shape, output: impl Write) -> Result<Footer> {
    let header = Header {
        format: FORMAT.to_owned(),
        version: FORMAT_VERSION,
        id: format!("generated-{}", shape.activities),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        created_at: shape.until,
        storage: "generated".to_owned(),
        ledger: "generated".to_owned(),
    };
    let mut writer = ExportWriter::start(output, header)?;
    for number in 0..shape.connections {
        writer.write_record(connection(shape, number)?)?;
    }
    for connection in 0..shape.connections {
        for number in shape.team(connection) {
            writer.write_record(member(shape, number))?;
        }
    }
    for number in 0..shape.connections {
        for subject in subjects(shape, number) {
            writer.write_record(subject)?;
        }
    }
    for number in 0..shape.activities {
        writer.write_record(activity(shape, number)?)?;
    }
    writer.write_record(Record::Ledger(ExportLedger {
        id: Some(LedgerId::new("00112233445566778899aabbccddeeff")),
        last_change: u64::from(shape.activities),
        heartbeat: None,
    }))?;
    Ok(writer.finish()?)
}

fn connection(shape: &Shape, number: u32) -> Result<Record> {
    let name = format!("Team {number:03}");
    let begin = shape.begin()?;
    let connection = Connection {
        id: shape.connection(number),
        name: name.clone(),
        integration: "toggl".to_owned(),
        scope_id: ScopeId::new((7_000_000 + number).to_string()),
        scope_name: name,
        owner: Account {
            id: (8_000_000 + number).to_string(),
            name: invented::person(number),
            email: Some(format!("owner.{number}@example.com")),
        },
        hook: HookId::new(format!("generated-hook-{number}")),
        state: ConnectionState::Active,
        attention: None,
        subscription: Some(Subscription {
            id: (6_000_000 + number).to_string(),
            enabled: true,
            validated_at: Some(begin),
            events: vec!["time_entry".to_owned()],
        }),
        users_mapped: shape
            .team(number)
            .filter_map(|member| shape.user(member))
            .count() as u64,
        users_total: shape.team(number).count() as u64,
        created_at: begin,
        updated_at: begin,
        last_delivery_at: Some(shape.until),
        coverage: Coverage {
            connected_at: begin,
            covered_until: shape.until,
            gap: None,
            reconciled_at: None,
            verified_at: None,
        },
        quotas: None,
        unsettled_since: None,
    };
    Ok(Record::Connection(Box::new(ExportConnection {
        connection,
        was_active: true,
    })))
}

/// The member with this number.
pub fn remote_user(number: u32) -> RemoteUserId {
    RemoteUserId::new((9_000_000 + number).to_string())
}

fn member(shape: &Shape, number: u32) -> Record {
    let name = invented::person(number);
    let email = Some(format!("person.{number}@example.com"));
    let user = shape.user(number).map(|id| User {
        id,
        name: name.clone(),
        email: email.clone(),
    });
    Record::Member(Box::new(ExportMember {
        connection: shape.connection_of(number),
        member: Member {
            remote_user: RemoteUser {
                id: remote_user(number),
                name,
                email,
                state: MemberState::Active,
            },
            present: true,
            matched_by: user.as_ref().map(|_| MatchedBy::Email),
            user,
            note: None,
            unconfirmed: false,
            claimed_by: None,
            earlier_user: None,
        },
    }))
}

fn subjects(shape: &Shape, connection: u32) -> impl Iterator<Item = Record> {
    let connection = shape.connection(connection);
    let mut subjects = invented::subjects();
    // As a ledger would tell them.
    subjects.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    subjects.into_iter().map(move |subject| {
        Record::Subject(ExportSubject {
            connection: connection.clone(),
            id: subject.id,
            named: subject.name.map(|name| ExportName {
                revision: subject.revision,
                name,
                parent: subject.parent,
            }),
            hint: None,
        })
    })
}

fn activity(shape: &Shape, number: u32) -> Result<Record> {
    let member = mixed(number, 9) % shape.members.max(1);
    let time = 24 * 3600 * i64::from(shape.days) * i64::from(number);
    let after = SignedDuration::from_secs(time / i64::from(shape.activities.max(1)));
    let start = shape.begin()?.checked_add(after)?;
    let length = SignedDuration::from_secs(invented::length_seconds(number));
    let stop = start.checked_add(length)?;
    let revision = format!("{stop}/{number:010}");
    let deletion = number.is_multiple_of(500).then(|| ExportDeletion {
        revision: format!("{revision}/deleted"),
        event: Some(format!("{number}-deleted")),
    });
    let content = ExportContent {
        revision,
        remote_user: remote_user(member).to_string(),
        subject: if shape.on_one_project {
            Some(Shape::PROJECT.to_owned())
        } else {
            invented::subject_id(number)
        },
        description: invented::description(number),
        start,
        stop: (stop < shape.until).then_some(stop),
        billable: invented::is_billable(number),
        tags: invented::tags(number),
        event: Some(number.to_string()),
    };
    Ok(Record::Activity(Box::new(ExportActivity {
        connection: shape.connection_of(member),
        id: (3_000_000_000 + u64::from(number)).to_string(),
        place: u64::from(number) + 1,
        content: Some(content),
        deletion,
        user: None,
    })))
}
