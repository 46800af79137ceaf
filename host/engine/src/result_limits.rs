//! What a component returns becomes the contract's plain types within limits: whatever is converted is counted on the way,
//! so that nothing of a result that is too large is kept or committed. How each type is taken over is in `bindings/returned.rs`.

use super::limit_exceeded::{LimitExceeded, LimitKind};
use crate::bindings::exports::worksights::integration::integration as wit;
use integration_host_contract::limits::Limits;

/// The limits of a result, and what it has used up of them so far.
pub(crate) struct ResultLimits<'a> {
    limits: &'a Limits,
    items: usize,
    exceeded: Option<String>,
}

/// Something a component returns.
pub(crate) trait Returned {
    /// What the host makes of it.
    type Plain;

    /// Takes it over.
    fn take(self, limits: &mut ResultLimits<'_>) -> Self::Plain;

    /// The sentences in it, which may repeat anything.
    fn sentences(&mut self) -> Vec<&mut String> {
        Vec::new()
    }
}

impl<'a> ResultLimits<'a> {
    /// Takes a result over, unless it is too large.
    pub(super) fn take<T: Returned>(
        result: T,
        limits: &'a Limits,
    ) -> Result<T::Plain, LimitExceeded> {
        let mut limits = Self {
            limits,
            items: 0,
            exceeded: None,
        };
        let plain = result.take(&mut limits);
        match limits.exceeded {
            Some(text) => Err(LimitExceeded::new(LimitKind::Result, text)),
            None => Ok(plain),
        }
    }

    /// A text that must stay as it is.
    pub(crate) fn exact(&mut self, text: String) -> String {
        let most = self.limits.result_text_bytes;
        if text.len() > most {
            self.exceeded = Some(format!("it returned a text of more than {most} bytes"));
        }
        text
    }

    /// A text without what not every database can hold: U+0000.
    pub(crate) fn text(&mut self, text: String) -> String {
        let text = self.exact(text);
        match text.contains('\0') {
            true => text.replace('\0', "\u{fffd}"),
            false => text,
        }
    }

    /// [`Self::text`] that may be absent.
    pub(crate) fn optional(&mut self, text: Option<String>) -> Option<String> {
        text.map(|text| self.text(text))
    }

    /// The things in a list, each taken over by `take`. Where there are too many, the rest is left out.
    pub(crate) fn each<T, P>(
        &mut self,
        items: Vec<T>,
        mut take: impl FnMut(&mut Self, T) -> P,
    ) -> Vec<P> {
        self.items = self.items.saturating_add(items.len());
        let most = self.limits.result_items;
        if self.items > most {
            self.exceeded = Some(format!("it returned more than {most} things at once"));
            return Vec::new();
        }
        let mut taken = Vec::with_capacity(items.len());
        for item in items {
            if self.exceeded.is_some() {
                break;
            }
            taken.push(take(self, item));
        }
        taken
    }

    /// The things in a list.
    pub(crate) fn list<T: Returned>(&mut self, items: Vec<T>) -> Vec<T::Plain> {
        self.each(items, |limits, item| item.take(limits))
    }

    /// The body of the answer to a delivery.
    pub(crate) fn answer(&mut self, body: Vec<u8>) -> Vec<u8> {
        let most = self.limits.delivery_answer_bytes;
        if body.len() > most {
            self.exceeded = Some(format!("it answers a delivery with more than {most} bytes"));
        }
        body
    }
}

/// What an error says.
pub(crate) fn sentence_of(error: &mut wit::Error) -> &mut String {
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
