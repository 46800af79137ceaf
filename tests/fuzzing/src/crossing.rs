//! One call of the integration, and everything it is told meanwhile.
//!
//! The input is text in sections, so that a corpus can be read and written by hand:
//!
//! ```text
//! reconcile 1772323200000 1772366400000
//! --- storage names/progress
//! {"stage":1,"page":2}
//! --- 200 x-next-row-number: 51; x-toggl-quota-remaining: 3
//! [{"user_id":1,"time_entries":[]}]
//! --- deliver
//! {"payload":"ping"}
//! ```
//!
//! The first line is the call; answers are given in order, one a request. Any bytes mean something.

use std::collections::BTreeMap;

use toggl_integration::capability::{Header, HttpResponse};
use toggl_integration::model::WebhookRequest;

use crate::lent::{CALLBACK, WORKSPACE, connected, signed};

const SECTION: &[u8] = b"\n--- ";

/// Answers of one call, at most.
const MOST_ANSWERS: usize = 40;

/// A call of the contract.
#[derive(Clone, Debug)]
pub enum Call {
    Test,
    Connect(String),
    Subscribe,
    Deliver(WebhookRequest),
    MapUsers,
    RefreshNames,
    Check,
    /// From and to, in milliseconds, and where to continue.
    Reconcile(i64, i64, Option<String>),
    LookUp(Vec<String>),
    Disconnect,
}

impl Call {
    /// Whether it makes a secret, which is random.
    pub fn is_random(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Subscribe)
    }
}

/// A call and its surroundings.
pub struct Crossing {
    pub call: Call,
    pub stored: BTreeMap<String, Vec<u8>>,
    pub answers: Vec<HttpResponse>,
}

impl Crossing {
    /// What an input says.
    pub fn parse(input: &[u8]) -> Self {
        let mut sections = sections(input);
        let first = sections.next().unwrap_or_default();
        let mut stored = connected();
        let mut answers = Vec::new();
        let mut delivery = signed(b"{\"payload\":\"ping\"}");
        for section in sections {
            let (head, content) = split_line(section);
            let (word, rest) = head.split_once(' ').unwrap_or((&head, ""));
            match word {
                "storage" if (1..=100).contains(&rest.len()) => {
                    stored.insert(rest.to_owned(), content.into());
                }
                "deliver" => delivery = deliver(rest, content),
                _ if answers.len() < MOST_ANSWERS => answers.push(HttpResponse {
                    status: word.parse().unwrap_or(200),
                    headers: headers(rest),
                    body: content.into(),
                }),
                _ => {}
            }
        }
        let (line, _) = split_line(first);
        Self {
            call: call(&line, delivery),
            stored,
            answers,
        }
    }
}

/// The sections of an input.
pub fn sections(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(input);
    std::iter::from_fn(move || {
        let all = rest?;
        let end = all.windows(SECTION.len()).position(|here| here == SECTION);
        let section = end.map_or(all, |end| &all[..end]);
        rest = end.map(|end| &all[end + SECTION.len()..]);
        Some(section)
    })
}

/// The first line as text, and what follows it.
pub fn split_line(section: &[u8]) -> (String, &[u8]) {
    let end = section.iter().position(|byte| *byte == b'\n');
    let (line, rest) = match end {
        Some(end) => (&section[..end], &section[end + 1..]),
        None => (section, &[][..]),
    };
    (String::from_utf8_lossy(line).into_owned(), rest)
}

fn call(line: &str, delivery: WebhookRequest) -> Call {
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let mut next = || words.next();
    match next().unwrap_or_default() {
        "test" => Call::Test,
        "connect" => Call::Connect(next().map_or_else(|| WORKSPACE.to_string(), str::to_owned)),
        "subscribe" => Call::Subscribe,
        "map-users" => Call::MapUsers,
        "refresh-names" => Call::RefreshNames,
        "check" => Call::Check,
        "reconcile" => {
            let mut time = || {
                next()
                    .and_then(|word| word.parse().ok())
                    .unwrap_or_default()
            };
            Call::Reconcile(time(), time(), next().map(str::to_owned))
        }
        "look-up" => Call::LookUp(words.map(str::to_owned).collect()),
        "disconnect" => Call::Disconnect,
        _ => Call::Deliver(delivery),
    }
}

/// A delivery, signed unless the section brings headers of its own.
fn deliver(head: &str, body: &[u8]) -> WebhookRequest {
    let given: Vec<Header> = head.split("; ").filter_map(header).collect();
    if given.is_empty() {
        return signed(body);
    }
    WebhookRequest {
        callback_url: CALLBACK.into(),
        headers: given,
        body: body.into(),
    }
}

/// The headers an answer may have: those the host neither hides nor acts on.
fn headers(head: &str) -> Vec<Header> {
    let is_passed_on = |header: &Header| {
        header.name.starts_with("x-")
            || ["content-type", "retry-after"].contains(&header.name.as_str())
    };
    head.split("; ")
        .filter_map(header)
        .filter(is_passed_on)
        .collect()
}

fn header(text: &str) -> Option<Header> {
    let (name, value) = text.split_once(": ")?;
    Some(Header {
        name: name.to_ascii_lowercase(),
        value: value.into(),
    })
}
