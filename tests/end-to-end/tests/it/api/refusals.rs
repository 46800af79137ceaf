//! Bodies, addresses, methods and queries that make no sense are refused with the reason.

use integration_host_contract::limits::Limits;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::support::{Api, JSON, assert_problem, send};

#[tokio::test]
async fn a_body_that_does_not_fit_is_refused_with_the_reason() {
    let api = Api::connected().await;
    let long = "x".repeat(10_000);
    let deep = format!("{{\"secrets\":{{\"api-token\":{}", "[".repeat(100_000));
    let named = |name: &str| json!({ "name": name }).to_string();
    let connect = |name: &str| {
        json!({ "secrets": api.setup.secrets(), "scope_id": "7400002", "name": name }).to_string()
    };
    let secrets = r#"{"secrets":{"api-token":"t"}"#;
    for (method, path, body, status, says) in [
        ("POST", "/test", "", 400, "JSON"),
        ("POST", "/test", "{", 400, "JSON"),
        ("POST", "/test", "nonsense", 400, "JSON"),
        ("POST", "/test", "{\"secrets\":{}}}", 400, "JSON"),
        ("POST", "/test", &deep, 400, "JSON"),
        ("POST", "/test", "{}", 422, "secrets"),
        ("POST", "/test", "[]", 422, "object"),
        ("POST", "/test", "null", 422, "object"),
        ("POST", "/test", "\"text\"", 422, "object"),
        ("POST", "/test", r#"{"secrets":{}}"#, 422, "API token"),
        ("POST", "/test", r#"{"secrets":"t"}"#, 422, "secrets"),
        (
            "POST",
            "/test",
            r#"{"secrets":[["api-token","t"]]}"#,
            422,
            "secrets",
        ),
        ("POST", "/test", r#"{"secrets":null}"#, 422, "secrets"),
        (
            "POST",
            "/test",
            r#"{"secrets":{"api-token":1}}"#,
            422,
            "secrets",
        ),
        (
            "POST",
            "/test",
            r#"{"secrets":{"api-token":""}}"#,
            422,
            "secrets",
        ),
        (
            "POST",
            "/test",
            r#"{"secrets":{"token":"t"}}"#,
            422,
            "api-token",
        ),
        (
            "POST",
            "/test",
            &format!("{secrets},\"more\":1}}"),
            422,
            "more",
        ),
        (
            "POST",
            "/test",
            &format!("{secrets},\"secrets\":{{}}}}"),
            422,
            "secrets",
        ),
        ("POST", "/connections", "{}", 422, "secrets"),
        (
            "POST",
            "/connections",
            &format!("{secrets}}}"),
            422,
            "scope_id",
        ),
        (
            "POST",
            "/connections",
            &format!("{secrets},\"scope_id\":43}}"),
            422,
            "scope_id",
        ),
        (
            "POST",
            "/connections",
            &format!("{secrets},\"scope_id\":\"43\",\"name\":1}}"),
            422,
            "name",
        ),
        ("POST", "/connections", &connect(""), 422, "name"),
        ("POST", "/connections", &connect(" \t "), 422, "name"),
        ("POST", "/connections", &connect(&long), 422, "name"),
        ("POST", "/connections", &connect("a\u{7}b"), 422, "name"),
        ("PATCH", "/connections/{id}", "{}", 422, "name"),
        (
            "PATCH",
            "/connections/{id}",
            r#"{"name":null}"#,
            422,
            "name",
        ),
        (
            "PATCH",
            "/connections/{id}",
            r#"{"name":["a"]}"#,
            422,
            "name",
        ),
        (
            "PATCH",
            "/connections/{id}",
            r#"{"name":"a","id":"b"}"#,
            422,
            "id",
        ),
        ("PATCH", "/connections/{id}", &named(""), 422, "name"),
        ("PATCH", "/connections/{id}", &named("  "), 422, "name"),
        ("PATCH", "/connections/{id}", &named(&long), 422, "name"),
        (
            "PATCH",
            "/connections/{id}",
            &named("two\nlines"),
            422,
            "name",
        ),
        ("PATCH", "/connections/{id}", &named("nul\0"), 422, "name"),
        (
            "PATCH",
            "/connections/{id}",
            r#"{"name":"\ud800"}"#,
            400,
            "JSON",
        ),
        ("PUT", "/connections/{id}/secrets", "{}", 422, "secrets"),
        (
            "PUT",
            "/connections/{id}/secrets",
            r#"{"secrets":{}}"#,
            422,
            "API token",
        ),
        (
            "PUT",
            "/connections/{id}/users/9500002",
            "{}",
            422,
            "user_id",
        ),
        (
            "PUT",
            "/connections/{id}/users/9500002",
            r#"{"user_id":1}"#,
            422,
            "integer",
        ),
        (
            "PUT",
            "/connections/{id}/users/9500002",
            r#"{"user_id":"nobody"}"#,
            422,
            "nobody",
        ),
        (
            "PUT",
            "/connections/{id}/users/9500002",
            r#"{"user_id":""}"#,
            422,
            "user",
        ),
        (
            "PUT",
            "/connections/{id}/users/1",
            r#"{"user_id":"u-mara"}"#,
            404,
            "member",
        ),
        ("POST", "/connections/{id}/reconcile", "{}", 422, "from"),
        (
            "POST",
            "/connections/{id}/reconcile",
            r#"{"from":"a","to":"b"}"#,
            422,
            "from",
        ),
        (
            "POST",
            "/connections/{id}/reconcile",
            r#"{"from":"2026-03-01","to":"later"}"#,
            422,
            "to",
        ),
        (
            "POST",
            "/connections/{id}/reconcile",
            r#"{"from":"2026-03-02","to":"2026-03-01"}"#,
            422,
            "before",
        ),
        (
            "POST",
            "/connections/{id}/reconcile",
            r#"{"from":"0000-01-01","to":"9998-01-01"}"#,
            422,
            "366 days",
        ),
        (
            "POST",
            "/connections/{id}/reconcile",
            r#"{"from":"2026-03-01"}"#,
            422,
            "to",
        ),
    ] {
        let why = format!(
            "{method} {path} {}",
            body.chars().take(80).collect::<String>()
        );
        let request = api
            .request(method, path)
            .header("content-type", JSON)
            .body(body.to_owned());
        let problem = api.refused(request, status, &why).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(says), "{why}: “{says}” is not in {detail}");
        assert!(
            !detail.contains(api.setup.sandbox.token()),
            "{why}: {detail}"
        );
    }
    // What is not JSON is not guessed at.
    for content_type in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "nonsense",
        "application/jsonx",
    ] {
        let mut request = api.request("PATCH", "/connections/{id}").body(named("New"));
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        api.refused(request, 415, content_type).await;
    }
    for content_type in [JSON, "APPLICATION/JSON", "application/json; charset=utf-8"] {
        let request = api.request("PATCH", "/connections/{id}").body(named("New"));
        let answer = send(request.header("content-type", content_type)).await;
        assert_eq!(
            answer.status,
            StatusCode::OK,
            "{content_type}: {}",
            answer.body
        );
    }
    let invalid = b"{\"name\":\"\xff\xfe\"}".to_vec();
    let request = api
        .request("PATCH", "/connections/{id}")
        .header("content-type", JSON);
    api.refused(request.body(invalid), 400, "invalid UTF-8")
        .await;

    // Too large: refused from its announced length, and when it is longer than nobody announced.
    let hook = format!("/hooks/{}", "0".repeat(32));
    for (path, bytes) in [
        ("/api/v1/test", 300 << 10),
        (&hook, Limits::default().delivery_bytes + 1),
    ] {
        let body = vec![b' '; bytes];
        let request = || {
            api.open("POST", path)
                .bearer_auth(&api.token)
                .header("content-type", JSON)
                // Without one, nobody would look at the body.
                .header(
                    "x-webhook-signature-256",
                    format!("sha256={}", "0".repeat(64)),
                )
        };
        api.refused(request().body(body.clone()), 413, path).await;
        let pieces = body
            .chunks(64 << 10)
            .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()));
        let stream = futures_util::stream::iter(pieces.collect::<Vec<_>>());
        api.refused(
            request().body(reqwest::Body::wrap_stream(stream)),
            413,
            path,
        )
        .await;
    }
    api.assert_still_works().await;
}

