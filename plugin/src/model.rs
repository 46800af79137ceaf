//! The contract's types as plain Rust; `wit/integration.wit` says what they mean.

use crate::time::Timestamp;

pub use crate::capability::Header;

/// Why a call failed. Each carries a sentence that tells a person what happened and what helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Toggl rejects the API token.
    Unauthorized(String),
    /// The token is valid but its owner may not do this.
    Forbidden(String),
    /// The workspace, or the connection's state, does not exist (any more).
    NotFound(String),
    /// An argument makes no sense.
    InvalidInput(String),
    /// Something else holds what is needed.
    Conflict(String),
    /// Too many requests at once.
    RateLimited {
        /// What happened.
        message: String,
        /// When trying again helps.
        retry_after_seconds: u32,
    },
    /// The hourly quota is used up.
    QuotaExhausted {
        /// What happened.
        message: String,
        /// When it starts anew.
        resets_in_seconds: u32,
    },
    /// The Toggl plan does not include this.
    PlanLimit(String),
    /// Toggl answered with something unexpected.
    Upstream {
        /// The HTTP status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// Toggl, or a capability, could not be reached.
    Unavailable(String),
    /// A defect in the integration.
    Internal(String),
}

impl Error {
    /// The sentence for a person.
    pub fn message(&self) -> &str {
        match self {
            Self::Unauthorized(message)
            | Self::Forbidden(message)
            | Self::NotFound(message)
            | Self::InvalidInput(message)
            | Self::Conflict(message)
            | Self::PlanLimit(message)
            | Self::Unavailable(message)
            | Self::Internal(message)
            | Self::RateLimited { message, .. }
            | Self::QuotaExhausted { message, .. }
            | Self::Upstream { message, .. } => message,
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.message())
    }
}

impl std::error::Error for Error {}

/// What a host needs to know before it can offer the integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Short stable name.
    pub id: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// The integration's version.
    pub version: &'static str,
    /// One sentence for people.
    pub description: &'static str,
    /// What people call a workspace.
    pub scope_noun: Noun,
    /// The kinds of subject, outermost first.
    pub subject_kinds: &'static [SubjectKind],
    /// The id of the kind whose hours a host compares.
    pub charted_kind: &'static str,
    /// Secrets a person must give.
    pub secrets: &'static [SecretField],
    /// Host names the integration calls.
    pub hosts: &'static [&'static str],
    /// How fast requests may be sent.
    pub pacing: Pacing,
    /// What a subscription needs of the host.
    pub webhook: WebhookRequirements,
}

/// What people call something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noun {
    /// One.
    pub singular: &'static str,
    /// Several.
    pub plural: &'static str,
}

/// A kind of subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubjectKind {
    /// What stands before the first `/` in the ids of its subjects.
    pub id: &'static str,
    /// What people call one.
    pub noun: Noun,
}

/// A field of the form in which a person gives secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretField {
    /// The name by which `http` refers to it.
    pub name: &'static str,
    /// What the form calls it.
    pub label: &'static str,
    /// Where a person finds it, in a sentence.
    pub help: &'static str,
    /// The page where a person finds it.
    pub help_url: &'static str,
    /// Values that people take for it and that are something else.
    pub mistaken: &'static [MistakenSecret],
}

/// A value that is not the secret asked for, which the host recognises before it is sent anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MistakenSecret {
    /// How such values begin.
    pub prefix: &'static str,
    /// What it is, and what is needed instead.
    pub message: &'static str,
}

/// A bucket of `burst` requests that refills evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pacing {
    /// The bucket's size.
    pub burst: u32,
    /// How fast it refills.
    pub requests_per_minute: u32,
    /// The length of the longest quota period.
    pub longest_quota_seconds: u32,
}

/// What a subscription needs of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRequirements {
    /// Whether the callback must be an https URL on the internet.
    pub public_https: bool,
    /// The header with a delivery's signature, in lower case.
    pub signature_header: &'static str,
    /// How deliveries are signed; `None`: only the integration can tell.
    pub signature: Option<SignatureScheme>,
}

