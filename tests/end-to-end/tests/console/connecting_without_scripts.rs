//! Connecting with forms and pages alone, and what must never be in any of them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use end_to_end::{NORTHWIND, Setup, eventually};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Method, StatusCode, Url};
use serde_json::Value;
use toggl_sandbox::control::SetToken;
use toggl_sandbox::{CallFault, Scenario};

/// A browser without scripts: it keeps the session's cookie and remembers everything it was sent.
struct Visitor {
    client: Client,
    url: Url,
    cookie: String,
    seen: Mutex<String>,
}

struct Answer {
    status: StatusCode,
    /// Where it leads on to.
    target: Option<Url>,
    text: String,
}

impl Visitor {
    /// Signs in with a new link.
    async fn sign_in(setup: &Setup) -> Self {
        let made = setup
            .host
            .call(Method::POST, "/sign-in-links", Value::Null)
            .await
            .unwrap();
        let redirects = reqwest::redirect::Policy::none();
        let client = Client::builder().no_proxy().redirect(redirects).build();
        let mut visitor = Self {
            client: client.unwrap(),
            url: setup.host.url.parse().unwrap(),
            cookie: String::new(),
            seen: Mutex::default(),
        };
        let (page, code) = made.1["path"].as_str().unwrap().split_once('?').unwrap();
        let request = visitor
            .client
            .post(visitor.at(page))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(code.to_owned());
        let answer = request.send().await.unwrap();
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
        visitor.cookie = cookie.split(';').next().unwrap().to_owned();
        visitor
    }

    fn at(&self, path: &str) -> Url {
        self.url.join(path).unwrap()
    }

    async fn get(&self, url: &Url) -> Answer {
        self.send(self.client.get(url.clone())).await
    }

    async fn post(&self, url: &Url, fields: &[(&str, &str)]) -> Answer {
        let form = Url::parse_with_params("form:", fields).unwrap();
        let form = form.query().unwrap_or_default().to_owned();
        let request = self
            .client
            .post(url.clone())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        self.send(request).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.header(COOKIE, &self.cookie).send().await.unwrap();
        let target = response.headers().get(LOCATION);
        let target = target.map(|target| response.url().join(target.to_str().unwrap()).unwrap());
        let status = response.status();
        let head = format!("{} {:?}\n", response.url(), response.headers());
        let text = response.text().await.unwrap();
        self.seen.lock().unwrap().push_str(&(head + text.as_str()));
        Answer {
            status,
            target,
            text,
        }
    }

    /// Passes Test Connection, and returns the address of the choice.
    async fn test(&self, token: &str) -> Url {
        let sent = [("api-token", token)];
        let answer = self.post(&self.at("/connect/test"), &sent).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        answer.target.unwrap()
    }

    /// Chooses a workspace, and follows what goes on until it has ended.
    async fn connect(&self, choice: &Url, workspace: i64) -> Answer {
        let answer = self
            .post(choice, &[("scope", &workspace.to_string())])
            .await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        let steps = answer.target.unwrap();
        eventually("connecting never ends", async || {
            let answer = self.get(&steps).await;
            match answer.text.contains(r#"http-equiv="refresh""#) {
                true => Err(answer.text),
                false => Ok(answer),
            }
        })
        .await
        .unwrap()
    }
}

async fn setup() -> Setup {
    let mut scenario = Scenario::default();
    scenario.limits.hourly_quota = false;
    Setup::builder()
        .scenario(scenario)
        .arguments(&["--log-level", "debug"])
        .start()
        .await
        .unwrap()
}

fn fail_calls(setup: &Setup, body: String) {
    setup.toggl().fail_calls(CallFault {
        count: 1,
        status: Some(400),
        body: Some(body),
        headers: BTreeMap::new(),
        ..CallFault::default()
    });
}

