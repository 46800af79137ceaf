//! What a component returns, as the contract's plain types: each type is converted and counted at once.

use jiff::Timestamp;

use super::convert::sentence;
use super::exports::worksights::integration::integration as wit;
use super::worksights::integration::user_directory as wit_directory;
use crate::result_limits::{ResultLimits, Returned, sentence_of};
use integration_host_contract::id::{RemoteUserId, ScopeId, UserId};
use integration_host_contract::{
    Account, Activity, BoundScope, Changes, DeliveryOutcome, DeliveryResult, Health, Manifest,
    MemberState, MistakenSecret, NameRefresh, Noun, Pacing, Problem, Quota, Reconciliation,
    RemoteUser, Scope, SecretField, SignatureAlgorithm, SignatureEncoding, SignatureScheme,
    Subject, SubjectKind, Subscription, Team, TeamMember, TestReport, TimeLog, User, UserMatch,
    WebhookResponse,
};

/// A time the component gave, brought into the range that can be written as a date.
fn timestamp(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(if milliseconds < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// The most notes that are kept of one call.
const MAX_NOTES: usize = 10;

/// What a component says it could not take as it was.
fn notes(notes: Vec<String>, limits: &mut ResultLimits<'_>) -> Vec<String> {
    let notes = limits.each(notes, ResultLimits::exact);
    notes.into_iter().take(MAX_NOTES).map(sentence).collect()
}

impl<T: Returned> Returned for Option<T> {
    type Plain = Option<T::Plain>;

    fn take(self, limits: &mut ResultLimits<'_>) -> Self::Plain {
        self.map(|value| value.take(limits))
    }

    fn sentences(&mut self) -> Vec<&mut String> {
        self.iter_mut().flat_map(T::sentences).collect()
    }
}

impl Returned for () {
    type Plain = ();

    fn take(self, _: &mut ResultLimits<'_>) {}
}

impl Returned for wit::Manifest {
    type Plain = Manifest;

    fn take(self, limits: &mut ResultLimits<'_>) -> Manifest {
        Manifest {
            id: limits.exact(self.id),
            name: limits.exact(self.name),
            version: limits.exact(self.version),
            description: limits.exact(self.description),
            scope_noun: self.scope_noun.take(limits),
            subject_kinds: limits.list(self.subject_kinds),
            charted_kind: self.charted_kind.map(|kind| limits.exact(kind)),
            secrets: limits.list(self.secrets),
            hosts: limits.each(self.hosts, ResultLimits::exact),
            pacing: Pacing {
                burst: self.pacing.burst,
                requests_per_minute: self.pacing.requests_per_minute,
                longest_quota_seconds: self.pacing.longest_quota_seconds,
            },
            public_https: self.webhook.public_https,
            signature_header: limits.exact(self.webhook.signature_header),
            signature: self.webhook.signature.take(limits),
        }
    }
}

impl Returned for wit::Noun {
    type Plain = Noun;

    fn take(self, limits: &mut ResultLimits<'_>) -> Noun {
        Noun {
            singular: limits.exact(self.singular),
            plural: limits.exact(self.plural),
        }
    }
}

impl Returned for wit::SubjectKind {
    type Plain = SubjectKind;

    fn take(self, limits: &mut ResultLimits<'_>) -> SubjectKind {
        SubjectKind {
            id: limits.exact(self.id),
            noun: self.noun.take(limits),
        }
    }
}

impl Returned for wit::SignatureScheme {
    type Plain = SignatureScheme;

    fn take(self, limits: &mut ResultLimits<'_>) -> SignatureScheme {
        SignatureScheme {
            prefix: limits.exact(self.prefix),
            algorithm: match self.algorithm {
                wit::SignatureAlgorithm::HmacSha256 => SignatureAlgorithm::HmacSha256,
            },
            encoding: match self.encoding {
                wit::SignatureEncoding::Hex => SignatureEncoding::Hex,
                wit::SignatureEncoding::Base64 => SignatureEncoding::Base64,
            },
            storage_key: limits.exact(self.storage_key),
            secret_members: limits.each(self.secret_members, ResultLimits::exact),
        }
    }
}

impl Returned for wit::SecretField {
    type Plain = SecretField;

    fn take(self, limits: &mut ResultLimits<'_>) -> SecretField {
        SecretField {
            name: limits.exact(self.name),
            label: limits.exact(self.label),
            help: limits.exact(self.help),
            help_url: limits.exact(self.help_url),
            mistaken: limits.list(self.mistaken),
        }
    }
}

impl Returned for wit::MistakenSecret {
    type Plain = MistakenSecret;

    fn take(self, limits: &mut ResultLimits<'_>) -> MistakenSecret {
        MistakenSecret {
            prefix: limits.exact(self.prefix),
            message: limits.exact(self.message),
        }
    }
}

impl Returned for wit::Account {
    type Plain = Account;

    fn take(self, limits: &mut ResultLimits<'_>) -> Account {
        Account {
            id: limits.text(self.id),
            name: limits.text(self.name),
            email: limits.optional(self.email),
        }
    }
}

impl Returned for wit::Scope {
    type Plain = Scope;

    fn take(self, limits: &mut ResultLimits<'_>) -> Scope {
        Scope {
            id: ScopeId::new(limits.text(self.id)),
            name: limits.text(self.name),
            organization: self.organization.map(|text| limits.exact(text)),
            plan: self.plan.map(|text| limits.exact(text)),
            role: self.role.map(|text| limits.exact(text)),
            obstacle: self.obstacle.map(|text| limits.exact(text)),
        }
    }

    fn sentences(&mut self) -> Vec<&mut String> {
        self.obstacle.as_mut().into_iter().collect()
    }
}

impl Returned for wit::TestReport {
    type Plain = TestReport;

    fn take(self, limits: &mut ResultLimits<'_>) -> TestReport {
        TestReport {
            account: self.account.take(limits),
            scopes: limits.list(self.scopes),
        }
    }

    fn sentences(&mut self) -> Vec<&mut String> {
        let scopes = self.scopes.iter_mut();
        scopes.flat_map(Returned::sentences).collect()
    }
}

impl Returned for wit::BoundScope {
    type Plain = BoundScope;

    fn take(self, limits: &mut ResultLimits<'_>) -> BoundScope {
        BoundScope {
            account: self.account.take(limits),
            scope: self.scope.take(limits),
        }
    }

    fn sentences(&mut self) -> Vec<&mut String> {
        self.scope.sentences()
    }
}

impl Returned for wit::Subscription {
    type Plain = Subscription;

    fn take(self, limits: &mut ResultLimits<'_>) -> Subscription {
        Subscription {
            id: limits.text(self.id),
            enabled: self.enabled,
            validated_at: self.validated_at.map(timestamp),
            events: limits.each(self.events, ResultLimits::text),
        }
    }
}

impl Returned for wit::DeliveryResult {
    type Plain = DeliveryResult;

    fn take(self, limits: &mut ResultLimits<'_>) -> DeliveryResult {
        let content_type = self.response.content_type;
        DeliveryResult {
            response: WebhookResponse {
                status: self.response.status,
                content_type: content_type.map(|text| limits.exact(text)),
                body: limits.answer(self.response.body),
            },
            outcome: match self.outcome {
                wit::DeliveryOutcome::Accepted => DeliveryOutcome::Accepted,
                wit::DeliveryOutcome::Ping => DeliveryOutcome::Ping,
                wit::DeliveryOutcome::Ignored => DeliveryOutcome::Ignored,
                wit::DeliveryOutcome::Unreadable => DeliveryOutcome::Unreadable,
                wit::DeliveryOutcome::Refused => DeliveryOutcome::Refused,
            },
            detail: sentence(self.detail),
            event_id: limits.optional(self.event_id),
            changes: self.changes.take(limits),
            notes: notes(self.notes, limits),
            names_missing: self.names_missing,
        }
    }

    fn sentences(&mut self) -> Vec<&mut String> {
        let notes = self.notes.iter_mut();
        notes.chain([&mut self.detail]).collect()
    }
}

impl Returned for wit::Changes {
    type Plain = Changes;

    fn take(self, limits: &mut ResultLimits<'_>) -> Changes {
        Changes {
            activities: limits.list(self.activities),
            subjects: limits.list(self.subjects),
        }
    }
}

impl Returned for wit::Activity {
    type Plain = Activity;

    fn take(self, limits: &mut ResultLimits<'_>) -> Activity {
        Activity {
            id: limits.text(self.id),
            revision: limits.text(self.revision),
            event_id: limits.optional(self.event_id),
            deleted: self.deleted,
            content: self.content.take(limits),
        }
    }
}

impl Returned for wit::TimeLog {
    type Plain = TimeLog;

    fn take(self, limits: &mut ResultLimits<'_>) -> TimeLog {
        TimeLog {
            remote_user_id: RemoteUserId::new(limits.text(self.remote_user_id)),
            subject: limits.optional(self.subject),
            description: limits.text(self.description),
            start: timestamp(self.start),
            stop: self.stop.map(timestamp),
            billable: self.billable,
            tags: limits.each(self.tags, ResultLimits::text),
        }
    }
}

impl Returned for wit::Subject {
    type Plain = Subject;

    fn take(self, limits: &mut ResultLimits<'_>) -> Subject {
        Subject {
            id: limits.text(self.id),
            revision: limits.text(self.revision),
            name: limits.optional(self.name),
            parent: limits.optional(self.parent),
        }
    }
}

impl Returned for wit::Team {
    type Plain = Team;

    fn take(self, limits: &mut ResultLimits<'_>) -> Team {
        Team {
            members: limits.list(self.members),
            notes: notes(self.notes, limits),
        }
    }

    fn sentences(&mut self) -> Vec<&mut String> {
        let members = self.members.iter_mut().flat_map(Returned::sentences);
        members.chain(self.notes.iter_mut()).collect()
    }
}

impl Returned for wit::TeamMember {
    type Plain = TeamMember;

    fn take(self, limits: &mut ResultLimits<'_>) -> TeamMember {
        TeamMember {
            remote_user: RemoteUser {
                id: RemoteUserId::new(limits.text(self.id)),
                name: limits.text(self.name),
                email: limits.optional(self.email),
                state: match self.state {
                    wit::MemberState::Active => MemberState::Active,
                    wit::MemberState::Invited => MemberState::Invited,
                    wit::MemberState::Deactivated => MemberState::Deactivated,
                },
            },
            matched: match self.match_ {
                wit::UserMatch::Matched(user) => UserMatch::Matched(user.take(limits)),
                wit::UserMatch::Unmatched => UserMatch::Unmatched,
                wit::UserMatch::Ambiguous(reason) => UserMatch::Ambiguous(limits.text(reason)),
            },
        }
    }

    fn sentences(&mut self) -> Vec<&mut String> {
        match &mut self.match_ {
            wit::UserMatch::Ambiguous(reason) => vec![reason],
            wit::UserMatch::Matched(_) | wit::UserMatch::Unmatched => Vec::new(),
        }
    }
}

impl Returned for wit_directory::User {
    type Plain = User;

    fn take(self, limits: &mut ResultLimits<'_>) -> User {
        User {
            id: UserId::new(limits.text(self.id)),
            name: limits.text(self.name),
            email: limits.optional(self.email),
        }
    }
}

impl Returned for wit::Health {
    type Plain = Health;

    fn take(self, limits: &mut ResultLimits<'_>) -> Health {
        Health {
            account: self.account.take(limits),
            scope: self.scope.take(limits),
            subscription: self.subscription.take(limits),
            quotas: limits.list(self.quotas),
            problem: self.problem.map(|problem| Problem {
                error: problem.error.into(),
                repairable: problem.repairable,
            }),
        }
    }

    fn sentences(&mut self) -> Vec<&mut String> {
        let problem = self.problem.as_mut();
        let mut sentences = self.scope.sentences();
        sentences.extend(problem.map(|problem| sentence_of(&mut problem.error)));
        sentences
    }
}

impl Returned for wit::Quota {
    type Plain = Quota;

    fn take(self, limits: &mut ResultLimits<'_>) -> Quota {
        Quota {
            name: limits.text(self.name),
            remaining: self.remaining,
            total: self.total,
            resets_in_seconds: self.resets_in_seconds,
        }
    }
}

impl Returned for wit::Reconciliation {
    type Plain = Reconciliation;

    fn take(self, limits: &mut ResultLimits<'_>) -> Reconciliation {
        Reconciliation {
            changes: self.changes.take(limits),
            missing: limits.each(self.missing, ResultLimits::exact),
            quotas: limits.list(self.quotas),
            notes: notes(self.notes, limits),
            unread: self.unread,
            next: self.next.map(|text| limits.exact(text)),
        }
    }

    fn sentences(&mut self) -> Vec<&mut String> {
        self.notes.iter_mut().collect()
    }
}

impl Returned for wit::NameRefresh {
    type Plain = NameRefresh;

    fn take(self, limits: &mut ResultLimits<'_>) -> NameRefresh {
        NameRefresh {
            subjects: limits.list(self.subjects),
            notes: notes(self.notes, limits),
            // At once would be a loop.
            again_in_seconds: self.again_in_seconds.map(|seconds| seconds.max(1)),
        }
    }

    fn sentences(&mut self) -> Vec<&mut String> {
        self.notes.iter_mut().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use integration_host_contract::limits::Limits;

    #[test]
    fn what_a_database_cannot_hold_is_replaced() {
        let subject = wit::Subject {
            id: "project/1".into(),
            revision: String::new(),
            name: Some("a\0b\u{1}".into()),
            parent: None,
        };
        let subject = ResultLimits::take(subject, &Limits::default()).unwrap();
        assert_eq!(subject.name.as_deref(), Some("a\u{fffd}b\u{1}"));
    }
}
