//! Blotting secrets out of what comes back.
//!
//! Remote services echo secrets (Toggl's `/me` returns the API token), and error pages quote the
//! request. So every secret is looked for in every form in which a service may plausibly write it.
//!
//! A secret becomes asterisks of the same length, not a word such as `[redacted]`: the body keeps
//! its length, offsets and `Content-Length`, and what was valid JSON, UTF-8 or a valid header stays so.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroize as _;

/// Below this length a text occurs by chance in ordinary answers: it is blotted out only where it
/// stands as a word of its own. No real token is that short, but people type such things.
const SHORT_BYTES: usize = 8;

/// What `encodeURIComponent` leaves alone.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// What RFC 3986 leaves alone.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Replaces secrets by asterisks.
pub struct Redactor {
    /// `None`: there is nothing to look for.
    automaton: Option<AhoCorasick>,
    lengths: Vec<usize>,
}

impl Redactor {
    /// Looks for these secrets: as they are, escaped as in JSON or HTML, percent-encoded, in
    /// hexadecimal, and in base64, there also as a part of something longer such as a Basic
    /// credential. Upper and lower case of ASCII letters are taken as the same.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut forms = BTreeSet::new();
        for secret in secrets {
            collect_forms(secret, &mut forms);
        }
        // The automaton is used with overlapping matches: where two secrets overlap, finding one
        // must not hide the rest of the other.
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(true)
            .build(&forms)
            .ok();
        let redactor = Self {
            automaton: automaton.filter(|_| !forms.is_empty()),
            lengths: forms.iter().map(Vec::len).collect(),
        };
        for mut form in forms {
            form.zeroize();
        }
        redactor
    }

    /// Replaces every secret in the bytes. Their number does not change.
    pub fn redact(&self, bytes: &mut [u8]) {
        for (start, end) in self.occurrences(bytes) {
            if let Some(secret) = bytes.get_mut(start..end) {
                secret.fill(b'*');
            }
        }
    }

    /// Replaces every secret in the text.
    pub fn redact_text(&self, text: String) -> String {
        let mut bytes = text.into_bytes();
        self.redact(&mut bytes);
        // Secrets are text, so a match begins and ends between characters.
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    /// Where secrets are: ranges in order that do not overlap.
    fn occurrences(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        let Some(automaton) = &self.automaton else {
            return ranges;
        };
        for found in automaton.find_overlapping_iter(bytes) {
            let (mut start, end) = (found.start(), found.end());
            let length = self.lengths.get(found.pattern().as_usize());
            if length.is_some_and(|length| *length < SHORT_BYTES) && !is_word(bytes, start, end) {
                continue;
            }
            // Matches come in the order of their ends, so only the last ranges can overlap this one.
            while let Some((last_start, _)) = ranges.pop_if(|(_, last_end)| *last_end >= start) {
                start = start.min(last_start);
            }
            ranges.push((start, end));
        }
        ranges
    }
}

/// Whether no letter or digit stands right before or after.
fn is_word(bytes: &[u8], start: usize, end: usize) -> bool {
    let joins = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    !joins(start.checked_sub(1).and_then(|before| bytes.get(before))) && !joins(bytes.get(end))
}

fn collect_forms(secret: &str, forms: &mut BTreeSet<Vec<u8>>) {
    let mut add = |form: String| {
        if !form.is_empty() {
            forms.insert(form.into_bytes());
        }
    };
    add(secret.to_owned());
    let json = json_escaped(secret);
    add(json.replace('/', "\\/"));
    add(escape_as_code_points(&json, |character| {
        !character.is_ascii()
    }));
    // Go's encoder, which Toggl uses, also escapes what is special in HTML.
    add(escape_as_code_points(&json, |character| {
        "<>&".contains(character)
    }));
    add(escape_as_code_points(&json, |character| {
        !character.is_ascii() || "<>&'+".contains(character)
    }));
    add(json);
    add(html_escaped(secret, "&#34;", "&#39;"));
    add(html_escaped(secret, "&quot;", "&#x27;"));
    for kept in [NON_ALPHANUMERIC, UNRESERVED, COMPONENT] {
        add(utf8_percent_encode(secret, kept).to_string());
    }
    add(url::form_urlencoded::byte_serialize(secret.as_bytes()).collect());
    // What follows turns few characters into few others, which would occur by chance.
    let mut add_long = |form: String| {
        if form.len() >= SHORT_BYTES {
            forms.insert(form.into_bytes());
        }
    };
    add_long(hex::encode(secret));
    for before in 0..3 {
        add_long(inside_base64(&STANDARD_NO_PAD, secret, before));
        add_long(inside_base64(&URL_SAFE_NO_PAD, secret, before));
    }
}

