//! Whether a manifest makes sense. The host shows it to people, builds a form from it and compares
//! every delivery's headers with it, so nonsense is refused when the component is loaded.

use std::collections::BTreeSet;

use http::HeaderName;

use integration_host_contract::Manifest;
use integration_host_storage::MAX_KEY_BYTES;

/// The longest prefix of a signature.
const MAX_PREFIX_BYTES: usize = 64;
/// The most secrets that a signature is compared with.
const MAX_SECRETS: usize = 4;
/// The most secrets, and the most hosts, one integration can ask for.
const MAX_ENTRIES: usize = 32;

/// The longest noun, in bytes.
const MAX_NOUN_BYTES: usize = 40;

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
    if let Some(fault) = fault_of_nouns(manifest) {
        return Some(fault);
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
    if let Some(scheme) = &manifest.signature {
        let is_visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if scheme.prefix.len() > MAX_PREFIX_BYTES || !is_visible(&scheme.prefix) {
            return Some(format!(
                "signature prefix is no visible text of at most {MAX_PREFIX_BYTES} bytes"
            ));
        }
        if !(1..=MAX_KEY_BYTES).contains(&scheme.storage_key.len()) {
            return Some(format!(
                "signature storage key does not have 1 to {MAX_KEY_BYTES} bytes"
            ));
        }
        let members = &scheme.secret_members;
        if !(1..=MAX_SECRETS).contains(&members.len()) || members.iter().any(String::is_empty) {
            return Some(format!(
                "signature names no secrets, more than {MAX_SECRETS}, or one without a name"
            ));
        }
    }
    None
}

/// What is wrong with what things are called.
fn fault_of_nouns(manifest: &Manifest) -> Option<String> {
    let kinds = &manifest.subject_kinds;
    if kinds.len() > MAX_ENTRIES {
        return Some(format!(
            "manifest names more than {MAX_ENTRIES} kinds of subject"
        ));
    }
    let mut ids = BTreeSet::new();
    for kind in kinds {
        if !is_short_name(&kind.id) || !ids.insert(&kind.id) {
            return Some(
                "kinds of subject have not each an id of their own of lower-case letters, digits and `-`"
                    .to_owned(),
            );
        }
    }
    if let Some(charted) = &manifest.charted_kind
        && !ids.contains(charted)
    {
        return Some("charted kind is none of its kinds of subject".to_owned());
    }
    let nouns = kinds.iter().map(|kind| &kind.noun);
    let mut words = nouns
        .chain([&manifest.scope_noun])
        .flat_map(|noun| [&noun.singular, &noun.plural]);
    (!words.all(|word| is_noun(word))).then(|| {
        format!(
            "scope noun, or that of a kind of subject, is not one to {MAX_NOUN_BYTES} bytes of letters with single spaces between words"
        )
    })
}

/// Whether a word can stand within a sentence, and at its beginning.
fn is_noun(word: &str) -> bool {
    word.len() <= MAX_NOUN_BYTES
        && word
            .split(' ')
            .all(|part| !part.is_empty() && part.chars().all(char::is_alphabetic))
}

fn is_short_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::is_noun;

    #[test]
    fn a_noun_fits_into_a_sentence() {
        for good in ["workspace", "team space", "Projekt", "Kundin", "câmara"] {
            assert!(is_noun(good), "{good:?}");
        }
        let long = "w".repeat(41);
        for bad in [
            "",
            " ",
            " workspace",
            "workspace ",
            "team  space",
            "work\nspace",
            "<b>workspace",
            "workspace1",
            "work-space",
            "\u{202e}workspace",
            &long,
        ] {
            assert!(!is_noun(bad), "{bad:?} would stand on pages");
        }
    }
}