#[tokio::test]
async fn a_workspace_is_connected_without_scripts() {
    let setup = setup().await;
    let visitor = Visitor::sign_in(&setup).await;
    let choice = visitor.test(setup.sandbox.token()).await;
    let unchosen = visitor.post(&choice, &[("scope", "")]).await;
    assert_eq!(unchosen.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(unchosen.text.contains("Choose a workspace."));
    let name = "n".repeat(201);
    let sent = [("scope", "7400001"), ("name", name.as_str())];
    let unfit = visitor.post(&choice, &sent).await;
    assert_eq!(unfit.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        unfit.text.contains(&name),
        "what was typed must be typed again"
    );
    // Nobody gets at what cannot be connected by changing the form.
    let suspended = visitor.post(&choice, &[("scope", "7400004")]).await;
    assert_eq!(suspended.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(suspended.text.contains("is suspended"));

    let connected = visitor.connect(&choice, NORTHWIND).await;
    assert_eq!(connected.status, StatusCode::OK);
    assert!(
        connected.text.contains("is connected"),
        "{}",
        connected.text
    );
    let list = setup.host.get("/connections").await.unwrap();
    assert_eq!(list["connections"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn no_page_no_address_and_no_log_holds_the_token() {
    let setup = setup().await;
    let visitor = Visitor::sign_in(&setup).await;
    let token = setup.sandbox.token();
    // Toggl repeats the token in an error.
    fail_calls(&setup, format!("\"bad request with {token}\""));
    let sent = [("api-token", token)];
    let failed = visitor.post(&visitor.at("/connect/test"), &sent).await;
    assert_eq!(failed.status, StatusCode::UNPROCESSABLE_ENTITY);
    let unknown = [("api-token", token), ("another", token)];
    visitor.post(&visitor.at("/connect/test"), &unknown).await;
    let choice = visitor.test(token).await;
    visitor.get(&choice).await;
    fail_calls(&setup, format!("\"bad request with {token}\""));
    let failed = visitor.connect(&choice, NORTHWIND).await;
    assert!(failed.text.contains("is not connected"), "{}", failed.text);
    visitor.connect(&choice, NORTHWIND).await;
    let list = setup.host.get("/connections").await.unwrap();
    let id = list["connections"][0]["id"].as_str().unwrap();
    let renewal = visitor.at(&format!("/connections/{id}/token"));
    visitor.get(&renewal).await;
    let replaced = visitor.post(&renewal, &sent).await;
    assert_eq!(replaced.status, StatusCode::SEE_OTHER, "{}", replaced.text);

    let seen = visitor.seen.lock().unwrap();
    assert!(
        seen.len() > 20_000,
        "only {} bytes were searched",
        seen.len()
    );
    assert!(
        !seen.contains(token),
        "a page or an address holds the token"
    );
    assert!(
        !setup.host.log().unwrap().contains(token),
        "the log holds the token"
    );
}

#[tokio::test]
async fn what_passed_the_test_is_for_the_session_it_was_tested_in() {
    let mut setup = setup().await;
    let visitor = Visitor::sign_in(&setup).await;
    let choice = visitor.test(setup.sandbox.token()).await;
    let other = Visitor::sign_in(&setup).await;
    let sent = [("scope", "7400001")];
    for answer in [other.get(&choice).await, other.post(&choice, &sent).await] {
        assert_eq!(
            answer.status,
            StatusCode::GONE,
            "somebody else uses the token"
        );
        assert!(answer.text.contains("Paste the API token again"));
    }
    let signed_out = Visitor {
        cookie: String::new(),
        ..other
    };
    let answer = signed_out.post(&choice, &sent).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(visitor.get(&choice).await.status, StatusCode::OK);

    // After a restart the session goes on, and the token is nowhere any more.
    setup.host.terminate().await.unwrap();
    setup.restart().await.unwrap();
    let answer = visitor.get(&choice).await;
    assert_eq!(answer.status, StatusCode::GONE);
    assert!(answer.text.contains("Paste the API token again"));
    let list = setup.host.get("/connections").await.unwrap();
    assert_eq!(list["connections"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_new_token_replaces_one_that_toggl_rejects() {
    let setup = setup().await;
    let connection = setup.connect(NORTHWIND).await.unwrap();
    let id = connection["id"].as_str().unwrap();
    let new = "00112233445566778899aabbccddeeff";
    let change = SetToken {
        user_id: 9_500_001,
        token: new.into(),
    };
    setup.toggl().set_token(change).unwrap();
    let visitor = Visitor::sign_in(&setup).await;
    let renewal = visitor.at(&format!("/connections/{id}/token"));
    let old = visitor
        .post(&renewal, &[("api-token", setup.sandbox.token())])
        .await;
    assert_eq!(old.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(old.text.contains("rejected the API token"), "{}", old.text);
    let replaced = visitor.post(&renewal, &[("api-token", new)]).await;
    assert_eq!(replaced.status, StatusCode::SEE_OTHER, "{}", replaced.text);
    let target = replaced.target.unwrap();
    assert_eq!(target.path(), format!("/connections/{id}"));
    assert_eq!(target.query(), Some("notice=secrets-replaced"));
    setup.ensure_healthy(id).await.unwrap();

    let gone = visitor.get(&visitor.at("/connections/gone/token")).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}
