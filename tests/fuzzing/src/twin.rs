//! What the native logic returned, as the host would see it from the component.

use integration_host_contract::id::{RemoteUserId, ScopeId, UserId};
use integration_host_contract::{
    Account, Activity, BoundScope, Changes, DeliveryOutcome, DeliveryResult, ErrorCode, Health,
    IntegrationError, MemberState, NameRefresh, Problem, Quota, Reconciliation, RemoteUser, Scope,
    Subject, Subscription, Team, TeamMember, TestReport, TimeLog, User, UserMatch, WebhookResponse,
};
use jiff::Timestamp;
use toggl_integration::model;
use toggl_integration::time;

/// The same value in the host's types.
pub trait Twin {
    /// The host's type.
    type Of;

    /// Converts it.
    fn twin(self) -> Self::Of;
}

impl<T: Twin> Twin for Option<T> {
    type Of = Option<T::Of>;

    fn twin(self) -> Self::Of {
        self.map(T::twin)
    }
}

impl<T: Twin> Twin for Vec<T> {
    type Of = Vec<T::Of>;

    fn twin(self) -> Self::Of {
        self.into_iter().map(T::twin).collect()
    }
}

impl Twin for () {
    type Of = ();

    fn twin(self) {}
}

/// Times cross the boundary in milliseconds.
impl Twin for time::Timestamp {
    type Of = Timestamp;

    fn twin(self) -> Timestamp {
        Timestamp::from_millisecond(self.milliseconds()).expect("its range is the narrower one")
    }
}

impl Twin for model::Error {
    type Of = IntegrationError;

    fn twin(self) -> IntegrationError {
        let plain = IntegrationError::new;
        let later = |code, message, seconds| IntegrationError {
            retry_after_seconds: Some(seconds),
            ..IntegrationError::new(code, message)
        };
        match self {
            Self::Unauthorized(message) => plain(ErrorCode::Unauthorized, message),
            Self::Forbidden(message) => plain(ErrorCode::Forbidden, message),
            Self::NotFound(message) => plain(ErrorCode::NotFound, message),
            Self::InvalidInput(message) => plain(ErrorCode::InvalidInput, message),
            Self::Conflict(message) => plain(ErrorCode::Conflict, message),
            Self::RateLimited {
                message,
                retry_after_seconds,
            } => later(ErrorCode::RateLimited, message, retry_after_seconds),
            Self::QuotaExhausted {
                message,
                resets_in_seconds,
            } => later(ErrorCode::QuotaExhausted, message, resets_in_seconds),
            Self::PlanLimit(message) => plain(ErrorCode::PlanLimit, message),
            Self::Upstream { message, .. } => plain(ErrorCode::Upstream, message),
            Self::Unavailable(message) => plain(ErrorCode::Unavailable, message),
            Self::Internal(message) => plain(ErrorCode::Internal, message),
        }
    }
}

impl Twin for model::Account {
    type Of = Account;

    fn twin(self) -> Account {
        Account {
            id: self.id,
            name: self.name,
            email: self.email,
        }
    }
}

impl Twin for model::Scope {
    type Of = Scope;

    fn twin(self) -> Scope {
        Scope {
            id: ScopeId::new(self.id),
            name: self.name,
            organization: self.organization,
            plan: self.plan,
            role: self.role,
            obstacle: self.obstacle,
        }
    }
}

impl Twin for model::TestReport {
    type Of = TestReport;

    fn twin(self) -> TestReport {
        TestReport {
            account: self.account.twin(),
            scopes: self.scopes.twin(),
        }
    }
}

impl Twin for model::BoundScope {
    type Of = BoundScope;

    fn twin(self) -> BoundScope {
        BoundScope {
            account: self.account.twin(),
            scope: self.scope.twin(),
        }
    }
}

impl Twin for model::Subscription {
    type Of = Subscription;

    fn twin(self) -> Subscription {
        Subscription {
            id: self.id,
            enabled: self.enabled,
            validated_at: self.validated_at.twin(),
            events: self.events,
        }
    }
}

impl Twin for model::DeliveryResult {
    type Of = DeliveryResult;

