//! Any answers of a SCIM service: users are made of them, or a sentence says why not.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use integration_host_contract::User;
use integration_host_contract::id::UserId;
use integration_host_directory::UserDirectory as _;
use integration_host_directory::scim::{ScimDirectory, TokenSource};
use integration_host_http::{HttpClient, HttpError, IncomingResponse, OutgoingRequest};
use integration_host_seal::secret::Secret;
use tokio::runtime::{Builder, Runtime};
use url::Url;

use crate::assert_is_sentence;

const BASE: &str = "https://idp.example.com/scim/v2";
const TOKEN: &str = "a-token-that-is-told-nobody-else";

/// Time passes at once: the directory waits before it asks again.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true);
    builder.build().expect("a runtime")
});

/// Runs the target. The input is answers, with a line `---` between them: a status on a line of its own,
/// and the body.
pub fn run(input: &[u8]) {
    let service = Arc::new(Service::new(input));
    RUNTIME.block_on(look_up(&service));
    for url in service.asked.lock().expect("no panic before").iter() {
        assert!(
            url.as_str().starts_with(BASE),
            "the token went to {url}, wherever that is"
        );
    }
}

async fn look_up(service: &Arc<Service>) {
    let base = Url::parse(BASE).expect("a URL");
    let token = TokenSource::Given(Secret::new(TOKEN));
    let timeout = Duration::from_secs(10);
    let directory = match ScimDirectory::connect(service.clone(), base, token, timeout).await {
        Ok(directory) => directory,
        Err(error) => return check_error(&error.to_string()),
    };
    let emails = ["ada@example.com", "", "bob@example.com"].map(str::to_owned);
    match directory.find_by_email(&emails).await {
        Ok(found) => {
            assert_eq!(found.len(), emails.len(), "an address is not answered");
            found.iter().flatten().for_each(check_user);
        }
        Err(error) => check_error(&error.to_string()),
    }
    match directory.search("a", 3).await {
        Ok(found) => {
            assert!(
                found.len() <= 3,
                "{} users where 3 were wanted",
                found.len()
            );
            found.iter().for_each(check_user);
        }
        Err(error) => check_error(&error.to_string()),
    }
    let id = UserId::new("../2819c223");
    match directory.find_by_id(&id).await {
        Ok(found) => assert!(
            found.is_none_or(|user| user.id == id),
            "somebody else is found"
        ),
        Err(error) => check_error(&error.to_string()),
    }
    if let Err(error) = directory.count().await {
        check_error(&error.to_string());
    }
}

fn check_user(user: &User) {
    assert!(!user.id.as_str().trim().is_empty() && !user.name.is_empty());
    assert!(user.email.as_ref().is_none_or(|email| !email.is_empty()));
}

fn check_error(text: &str) {
    assert_is_sentence(text);
    assert!(text.len() < 600, "an error repeats what the service said");
    assert!(!text.contains(TOKEN), "an error holds the token");
}

/// A service that gives its answers one after another, and then none.
struct Service {
    answers: Mutex<VecDeque<(u16, Vec<u8>)>>,
    asked: Mutex<Vec<Url>>,
}

impl Service {
    fn new(input: &[u8]) -> Self {
        let text = String::from_utf8_lossy(input);
        let answers = text.split("\n---\n").map(|answer| {
            let (status, body) = answer.split_once('\n').unwrap_or((answer, ""));
            (status.trim().parse().unwrap_or(200), body.into())
        });
        Self {
            answers: Mutex::new(answers.collect()),
            asked: Mutex::default(),
        }
    }
}

#[async_trait]
impl HttpClient for Service {
    async fn send(&self, request: OutgoingRequest) -> Result<IncomingResponse, HttpError> {
        self.asked
            .lock()
            .expect("no panic before")
            .push(request.url);
        let answer = self.answers.lock().expect("no panic before").pop_front();
        let Some((status, body)) = answer else {
            return Err(HttpError::Refused("the answers are used up".to_owned()));
        };
        Ok(IncomingResponse {
            status,
            headers: Vec::new(),
            body,
        })
    }
}
