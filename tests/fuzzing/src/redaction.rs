//! A secret does not survive, in whatever form it comes back.
//!
//! The input is lines: a secret, what stands before it, and what stands after it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use integration_host_http::Redactor;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Below this a secret is only found as a word of its own.
const SHORT_BYTES: usize = 8;

/// Secrets that are looked at have at most so many bytes: longer ones take long and show nothing more.
const MOST_BYTES: usize = 256;

/// Runs the target.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return check_bytes(input);
    };
    let mut lines = text.splitn(3, '\n');
    let mut next = || lines.next().unwrap_or_default();
    let (secret, before, after) = (next(), next(), next());
    if secret.len() > MOST_BYTES {
        return;
    }
    let redactor = Redactor::new([secret]);
    for form in forms(secret) {
        let result = redactor.redact_text(format!("{before}{form}{after}"));
        assert_eq!(result.len(), before.len() + form.len() + after.len());
        if form.len() >= SHORT_BYTES {
            let survivor = &result.as_bytes()[before.len()..before.len() + form.len()];
            assert!(
                survivor.iter().all(|byte| *byte == b'*'),
                "the secret {secret:?} as {form:?} came through: {result:?}"
            );
        }
    }
    check_base64(&redactor, secret, before, after);
    let nothing = Redactor::new([]).redact_text(text.to_owned());
    assert_eq!(nothing, text, "a text without secrets was changed");
}

/// The forms in which a service may write a secret.
fn forms(secret: &str) -> [String; 7] {
    let json = serde_json::Value::from(secret).to_string();
    [
        secret.to_owned(),
        json[1..json.len() - 1].to_owned(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC)
            .to_string()
            .to_ascii_lowercase(),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        hex::encode(secret),
        hex::encode_upper(secret),
    ]
}

/// In base64 the characters that hold nothing but bits of the secret are gone.
fn check_base64(redactor: &Redactor, secret: &str, before: &str, after: &str) {
    let first = (before.len() * 8).div_ceil(6);
    let end = (before.len() + secret.len()) * 8 / 6;
    if end < first + SHORT_BYTES {
        return;
    }
    let whole = format!("{before}{secret}{after}");
    for encoded in [STANDARD.encode(&whole), URL_SAFE.encode(&whole)] {
        let result = redactor.redact_text(encoded.clone());
        assert!(
            result.as_bytes()[first..end]
                .iter()
                .all(|byte| *byte == b'*'),
            "the secret {secret:?} came through in base64: {encoded} became {result}"
        );
    }
}

/// Bytes that are no text are searched as well.
fn check_bytes(input: &[u8]) {
    let mut bytes = input.to_vec();
    bytes.extend_from_slice(b"0123456789abcdef");
    bytes.extend_from_slice(input);
    Redactor::new(["0123456789abcdef"]).redact(&mut bytes);
    assert_eq!(bytes.len(), 2 * input.len() + 16);
    assert_eq!(bytes[input.len()..input.len() + 16], [b'*'; 16]);
}
