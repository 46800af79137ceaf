//! A page of another site cannot make a browser do anything here, nor read what is here.

use reqwest::StatusCode;
use serde_json::json;

use super::support::{Api, assert_problem, send};

#[tokio::test]
async fn a_page_of_another_site_changes_nothing_even_with_the_token() {
    let api = Api::connected().await;
    for (header, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        for (method, path) in [
            ("POST", "/connections/{id}/check"),
            ("POST", "/connections/{id}/users/refresh"),
            ("PATCH", "/connections/{id}"),
            ("DELETE", "/connections/{id}"),
        ] {
            let request = api
                .request(method, path)
                .header(header, value)
                .json(&json!({ "name": "taken over" }));
            let why = format!("{method} {path} {header}: {value}");
            let problem = api.refused(request, 403, &why).await;
            assert_eq!(problem["code"], "forbidden", "{why}");
        }
    }
    let own = api
        .request("PATCH", "/connections/{id}")
        .header("origin", &api.setup.host.url)
        .header("sec-fetch-site", "same-origin")
        .json(&json!({ "name": "By the console" }));
    let answer = send(own).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    api.assert_still_works().await;
}

#[tokio::test]
async fn no_answer_allows_another_site_to_read_it() {
    let api = Api::connected().await;
    for path in [
        "/",
        "/sign-in",
        "/healthz",
        "/metrics",
        "/api/openapi.json",
        "/api/v1/connections",
        "/nowhere",
        "/hooks/x",
    ] {
        for method in ["GET", "OPTIONS", "POST"] {
            let request = api
                .open(method, path)
                .bearer_auth(&api.token)
                .header("origin", "https://evil.example")
                .header("access-control-request-method", "DELETE")
                .header("access-control-request-headers", "authorization");
            let answer = send(request).await;
            let why = format!("{method} {path}");
            if method == "OPTIONS" {
                assert_problem(&answer, &why);
            }
            for (name, value) in &answer.headers {
                assert!(
                    !name.as_str().starts_with("access-control-"),
                    "{why}: {name}: {value:?}"
                );
            }
            // Forms of the console say where they come from, to the host alone.
            let is_page = ["/", "/sign-in"].contains(&path);
            let referrer = answer.headers["referrer-policy"].to_str().unwrap();
            assert!(
                referrer == "no-referrer" || (is_page && referrer == "same-origin"),
                "{why}: {referrer}"
            );
            // What everybody may know can be kept, with a question whether it is still so.
            let caching = match path == "/api/openapi.json" && answer.status == 200 {
                true => "no-cache",
                false => "no-store",
            };
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("cache-control", caching),
                ("cross-origin-resource-policy", "same-origin"),
                ("cross-origin-opener-policy", "same-origin"),
            ] {
                assert_eq!(answer.headers[name], value, "{why}");
            }
            let policy = answer.headers["content-security-policy"].to_str().unwrap();
            assert!(
                policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
                "{why}: {policy}"
            );
            assert!(
                !answer.headers.contains_key("strict-transport-security"),
                "this host is reached by http"
            );
        }
    }
}

#[tokio::test]
async fn a_name_that_was_made_to_lead_to_this_machine_is_refused() {
    let api = Api::connected().await;
    for host in [
        "evil.example",
        "evil.example:80",
        "10.0.0.1",
        "localhost.evil.example",
    ] {
        let request = api.request("GET", "/connections").header("host", host);
        api.refused(request, 421, host).await;
    }
    for host in ["localhost", "127.0.0.1:1", "[::1]:1"] {
        let request = api.request("GET", "/connections").header("host", host);
        assert_eq!(send(request).await.status, StatusCode::OK, "{host}");
    }
    // Probes and remote services come under whatever name leads here.
    let request = api.open("GET", "/healthz").header("host", "evil.example");
    assert_eq!(send(request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_has_the_description_of_the_api_is_not_sent_it_again() {
    let api = Api::connected().await;
    let ask = || api.open("GET", "/api/openapi.json");
    let first = send(ask()).await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    assert!(first.body.contains("\"openapi\""), "{}", first.body);
    for (known, status) in [
        (tag.clone(), 304),
        (format!("W/{tag}"), 304),
        (format!("\"other\", {tag}"), 304),
        ("\"other\"".to_owned(), 200),
    ] {
        let again = send(ask().header("if-none-match", &known)).await;
        assert_eq!(again.status, status, "{known}");
        assert_eq!(again.body.is_empty(), status == 304, "{known}");
        assert_eq!(again.headers["etag"], tag.as_str(), "{known}");
    }
}
