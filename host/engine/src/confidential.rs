//! What nobody is to read in what an integration says.
//!
//! A remote service may quote the request it answers, the callback URL in it and the secret it was to sign with, and an
//! integration repeats what the service says. So its sentences and log lines are looked through before anything is
//! done with them: secrets and hook ids become asterisks, in whatever form they are written.

use parking_lot::Mutex;
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use crate::capability::http::SecretSource;
use integration_host_contract::id::ConnectionId;
use integration_host_http::Redactor;
use integration_host_seal::secret::{Secret, Secrets};

/// From this length on a text without spaces in storage is taken for a secret, whatever it looks like.
const LONG: usize = 32;
/// From this length on it is, if there is a digit in it.
const MEDIUM: usize = 20;
/// No secret is longer.
const LONGEST: usize = 1024;
/// So many are looked for.
const MOST: usize = 256;
/// So many bytes of a value are looked at: a secret is kept in a small one, and a large one is a cache of names.
const LOOKED_AT: usize = 16 * 1024;
/// So many hexadecimal digits are a hook id, or so much of one that the rest could be guessed.
const HOOK_DIGITS: usize = 16;

/// The secrets of a call: those a person gave, and what could be one in what storage showed to it. Which of the values
/// that it keeps are secrets only an integration knows, so what looks like one is taken for one.
pub(crate) struct Confidential {
    connection: ConnectionId,
    source: SecretSource,
    given: OnceCell<Secrets>,
    seen: Mutex<Vec<Zeroizing<String>>>,
}

impl Confidential {
    pub(crate) fn new(connection: ConnectionId, source: SecretSource) -> Self {
        Self {
            connection,
            source,
            given: OnceCell::new(),
            seen: Mutex::default(),
        }
    }

    /// Looks for secrets in something that was shown to the call, or that it keeps.
    pub(crate) fn note(&self, value: &[u8]) {
        let mut seen = self.seen.lock();
        let parts = value
            .get(..LOOKED_AT)
            .unwrap_or(value)
            .split(|byte| !byte.is_ascii_graphic() || b"\"'\\,;{}[]<>()".contains(byte))
            .filter_map(|part| std::str::from_utf8(part).ok())
            .filter(|part| is_like_a_secret(part));
        for part in parts {
            // The last part of a callback URL opens it wherever it stands.
            let end = part.rsplit('/').next().filter(|end| is_like_a_secret(end));
            for text in [Some(part), end].into_iter().flatten() {
                if seen.len() < MOST && !seen.iter().any(|known| known.as_str() == text) {
                    seen.push(Zeroizing::new(text.to_owned()));
                }
            }
        }
    }

    /// The text without secrets and hook ids.
    pub(crate) async fn blot(&self, text: String) -> String {
        if !could_hold_a_secret(&text) {
            return text;
        }
        let mut bytes = self.redactor().await.redact_text(text).into_bytes();
        blot_hooks(&mut bytes);
        // Digits became asterisks, so it is text as before.
        String::from_utf8(bytes).unwrap_or_default()
    }

    /// Blots secrets and hook ids out of the body of an answer, of which an integration may repeat a part.
    pub(crate) async fn blot_body(&self, body: &mut [u8]) {
        self.redactor().await.redact(body);
        blot_hooks(body);
    }

    async fn redactor(&self) -> Redactor {
        let given = self
            .given
            .get_or_init(async || {
                // What cannot be read now was not given to the remote service in this call either.
                let secrets = self.source.secrets(&self.connection).await;
                secrets.unwrap_or_default()
            })
            .await;
        let seen = self.seen.lock();
        let every = given.values().map(Secret::expose);
        Redactor::new(every.chain(seen.iter().map(|text| text.as_str())))
    }
}

fn is_like_a_secret(text: &str) -> bool {
    let has_digit = || text.bytes().any(|byte| byte.is_ascii_digit());
    text.len() <= LONGEST && (text.len() >= LONG || (text.len() >= MEDIUM && has_digit()))
}

/// Whether there is a word that is no word. Most sentences have none, and cost nothing.
fn could_hold_a_secret(text: &str) -> bool {
    text.split_whitespace().any(|word| {
        let word = word.trim_matches(|character: char| !character.is_alphanumeric());
        word.len() >= 16 || (word.len() >= 8 && !word.chars().all(char::is_alphabetic))
    })
}

/// Blots out hook ids, of whatever connection and host.
fn blot_hooks(text: &mut [u8]) {
    let runs = text.chunk_by_mut(|one, next| one.is_ascii_hexdigit() && next.is_ascii_hexdigit());
    for run in runs.filter(|run| run.len() >= HOOK_DIGITS) {
        // A mere number is none.
        let letters = run.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
        if letters > 0 && letters < run.len() {
            run.fill(b'*');
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const TOKEN: &str = "1971800d4d82861d8f2c1651fea4d212";
    const HOOK: &str = "0f3c5a7e9b1d2f4a6c8e0a2b4d6f8091";
    const SIGNING: &str = "kQ3vZy8LmNpR2sTuVwXzAbCdEfGh";

    fn confidential() -> Confidential {
        let secrets = Secrets::from([("api-token".to_owned(), Secret::new(TOKEN))]);
        let confidential = Confidential::new(ConnectionId::new("c"), SecretSource::Given(secrets));
        let stored = format!(
            r#"{{"workspace_id":43,"secret":"{SIGNING}","callback_url":"https://host.example.com/hooks/{HOOK}"}}"#
        );
        confidential.note(stored.as_bytes());
        confidential
    }

    #[tokio::test]
    async fn whatever_a_service_quotes_is_blotted_in_every_form() {
        let confidential = confidential();
        let url = format!("https://host.example.com/hooks/{HOOK}");
        for secret in [TOKEN, HOOK, SIGNING, &url] {
            for form in [
                secret.to_owned(),
                secret.to_uppercase(),
                secret.replace('/', "\\/"),
                url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
                STANDARD.encode(secret),
                STANDARD.encode(format!("me:{secret}!")),
                hex::encode(secret),
            ] {
                let text = format!("Toggl answered 400: “url {form} is not valid”.");
                let blotted = confidential.blot(text).await;
                assert!(blotted.contains("****************"), "{blotted}");
                let left: String = form.chars().skip(8).take(form.len() / 2).collect();
                assert!(!blotted.contains(&left), "{secret} as {form}: {blotted}");
            }
        }
        let another = "https://elsewhere.example/hooks/00112233445566778899aabbccddeeff";
        let blotted = confidential
            .blot(format!("other tools hold them: {another}"))
            .await;
        assert!(blotted.ends_with(&"*".repeat(32)), "{blotted}");
    }

    #[tokio::test]
    async fn sentences_stay_readable() {
        let confidential = confidential();
        for text in [
            "The workspace “Northwind” is not there any more: connect another one.",
            "Toggl answered 502 for GET /api/v9/workspaces/7400001/projects?since=1764000000.",
            "A time entry was updated (4700123456).",
            "Toggl answered 400: there is no workspace 12345678901234567890.",
            "",
        ] {
            assert_eq!(confidential.blot(text.to_owned()).await, text);
        }
    }

    #[test]
    fn what_is_looked_for_is_bounded() {
        let confidential = confidential();
        for number in 0..10_000 {
            confidential.note(format!("{number:040}").as_bytes());
        }
        assert_eq!(confidential.seen.lock().len(), MOST);
    }
}
