//! What a ledger holds, record by record.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Connection, ConnectionEvent, DeliveryRecord, Member};
use integration_host_contract::User;
use integration_host_contract::id::{ConnectionId, DeliveryId, LedgerId};

/// The kinds of [`Record`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordKind {
    /// [`Record::Connection`].
    Connection,
    /// [`Record::Member`].
    Member,
    /// [`Record::Subject`].
    Subject,
    /// [`Record::Activity`].
    Activity,
    /// [`Record::Delivery`].
    Delivery,
    /// [`Record::Request`].
    Request,
    /// [`Record::Event`].
    Event,
    /// [`Record::Ledger`].
    Ledger,
}

impl RecordKind {
    /// Every kind, in the order in which they are moved: what a record mentions comes before it.
    pub const ALL: [Self; 8] = [
        Self::Connection,
        Self::Member,
        Self::Subject,
        Self::Activity,
        Self::Delivery,
        Self::Request,
        Self::Event,
        Self::Ledger,
    ];

    /// What many of them are called.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Connection => "connections",
            Self::Member => "members",
            Self::Subject => "subjects",
            Self::Activity => "activities",
            Self::Delivery => "deliveries",
            Self::Request => "dead letters",
            Self::Event => "events",
            Self::Ledger => "ledgers",
        }
    }
}

/// A piece of a ledger. Texts are as they are in the ledger, times to the millisecond.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// A connection.
    Connection(Box<ExportConnection>),
    /// A member of a team.
    Member(Box<ExportMember>),
    /// What is known of a subject.
    Subject(ExportSubject),
    /// What is known of an activity.
    Activity(Box<ExportActivity>),
    /// A delivery of the log.
    Delivery(Box<ExportDelivery>),
    /// The dead letter of a failed delivery.
    Request(ExportRequest),
    /// What happened to a connection.
    Event(ExportEvent),
    /// What there is once.
    Ledger(ExportLedger),
}

impl Record {
    /// What it is, for a person.
    pub fn describe(&self) -> String {
        let of = |what: &str, id: &str, connection: &ConnectionId| {
            format!("the {what} {id} of the connection {connection}")
        };
        match self {
            Self::Connection(moved) => format!("the connection {}", moved.connection.id),
            Self::Member(moved) => {
                let id = moved.member.remote_user.id.as_str();
                of("member", id, &moved.connection)
            }
            Self::Subject(moved) => of("subject", &moved.id, &moved.connection),
            Self::Activity(moved) => of("activity", &moved.id, &moved.connection),
            Self::Delivery(moved) => of("delivery", moved.record.id.as_str(), &moved.connection),
            Self::Request(moved) => of(
                "request of the delivery",
                moved.delivery.as_str(),
                &moved.connection,
            ),
            Self::Event(moved) => format!("an event of the connection {}", moved.connection),
            Self::Ledger(_) => "the end of the ledger".to_owned(),
        }
    }

    /// The same of what there may be once.
    pub fn describe_if_single(&self) -> Option<String> {
        match self {
            Self::Event(_) | Self::Ledger(_) => None,
            record => Some(record.describe()),
        }
    }

    /// Its kind.
    pub fn kind(&self) -> RecordKind {
        match self {
            Self::Connection(_) => RecordKind::Connection,
            Self::Member(_) => RecordKind::Member,
            Self::Subject(_) => RecordKind::Subject,
            Self::Activity(_) => RecordKind::Activity,
            Self::Delivery(_) => RecordKind::Delivery,
            Self::Request(_) => RecordKind::Request,
            Self::Event(_) => RecordKind::Event,
            Self::Ledger(_) => RecordKind::Ledger,
        }
    }
}

/// A connection, in whatever state. The numbers of its members follow from these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportConnection {
    /// The connection.
    pub connection: Connection,
    /// Whether it was ever active, so that its activities outlive an attempt to connect it again.
    pub was_active: bool,
}

/// A member of a team and the user it is mapped to, whose name and address are those last seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportMember {
    /// Its connection.
    pub connection: ConnectionId,
    /// The member. Its note is the import's, also if somebody decided meanwhile.
    pub member: Member,
}

/// What is known of a subject: two registers, each the greatest of all that arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportSubject {
    /// Its connection.
    pub connection: ConnectionId,
    /// Its id.
    pub id: String,
    /// The newest state that has a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<ExportName>,
    /// The newest parent that a state without a name told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<ExportHint>,
}

/// A state of a subject that has a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportName {
    /// Its revision.
    pub revision: String,
    /// The name.
    pub name: String,
    /// What it is below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// A parent that a state of a subject without a name told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportHint {
    /// Its revision.
    pub revision: String,
    /// The parent.
    pub parent: String,
}

/// What is known of an activity: two registers, each the greatest of all that arrived, of which one at least
/// is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportActivity {
    /// Its connection.
    pub connection: ConnectionId,
    /// The remote service's id of it.
    pub id: String,
    /// Its place in the change feed.
    pub place: u64,
    /// The newest content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<ExportContent>,
    /// The newest deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<ExportDeletion>,
    /// Whose it is, if that is not the user its member is mapped to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
}

/// The content of an activity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportContent {
    /// Its revision.
    pub revision: String,
    /// Whose time it is.
    pub remote_user: String,
    /// What it was spent on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The description, which may be empty.
    pub description: String,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Timestamp>,
    /// Whether it is billable.
    pub billable: bool,
    /// Its tags, in their order.
    pub tags: Vec<String>,
    /// The event that brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
}

/// The deletion of an activity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportDeletion {
    /// Its revision.
    pub revision: String,
    /// The event that brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
}

/// A delivery of the log, without its request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportDelivery {
    /// Its connection.
    pub connection: ConnectionId,
    /// What was recorded.
    pub record: DeliveryRecord,
    /// How often it was handled.
    pub attempts: u32,
    /// By what it is recognised when it comes again, where no event's id is known: a digest of its body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// The dead letter of a failed delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportRequest {
    /// Its connection.
    pub connection: ConnectionId,
    /// Its delivery.
    pub delivery: DeliveryId,
    /// The request, sealed.
    #[serde(with = "super::base64")]
    pub sealed: Vec<u8>,
}

/// What happened to a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportEvent {
    /// The connection.
    pub connection: ConnectionId,
    /// What happened.
    pub event: ConnectionEvent,
}

/// What a ledger has once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportLedger {
    /// Its id. Absent in exports of versions that gave none: then the ledger that takes over keeps its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<LedgerId>,
    /// The last place in the change feed that was given out.
    pub last_change: u64,
    /// When a host last said that it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Timestamp>,
}
