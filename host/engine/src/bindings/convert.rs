//! What a component is given, and what it says, between the generated bindings and the contract's plain types. What it returns
//! is in `returned`.

use jiff::Timestamp;

use super::exports::worksights::integration::integration as wit;
use super::worksights::integration::{http as wit_http, user_directory as wit_directory};
use integration_host_contract::sentence::{cut, printable};
use integration_host_contract::{
    Callback, ErrorCode, Header, IntegrationError, Selection, User, WebhookRequest,
};

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

impl From<Callback> for wit::Callback {
    fn from(callback: Callback) -> Self {
        Self {
            url: callback.url,
            holder: callback.holder,
            take_over: callback.take_over,
        }
    }
}

impl From<WebhookRequest> for wit::WebhookRequest {
    fn from(request: WebhookRequest) -> Self {
        Self {
            callback_url: request.callback_url,
            headers: request.headers.into_iter().map(Into::into).collect(),
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

impl From<User> for wit_directory::User {
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            name: user.name,
            email: user.email,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_components_sentence_stays_one_line_of_bounded_length() {
        let error = IntegrationError::from(wit::Error::Internal("a\nWARN forged\u{1b}[2J".into()));
        assert_eq!(error.message, "a WARN forged [2J");
        let error = IntegrationError::from(wit::Error::Internal("ü".repeat(100_000)));
        assert_eq!(error.message.chars().count(), MAX_SENTENCE + 1);
    }
}
