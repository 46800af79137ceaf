//! The contract's types to and from the integration's own, here and nowhere else.

use crate::time::Timestamp;

use super::contract;
use super::generated::wasi::logging::logging;
use super::generated::worksights::integration::{http, storage, user_directory};
use crate::{capability, model};

impl From<capability::Method> for http::Method {
    fn from(method: capability::Method) -> Self {
        match method {
            capability::Method::Get => Self::Get,
            capability::Method::Post => Self::Post,
            capability::Method::Put => Self::Put,
            capability::Method::Patch => Self::Patch,
            capability::Method::Delete => Self::Delete,
        }
    }
}

impl From<capability::Credential> for http::Credential {
    fn from(credential: capability::Credential) -> Self {
        match credential {
            capability::Credential::Literal(text) => Self::Literal(text.into()),
            capability::Credential::Secret(name) => Self::Secret(name.into()),
        }
    }
}

impl From<&capability::Header> for http::Header {
    fn from(header: &capability::Header) -> Self {
        Self {
            name: header.name.clone(),
            value: header.value.clone(),
        }
    }
}

impl From<http::Header> for capability::Header {
    fn from(header: http::Header) -> Self {
        Self {
            name: header.name,
            value: header.value,
        }
    }
}

impl From<&capability::HttpRequest> for http::Request {
    fn from(request: &capability::HttpRequest) -> Self {
        Self {
            method: request.method.into(),
            url: request.url.clone(),
            headers: request.headers.iter().map(Into::into).collect(),
            authorization: http::Authorization::Basic(http::BasicCredentials {
                username: request.authorization.username.into(),
                password: request.authorization.password.into(),
            }),
            body: request.body.clone(),
            idempotent: request.idempotent,
        }
    }
}

impl From<http::Response> for capability::HttpResponse {
    fn from(response: http::Response) -> Self {
        Self {
            status: response.status,
            headers: response.headers.into_iter().map(Into::into).collect(),
            body: response.body,
        }
    }
}

impl From<http::Error> for capability::HttpError {
    fn from(error: http::Error) -> Self {
        match error {
            http::Error::Refused(why) => Self::Refused(why),
            http::Error::Unavailable(why) => Self::Unavailable(why),
            http::Error::LimitExceeded(why) => Self::LimitExceeded(why),
        }
    }
}

impl From<storage::Entry> for capability::Entry {
    fn from(entry: storage::Entry) -> Self {
        Self {
            key: entry.key,
            value: entry.value,
        }
    }
}

impl From<capability::Write> for storage::Write {
    fn from(write: capability::Write) -> Self {
        let seconds = |time: Timestamp| u64::try_from(time.seconds()).unwrap_or_default();
        Self {
            key: write.key,
            value: write.value,
            expires_at_seconds: write.expires_at.map(seconds),
        }
    }
}

impl From<storage::Error> for capability::StorageError {
    fn from(error: storage::Error) -> Self {
        match error {
            storage::Error::Invalid(why) => Self::Invalid(why),
            storage::Error::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl From<capability::Level> for logging::Level {
    fn from(level: capability::Level) -> Self {
        match level {
            capability::Level::Debug => Self::Debug,
            capability::Level::Info => Self::Info,
            capability::Level::Warn => Self::Warn,
        }
    }
}

impl From<user_directory::User> for model::User {
    fn from(user: user_directory::User) -> Self {
        Self {
            id: user.id,
            name: user.name,
            email: user.email,
        }
    }
}

impl From<model::User> for user_directory::User {
    fn from(user: model::User) -> Self {
        Self {
            id: user.id,
            name: user.name,
            email: user.email,
        }
    }
}

impl From<model::Error> for contract::Error {
    #[inline(never)]
    fn from(error: model::Error) -> Self {
        match error {
            model::Error::Unauthorized(message) => Self::Unauthorized(message),
            model::Error::Forbidden(message) => Self::Forbidden(message),
            model::Error::NotFound(message) => Self::NotFound(message),
            model::Error::InvalidInput(message) => Self::InvalidInput(message),
            model::Error::Conflict(message) => Self::Conflict(message),
            model::Error::RateLimited {
                message,
                retry_after_seconds,
            } => Self::RateLimited(contract::RateLimit {
                message,
                retry_after_seconds,
            }),
            model::Error::QuotaExhausted {
                message,
                resets_in_seconds,
            } => Self::QuotaExhausted(contract::QuotaExhaustion {
                message,
                resets_in_seconds,
            }),
            model::Error::PlanLimit(message) => Self::PlanLimit(message),
            model::Error::Upstream { status, message } => {
                Self::Upstream(contract::UpstreamFailure { status, message })
            }
            model::Error::Unavailable(message) => Self::Unavailable(message),
            model::Error::Internal(message) => Self::Internal(message),
        }
    }
}

impl From<model::Manifest> for contract::Manifest {
    fn from(manifest: model::Manifest) -> Self {
        Self {
            id: manifest.id.into(),
            name: manifest.name.into(),
            version: manifest.version.into(),
            description: manifest.description.into(),
            scope_noun: manifest.scope_noun.into(),
            subject_kinds: manifest
                .subject_kinds
                .iter()
                .map(|kind| contract::SubjectKind {
                    id: kind.id.into(),
                    noun: kind.noun.into(),
                })
                .collect(),
            charted_kind: Some(manifest.charted_kind.into()),
            secrets: manifest.secrets.iter().map(Into::into).collect(),
            hosts: texts(manifest.hosts),
            pacing: contract::Pacing {
                burst: manifest.pacing.burst,
                requests_per_minute: manifest.pacing.requests_per_minute,
                longest_quota_seconds: manifest.pacing.longest_quota_seconds,
            },
            webhook: contract::WebhookRequirements {
                public_https: manifest.webhook.public_https,
                signature_header: manifest.webhook.signature_header.into(),
                signature: manifest
                    .webhook
                    .signature
                    .map(|scheme| contract::SignatureScheme {
                        prefix: scheme.prefix.into(),
                        algorithm: contract::SignatureAlgorithm::HmacSha256,
                        encoding: contract::SignatureEncoding::Hex,
                        storage_key: scheme.storage_key.into(),
                        secret_members: texts(scheme.secret_members),
                    }),
            },
        }
    }
}

#[inline(never)]
fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).into()).collect()
}