    fn twin(self) -> DeliveryResult {
        DeliveryResult {
            response: WebhookResponse {
                status: self.response.status,
                content_type: self.response.content_type,
                body: self.response.body,
            },
            outcome: match self.outcome {
                model::DeliveryOutcome::Accepted => DeliveryOutcome::Accepted,
                model::DeliveryOutcome::Ping => DeliveryOutcome::Ping,
                model::DeliveryOutcome::Ignored => DeliveryOutcome::Ignored,
                model::DeliveryOutcome::Unreadable => DeliveryOutcome::Unreadable,
                model::DeliveryOutcome::Refused => DeliveryOutcome::Refused,
            },
            detail: self.detail,
            event_id: self.event_id,
            changes: self.changes.twin(),
            notes: self.notes,
            names_missing: self.names_missing,
        }
    }
}

impl Twin for model::Changes {
    type Of = Changes;

    fn twin(self) -> Changes {
        Changes {
            activities: self.activities.twin(),
            subjects: self.subjects.twin(),
        }
    }
}

impl Twin for model::Activity {
    type Of = Activity;

    fn twin(self) -> Activity {
        Activity {
            id: self.id,
            revision: self.revision,
            event_id: self.event_id,
            deleted: self.deleted,
            content: self.content.twin(),
        }
    }
}

impl Twin for model::TimeLog {
    type Of = TimeLog;

    fn twin(self) -> TimeLog {
        TimeLog {
            remote_user_id: RemoteUserId::new(self.remote_user_id),
            subject: self.subject,
            description: self.description,
            start: self.start.twin(),
            stop: self.stop.twin(),
            billable: self.billable,
            tags: self.tags,
        }
    }
}

impl Twin for model::Subject {
    type Of = Subject;

    fn twin(self) -> Subject {
        Subject {
            id: self.id,
            revision: self.revision,
            name: self.name,
            parent: self.parent,
        }
    }
}

impl Twin for model::Team {
    type Of = Team;

    fn twin(self) -> Team {
        Team {
            members: self.members.twin(),
            notes: self.notes,
        }
    }
}

impl Twin for model::TeamMember {
    type Of = TeamMember;

    fn twin(self) -> TeamMember {
        let user = |user: model::User| User {
            id: UserId::new(user.id),
            name: user.name,
            email: user.email,
        };
        TeamMember {
            remote_user: RemoteUser {
                id: RemoteUserId::new(self.id),
                name: self.name,
                email: self.email,
                state: match self.state {
                    model::MemberState::Active => MemberState::Active,
                    model::MemberState::Invited => MemberState::Invited,
                    model::MemberState::Deactivated => MemberState::Deactivated,
                },
            },
            matched: match self.user_match {
                model::UserMatch::Matched(matched) => UserMatch::Matched(user(matched)),
                model::UserMatch::Unmatched => UserMatch::Unmatched,
                model::UserMatch::Ambiguous(why) => UserMatch::Ambiguous(why),
            },
        }
    }
}

impl Twin for model::Health {
    type Of = Health;

    fn twin(self) -> Health {
        Health {
            account: self.account.twin(),
            scope: self.scope.twin(),
            subscription: self.subscription.twin(),
            quotas: self.quotas.twin(),
            problem: self.problem.twin(),
        }
    }
}

impl Twin for model::Quota {
    type Of = Quota;

    fn twin(self) -> Quota {
        Quota {
            name: self.name,
            remaining: self.remaining,
            total: self.total,
            resets_in_seconds: self.resets_in_seconds,
        }
    }
}

impl Twin for model::Problem {
    type Of = Problem;

    fn twin(self) -> Problem {
        Problem {
            error: self.error.twin(),
            repairable: self.repairable,
        }
    }
}

impl Twin for model::Reconciliation {
    type Of = Reconciliation;

    fn twin(self) -> Reconciliation {
        Reconciliation {
            changes: self.changes.twin(),
            missing: self.missing,
            quotas: self.quotas.into_iter().map(Twin::twin).collect(),
            notes: self.notes,
            unread: self.unread,
            next: self.next,
        }
    }
}

impl Twin for model::NameRefresh {
    type Of = NameRefresh;

    fn twin(self) -> NameRefresh {
        NameRefresh {
            subjects: self.subjects.twin(),
            notes: self.notes,
            again_in_seconds: self.again_in_seconds,
        }
    }
}
