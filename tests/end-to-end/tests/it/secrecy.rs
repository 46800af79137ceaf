//! The API token is in no place where it does not belong.

use std::path::Path;

use end_to_end::{Embedded, NORTHWIND, Setup};
use reqwest::Method;
use serde_json::json;
use toggl_sandbox::CallFault;

#[tokio::test]
async fn a_component_that_looks_for_the_token_does_not_find_it() {
    let component = end_to_end::misbehaving_component().unwrap();
    let embedded = Embedded::builder(&component).start().await.unwrap();
    let report = embedded.service.test(embedded.secrets()).await.unwrap();
    // The component returns everything it got to see of Toggl's answer, which echoes the token.
    let seen = report.account.name;
    assert!(
        seen.starts_with("200") && seen.contains("api_token"),
        "{seen}"
    );
    assert!(
        !seen.contains(embedded.sandbox.token()),
        "the component saw the token"
    );
}

#[tokio::test]
async fn the_token_is_in_no_log_no_error_and_no_file() {
    let mut setup = Setup::builder()
        .arguments(&["--log-level", "debug"])
        .start()
        .await
        .unwrap();
    let token = setup.sandbox.token().to_owned();
    let connection = setup.connect(NORTHWIND).await.unwrap();
    let id = connection["id"].as_str().unwrap();
    // Toggl echoes the token in an error, and the host reports that error.
    let fault: CallFault = serde_json::from_value(json!({
        "count": 10, "status": 400, "body": format!("\"bad request with {token}\"")
    }))
    .unwrap();
    setup.toggl().fail_calls(fault);
    let mut answers = String::new();
    for path in ["check", "users/refresh"] {
        let path = format!("/connections/{id}/{path}");
        let (_, answer) = setup
            .host
            .call(Method::POST, &path, json!(null))
            .await
            .unwrap();
        answers.push_str(&answer.to_string());
    }
    answers.push_str(&setup.host.get("/connections").await.unwrap().to_string());
    assert!(
        !answers.contains(&token),
        "an answer of the API holds the token"
    );
    assert!(
        !setup.host.log().unwrap().contains(&token),
        "the log holds the token"
    );

    let secret = setup.toggl().subscriptions().remove(0).secret;
    setup.host.kill().await.unwrap();
    let mut searched = 0;
    for_each_file(&setup.options.data, &mut |path, bytes| {
        for (what, text) in [("token", &token), ("signing secret", &secret)] {
            let found = bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes());
            assert!(!found, "{} holds the {what} in clear", path.display());
        }
        searched += bytes.len();
    });
    assert!(searched > 50_000, "only {searched} bytes were searched");
}

#[tokio::test]
async fn what_toggl_quotes_opens_nothing() {
    let setup = Setup::builder()
        .arguments(&["--log-level", "debug"])
        .start()
        .await
        .unwrap();
    let connection = setup.connect(NORTHWIND).await.unwrap();
    let id = connection["id"].as_str().unwrap();
    let url = connection["callback_url"].as_str().unwrap().to_owned();
    let (_, hook) = url.rsplit_once('/').unwrap();
    let secret = setup.toggl().subscriptions().remove(0).secret;
    let mut answers = String::new();
    // Of what is quoted an integration may repeat the beginning alone.
    for filling in ["", &"much is wrong ".repeat(10)] {
        let quoted = format!("{filling}url_callback {url} and secret {secret} are not valid");
        let fault: CallFault = serde_json::from_value(json!({
            "count": 20, "status": 400, "body": serde_json::to_string(&quoted).unwrap()
        }))
        .unwrap();
        setup.toggl().fail_calls(fault);
        for path in ["check", "users/refresh"] {
            let path = format!("/connections/{id}/{path}");
            let call = setup.host.call(Method::POST, &path, json!(null));
            answers.push_str(&call.await.unwrap().1.to_string());
        }
    }
    let read = setup
        .host
        .get(&format!("/connections/{id}/log"))
        .await
        .unwrap();
    answers.push_str(&read.to_string());
    assert!(
        answers.contains("url_callback"),
        "nothing was quoted: {answers}"
    );
    let log = setup.host.log().unwrap();
    for (what, text) in [("hook id", hook), ("signing secret", &secret)] {
        for part in [text, &text[..text.len() / 2 + 2]] {
            assert!(
                !answers.contains(part),
                "an answer holds the {what}: {answers}"
            );
            assert!(!log.contains(part), "the log holds the {what}");
        }
    }
}

fn for_each_file(folder: &Path, look: &mut impl FnMut(&Path, &[u8])) {
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            for_each_file(&path, look);
        } else {
            look(&path, &std::fs::read(&path).unwrap());
        }
    }
}
