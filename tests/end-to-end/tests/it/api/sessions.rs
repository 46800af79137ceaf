//! Signing in to the console as somebody does who has no browser.

use reqwest::{RequestBuilder, StatusCode};

use super::support::{Answer, Api, send};

fn form(request: RequestBuilder, body: &str) -> RequestBuilder {
    request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.to_owned())
}

/// A new link: the page, and its code as a form sends it.
async fn link(api: &Api) -> (String, String) {
    let made = send(api.request("POST", "/sign-in-links")).await;
    let made: serde_json::Value = serde_json::from_str(&made.body).unwrap();
    let path = made["path"].as_str().unwrap();
    let (_, code) = path.split_once('?').unwrap();
    (path.to_owned(), code.to_owned())
}

/// The cookie that an answer sets, as a browser sends it back.
fn cookie(answer: &Answer) -> String {
    let set = answer.headers["set-cookie"].to_str().unwrap();
    set.split(';').next().unwrap().to_owned()
}

async fn sign_in(api: &Api) -> String {
    let (_, code) = link(api).await;
    let answer = send(form(api.open("POST", "/sign-in"), &code)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    cookie(&answer)
}

async fn look(api: &Api, cookie: &str) -> Answer {
    send(api.open("GET", "/timeline").header("cookie", cookie)).await
}

async fn is_signed_in(api: &Api, cookie: &str) -> bool {
    look(api, cookie).await.body.contains("Sign out")
}

#[tokio::test]
async fn looking_at_a_link_does_not_use_it_up() {
    let api = Api::connected().await;
    let (page, code) = link(&api).await;
    for method in ["HEAD", "GET", "GET"] {
        let answer = send(api.open(method, &page)).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(
            !answer.headers.contains_key("set-cookie"),
            "a mail scanner is signed in"
        );
    }
    let answer = send(form(api.open("POST", "/sign-in"), &code)).await;
    assert!(is_signed_in(&api, &cookie(&answer)).await);
    let again = send(form(api.open("POST", "/sign-in"), &code)).await;
    assert!(again.body.contains("used already"), "{}", again.body);
    let log = api.setup.host.log().unwrap();
    assert!(
        log.contains("somebody signed in") && log.contains("127.0.0.1"),
        "{log}"
    );
    assert!(
        !log.contains(&code["code=".len()..]),
        "the log opens the console"
    );
}

#[tokio::test]
async fn what_is_no_terminal_gets_no_link() {
    let api = Api::connected().await;
    let printed = api.setup.host.summary.to_string();
    assert!(!printed.contains("code="), "{printed}");
    assert_eq!(
        api.setup.host.summary["console"],
        api.setup.host.summary["callback_base"]
    );
}

#[tokio::test]
async fn who_makes_up_sessions_is_locked_out_and_said() {
    let api =
        Api::configured("trusted_proxies = [\"127.0.0.1\"]\n[limits]\nwrong_admin_tokens = 5\n")
            .await;
    let good = sign_in(&api).await;
    let (name, value) = good.split_once('=').unwrap();
    let from = |cookie: String, client: &str| {
        let request = api.open("GET", "/timeline").header("cookie", cookie);
        send(request.header("x-forwarded-for", client))
    };
    // A page that stays open sends the same stale cookie with all that it loads.
    for _ in 0..20 {
        let answer = from(format!("{name}=stale"), "192.0.2.9").await;
        assert!(
            answer.headers["set-cookie"]
                .to_str()
                .unwrap()
                .contains("Max-Age=0")
        );
        assert_ne!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    }
    for number in 0..5 {
        // The tag is at the end.
        let guess = format!("{name}={}{number:05}", &value[..value.len() - 5]);
        let answer = from(guess, "192.0.2.1").await;
        assert!(!answer.body.contains("Sign out"));
    }
    let answer = from(good.clone(), "192.0.2.1").await;
    assert_eq!(
        answer.status,
        StatusCode::TOO_MANY_REQUESTS,
        "a guesser learns which cookie is right"
    );
    let token = api
        .open("GET", "/api/v1/connections")
        .header("x-forwarded-for", "192.0.2.1")
        .bearer_auth(&api.token);
    assert_eq!(send(token).await.status, StatusCode::TOO_MANY_REQUESTS);
    let other = from(good.clone(), "192.0.2.2").await;
    assert_eq!(other.status, StatusCode::OK, "everybody is locked out");

    let log = api.setup.host.log().unwrap();
    let refused = log
        .lines()
        .filter(|line| line.contains("a sign-in was refused") && line.contains("192.0.2.1 "));
    assert_eq!(refused.count(), 5, "{log}");
    let locked_out = log.lines().filter(|line| line.contains("locked out"));
    assert_eq!(locked_out.count(), 1, "{log}");
    assert!(!log.contains(&value[..20]), "a session is in the log");
}

#[tokio::test]
async fn who_signs_out_stays_out_over_a_restart() {
    let mut api = Api::connected().await;
    let (first, second) = (sign_in(&api).await, sign_in(&api).await);
    let sign_out = api.open("POST", "/sign-out").header("cookie", &first);
    send(sign_out).await;
    assert!(!is_signed_in(&api, &first).await);
    api.setup.host.terminate().await.unwrap();
    api.setup.restart().await.unwrap();
    assert!(
        !is_signed_in(&api, &first).await,
        "a copied cookie is good again"
    );
    assert!(
        is_signed_in(&api, &second).await,
        "a restart signs people out"
    );

    let everybody = send(api.request("DELETE", "/sessions")).await;
    assert_eq!(
        everybody.status,
        StatusCode::NO_CONTENT,
        "{}",
        everybody.body
    );
    assert!(!is_signed_in(&api, &second).await);
    api.setup.host.terminate().await.unwrap();
    api.setup.restart().await.unwrap();
    assert!(!is_signed_in(&api, &second).await);
    let third = sign_in(&api).await;
    let fourth = sign_in(&api).await;
    let sign_out = api.open("POST", "/sign-out-everywhere");
    send(sign_out.header("cookie", &third)).await;
    for cookie in [&third, &fourth] {
        assert!(!is_signed_in(&api, cookie).await);
    }
    assert!(is_signed_in(&api, &sign_in(&api).await).await);
}

#[tokio::test]
async fn another_cookie_of_the_same_name_signs_nobody_out() {
    let api = Api::connected().await;
    let good = sign_in(&api).await;
    let (name, _) = good.split_once('=').unwrap();
    for cookies in [format!("{name}=x; {good}"), format!("{good}; {name}=x")] {
        assert!(is_signed_in(&api, &cookies).await, "{cookies}");
    }
}

#[tokio::test]
async fn no_id_in_an_address_is_an_error_of_the_host() {
    let api = Api::connected().await;
    let session = sign_in(&api).await;
    for path in [
        "/connections/%0d%0a",
        "/connections/%0d%0aset-cookie:%20a=b",
        "/connections/%0d%0a/users",
        "/connections/%00",
        "/connect/%0d%0a",
        "/connect/%0d%0a/progress",
        "/api/v1/connections/%0d%0a",
        "/api/v1/connections/%0d%0a/users",
    ] {
        for method in ["GET", "POST"] {
            let request = api
                .open(method, path)
                .header("cookie", &session)
                .header("content-type", "application/x-www-form-urlencoded")
                .bearer_auth(&api.token);
            let answer = send(request).await;
            assert!(
                answer.status.as_u16() < 500,
                "{method} {path}: {}",
                answer.status
            );
        }
    }
    for action in [
        "rename",
        "check",
        "reconcile",
        "disconnect",
        "token",
        "replay",
        "users/1",
    ] {
        let request = api
            .open("POST", &format!("/connections/%0d%0a/{action}"))
            .header("cookie", &session);
        let answer = send(form(request, "name=x&from=2026-01-01&to=2026-01-02")).await;
        assert!(answer.status.as_u16() < 500, "{action}: {}", answer.status);
    }
}
