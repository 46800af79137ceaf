//! The contract's types as plain Rust: what an integration takes and returns.
//!
//! They mirror `wit/integration.wit`, where their meaning is documented in full. The bindings are
//! converted to them once, in `host/engine/src/bindings`; the rest of the host knows these only.
#![deny(missing_docs)]

pub mod backoff;
#[cfg(feature = "tls")]
pub mod certificate;
pub mod clock;
pub mod deadline;
pub mod id;
pub mod limits;
pub mod recent;
pub mod sentence;
pub mod supervision;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};
use thiserror::Error;

use crate::id::{RemoteUserId, ScopeId, UserId};

/// Why a call to an integration failed. The text is a sentence for a person.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct IntegrationError {
    /// What a caller can act on.
    pub code: ErrorCode,
    /// What happened and what helps.
    pub message: String,
    /// After how many seconds trying again may help, where that is known.
    pub retry_after_seconds: Option<u32>,
}

impl IntegrationError {
    /// An error without a known delay.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after_seconds: None,
        }
    }

    /// The same, except that nobody waits for longer: numbers that a remote service gives need not make sense.
    pub fn waiting_at_most(self, seconds: u32) -> Self {
        Self {
            retry_after_seconds: self.retry_after_seconds.map(|wait| wait.min(seconds)),
            ..self
        }
    }
}

/// Where a host wants deliveries for a connection, and who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// The URL. Those of one host differ in what follows the last `/`.
    pub url: String,
    /// Names the host's ledger and its present life, `ID.LIFE`; empty: it has no name.
    pub holder: String,
    /// Whether a person has decided that this host is to have the webhook, although another one has taken it.
    pub take_over: bool,
}

impl From<&str> for Callback {
    fn from(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            holder: String::new(),
            take_over: false,
        }
    }
}

/// The cases of the contract's `error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum ErrorCode {
    /// The remote service rejects the secret.
    Unauthorized,
    /// The secret's owner may not do this.
    Forbidden,
    /// The scope or the connection's state does not exist.
    NotFound,
    /// An argument makes no sense.
    InvalidInput,
    /// Something else holds what is needed.
    Conflict,
    /// Too many requests at once.
    RateLimited,
    /// The remote service's quota is used up.
    QuotaExhausted,
    /// The remote service's plan does not include this.
    PlanLimit,
    /// The remote service answered with something unexpected.
    Upstream,
    /// The remote service or a capability could not be reached.
    Unavailable,
    /// A defect in the integration.
    Internal,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// The name in the contract, such as `quota-exhausted`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The code with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        name.parse().ok()
    }
}

/// What a host needs to know before it can offer the integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Short stable name.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Version of the component.
    pub version: String,
    /// One sentence for people.
    pub description: String,
    /// What people call what a connection is bound to.
    pub scope_noun: Noun,
    /// The kinds of subject, outermost first.
    pub subject_kinds: Vec<SubjectKind>,
    /// The id of the kind whose hours are compared in a chart; `None`: of whatever time was spent on, as it is.
    pub charted_kind: Option<String>,
    /// Secrets a person must give.
    pub secrets: Vec<SecretField>,
    /// Host names the integration calls.
    pub hosts: Vec<String>,
    /// How fast requests with one secret may be sent.
    pub pacing: Pacing,
    /// Whether the callback must be an https URL on the internet.
    pub public_https: bool,
    /// The header that carries a delivery's signature, in lower case.
    pub signature_header: String,
    /// How deliveries are signed; `None`: only the integration can tell.
    pub signature: Option<SignatureScheme>,
}

impl Manifest {
    /// The kind whose hours are compared in a chart.
    pub fn charted(&self) -> Option<&SubjectKind> {
        let charted = self.charted_kind.as_ref()?;
        self.subject_kinds.iter().find(|kind| kind.id == *charted)
    }

    /// What people call the secrets: by its label if there is one, such as “API token”.
    pub fn secrets_name(&self) -> &str {
        match self.secrets.as_slice() {
            [secret] => &secret.label,
            _ => "secrets",
        }
    }
}

/// What people call something, as it stands within a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noun {
    /// One, such as `workspace`.
    pub singular: String,
    /// Several, such as `workspaces`.
    pub plural: String,
}

impl Noun {
    /// One of them, whichever: `a workspace`. By its first letter, which is right for most words.
    pub fn with_article(&self) -> String {
        let article = match self
            .singular
            .starts_with(['a', 'e', 'i', 'o', 'A', 'E', 'I', 'O'])
        {
            true => "an",
            false => "a",
        };
        format!("{article} {}", self.singular)
    }
}

/// A kind of subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectKind {
    /// What stands before the first `/` in the ids of its subjects, such as `project`.
    pub id: String,
    /// What people call one.
    pub noun: Noun,
}

/// How deliveries are signed: the header holds the prefix and then the encoded signature of the raw body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureScheme {
    /// What stands before the signature; may be empty.
    pub prefix: String,
    /// How the signature is computed, keyed with the secret as text.
    pub algorithm: SignatureAlgorithm,
    /// How it is written.
    pub encoding: SignatureEncoding,
    /// The key in the connection's storage under which the secrets are: a JSON object.
    pub storage_key: String,
    /// The members of that object that are secrets.
    pub secret_members: Vec<String>,
}

