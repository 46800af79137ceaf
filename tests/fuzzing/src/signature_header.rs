//! Any headers with any body: a delivery is taken only with the signature that belongs to it.
//!
//! The input is header lines, `name: value` or a value of the signature header alone, then an empty
//! line, then the body. `{current}`, `{previous}` and `{other}` in a value stand for the body's
//! signature under the present secret, the one before, and one that was never in use.

use toggl_integration::Toggl;
use toggl_integration::capability::Header;
use toggl_integration::model::{DeliveryOutcome, WebhookRequest};

use crate::lent::{CALLBACK, Lent, PREVIOUS_SECRET, SECRET, signature};

const NAME: &str = "x-webhook-signature-256";

/// Runs the target.
pub fn run(input: &[u8]) {
    let (head, body) = split(input);
    let head = String::from_utf8_lossy(head);
    let valid = [SECRET, PREVIOUS_SECRET].map(|secret| signature(secret, body));
    let other = signature("a secret that was never in use", body);
    let fill = |text: &str| {
        text.replace("{current}", &valid[0])
            .replace("{previous}", &valid[1])
            .replace("{other}", &other)
    };
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap_or((NAME, line));
        Header {
            name: name.into(),
            value: fill(value),
        }
    };
    let headers: Vec<Header> = head.split('\n').map(header).collect();

    let signatures: Vec<&Header> = headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case(NAME))
        .collect();
    // One header, and in it the signature: digits may be of either case, space around is no part of it.
    let is_genuine = match signatures[..] {
        [one] => {
            let value = one.value.trim();
            let has_algorithm = value.starts_with("sha256=");
            has_algorithm && valid.contains(&value.to_ascii_lowercase())
        }
        _ => false,
    };
    let result = Toggl::new(&Lent::connected())
        .handle_webhook(&WebhookRequest {
            callback_url: CALLBACK.into(),
            headers,
            body: body.into(),
        })
        .expect("storage answers, so a delivery has an outcome");
    if is_genuine {
        assert_ne!(result.response.status, 401, "a genuine delivery was lost");
    } else {
        assert_eq!(
            (result.outcome, result.response.status),
            (DeliveryOutcome::Refused, 401),
            "somebody without the secret got a delivery taken"
        );
        assert!(result.changes.activities.is_empty() && result.changes.subjects.is_empty());
    }
}

fn split(input: &[u8]) -> (&[u8], &[u8]) {
    let end = input.windows(2).position(|pair| pair == b"\n\n");
    match end {
        Some(end) => (&input[..end], &input[end + 2..]),
        None => (input, b"{\"payload\":\"ping\"}"),
    }
}
