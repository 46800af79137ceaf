//! How large a call's result may be. Measured on what the component returned, before anything of it
//! is converted, kept or committed.

use super::limit_exceeded::{LimitExceeded, LimitKind};
use crate::bindings::exports::worksights::integration::integration as wit;
use integration_host_contract::limits::Limits;

/// The limits of a result, and what it has used up of them so far.
pub(super) struct ResultLimits<'a> {
    limits: &'a Limits,
    items: usize,
    exceeded: Option<String>,
}

impl<'a> ResultLimits<'a> {
    /// Checks a result.
    pub(super) fn check(result: &impl Limited, limits: &'a Limits) -> Result<(), LimitExceeded> {
        let mut measure = Self {
            limits,
            items: 0,
            exceeded: None,
        };
        result.measure(&mut measure);
        match measure.exceeded {
            Some(text) => Err(LimitExceeded::new(LimitKind::Result, text)),
            None => Ok(()),
        }
    }

    fn text(&mut self, text: &str) -> &mut Self {
        let most = self.limits.result_text_bytes;
        if text.len() > most {
            self.exceeded = Some(format!("it returned a text of more than {most} bytes"));
        }
        self
    }

    fn texts(&mut self, texts: &[&String]) -> &mut Self {
        for text in texts {
            self.text(text);
        }
        self
    }

    fn optional(&mut self, texts: &[&Option<String>]) -> &mut Self {
        for text in texts.iter().copied().flatten() {
            self.text(text);
        }
        self
    }

    fn list(&mut self, items: &[impl Limited]) -> &mut Self {
        self.items = self.items.saturating_add(items.len());
        let most = self.limits.result_items;
        if self.items > most {
            self.exceeded = Some(format!("it returned more than {most} things at once"));
        }
        for item in items {
            if self.exceeded.is_some() {
                break;
            }
            item.measure(self);
        }
        self
    }

    fn answer(&mut self, body: &[u8]) -> &mut Self {
        let most = self.limits.delivery_answer_bytes;
        if body.len() > most {
            self.exceeded = Some(format!("it answers a delivery with more than {most} bytes"));
        }
        self
    }
}

/// Something a component returns.
pub(super) trait Limited {
    fn measure(&self, measure: &mut ResultLimits<'_>);

    /// The sentences in it, which may repeat anything.
    fn sentences(&mut self) -> Vec<&mut String> {
        Vec::new()
    }
}

impl Limited for () {
    fn measure(&self, _: &mut ResultLimits<'_>) {}
}

impl Limited for String {
    fn measure(&self, measure: &mut ResultLimits<'_>) {
        measure.text(self);
    }
}

impl<T: Limited> Limited for Vec<T> {
    fn measure(&self, measure: &mut ResultLimits<'_>) {
        measure.list(self);
    }

    fn sentences(&mut self) -> Vec<&mut String> {
        self.iter_mut().flat_map(T::sentences).collect()
    }
}

impl<T: Limited> Limited for Option<T> {
    fn measure(&self, measure: &mut ResultLimits<'_>) {
        if let Some(value) = self {
            value.measure(measure);
        }
    }

    fn sentences(&mut self) -> Vec<&mut String> {
        self.iter_mut().flat_map(T::sentences).collect()
    }
}

impl Limited for wit::Manifest {
    fn measure(&self, measure: &mut ResultLimits<'_>) {
        measure
            .texts(&[&self.id, &self.name, &self.version, &self.description])
            .list(&self.secrets)
            .list(&self.hosts)
            .text(&self.webhook.signature_header);
        if let Some(scheme) = &self.webhook.signature {
            measure
                .texts(&[&scheme.prefix, &scheme.storage_key])
                .list(&scheme.secret_members);
        }
    }
}

impl Limited for wit::SecretField {
    fn measure(&self, measure: &mut ResultLimits<'_>) {
        measure
            .texts(&[&self.name, &self.label, &self.help, &self.help_url])
            .list(&self.mistaken);
    }
}

impl Limited for wit::MistakenSecret {
    fn measure(&self, measure: &mut ResultLimits<'_>) {
        measure.texts(&[&self.prefix, &self.message]);
    }
}

impl Limited for wit::Account {
    fn measure(&self, measure: &mut ResultLimits<'_>) {
        measure
            .texts(&[&self.id, &self.name])
            .optional(&[&self.email]);
    }
}

impl Limited for wit::Scope {
    fn measure(&self, measure: &mut ResultLimits<'_>) {
        measure.texts(&[&self.id, &self.name]).optional(&[
            &self.organization,
            &self.plan,
            &self.role,
            &self.obstacle,
        ]);
    }

    fn sentences(&mut self) -> Vec<&mut String> {
        self.obstacle.as_mut().into_iter().collect()
    }
}

impl Limited for wit::TestReport {
    fn measure(&self, measure: &mut ResultLimits<'_>) {
        self.account.measure(measure);
        measure.list(&self.scopes);
    }

    fn sentences(&mut self) -> Vec<&mut String> {
        self.scopes.sentences()
    }
}

impl Limited for wit::BoundScope {
    fn measure(&self, measure: &mut ResultLimits<'_>) {
        self.account.measure(measure);
        self.scope.measure(measure);
    }