/// How a signature is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum SignatureAlgorithm {
    /// HMAC with SHA-256.
    HmacSha256,
}

impl SignatureAlgorithm {
    /// How long a signature is.
    pub fn signature_bytes(self) -> usize {
        match self {
            Self::HmacSha256 => 32,
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum SignatureEncoding {
    /// Two hexadecimal digits for each byte.
    Hex,
    /// Base64 with the standard alphabet and padding.
    Base64,
}

impl SignatureEncoding {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A field of the form in which a person gives secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretField {
    /// The name under which requests refer to it.
    pub name: String,
    /// What the form calls it.
    pub label: String,
    /// Where a person finds it.
    pub help: String,
    /// The page where a person finds it.
    pub help_url: String,
    /// Values that people take for it and that are something else.
    pub mistaken: Vec<MistakenSecret>,
}

/// A value that is not the secret asked for, although people take it for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MistakenSecret {
    /// How such values begin.
    pub prefix: String,
    /// What it is, and what is needed instead.
    pub message: String,
}

/// A bucket of `burst` requests that refills evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pacing {
    /// Requests that may be sent at once.
    pub burst: u32,
    /// Requests that are added back per minute.
    pub requests_per_minute: u32,
    /// The length of the longest quota period, in seconds; 0: an hour.
    pub longest_quota_seconds: u32,
}

impl Pacing {
    /// The longest time to wait because the remote service says so.
    pub fn longest_wait_seconds(&self) -> u32 {
        const HOUR: u32 = 60 * 60;
        match self.longest_quota_seconds {
            0 => HOUR,
            seconds => seconds.min(24 * HOUR),
        }
    }
}

/// The remote account a secret belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Id at the remote service.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// E-mail address, where the remote service tells it.
    pub email: Option<String>,
}

/// What a connection is bound to, such as a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Id at the remote service.
    pub id: ScopeId,
    /// Name for people.
    pub name: String,
    /// The organisation it belongs to.
    pub organization: Option<String>,
    /// Its plan.
    pub plan: Option<String>,
    /// The account's role in it.
    pub role: Option<String>,
    /// Why it cannot be connected; `None`: it can.
    pub obstacle: Option<String>,
}

/// What Test Connection found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestReport {
    /// Whose secret it is.
    pub account: Account,
    /// What could be connected.
    pub scopes: Vec<Scope>,
}

/// What a connection was bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundScope {
    /// Whose secret it is.
    pub account: Account,
    /// The scope.
    pub scope: Scope,
}

/// The webhook at the remote service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Id at the remote service.
    pub id: String,
    /// Whether it is switched on.
    pub enabled: bool,
    /// When the remote service last made sure that the callback answers.
    pub validated_at: Option<Timestamp>,
    /// What it reports.
    pub events: Vec<String>,
}

/// A header of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Name, in lower case.
    pub name: String,
    /// Value.
    pub value: String,
}

/// A delivery as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRequest {
    /// The URL the host published for the connection.
    pub callback_url: String,
    /// Headers that are text.
    pub headers: Vec<Header>,
    /// The raw body.
    pub body: Vec<u8>,
}

/// What to answer to a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookResponse {
    /// HTTP status.
    pub status: u16,
    /// Content type of the body.
    pub content_type: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// It reports something.
    Accepted,
    /// A genuine ping.
    Ping,
    /// Genuine, but about nothing the integration records.
    Ignored,
    /// Genuine, but it cannot be understood: kept, and answered once it is.
    Unreadable,
    /// Not genuine, or not meant for this connection.
    Refused,
}

/// What handling a delivery led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryResult {
    /// What to answer.
    pub response: WebhookResponse,
    /// What became of it.
    pub outcome: DeliveryOutcome,
    /// One sentence for the delivery log.
    pub detail: String,
    /// The remote service's id of the event.
    pub event_id: Option<String>,
    /// What it adds to the ledger.
    pub changes: Changes,
    /// What could not be taken as it was, a sentence each.
    pub notes: Vec<String>,
    /// Whether names are missing that `refresh-names` could find.
    pub names_missing: bool,
}

/// What a call adds to the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Time logs and deletions.
    pub activities: Vec<Activity>,
    /// Names of what time is spent on.
    pub subjects: Vec<Subject>,
}

/// One time log, or its deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// The remote service's id of the entry.
    pub id: String,
    /// Of two states, the one whose revision is greater bytewise is newer.
    pub revision: String,
    /// The event that told of it.
    pub event_id: Option<String>,
    /// Whether it was deleted.
    pub deleted: bool,
    /// `None`: the deletion came without it.
    pub content: Option<TimeLog>,
}

