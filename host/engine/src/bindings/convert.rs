//! Between the generated bindings and the contract's plain types, in one place.

use jiff::Timestamp;

use super::exports::worksights::integration::integration as wit;
use super::worksights::integration::{http as wit_http, user_directory as wit_directory};
use integration_host_contract::id::{RemoteUserId, ScopeId, UserId};
use integration_host_contract::{
    Account, Activity, BoundScope, Callback, Changes, DeliveryOutcome, DeliveryResult, ErrorCode,
    Header, Health, IntegrationError, Manifest, MemberState, MistakenSecret, NameRefresh, Pacing,
    Problem, Quota, Reconciliation, RemoteUser, Scope, SecretField, Selection, SignatureAlgorithm,
    SignatureEncoding, SignatureScheme, Subject, Subscription, Team, TeamMember, TestReport,
    TimeLog, User, UserMatch, WebhookRequest, WebhookResponse,
};

/// A time the component gave, brought into the range that can be written as a date.
fn timestamp(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(if milliseconds < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// The longest sentence for a person or the log, in characters.
const MAX_SENTENCE: usize = 1_000;

/// A sentence of the component: one line of bounded length, so that it cannot pass for lines of the host.
pub(crate) fn sentence(text: String) -> String {
    let is_fine = text.len() <= MAX_SENTENCE && !text.contains(char::is_control);
    if is_fine {
        return text;
    }
    printable(&cut(&text, MAX_SENTENCE)).into_owned()
}

/// The most notes that are kept of one call.
const MAX_NOTES: usize = 10;

/// What a component says it could not take as it was.
fn notes(notes: Vec<String>) -> Vec<String> {
    notes.into_iter().take(MAX_NOTES).map(sentence).collect()
}

/// A text of the component, without what not every database can hold: U+0000.
fn text(text: String) -> String {
    if text.contains('\0') {
        return text.replace('\0', "\u{fffd}");
    }
    text
}

fn all<A, B: From<A>>(items: Vec<A>) -> Vec<B> {
    items.into_iter().map(B::from).collect()
}

impl From<wit::Error> for IntegrationError {
    fn from(error: wit::Error) -> Self {
        let error = match error {
            wit::Error::Unauthorized(message) => Self::new(ErrorCode::Unauthorized, message),
            wit::Error::Forbidden(message) => Self::new(ErrorCode::Forbidden, message),
            wit::Error::NotFound(message) => Self::new(ErrorCode::NotFound, message),
            wit::Error::InvalidInput(message) => Self::new(ErrorCode::InvalidInput, message),
            wit::Error::Conflict(message) => Self::new(ErrorCode::Conflict, message),
            wit::Error::RateLimited(limit) => Self {
                code: ErrorCode::RateLimited,
                message: limit.message,
                retry_after_seconds: Some(limit.retry_after_seconds),
            },
            wit::Error::QuotaExhausted(quota) => Self {
                code: ErrorCode::QuotaExhausted,
                message: quota.message,
                retry_after_seconds: Some(quota.resets_in_seconds),
            },
            wit::Error::PlanLimit(message) => Self::new(ErrorCode::PlanLimit, message),
            wit::Error::Upstream(failure) => Self::new(ErrorCode::Upstream, failure.message),
            wit::Error::Unavailable(message) => Self::new(ErrorCode::Unavailable, message),
            wit::Error::Internal(message) => Self::new(ErrorCode::Internal, message),
        };
        Self {
            message: sentence(error.message),
            ..error
        }
    }
}

impl From<wit::Manifest> for Manifest {
    fn from(manifest: wit::Manifest) -> Self {
        Self {
            id: manifest.id,
            name: manifest.name,
            version: manifest.version,
            description: manifest.description,
            secrets: all(manifest.secrets),
            hosts: manifest.hosts,
            pacing: Pacing {
                burst: manifest.pacing.burst,
                requests_per_minute: manifest.pacing.requests_per_minute,
                longest_quota_seconds: manifest.pacing.longest_quota_seconds,
            },
            public_https: manifest.webhook.public_https,
            signature_header: manifest.webhook.signature_header,
            signature: manifest.webhook.signature.map(Into::into),
        }
    }
}

impl From<wit::SignatureScheme> for SignatureScheme {
    fn from(scheme: wit::SignatureScheme) -> Self {
        Self {
            prefix: scheme.prefix,
            algorithm: match scheme.algorithm {
                wit::SignatureAlgorithm::HmacSha256 => SignatureAlgorithm::HmacSha256,
            },
            encoding: match scheme.encoding {
                wit::SignatureEncoding::Hex => SignatureEncoding::Hex,
                wit::SignatureEncoding::Base64 => SignatureEncoding::Base64,
            },
            storage_key: scheme.storage_key,
            secret_members: scheme.secret_members,
        }
    }
}

impl From<Callback> for wit::Callback {
    fn from(callback: Callback) -> Self {
        Self {
            url: callback.url,
            holder: callback.holder,
            take_over: callback.take_over,
        }
    }
}

impl From<wit::SecretField> for SecretField {
    fn from(field: wit::SecretField) -> Self {
        Self {
            name: field.name,
            label: field.label,
            help: field.help,
            help_url: field.help_url,
            mistaken: all(field.mistaken),
        }
    }
}

impl From<wit::MistakenSecret> for MistakenSecret {
    fn from(mistaken: wit::MistakenSecret) -> Self {
        Self {
            prefix: mistaken.prefix,
            message: mistaken.message,
        }
    }
}

impl From<wit::Account> for Account {
    fn from(account: wit::Account) -> Self {
        Self {
            id: text(account.id),
            name: text(account.name),
            email: account.email.map(text),
        }
    }
}

impl From<wit::Scope> for Scope {
    fn from(scope: wit::Scope) -> Self {
        Self {
            id: ScopeId::new(text(scope.id)),
            name: text(scope.name),
            organization: scope.organization,
            plan: scope.plan,
            role: scope.role,
            obstacle: scope.obstacle,
        }
    }
}

impl From<wit::TestReport> for TestReport {
    fn from(report: wit::TestReport) -> Self {
        Self {
            account: report.account.into(),
            scopes: all(report.scopes),
        }
    }
}

impl From<wit::BoundScope> for BoundScope {
    fn from(bound: wit::BoundScope) -> Self {
        Self {
            account: bound.account.into(),
            scope: bound.scope.into(),
        }
    }
}

impl From<wit::Subscription> for Subscription {
    fn from(subscription: wit::Subscription) -> Self {
        Self {
            id: text(subscription.id),
            enabled: subscription.enabled,
            validated_at: subscription.validated_at.map(timestamp),
            events: subscription.events.into_iter().map(text).collect(),
        }
    }
}

impl From<WebhookRequest> for wit::WebhookRequest {
    fn from(request: WebhookRequest) -> Self {
        Self {
            callback_url: request.callback_url,
            headers: all(request.headers),
            body: request.body,
        }
    }
}

impl From<Header> for wit_http::Header {
    fn from(header: Header) -> Self {
        Self {
            name: header.name,
            value: header.value,
        }
    }
}

impl From<wit::DeliveryResult> for DeliveryResult {
    fn from(result: wit::DeliveryResult) -> Self {
        Self {
            response: WebhookResponse {
                status: result.response.status,
                content_type: result.response.content_type,
                body: result.response.body,
            },
            outcome: match result.outcome {
                wit::DeliveryOutcome::Accepted => DeliveryOutcome::Accepted,
                wit::DeliveryOutcome::Ping => DeliveryOutcome::Ping,
                wit::DeliveryOutcome::Ignored => DeliveryOutcome::Ignored,
                wit::DeliveryOutcome::Unreadable => DeliveryOutcome::Unreadable,
                wit::DeliveryOutcome::Refused => DeliveryOutcome::Refused,
            },
            detail: sentence(result.detail),
            event_id: result.event_id.map(text),
            changes: result.changes.into(),
            notes: notes(result.notes),
            names_missing: result.names_missing,
        }
    }
}

impl From<wit::Changes> for Changes {
    fn from(changes: wit::Changes) -> Self {
        Self {
            activities: all(changes.activities),
            subjects: all(changes.subjects),
        }
    }
}

impl From<wit::Activity> for Activity {
    fn from(activity: wit::Activity) -> Self {
        Self {
            id: text(activity.id),
            revision: text(activity.revision),
            event_id: activity.event_id.map(text),
            deleted: activity.deleted,
            content: activity.content.map(TimeLog::from),
        }
    }
}

impl From<wit::TimeLog> for TimeLog {
    fn from(log: wit::TimeLog) -> Self {
        Self {
            remote_user_id: RemoteUserId::new(text(log.remote_user_id)),
            subject: log.subject.map(text),
            description: text(log.description),
            start: timestamp(log.start),
            stop: log.stop.map(timestamp),
            billable: log.billable,
            tags: log.tags.into_iter().map(text).collect(),
        }
    }
}

impl From<wit::Subject> for Subject {
    fn from(subject: wit::Subject) -> Self {
        Self {
            id: text(subject.id),
            revision: text(subject.revision),
            name: subject.name.map(text),
            parent: subject.parent.map(text),
        }
    }
}

impl From<wit::Team> for Team {
    fn from(team: wit::Team) -> Self {
        Self {
            members: all(team.members),
            notes: notes(team.notes),
        }
    }
}

impl From<wit::TeamMember> for TeamMember {
    fn from(member: wit::TeamMember) -> Self {
        Self {
            remote_user: RemoteUser {
                id: RemoteUserId::new(text(member.id)),
                name: text(member.name),
                email: member.email.map(text),
                state: match member.state {
                    wit::MemberState::Active => MemberState::Active,
                    wit::MemberState::Invited => MemberState::Invited,
                    wit::MemberState::Deactivated => MemberState::Deactivated,
                },
            },
            matched: match member.match_ {
                wit::UserMatch::Matched(user) => UserMatch::Matched(user.into()),
                wit::UserMatch::Unmatched => UserMatch::Unmatched,
                wit::UserMatch::Ambiguous(reason) => UserMatch::Ambiguous(text(reason)),
            },
        }
    }
}

impl From<wit_directory::User> for User {
    fn from(user: wit_directory::User) -> Self {
        Self {
            id: UserId::new(text(user.id)),
            name: text(user.name),
            email: user.email.map(text),
        }
    }
}

impl From<User> for wit_directory::User {
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            name: user.name,
            email: user.email,
        }
    }
}