/// How deliveries are signed: with HMAC-SHA256 in hexadecimal digits, the only way Toggl has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureScheme {
    /// What stands before the signature.
    pub prefix: &'static str,
    /// The key under which the secrets are stored.
    pub storage_key: &'static str,
    /// The members of the stored object that are secrets.
    pub secret_members: &'static [&'static str],
}

/// The Toggl account an API token belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The global user id.
    pub id: String,
    /// The full name.
    pub name: String,
    /// The e-mail address.
    pub email: Option<String>,
}

/// A workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The workspace id.
    pub id: String,
    /// The workspace's name.
    pub name: String,
    /// The organisation's name, where known.
    pub organization: Option<String>,
    /// The plan's name, where known.
    pub plan: Option<String>,
    /// The account's role in it.
    pub role: Option<String>,
    /// Why it cannot be connected; `None`: it can.
    pub obstacle: Option<String>,
}

/// The answer to Test Connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestReport {
    /// Whose token it is.
    pub account: Account,
    /// What can be connected.
    pub scopes: Vec<Scope>,
}

/// What the connection is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundScope {
    /// Whose token it is.
    pub account: Account,
    /// The workspace.
    pub scope: Scope,
}

/// Where this host wants deliveries, and who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// The URL.
    pub url: String,
    /// Names the ledger that asks, and its life: `ID.LIFE`. Empty: it has no name.
    pub holder: String,
    /// Whether a person has decided that this host is to have a webhook that another one has taken.
    pub take_over: bool,
}

impl From<&str> for Callback {
    fn from(url: &str) -> Self {
        Self {
            url: url.into(),
            holder: String::new(),
            take_over: false,
        }
    }
}

/// The webhook at Toggl.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// Whether it reports anything.
    pub enabled: bool,
    /// When Toggl last made sure that the callback answers.
    pub validated_at: Option<Timestamp>,
    /// What it reports, such as `time_entry.created`.
    pub events: Vec<String>,
}

/// A delivery as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRequest {
    /// The URL the host published for this connection.
    pub callback_url: String,
    /// The request's headers.
    pub headers: Vec<Header>,
    /// The raw body.
    pub body: Vec<u8>,
}

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookResponse {
    /// The status code.
    pub status: u16,
    /// The body's type, when there is one.
    pub content_type: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What a delivery was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// It reports something.
    Accepted,
    /// A genuine ping.
    Ping,
    /// Genuine, but about nothing that is recorded.
    Ignored,
    /// Genuine, but it cannot be understood.
    Unreadable,
    /// Not genuine, or not meant for this connection.
    Refused,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryResult {
    /// What to answer.
    pub response: WebhookResponse,
    /// What it was.
    pub outcome: DeliveryOutcome,
    /// One sentence for the delivery log.
    pub detail: String,
    /// Toggl's id of the event; `None` for pings, which all have the id 0.
    pub event_id: Option<String>,
    /// What it reports.
    pub changes: Changes,
    /// What could not be taken as it was, a sentence each.
    pub notes: Vec<String>,
    /// Whether names are missing that `refresh_names` could find.
    pub names_missing: bool,
}

/// What a call adds to the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Time logs.
    pub activities: Vec<Activity>,
    /// Names.
    pub subjects: Vec<Subject>,
}

/// One time log, or its deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// The time entry's id.
    pub id: String,
    /// Orders the states of one activity bytewise.
    pub revision: String,
    /// The event that told of it.
    pub event_id: Option<String>,
    /// Whether the entry was deleted.
    pub deleted: bool,
    /// `None`: the deletion came without it.
    pub content: Option<TimeLog>,
}

