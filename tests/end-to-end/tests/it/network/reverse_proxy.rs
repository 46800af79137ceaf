//! What reverse proxies leave in requests, or add to answers.

use end_to_end::{NORTHWIND, Setup};
use reqwest::StatusCode;
use reqwest::redirect::Policy;

#[tokio::test]
async fn a_path_that_a_proxy_does_not_take_off_leads_everywhere() {
    let mut setup = Setup::builder().start().await.unwrap();
    setup.host.terminate().await.unwrap();
    // It starts again where it was.
    let address = setup.host.url.replace("http://", "");
    let public_url = format!("http://{address}/time/toggl");
    let arguments = ["--public-url".to_owned(), public_url];
    setup.options.arguments.extend(arguments);
    setup.restart().await.unwrap();
    // The sandbox delivers to the public URL, path and all, as through a proxy that leaves it.
    setup.connect(NORTHWIND).await.unwrap();
    setup.ensure_deliveries_arrive().await.unwrap();

    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .build()
        .unwrap();
    let get = async |path: &str| {
        client
            .get(format!("http://{address}{path}"))
            .send()
            .await
            .unwrap()
    };
    for (path, status) in [
        ("/time/toggl/healthz", StatusCode::OK),
        ("/healthz", StatusCode::OK),
        ("/time/toggl/sign-in", StatusCode::OK),
        ("/time/toggl/api/openapi.json", StatusCode::OK),
        ("/time/toggl/api/v1/connections", StatusCode::UNAUTHORIZED),
        ("/time/healthz", StatusCode::NOT_FOUND),
        ("/time/toggl/none", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(get(path).await.status(), status, "{path}");
    }
    let root = get("/time/toggl").await;
    assert_eq!(root.headers()["location"], "/time/toggl/");
}

#[tokio::test]
async fn a_form_is_known_for_the_hosts_own_without_its_origin_or_the_page_says_what_helps() {
    let setup = Setup::builder().start().await.unwrap();
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .build()
        .unwrap();
    let token = std::fs::read_to_string(setup.options.data.join("admin-token")).unwrap();
    // As browsers send a form from a page with `Referrer-Policy: no-referrer`.
    let sign_in = async |site: Option<&str>| {
        let mut request = client
            .post(format!("{}/sign-in", setup.host.url))
            .header("accept", "text/html,application/xhtml+xml")
            .header("origin", "null")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("token={}&next=", token.trim()));
        if let Some(site) = site {
            request = request.header("sec-fetch-site", site);
        }
        request.send().await.unwrap()
    };
    let answer = sign_in(Some("same-origin")).await;
    assert!(answer.status().is_success() && answer.headers().contains_key("set-cookie"));
    for (site, remedy) in [
        (None, "Referrer-Policy: no-referrer"),
        (Some("cross-site"), "page of another site"),
    ] {
        let answer = sign_in(site).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        let kind = answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(kind.starts_with("text/html"), "{kind}");
        let policy = answer.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        assert!(policy.contains("style-src 'self'"), "{policy}");
        let page = answer.text().await.unwrap();
        assert!(page.contains(remedy), "{page}");
    }
}
