//! Numbers that make no sense.

use http::{HeaderMap, HeaderValue, header};
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};

/// Texts in the place of a number in a header.
const TEXTS: [&str; 8] = [
    "99999999999",
    "-1",
    "0",
    "86400",
    "1e9",
    "soon",
    "",
    "Wed, 21 Oct 2099 07:28:00 GMT",
];

/// What counts are replaced with where an answer is about quotas.
const COUNTS: [i64; 5] = [99_999_999_999, -99_999_999_999, -1, 0, i64::MAX];

/// Confuses what an answer says about quotas and waiting.
pub(super) fn confuse(headers: &mut HeaderMap, answer: &mut Value, random: &mut StdRng) {
    for name in ["x-toggl-quota-remaining", "x-toggl-quota-resets-in"] {
        if random.random() {
            headers.insert(name, text(random));
        }
    }
    if random.random() {
        headers.insert(header::RETRY_AFTER, text(random));
    }
    for row in answer.as_array_mut().into_iter().flatten() {
        if row.get("resets_in_secs").is_none() {
            continue;
        }
        for name in ["resets_in_secs", "remaining", "total"] {
            if random.random() {
                row[name] = json!(pick(&COUNTS, random));
            }
        }
    }
}

fn text(random: &mut StdRng) -> HeaderValue {
    HeaderValue::from_static(pick(&TEXTS, random))
}

fn pick<T: Copy + Default>(of: &[T], random: &mut StdRng) -> T {
    of.get(random.random_range(0..of.len()))
        .copied()
        .unwrap_or_default()
}