/// The content of an activity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeLog {
    /// Whose time it is.
    pub remote_user_id: RemoteUserId,
    /// The most specific thing the time was spent on.
    pub subject: Option<String>,
    /// What the person wrote.
    pub description: String,
    /// When it began.
    pub start: Timestamp,
    /// When it ended; `None` while it runs.
    pub stop: Option<Timestamp>,
    /// Whether it is billable.
    pub billable: bool,
    /// Tags, as the remote service orders them.
    pub tags: Vec<String>,
}

/// Something time is spent on, such as a project or a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Stable id within the connection, such as `project/42`.
    pub id: String,
    /// Orders its states like [`Activity::revision`]; empty: older than any other.
    pub revision: String,
    /// `None`: not known yet.
    pub name: Option<String>,
    /// The subject above it.
    pub parent: Option<String>,
}

/// A user of the platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Id on the platform.
    pub id: UserId,
    /// Name for people.
    pub name: String,
    /// E-mail address.
    pub email: Option<String>,
}

/// A remote team.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Team {
    /// Its members.
    pub members: Vec<TeamMember>,
    /// What of it could not be read, a sentence each.
    pub notes: Vec<String>,
}

/// A member of the remote team, and which user it was matched to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamMember {
    /// The member.
    pub remote_user: RemoteUser,
    /// The match by e-mail address.
    pub matched: UserMatch,
}

/// A member of the remote team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteUser {
    /// Id at the remote service.
    pub id: RemoteUserId,
    /// Name for people.
    pub name: String,
    /// E-mail address, where the remote service tells it.
    pub email: Option<String>,
    /// Where the member stands in the team.
    pub state: MemberState,
}

/// Where a member stands in the remote team.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum MemberState {
    /// Takes part.
    Active,
    /// Has not accepted the invitation yet.
    Invited,
    /// Was deactivated.
    Deactivated,
}

impl MemberState {
    /// Every state.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Its name.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        name.parse().ok()
    }
}

/// How a member was matched to users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserMatch {
    /// Exactly one user has the member's e-mail address.
    Matched(User),
    /// No user has it.
    Unmatched,
    /// A person must decide; the sentence says why.
    Ambiguous(String),
}

/// How the connection compares with the remote service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whose secret it is, if it is accepted.
    pub account: Option<Account>,
    /// The scope, if it was found.
    pub scope: Option<Scope>,
    /// The webhook, if it was found.
    pub subscription: Option<Subscription>,
    /// How many requests the remote service still accepts.
    pub quotas: Vec<Quota>,
    /// What is wrong; `None`: nothing.
    pub problem: Option<Problem>,
}

/// How many requests the remote service still accepts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// What it counts.
    pub name: String,
    /// Requests left.
    pub remaining: i32,
    /// Requests in one period.
    pub total: u32,
    /// Seconds until the period ends.
    pub resets_in_seconds: u32,
}

/// Something wrong with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is.
    pub error: IntegrationError,
    /// Whether subscribing again may solve it.
    pub repairable: bool,
}

/// What to reconcile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// What was running at some time of a range.
    Range(TimeRange),
    /// What was made or changed since a time, whenever it was running.
    Changed(Timestamp),
    /// These activities, at most 100.
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
    /// Its id.
    pub id: String,
    /// Whose time it is.
    pub remote_user_id: Option<RemoteUserId>,
    /// When it began.
    pub start: Option<Timestamp>,
    /// The revision of what the ledger has, if that is not what lists tell although it is no older.
    pub outdated: Option<String>,
}

/// One page of a reconciliation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconciliation {
    /// What it adds to the ledger.
    pub changes: Changes,
    /// Those of the activities looked for that the remote service did not tell of: weak evidence.
    pub missing: Vec<String>,
    /// How many requests are left after this page, as far as that is known.
    pub quotas: Vec<Quota>,
    /// What could not be taken as it was, a sentence each.
    pub notes: Vec<String>,
    /// How many activities were listed that could not be read.
    pub unread: u32,
    /// Where the next page begins; `None`: it is complete.
    pub next: Option<String>,
}

/// Names that were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameRefresh {
    /// The names.
    pub subjects: Vec<Subject>,
    /// What could not be read, a sentence each.
    pub notes: Vec<String>,
    /// Seconds after which another call would find more; `None`: nothing is missing.
    pub again_in_seconds: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_contract() {
        let codes: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(
            codes,
            [
                "unauthorized",
                "forbidden",
                "not-found",
                "invalid-input",
                "conflict",
                "rate-limited",
                "quota-exhausted",
                "plan-limit",
                "upstream",
                "unavailable",
                "internal"
            ]
        );
        let states: Vec<_> = MemberState::ALL.iter().map(|one| one.as_str()).collect();
        assert_eq!(states, ["active", "invited", "deactivated"]);
        assert_eq!(ErrorCode::from_name("not-found"), Some(ErrorCode::NotFound));
        assert_eq!(ErrorCode::from_name("NotFound"), None);
        assert_eq!(
            MemberState::from_name("invited"),
            Some(MemberState::Invited)
        );
        assert_eq!(SignatureAlgorithm::HmacSha256.as_str(), "hmac-sha256");
        assert_eq!(SignatureEncoding::Hex.as_str(), "hex");
        assert_eq!(SignatureEncoding::Base64.as_str(), "base64");
    }
}