impl From<wit::Health> for Health {
    fn from(health: wit::Health) -> Self {
        Self {
            account: health.account.map(Account::from),
            scope: health.scope.map(Scope::from),
            subscription: health.subscription.map(Subscription::from),
            quotas: all(health.quotas),
            problem: health.problem.map(|problem| Problem {
                error: problem.error.into(),
                repairable: problem.repairable,
            }),
        }
    }
}

impl From<wit::Quota> for Quota {
    fn from(quota: wit::Quota) -> Self {
        Self {
            name: text(quota.name),
            remaining: quota.remaining,
            total: quota.total,
            resets_in_seconds: quota.resets_in_seconds,
        }
    }
}

impl From<&Selection> for wit::Selection {
    fn from(selection: &Selection) -> Self {
        match selection {
            Selection::Range(range) => Self::Range(wit::TimeRange {
                since: range.since.as_millisecond(),
                until: range.until.as_millisecond(),
                connected_at: range.connected_at.as_millisecond(),
            }),
            Selection::Changed(since) => Self::Changed(since.as_millisecond()),
            Selection::Activities(sought) => {
                let sought = sought.iter().map(|sought| wit::SoughtActivity {
                    id: sought.id.clone(),
                    remote_user_id: sought.remote_user_id.as_ref().map(ToString::to_string),
                    start: sought.start.map(Timestamp::as_millisecond),
                    outdated: sought.outdated.clone(),
                });
                Self::Activities(sought.collect())
            }
        }
    }
}

