//! Only the admin token opens the API, and every documented address answers.

use reqwest::StatusCode;
use reqwest::header::HeaderName;
use serde_json::{Value, json};

use super::support::{Api, assert_problem, send};

#[tokio::test]
async fn only_the_admin_token_opens_the_api_and_every_documented_address_answers() {
    // More wrong tokens than a person would send.
    let api = Api::configured("[limits]\nwrong_admin_tokens = 1000").await;
    let answer = send(api.open("GET", "/api/openapi.json")).await;
    assert_eq!(answer.status, StatusCode::OK);
    let document: Value = serde_json::from_str(&answer.body).unwrap();
    let mut documented = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            documented.push((
                method.to_uppercase(),
                path.clone(),
                operation["security"] == json!([{}]),
            ));
        }
    }
    for expected in [
        "POST /api/v1/test",
        "POST /api/v1/connections",
        "GET /api/v1/connections",
        "GET /api/v1/connections/{id}",
        "PATCH /api/v1/connections/{id}",
        "PUT /api/v1/connections/{id}/secrets",
        "DELETE /api/v1/connections/{id}",
        "GET /api/v1/connections/{id}/users",
        "POST /api/v1/connections/{id}/users/refresh",
        "PUT /api/v1/connections/{id}/users/{remote_id}",
        "POST /api/v1/connections/{id}/check",
        "POST /api/v1/connections/{id}/reconcile",
        "GET /api/v1/connections/{id}/missing",
        "POST /api/v1/connections/{id}/missing/take-back",
        "GET /api/v1/users",
        "GET /api/v1/activities",
        "GET /api/v1/activities/changes",
        "GET /api/v1/activities/stream",
        "GET /api/v1/deliveries",
        "POST /api/v1/deliveries/replay",
        "POST /api/v1/deliveries/{id}/replay",
        "POST /hooks/{hook}",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
        "GET /api/openapi.json",
    ] {
        assert!(
            documented
                .iter()
                .any(|(method, path, _)| format!("{method} {path}") == expected),
            "{expected} is not documented"
        );
    }
    for (method, path, is_open) in documented {
        let address = path
            .replace("{id}", "none")
            .replace("{remote_id}", "none")
            .replace("{hook}", "none");
        let why = format!("{method} {path}");
        if is_open {
            let answer = send(api.open(&method, &address)).await;
            assert!(
                answer.status == StatusCode::OK || path.starts_with("/hooks"),
                "{why}: {}",
                answer.status
            );
            continue;
        }
        for authorization in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer wrong",
            "Basic YWRtaW46eA==",
            &api.token,
        ] {
            let mut request = api.open(&method, &address);
            if !authorization.is_empty() {
                request = request.header("authorization", authorization);
            }
            let answer = send(request).await;
            assert_problem(&answer, &why);
            assert_eq!(
                answer.status,
                StatusCode::UNAUTHORIZED,
                "{why} {authorization}"
            );
            assert_eq!(answer.headers["www-authenticate"], "Bearer", "{why}");
            assert!(
                answer.body.contains("admin-token"),
                "{why}: {}",
                answer.body
            );
        }
        // With the token, whatever is missing, it is not the address.
        let response = api
            .open(&method, &address)
            .bearer_auth(&api.token)
            .send()
            .await
            .unwrap();
        let status = response.status();
        if path.ends_with("/stream") {
            assert_eq!(status, StatusCode::OK, "{why}");
            continue;
        }
        let body = response.text().await.unwrap();
        assert!(!status.is_server_error(), "{why}: {status} {body}");
        assert!(
            status != StatusCode::METHOD_NOT_ALLOWED && !body.contains("nothing at this address"),
            "{why}: {status} {body}"
        );
    }
    let health = send(api.open("GET", "/healthz")).await;
    assert_eq!(health.body, r#"{"status":"alive"}"#);
    let metrics = send(api.open("GET", "/metrics").bearer_auth(&api.token)).await;
    assert!(
        metrics.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    for line in metrics.body.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(!name.is_empty() && value.parse::<f64>().is_ok(), "{line}");
    }
    for name in [
        "x-content-type-options",
        "cache-control",
        "content-security-policy",
    ] {
        assert!(
            health.headers.contains_key(HeaderName::from_static(name)),
            "{name}"
        );
    }
    api.assert_still_works().await;
}