    fn sentences(&mut self) -> Vec<&mut String> {
        self.scope.sentences()
    }
}

impl Limited for wit::Subscription {
    fn measure(&self, measure: &mut ResultLimits<'_>) {
        measure.text(&self.id).list(&self.events);
    }
}

impl Limited for wit::DeliveryResult {
    fn measure(&self, measure: &mut ResultLimits<'_>) {
        measure
            .answer(&self.response.body)
            .optional(&[&self.response.content_type, &self.event_id]);
        measure.list(&self.notes);
        self.changes.measure(measure);
    }

    fn sentences(&mut self) -> Vec<&mut String> {
        let notes = self.notes.iter_mut();
        notes.chain([&mut self.detail]).collect()
    }
}

impl Limited for wit::Changes {
    fn measure(&self, measure: &mut ResultLimits<'_>) {
        measure.list(&self.activities).list(&self.subjects);
    }
}

impl Limited for wit::Activity {
    fn measure(&self, measure: &mut ResultLimits<'_>) {
        measure
            .texts(&[&self.id, &self.revision])
            .optional(&[&self.event_id]);
        if let Some(log) = &self.content {
            measure
                .texts(&[&log.remote_user_id, &log.description])
                .optional(&[&log.subject])
                .list(&log.tags);
        }
    }
}

impl Limited for wit::Subject {
    fn measure(&self, measure: &mut ResultLimits<'_>) {
        measure
            .texts(&[&self.id, &self.revision])
            .optional(&[&self.name, &self.parent]);
    }
}

impl Limited for wit::Team {
    fn measure(&self, measure: &mut ResultLimits<'_>) {
        measure.list(&self.members).list(&self.notes);
    }

    fn sentences(&mut self) -> Vec<&mut String> {
        let members = self.members.iter_mut().flat_map(Limited::sentences);
        members.chain(self.notes.iter_mut()).collect()
    }
}

impl Limited for wit::TeamMember {
    fn measure(&self, measure: &mut ResultLimits<'_>) {
        measure
            .texts(&[&self.id, &self.name])
            .optional(&[&self.email]);
        match &self.match_ {
            wit::UserMatch::Matched(user) => {
                measure
                    .texts(&[&user.id, &user.name])
                    .optional(&[&user.email]);
            }
            wit::UserMatch::Ambiguous(reason) => {
                measure.text(reason);
            }
            wit::UserMatch::Unmatched => {}
        }
    }

    fn sentences(&mut self) -> Vec<&mut String> {
        match &mut self.match_ {
            wit::UserMatch::Ambiguous(reason) => vec![reason],
            wit::UserMatch::Matched(_) | wit::UserMatch::Unmatched => Vec::new(),
        }
    }
}

impl Limited for wit::Health {
    fn measure(&self, measure: &mut ResultLimits<'_>) {
        self.account.measure(measure);
        self.scope.measure(measure);
        self.subscription.measure(measure);
        measure.list(&self.quotas);
    }

    fn sentences(&mut self) -> Vec<&mut String> {
        let problem = self.problem.as_mut();
        let mut sentences = self.scope.sentences();
        sentences.extend(problem.map(|problem| sentence_of(&mut problem.error)));
        sentences
    }
}

impl Limited for wit::Quota {
    fn measure(&self, measure: &mut ResultLimits<'_>) {
        measure.text(&self.name);
    }
}

impl Limited for wit::Reconciliation {
    fn measure(&self, measure: &mut ResultLimits<'_>) {
        self.changes.measure(measure);
        measure
            .list(&self.missing)
            .list(&self.quotas)
            .list(&self.notes)
            .optional(&[&self.next]);
    }

    fn sentences(&mut self) -> Vec<&mut String> {
        self.notes.iter_mut().collect()
    }
}

impl Limited for wit::NameRefresh {
    fn measure(&self, measure: &mut ResultLimits<'_>) {
        measure.list(&self.subjects).list(&self.notes);
    }

    fn sentences(&mut self) -> Vec<&mut String> {
        self.notes.iter_mut().collect()
    }
}

/// What an error says.
pub(super) fn sentence_of(error: &mut wit::Error) -> &mut String {
    match error {
        wit::Error::Unauthorized(message)
        | wit::Error::Forbidden(message)
        | wit::Error::NotFound(message)
        | wit::Error::InvalidInput(message)
        | wit::Error::Conflict(message)
        | wit::Error::PlanLimit(message)
        | wit::Error::Unavailable(message)
        | wit::Error::Internal(message) => message,
        wit::Error::RateLimited(limit) => &mut limit.message,
        wit::Error::QuotaExhausted(quota) => &mut quota.message,
        wit::Error::Upstream(failure) => &mut failure.message,
    }
}

/// What a component is given.
pub(super) trait Given {
    /// The texts in it that it must not give away.
    fn confidential(&self) -> Option<&str> {
        None
    }
}

impl Given for () {}

impl Given for wit::Callback {
    fn confidential(&self) -> Option<&str> {
        Some(&self.url)
    }
}

impl Given for String {}

impl Given for wit::WebhookRequest {
    fn confidential(&self) -> Option<&str> {
        Some(&self.callback_url)
    }
}

impl Given for (wit::Selection, Option<String>) {}