impl From<wit::Reconciliation> for Reconciliation {
    fn from(reconciliation: wit::Reconciliation) -> Self {
        Self {
            changes: reconciliation.changes.into(),
            missing: reconciliation.missing,
            quotas: all(reconciliation.quotas),
            notes: notes(reconciliation.notes),
            unread: reconciliation.unread,
            next: reconciliation.next,
        }
    }
}

impl From<wit::NameRefresh> for NameRefresh {
    fn from(refresh: wit::NameRefresh) -> Self {
        Self {
            subjects: all(refresh.subjects),
            notes: notes(refresh.notes),
            // At once would be a loop.
            again_in_seconds: refresh.again_in_seconds.map(|seconds| seconds.max(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_database_cannot_hold_is_replaced() {
        let subject = Subject::from(wit::Subject {
            id: "project/1".into(),
            revision: String::new(),
            name: Some("a\0b\u{1}".into()),
            parent: None,
        });
        assert_eq!(subject.name.as_deref(), Some("a\u{fffd}b\u{1}"));
    }

    #[test]
    fn a_components_sentence_stays_one_line_of_bounded_length() {
        let error = IntegrationError::from(wit::Error::Internal("a\nWARN forged\u{1b}[2J".into()));
        assert_eq!(error.message, "a WARN forged [2J");
        let error = IntegrationError::from(wit::Error::Internal("ü".repeat(100_000)));
        assert_eq!(error.message.chars().count(), MAX_SENTENCE + 1);
    }
}