/// The characters of a base64 text that depend on the secret alone, where `before` bytes (modulo
/// 3) stand before it and anything may follow.
fn inside_base64(engine: &impl base64::Engine, secret: &str, before: usize) -> String {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(secret.as_bytes());
    let whole_characters = bytes.len() * 8 / 6;
    let shared_with_before = (before * 8).div_ceil(6);
    let encoded = engine.encode(bytes);
    encoded
        .get(shared_with_before..whole_characters)
        .unwrap_or_default()
        .to_owned()
}

fn json_escaped(secret: &str) -> String {
    let quoted = serde_json::Value::from(secret).to_string();
    let inside = quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inside.unwrap_or(&quoted).to_owned()
}

/// Writes the selected characters as `\uXXXX`, as JSON allows for any.
fn escape_as_code_points(text: &str, selected: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if selected(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(character);
        }
    }
    escaped
}

fn html_escaped(text: &str, quote: &str, apostrophe: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', quote)
        .replace('\'', apostrophe)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;

    use super::*;

    const TOKEN: &str = "1971800d4d82861d8f2c1651fea4d212";

    fn redacted(secrets: &[&str], text: &str) -> String {
        Redactor::new(secrets.iter().copied()).redact_text(text.to_owned())
    }

    #[test]
    fn a_token_in_an_answer_is_blotted_out_and_the_answer_stays_readable() {
        let body = format!(
            r#"{{"id":7,"api_token":"{TOKEN}","x":"{TOKEN}{TOKEN}","upper":"{}"}}"#,
            TOKEN.to_uppercase()
        );
        let result = redacted(&[TOKEN], &body);
        assert_eq!(result.len(), body.len());
        assert!(!result.to_lowercase().contains(TOKEN), "{result}");
        let value: serde_json::Value = serde_json::from_str(&result).unwrap();
        assert_eq!(value["id"], 7);
        assert_eq!(value["api_token"], "*".repeat(32));
        assert_eq!(value["x"], "*".repeat(64));
    }

    #[test]
    fn a_basic_credential_is_blotted_out_wherever_the_secret_stands_in_it() {
        for credential in [
            format!("{TOKEN}:api_token"),
            format!("me:{TOKEN}"),
            format!("you:{TOKEN}"),
            format!("them:{TOKEN}!"),
        ] {
            for encoded in [STANDARD.encode(&credential), URL_SAFE.encode(&credential)] {
                let result = redacted(&[TOKEN], &format!("authorization: Basic {encoded}"));
                let stars = result.matches('*').count();
                assert!(stars >= 41, "most of {encoded} can still be read: {result}");
            }
        }
    }

    #[test]
    fn every_way_of_writing_a_secret_is_found() {
        let secret = "pä\"ss/w&rd <1>'+ü\\";
        let json = serde_json::to_string(secret).unwrap();
        let json = json.trim_matches('"');
        for form in [
            secret.to_owned(),
            json.to_owned(),
            json.replace('/', "\\/"),
            json.replace('ä', "\\u00e4").replace('ü', "\\u00FC"),
            json.replace('&', "\\u0026")
                .replace('<', "\\u003c")
                .replace('>', "\\u003E"),
            utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
            utf8_percent_encode(secret, NON_ALPHANUMERIC)
                .to_string()
                .to_lowercase(),
            utf8_percent_encode(secret, COMPONENT).to_string(),
            url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
            "pä&#34;ss/w&amp;rd &lt;1&gt;&#39;+ü\\".to_owned(),
            hex::encode(secret),
            hex::encode_upper(secret),
        ] {
            let result = redacted(&[secret], &format!("=={form}=="));
            assert_eq!(result, format!("=={}==", "*".repeat(form.len())), "{form}");
        }
    }

    #[test]
    fn overlapping_secrets_leave_nothing_over() {
        assert_eq!(
            redacted(&["abcdefghij", "ghijklmnop"], "-abcdefghijklmnop-"),
            "-****************-"
        );
        assert_eq!(
            redacted(&["abcdefghij", "abcdefghijkl"], "abcdefghijkl abcdefghij"),
            "************ **********"
        );
        assert_eq!(redacted(&["abababab"], "ababababab!"), "**********!");
    }

    #[test]
    fn a_short_secret_is_found_as_a_word_and_does_not_destroy_others() {
        assert_eq!(
            redacted(&["id"], r#"{"idle":"id","paid":1}"#),
            r#"{"idle":"**","paid":1}"#
        );
        assert_eq!(redacted(&["a"], "banana a"), "banana *");
        assert_eq!(redacted(&[""], "anything"), "anything");
        assert_eq!(redacted(&[], "anything"), "anything");
    }

    proptest! {
        #[test]
        fn no_secret_survives(secret in "\\PC{8,40}", before in "\\PC{0,20}", after in "\\PC{0,20}") {
            let result = redacted(&[&secret], &format!("{before}{secret}{after}"));
            prop_assert!(!result.contains(&secret) || secret.bytes().all(|byte| byte == b'*'));
            prop_assert_eq!(result.len(), before.len() + secret.len() + after.len());
        }
    }
}
