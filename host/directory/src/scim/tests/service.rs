//! A SCIM service in memory, with the peculiarities of real ones.

use std::sync::{Mutex, MutexGuard};

use super::*;
use integration_host_http::{HttpError, IncomingResponse, OutgoingRequest};
use serde_json::{Value, json};

/// What a service does its own way.
#[derive(Clone)]
pub(super) struct Manner {
    /// The token it accepts.
    pub(super) token: &'static str,
    /// Filters it understands hold these attributes only.
    pub(super) filtered: &'static [&'static str],
    /// What it does with a filter that it does not understand.
    pub(super) otherwise: Otherwise,
    /// The most users of a page.
    pub(super) page: usize,
    /// Whether it returns the first page whatever is asked for.
    pub(super) ignores_start: bool,
    /// What it says is the total.
    pub(super) total: Total,
    /// It refuses to be asked for more users at once.
    pub(super) most_asked: usize,
    /// Whether it refuses to be asked for a page beyond its last user.
    pub(super) refuses_beyond: bool,
}

#[derive(Clone, Copy)]
pub(super) enum Total {
    OfAll,
    OfThePage,
    SoFar,
    Missing,
    Exaggerated,
}

#[derive(Clone, Copy)]
pub(super) enum Otherwise {
    Refuses,
    Ignores,
}

pub(super) const EVERY_ATTRIBUTE: &[&str] = &[
    "displayName",
    "name.formatted",
    "userName",
    "emails.value",
    "id",
];

impl Default for Manner {
    fn default() -> Self {
        Self {
            token: "right",
            filtered: EVERY_ATTRIBUTE,
            otherwise: Otherwise::Refuses,
            page: 100,
            ignores_start: false,
            total: Total::OfAll,
            most_asked: usize::MAX,
            refuses_beyond: false,
        }
    }
}

pub(super) struct Service {
    pub(super) manner: Mutex<Manner>,
    users: Vec<Value>,
    requests: Mutex<Vec<Url>>,
}

impl Service {
    pub(super) fn new(users: Vec<Value>, manner: Manner) -> Arc<Self> {
        Arc::new(Self {
            manner: Mutex::new(manner),
            users,
            requests: Mutex::default(),
        })
    }

    pub(super) fn requests(&self) -> MutexGuard<'_, Vec<Url>> {
        self.requests.lock().unwrap()
    }

    fn answer(&self, request: &OutgoingRequest) -> (u16, Value) {
        let manner = self.manner.lock().unwrap().clone();
        self.requests().push(request.url.clone());
        let authorization = request.headers["authorization"].to_str().unwrap();
        if authorization != format!("Bearer {}", manner.token) {
            return (401, json!({ "status": "401" }));
        }
        let Some(path) = request.url.path().strip_prefix("/scim/v2/Users") else {
            return (404, json!({ "status": "404" }));
        };
        if let Some(id) = path.strip_prefix('/') {
            let has_id = |user: &&Value| {
                let mut members = user.as_object().into_iter().flatten();
                let found = members.find(|(name, _)| name.eq_ignore_ascii_case("id"));
                found.is_some_and(|(_, found)| {
                    found == id || *found == id.parse::<u64>().unwrap_or(u64::MAX)
                })
            };
            let found = self.users.iter().find(has_id);
            return found.map_or((404, Value::Null), |user| (200, user.clone()));
        }
        let parameter = |wanted: &str| {
            let mut all = request.url.query_pairs();
            all.find_map(|(name, value)| (name == wanted).then(|| value.into_owned()))
        };
        let matching: Vec<&Value> = match parameter("filter") {
            None => self.users.iter().collect(),
            Some(filter) => match (terms(&filter, manner.filtered), manner.otherwise) {
                (Some(terms), _) => self
                    .users
                    .iter()
                    .filter(|user| terms.iter().any(|term| term.matches(user)))
                    .collect(),
                (None, Otherwise::Ignores) => self.users.iter().collect(),
                (None, Otherwise::Refuses) => {
                    return (400, json!({ "status": "400", "scimType": "invalidFilter" }));
                }
            },
        };
        let number = |name| parameter(name).map_or(1, |text| text.parse().unwrap());
        let start: usize = if manner.ignores_start {
            1
        } else {
            number("startIndex")
        };
        let count = parameter("count").map_or(manner.page, |text| text.parse().unwrap());
        if count > manner.most_asked || (manner.refuses_beyond && start > matching.len().max(1)) {
            return (400, json!({ "status": "400", "scimType": "invalidValue" }));
        }
        let page: Vec<_> = matching
            .iter()
            .skip(start - 1)
            .take(manner.page.min(count))
            .collect();
        let total = match manner.total {
            Total::OfAll => Some(matching.len()),
            Total::OfThePage => Some(page.len()),
            Total::SoFar => Some(start - 1 + page.len()),
            Total::Missing => None,
            Total::Exaggerated => Some(2 * matching.len()),
        };
        (
            200,
            json!({ "totalResults": total, "startIndex": start, "Resources": page }),
        )
    }
}

struct Term {
    attribute: String,
    operator: String,
    value: String,
}

impl Term {
    fn matches(&self, user: &Value) -> bool {
        let values: Vec<&Value> = match self.attribute.split_once('.') {
            Some(("emails", part)) => {
                let emails = user["emails"].as_array();
                emails
                    .into_iter()
                    .flatten()
                    .map(|email| &email[part])
                    .collect()
            }
            Some((outer, inner)) => vec![&user[outer][inner]],
            None => vec![&user[&self.attribute]],
        };
        let wanted = self.value.to_lowercase();
        values.into_iter().filter_map(Value::as_str).any(|value| {
            let value = value.to_lowercase();
            match self.operator.as_str() {
                "eq" => value == wanted,
                _ => value.contains(&wanted),
            }
        })
    }
}

/// A filter, if it is made of terms about these attributes.
fn terms(filter: &str, attributes: &[&str]) -> Option<Vec<Term>> {
    filter
        .split(" or ")
        .map(|term| {
            let mut parts = term.splitn(3, ' ');
            let attribute = parts.next()?.to_owned();
            let operator = parts.next()?.to_owned();
            let value = serde_json::from_str(parts.next()?).ok()?;
            attributes.contains(&attribute.as_str()).then_some(Term {
                attribute,
                operator,
                value,
            })
        })
        .collect()
}

#[async_trait]
impl HttpClient for Service {
    async fn send(&self, request: OutgoingRequest) -> Result<IncomingResponse, HttpError> {
        let (status, body) = self.answer(&request);
        Ok(IncomingResponse {
            status,
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
        })
    }
}