/// The content of a time entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeLog {
    /// The owner's global user id.
    pub remote_user_id: String,
    /// The most specific thing the time was spent on.
    pub subject: Option<String>,
    /// The description.
    pub description: String,
    /// When it started.
    pub start: Timestamp,
    /// When it stopped; `None` while it runs.
    pub stop: Option<Timestamp>,
    /// Whether it is billable.
    pub billable: bool,
    /// The tags' names.
    pub tags: Vec<String>,
}

/// A client, project or task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Such as `project/42`.
    pub id: String,
    /// Orders the states of one subject bytewise; empty: older than any other.
    pub revision: String,
    /// The name, where known.
    pub name: Option<String>,
    /// What it belongs to, where known.
    pub parent: Option<String>,
}

/// A user of the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The platform's id.
    pub id: String,
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: Option<String>,
}

/// The members of the Toggl workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Team {
    /// Those who could be read.
    pub members: Vec<TeamMember>,
    /// What could not be read, a sentence each.
    pub notes: Vec<String>,
}

/// A member of the Toggl workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamMember {
    /// The global user id, as in `TimeLog::remote_user_id`.
    pub id: String,
    /// The full name.
    pub name: String,
    /// The e-mail address.
    pub email: Option<String>,
    /// Whether they take part.
    pub state: MemberState,
    /// Who they are on the platform.
    pub user_match: UserMatch,
}

/// Whether a member takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// Takes part.
    Active,
    /// Has not accepted the invitation yet.
    Invited,
    /// Was deactivated by an admin.
    Deactivated,
}

/// Who a member is on the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserMatch {
    /// This user.
    Matched(User),
    /// Nobody.
    Unmatched,
    /// A person must decide; the sentence says why.
    Ambiguous(String),
}

/// How the connection compares with Toggl.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Whose token it is.
    pub account: Option<Account>,
    /// The workspace.
    pub scope: Option<Scope>,
    /// The webhook.
    pub subscription: Option<Subscription>,
    /// What Toggl still accepts.
    pub quotas: Vec<Quota>,
    /// What is wrong; `None`: nothing.
    pub problem: Option<Problem>,
}

/// How many requests Toggl still accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// `user` or `organization`.
    pub name: String,
    /// Toggl lets it go below zero.
    pub remaining: i32,
    /// The hourly allowance.
    pub total: u32,
    /// When it starts anew.
    pub resets_in_seconds: u32,
}

/// What is wrong with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What and why.
    pub error: Error,
    /// Whether `subscribe` may solve it.
    pub repairable: bool,
}

/// What to reconcile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// What was running at some time of a range.
    Range(TimeRange),
    /// What was made or changed since a time.
    Changed(Timestamp),
    /// These activities.
    Activities(Vec<SoughtActivity>),
}

/// A range of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// It begins here.
    pub since: Timestamp,
    /// And ends here.
    pub until: Timestamp,
    /// What ended before this time counts only if it was made or changed after it.
    pub connected_at: Timestamp,
}

/// An activity that is looked for, with what was last known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoughtActivity {
    /// The time entry's id.
    pub id: String,
    /// The owner's global user id.
    pub remote_user_id: Option<String>,
    /// When it started.
    pub start: Option<Timestamp>,
    /// The revision of what the host has, if lists tell something else that is no newer.
    pub outdated: Option<String>,
}

/// One page of activities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciliation {
    /// What was read.
    pub changes: Changes,
    /// Those of the activities looked for that Toggl did not tell of.
    pub missing: Vec<String>,
    /// What Toggl still accepts.
    pub quotas: Vec<Quota>,
    /// What could not be taken as it was, a sentence each.
    pub notes: Vec<String>,
    /// How many entries were listed that could not be read.
    pub unread: u32,
    /// Where to continue; `None`: it is complete.
    pub next: Option<String>,
}

/// What a refresh of names found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameRefresh {
    /// Names that are new or changed.
    pub subjects: Vec<Subject>,
    /// What could not be read, a sentence each.
    pub notes: Vec<String>,
    /// When another call would find more; `None`: nothing is missing.
    pub again_in_seconds: Option<u32>,
}
