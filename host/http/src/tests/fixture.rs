//! An integration, its secrets and a request of it.

use std::time::Duration;

use tokio::time::Instant;

use super::super::{Authorization, Credential, GuestRequest};
use integration_host_contract::{Manifest, Noun, Pacing, SecretField};
use integration_host_seal::secret::{Secret, Secrets};

pub const HOST: &str = "api.example";
pub const TOKEN: &str = "1971800d4d82861d8f2c1651fea4d212";

pub fn manifest(pacing: Pacing) -> Manifest {
    let secret = |name: &str| SecretField {
        name: name.to_owned(),
        label: String::new(),
        help: String::new(),
        help_url: String::new(),
        mistaken: Vec::new(),
    };
    Manifest {
        id: "example".to_owned(),
        name: "Example".to_owned(),
        version: "1.0.0".to_owned(),
        description: String::new(),
        scope_noun: Noun {
            singular: "workspace".to_owned(),
            plural: "workspaces".to_owned(),
        },
        subject_kinds: Vec::new(),
        charted_kind: None,
        secrets: vec![secret("api-token"), secret("other")],
        hosts: vec![HOST.to_owned(), "other.example".to_owned()],
        pacing,
        public_https: false,
        signature_header: "x-signature".to_owned(),
        signature: None,
    }
}

pub fn secrets() -> Secrets {
    [("api-token".to_owned(), Secret::new(TOKEN))].into()
}

pub fn get(path: &str) -> GuestRequest {
    GuestRequest {
        method: http::Method::GET,
        url: format!("https://{HOST}{path}"),
        headers: Vec::new(),
        authorization: Authorization::Basic {
            username: Credential::Secret("api-token".to_owned()),
            password: Credential::Literal("api_token".to_owned()),
        },
        body: None,
        idempotent: true,
    }
}

pub fn in_a_minute() -> Instant {
    Instant::now() + Duration::from_secs(60)
}
