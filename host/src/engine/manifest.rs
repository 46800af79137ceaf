//! Whether a manifest makes sense. The host shows it to people, builds a form from it and compares
//! every delivery's headers with it, so nonsense is refused when the component is loaded.

use std::collections::BTreeSet;

use http::HeaderName;

use crate::contract::Manifest;

/// The most secrets, and the most hosts, one integration can ask for.
const MAX_ENTRIES: usize = 32;

/// The longest text of a manifest, in bytes.
const MAX_TEXT_BYTES: usize = 2_000;

/// What is wrong with a manifest. Continues “its …”.
pub(super) fn fault(manifest: &Manifest) -> Option<String> {
    let Manifest {
        id,
        name,
        version,
        description,
        secrets,
        hosts,
        ..
    } = manifest;
    if !is_short_name(id) {
        return Some("id is not a short name of lower-case letters, digits and `-`".to_owned());
    }
    if secrets.len() > MAX_ENTRIES || hosts.len() > MAX_ENTRIES {
        return Some(format!(
            "manifest asks for more than {MAX_ENTRIES} secrets or hosts"
        ));
    }
    let mut names = BTreeSet::new();
    for secret in secrets {
        if !is_short_name(&secret.name) || !names.insert(&secret.name) {
            return Some(
                "secrets are not named each by a short name of lower-case letters, digits and `-`"
                    .to_owned(),
            );
        }
    }
    let fields = secrets
        .iter()
        .flat_map(|secret| [&secret.label, &secret.help, &secret.help_url]);
    let mistaken = secrets
        .iter()
        .flat_map(|secret| &secret.mistaken)
        .flat_map(|mistaken| [&mistaken.prefix, &mistaken.message]);
    let mut texts = [name, version, description]
        .into_iter()
        .chain(fields)
        .chain(mistaken)
        .chain(hosts);
    if name.trim().is_empty() {
        return Some("name is empty".to_owned());
    }
    // Control characters could rewrite the terminal of whoever inspects the component.
    if texts.any(|text| text.len() > MAX_TEXT_BYTES || text.contains(char::is_control)) {
        return Some(format!(
            "manifest has a text with line breaks or other control characters, or of more than {MAX_TEXT_BYTES} bytes"
        ));
    }
    if HeaderName::from_lowercase(manifest.signature_header.as_bytes()).is_err() {
        return Some("signature header is not the name of a header in lower case".to_owned());
    }
    None
}

fn is_short_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