#[tokio::test]
async fn addresses_methods_and_queries_that_make_no_sense_are_refused() {
    let api = Api::connected().await;
    let huge = "9".repeat(4000);
    for (method, path) in [
        ("GET", "/nothing".to_owned()),
        ("GET", "/connections/".to_owned()),
        ("GET", "/connections/{id}/nothing".to_owned()),
        ("GET", "/connections/none".to_owned()),
        ("GET", format!("/connections/{huge}")),
        ("GET", "/connections/%00".to_owned()),
        ("GET", "/connections/..%2f..%2fetc".to_owned()),
        ("GET", "/connections/'%20OR%20''='".to_owned()),
        ("GET", "/activities?connection=none".to_owned()),
        ("GET", "/deliveries?connection=none".to_owned()),
        ("DELETE", "/connections/none".to_owned()),
        ("GET", "/connections/none/users".to_owned()),
        ("POST", "/connections/none/users/refresh".to_owned()),
        ("POST", "/connections/none/check".to_owned()),
        ("POST", "/deliveries/none/replay".to_owned()),
        ("POST", format!("/deliveries/{huge}/replay")),
    ] {
        let problem = api.refused(api.request(method, &path), 404, &path).await;
        assert_eq!(problem["code"], "not-found", "{path}");
    }
    for (method, path, body) in [
        ("PATCH", "/connections/none", json!({ "name": "New" })),
        (
            "PUT",
            "/connections/none/secrets",
            json!({ "secrets": api.setup.secrets() }),
        ),
        (
            "PUT",
            "/connections/none/users/9500002",
            json!({ "user_id": null }),
        ),
        (
            "PUT",
            "/connections/{id}/users/none",
            json!({ "user_id": null }),
        ),
        (
            "POST",
            "/connections/none/reconcile",
            json!({ "from": "2026-03-01", "to": "2026-03-01" }),
        ),
    ] {
        api.refused(api.request(method, path).json(&body), 404, path)
            .await;
    }
    // A segment that is no text is no address, and no server error.
    api.refused(api.request("GET", "/connections/%ff"), 400, "%ff")
        .await;

    for (method, path, allowed) in [
        ("DELETE", "/connections", "GET,HEAD,POST"),
        ("POST", "/connections/{id}", "DELETE,GET,HEAD,PATCH"),
        ("GET", "/test", "POST"),
        ("GET", "/connections/{id}/check", "POST"),
        ("POST", "/activities", "GET,HEAD"),
        ("GET", "/deliveries/none/replay", "POST"),
        ("BREW", "/users", "GET,HEAD"),
    ] {
        let answer = send(api.request(method, path)).await;
        assert_problem(&answer, path);
        assert_eq!(
            answer.status,
            StatusCode::METHOD_NOT_ALLOWED,
            "{method} {path}"
        );
        let mut allow: Vec<_> = answer.headers["allow"]
            .to_str()
            .unwrap()
            .split(',')
            .collect();
        allow.sort_unstable();
        assert_eq!(allow.join(","), allowed, "{method} {path}");
    }
    for (method, path) in [("GET", "/hooks/x"), ("POST", "/healthz"), ("DELETE", "/")] {
        api.refused(api.open(method, path), 405, path).await;
    }

    for (path, says) in [
        ("/activities?limit=0", "limit"),
        ("/activities?limit=1001", "limit"),
        ("/activities?limit=-1", "limit"),
        ("/activities?limit=many", "limit"),
        ("/activities?limit=99999999999999999999999", "limit"),
        ("/activities?from=yesterday", "from"),
        ("/activities?to=2026-02-30", "to"),
        ("/activities?from=2026-03-01T08:00:00", "from"),
        ("/activities?include=everything", "include"),
        ("/activities?cursor=nonsense", "cursor"),
        ("/activities?cursor=%00", "cursor"),
        ("/activities?connections=a", "connections"),
        ("/activities?limit=1&limit=2", "limit"),
        ("/activities?from=%ff", "from"),
        ("/activities/changes?after=nonsense", "after"),
        ("/activities/changes?after=-1", "after"),
        ("/activities/changes?after=99999999999999999999999", "after"),
        ("/activities/changes?limit=0", "limit"),
        ("/activities/stream?after=nonsense", "after"),
        ("/deliveries?status=lost", "status"),
        ("/deliveries?limit=0", "limit"),
        ("/deliveries?cursor=nonsense", "cursor"),
        ("/connections/{id}/log?limit=0", "limit"),
        ("/connections/{id}/log?cursor=nonsense", "cursor"),
        ("/connections/{id}/log?kind=all", "kind"),
        ("/users?name=a", "name"),
    ] {
        let answer = send(api.request("GET", path)).await;
        assert_problem(&answer, path);
        assert!(
            matches!(answer.status.as_u16(), 400 | 422),
            "{path}: {}",
            answer.status
        );
        assert!(answer.body.contains(says), "{path}: {}", answer.body);
    }
    let request = api
        .request("GET", "/activities/stream")
        .header("last-event-id", "nonsense");
    let problem = api.refused(request, 400, "Last-Event-ID").await;
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("Last-Event-ID")
    );
    for place in [
        "18446744073709551615",
        "9223372036854775808",
        "1000000",
        "0123-0",
    ] {
        let path = format!("/activities/changes?after={place}");
        let problem = api
            .refused(api.request("GET", &path), 410, "from the beginning")
            .await;
        assert_eq!(problem["code"], "feed-restarted", "{place}");
    }
    // Nothing matches is no mistake.
    for path in ["/activities?user=none", "/users?query=%25"] {
        let answer = send(api.request("GET", path)).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        let list: Value = serde_json::from_str(&answer.body).unwrap();
        let items = list.as_object().unwrap().values().find_map(Value::as_array);
        assert!(items.unwrap().is_empty(), "{path}: {list}");
    }
    api.assert_still_works().await;
}