impl From<model::Noun> for contract::Noun {
    #[inline(never)]
    fn from(noun: model::Noun) -> Self {
        Self {
            singular: noun.singular.into(),
            plural: noun.plural.into(),
        }
    }
}

impl From<&model::SecretField> for contract::SecretField {
    fn from(field: &model::SecretField) -> Self {
        Self {
            name: field.name.into(),
            label: field.label.into(),
            help: field.help.into(),
            help_url: field.help_url.into(),
            mistaken: field
                .mistaken
                .iter()
                .map(|mistaken| contract::MistakenSecret {
                    prefix: mistaken.prefix.into(),
                    message: mistaken.message.into(),
                })
                .collect(),
        }
    }
}

impl From<model::Account> for contract::Account {
    fn from(account: model::Account) -> Self {
        Self {
            id: account.id,
            name: account.name,
            email: account.email,
        }
    }
}

impl From<model::Scope> for contract::Scope {
    #[inline(never)]
    fn from(scope: model::Scope) -> Self {
        Self {
            id: scope.id,
            name: scope.name,
            organization: scope.organization,
            plan: scope.plan,
            role: scope.role,
            obstacle: scope.obstacle,
        }
    }
}

impl From<model::TestReport> for contract::TestReport {
    fn from(report: model::TestReport) -> Self {
        Self {
            account: report.account.into(),
            scopes: report.scopes.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<model::BoundScope> for contract::BoundScope {
    fn from(bound: model::BoundScope) -> Self {
        Self {
            account: bound.account.into(),
            scope: bound.scope.into(),
        }
    }
}

impl From<contract::Callback> for model::Callback {
    fn from(callback: contract::Callback) -> Self {
        Self {
            url: callback.url,
            holder: callback.holder,
            take_over: callback.take_over,
        }
    }
}

impl From<model::Subscription> for contract::Subscription {
    fn from(subscription: model::Subscription) -> Self {
        Self {
            id: subscription.id,
            enabled: subscription.enabled,
            validated_at: subscription.validated_at.map(Timestamp::milliseconds),
            events: subscription.events,
        }
    }
}

impl From<contract::WebhookRequest> for model::WebhookRequest {
    fn from(request: contract::WebhookRequest) -> Self {
        Self {
            callback_url: request.callback_url,
            headers: request.headers.into_iter().map(Into::into).collect(),
            body: request.body,
        }
    }
}

impl From<model::DeliveryOutcome> for contract::DeliveryOutcome {
    fn from(outcome: model::DeliveryOutcome) -> Self {
        match outcome {
            model::DeliveryOutcome::Accepted => Self::Accepted,
            model::DeliveryOutcome::Ping => Self::Ping,
            model::DeliveryOutcome::Ignored => Self::Ignored,
            model::DeliveryOutcome::Unreadable => Self::Unreadable,
            model::DeliveryOutcome::Refused => Self::Refused,
        }
    }
}

impl From<model::DeliveryResult> for contract::DeliveryResult {
    fn from(result: model::DeliveryResult) -> Self {
        Self {
            response: contract::WebhookResponse {
                status: result.response.status,
                content_type: result.response.content_type,
                body: result.response.body,
            },
            outcome: result.outcome.into(),
            detail: result.detail,
            event_id: result.event_id,
            changes: result.changes.into(),
            notes: result.notes,
            names_missing: result.names_missing,
        }
    }
}

impl From<model::Changes> for contract::Changes {
    fn from(changes: model::Changes) -> Self {
        Self {
            activities: changes.activities.into_iter().map(Into::into).collect(),
            subjects: changes.subjects.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<model::Activity> for contract::Activity {
    fn from(activity: model::Activity) -> Self {
        Self {
            id: activity.id,
            revision: activity.revision,
            event_id: activity.event_id,
            deleted: activity.deleted,
            content: activity.content.map(Into::into),
        }
    }
}

impl From<model::TimeLog> for contract::TimeLog {
    fn from(log: model::TimeLog) -> Self {
        Self {
            remote_user_id: log.remote_user_id,
            subject: log.subject,
            description: log.description,
            start: log.start.milliseconds(),
            stop: log.stop.map(Timestamp::milliseconds),
            billable: log.billable,
            tags: log.tags,
        }
    }
}

impl From<model::Subject> for contract::Subject {
    fn from(subject: model::Subject) -> Self {
        Self {
            id: subject.id,
            revision: subject.revision,
            name: subject.name,
            parent: subject.parent,
        }
    }
}

impl From<model::Team> for contract::Team {
    fn from(team: model::Team) -> Self {
        Self {
            members: team.members.into_iter().map(Into::into).collect(),
            notes: team.notes,
        }
    }
}

impl From<model::TeamMember> for contract::TeamMember {
    fn from(member: model::TeamMember) -> Self {
        Self {
            id: member.id,
            name: member.name,
            email: member.email,
            state: match member.state {
                model::MemberState::Active => contract::MemberState::Active,
                model::MemberState::Invited => contract::MemberState::Invited,
                model::MemberState::Deactivated => contract::MemberState::Deactivated,
            },
            match_: match member.user_match {
                model::UserMatch::Matched(user) => contract::UserMatch::Matched(user.into()),
                model::UserMatch::Unmatched => contract::UserMatch::Unmatched,
                model::UserMatch::Ambiguous(why) => contract::UserMatch::Ambiguous(why),
            },
        }
    }
}

impl From<model::Health> for contract::Health {
    fn from(health: model::Health) -> Self {
        Self {
            account: health.account.map(Into::into),
            scope: health.scope.map(Into::into),
            subscription: health.subscription.map(Into::into),
            quotas: health.quotas.into_iter().map(Into::into).collect(),
            problem: health.problem.map(Into::into),
        }
    }
}

impl From<model::Quota> for contract::Quota {
    fn from(quota: model::Quota) -> Self {
        Self {
            name: quota.name,
            remaining: quota.remaining,
            total: quota.total,
            resets_in_seconds: quota.resets_in_seconds,
        }
    }
}

impl From<model::Problem> for contract::Problem {
    fn from(problem: model::Problem) -> Self {
        Self {
            error: problem.error.into(),
            repairable: problem.repairable,
        }
    }
}

impl From<contract::Selection> for model::Selection {
    fn from(selection: contract::Selection) -> Self {
        let time = Timestamp::from_milliseconds;
        match selection {
            contract::Selection::Range(range) => Self::Range(model::TimeRange {
                since: time(range.since),
                until: time(range.until),
                connected_at: time(range.connected_at),
            }),
            contract::Selection::Changed(since) => Self::Changed(time(since)),
            contract::Selection::Activities(sought) => {
                let sought = sought.into_iter().map(|sought| model::SoughtActivity {
                    id: sought.id,
                    remote_user_id: sought.remote_user_id,
                    start: sought.start.map(time),
                    outdated: sought.outdated,
                });
                Self::Activities(sought.collect())
            }
        }
    }
}

impl From<model::Reconciliation> for contract::Reconciliation {
    fn from(reconciliation: model::Reconciliation) -> Self {
        Self {
            changes: reconciliation.changes.into(),
            missing: reconciliation.missing,
            quotas: reconciliation.quotas.into_iter().map(Into::into).collect(),
            notes: reconciliation.notes,
            unread: reconciliation.unread,
            next: reconciliation.next,
        }
    }
}

impl From<model::NameRefresh> for contract::NameRefresh {
    fn from(refresh: model::NameRefresh) -> Self {
        Self {
            subjects: refresh.subjects.into_iter().map(Into::into).collect(),
            notes: refresh.notes,
            again_in_seconds: refresh.again_in_seconds,
        }
    }
}
