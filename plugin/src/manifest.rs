//! What the integration is and needs.

use crate::model::{
    Manifest, MistakenSecret, Pacing, SecretField, SignatureScheme, WebhookRequirements,
};
use crate::state::{self, Webhook};
use crate::toggl::{API_HOST, QUOTA_WINDOW_SECONDS, TOKEN_SECRET};
use crate::webhook::{SIGNATURE_HEADER, SIGNATURE_PREFIX};

/// The manifest.
pub(crate) fn describe() -> Manifest {
    Manifest {
        id: "toggl".into(),
        name: "Toggl Track".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        description: "Shows the time entries of a Toggl Track workspace as they are logged.".into(),
        secrets: vec![SecretField {
            name: TOKEN_SECRET.into(),
            label: "API token".into(),
            help: "You find it at the bottom of your Toggl Track profile page; a workspace admin's token is needed.".into(),
            help_url: "https://track.toggl.com/profile".into(),
            mistaken: vec![MistakenSecret {
                prefix: "toggl_sk_".into(),
                message: "This is a key of Toggl Focus (Toggl 2.0), which reports no time entries. \
                          Copy the API token from the bottom of the Toggl Track profile page, \
                          https://track.toggl.com/profile."
                    .into(),
            }],
        }],
        hosts: vec![API_HOST.into()],
        // Toggl documents a leaky bucket of about one request a second, and quotas of one hour.
        pacing: Pacing {
            burst: 5,
            requests_per_minute: 60,
            longest_quota_seconds: QUOTA_WINDOW_SECONDS,
        },
        webhook: WebhookRequirements {
            public_https: true,
            signature_header: SIGNATURE_HEADER.into(),
            signature: Some(SignatureScheme {
                prefix: SIGNATURE_PREFIX.into(),
                storage_key: state::WEBHOOK.into(),
                secret_members: Webhook::SECRETS.map(Into::into).into(),
            }),
        },
    }
}
