//! What the integration is and needs.

use crate::model::{
    Manifest, MistakenSecret, Noun, Pacing, SecretField, SignatureScheme, SubjectKind,
    WebhookRequirements,
};
use crate::names::Kind;
use crate::state::{self, Webhook};
use crate::toggl::{API_HOST, QUOTA_WINDOW_SECONDS, TOKEN_SECRET};
use crate::webhook::{SIGNATURE_HEADER, SIGNATURE_PREFIX};

const SUBJECT_KINDS: [SubjectKind; 3] = [kind(Kind::Client), kind(Kind::Project), kind(Kind::Task)];

const fn kind(kind: Kind) -> SubjectKind {
    SubjectKind {
        id: kind.name(),
        noun: Noun {
            singular: kind.name(),
            plural: kind.plural(),
        },
    }
}

/// The manifest.
pub(crate) const MANIFEST: Manifest = Manifest {
    id: "toggl",
    name: "Toggl Track",
    version: env!("CARGO_PKG_VERSION"),
    description: "Shows the time entries of a Toggl Track workspace as they are logged.",
    scope_noun: Noun {
        singular: "workspace",
        plural: "workspaces",
    },
    subject_kinds: &SUBJECT_KINDS,
    charted_kind: Kind::Project.name(),
    secrets: &[SecretField {
        name: TOKEN_SECRET,
        label: "API token",
        help: "You find it at the bottom of your Toggl Track profile page; a workspace admin's token is needed.",
        help_url: "https://track.toggl.com/profile",
        mistaken: &[MistakenSecret {
            prefix: "toggl_sk_",
            message: "This is a key of Toggl Focus (Toggl 2.0), which reports no time entries. \
                          Copy the API token from the bottom of the Toggl Track profile page, \
                          https://track.toggl.com/profile.",
        }],
    }],
    hosts: &[API_HOST],
    // Toggl documents a leaky bucket of about one request a second, and quotas of one hour.
    pacing: Pacing {
        burst: 5,
        requests_per_minute: 60,
        longest_quota_seconds: QUOTA_WINDOW_SECONDS,
    },
    webhook: WebhookRequirements {
        public_https: true,
        signature_header: SIGNATURE_HEADER,
        signature: Some(SignatureScheme {
            prefix: SIGNATURE_PREFIX,
            storage_key: state::WEBHOOK,
            secret_members: &Webhook::SECRETS,
        }),
    },
};
