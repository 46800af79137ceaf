//! How large a call's result may be. Measured on what the component returned, before anything of it
//! is converted, kept or committed.

use super::stop::{Exceeded, Limit};
use crate::bindings::exports::worksights::integration::integration as wit;
use crate::limits::Limits;

/// What a result has used up so far.
pub(super) struct Measure<'a> {
    limits: &'a Limits,
    items: usize,
    exceeded: Option<String>,
}

impl<'a> Measure<'a> {
    /// Checks a result.
    pub(super) fn check(result: &impl Measured, limits: &'a Limits) -> Result<(), Exceeded> {
        let mut measure = Self {
            limits,
            items: 0,
            exceeded: None,
        };
        result.measure(&mut measure);
        match measure.exceeded {
            Some(text) => Err(Exceeded::new(Limit::Result, text)),
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

    fn list(&mut self, items: &[impl Measured]) -> &mut Self {
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
pub(super) trait Measured {
    fn measure(&self, measure: &mut Measure<'_>);
}

impl Measured for () {
    fn measure(&self, _: &mut Measure<'_>) {}
}

impl Measured for String {
    fn measure(&self, measure: &mut Measure<'_>) {
        measure.text(self);
    }
}

impl<T: Measured> Measured for Vec<T> {
    fn measure(&self, measure: &mut Measure<'_>) {
        measure.list(self);
    }
}

impl<T: Measured> Measured for Option<T> {
    fn measure(&self, measure: &mut Measure<'_>) {
        if let Some(value) = self {
            value.measure(measure);
        }
    }
}

impl Measured for wit::Manifest {
    fn measure(&self, measure: &mut Measure<'_>) {
        measure
            .texts(&[&self.id, &self.name, &self.version, &self.description])
            .list(&self.secrets)
            .list(&self.hosts)
            .text(&self.webhook.signature_header);
    }
}

impl Measured for wit::SecretField {
    fn measure(&self, measure: &mut Measure<'_>) {
        measure
            .texts(&[&self.name, &self.label, &self.help, &self.help_url])
            .list(&self.mistaken);
    }
}

impl Measured for wit::MistakenSecret {
    fn measure(&self, measure: &mut Measure<'_>) {
        measure.texts(&[&self.prefix, &self.message]);
    }
}

impl Measured for wit::Account {
    fn measure(&self, measure: &mut Measure<'_>) {
        measure
            .texts(&[&self.id, &self.name])
            .optional(&[&self.email]);
    }
}

impl Measured for wit::Scope {
    fn measure(&self, measure: &mut Measure<'_>) {
        measure.texts(&[&self.id, &self.name]).optional(&[
            &self.organization,
            &self.plan,
            &self.role,
            &self.obstacle,
        ]);
    }
}

impl Measured for wit::TestReport {
    fn measure(&self, measure: &mut Measure<'_>) {
        self.account.measure(measure);
        measure.list(&self.scopes);
    }
}

impl Measured for wit::BoundScope {
    fn measure(&self, measure: &mut Measure<'_>) {
        self.account.measure(measure);
        self.scope.measure(measure);
    }
}

impl Measured for wit::Subscription {
    fn measure(&self, measure: &mut Measure<'_>) {
        measure.text(&self.id).list(&self.events);
    }
}

impl Measured for wit::DeliveryResult {
    fn measure(&self, measure: &mut Measure<'_>) {
        measure
            .answer(&self.response.body)
            .optional(&[&self.response.content_type, &self.event_id]);
        self.changes.measure(measure);
    }
}

impl Measured for wit::Changes {
    fn measure(&self, measure: &mut Measure<'_>) {
        measure.list(&self.activities).list(&self.subjects);
    }
}

impl Measured for wit::Activity {
    fn measure(&self, measure: &mut Measure<'_>) {
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

impl Measured for wit::Subject {
    fn measure(&self, measure: &mut Measure<'_>) {
        measure
            .texts(&[&self.id, &self.revision])
            .optional(&[&self.name, &self.parent]);
    }
}

impl Measured for wit::TeamMember {
    fn measure(&self, measure: &mut Measure<'_>) {
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
}

impl Measured for wit::Health {
    fn measure(&self, measure: &mut Measure<'_>) {
        self.account.measure(measure);
        self.scope.measure(measure);
        self.subscription.measure(measure);
        measure.list(&self.quotas);
    }
}

impl Measured for wit::Quota {
    fn measure(&self, measure: &mut Measure<'_>) {
        measure.text(&self.name);
    }
}

impl Measured for wit::Reconciliation {
    fn measure(&self, measure: &mut Measure<'_>) {
        self.changes.measure(measure);
        measure.optional(&[&self.next]);
    }
}

impl Measured for wit::NameRefresh {
    fn measure(&self, measure: &mut Measure<'_>) {
        measure.list(&self.subjects);
    }
}
