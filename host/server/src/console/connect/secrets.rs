//! The fields for secrets, as the manifest asks for them.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::super::elements::{Field, busy, problem, text_field};
use integration_host::HostError;
use integration_host_contract::sentence::sentence;
use integration_host_contract::{ErrorCode, Manifest};
use integration_host_seal::secret::{Secret, Secrets};

/// Secrets that were sent, without the blanks that pasting brings along.
pub(super) struct SentSecrets(pub(super) Secrets);

impl<'de> Deserialize<'de> for SentSecrets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let sent = BTreeMap::<String, String>::deserialize(deserializer)?;
        let secrets = sent.into_iter().map(|(name, value)| {
            let value = Zeroizing::new(value);
            (name, Secret::new(value.trim()))
        });
        Ok(Self(secrets.collect()))
    }
}

/// A field for each secret, empty whatever was sent, and what was wrong with what was sent.
pub(super) fn secret_fields(manifest: &Manifest, error: Option<&HostError>) -> Markup {
    let message = error.map(|error| sentence(&error.message));
    // With several fields the sentence says which it is about.
    let is_of_field = manifest.secrets.len() == 1
        && error.is_some_and(|error| {
            matches!(
                error.code,
                ErrorCode::InvalidInput | ErrorCode::Unauthorized
            )
        });
    html! {
        @if let Some(message) = message.as_deref().filter(|_| !is_of_field) { (problem(message)) }
        @for (index, secret) in manifest.secrets.iter().enumerate() {
            (text_field(&Field {
                name: &secret.name,
                label: &secret.label,
                kind: "password",
                help: Some(&secret.help),
                help_url: Some(&secret.help_url),
                problem: message.as_deref().filter(|_| is_of_field),
                autofocus: index == 0,
                ..Field::default()
            }))
        }
    }
}

/// What a script says while the remote service is asked.
pub(super) fn while_asked(manifest: &Manifest) -> Markup {
    busy(&format!("Asking {}…", manifest.name))
}

/// A form that is shown again because what was sent does not do.
pub(super) fn unfit(page: Response) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
}
