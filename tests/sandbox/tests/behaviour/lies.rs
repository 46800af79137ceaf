//! Answers that look right and are not, for a while.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use toggl_sandbox::{Lie, Lies};

use crate::support::{Receiver, STUDIO, Toggl, toggl_body};

const PEOPLE: &str = "/api/v9/workspaces/7400001/users";

fn only(kind: Lie) -> Lies {
    Lies {
        kinds: vec![kind],
        ..Lies::default()
    }
}

async fn told(toggl: &Toggl, lies: Lies) -> Value {
    toggl.sandbox.control().tell_lies(lies);
    toggl.get(PEOPLE).await
}

#[tokio::test]
async fn lists_are_empty_null_short_or_doubled_until_the_truth_is_told() {
    let toggl = Toggl::start().await;
    let truth = toggl.get(PEOPLE).await;
    let count = truth.as_array().unwrap().len();
    assert_eq!(told(&toggl, only(Lie::Empty)).await, json!([]));
    assert_eq!(told(&toggl, only(Lie::Null)).await, Value::Null);
    let short = told(&toggl, only(Lie::CutShort)).await;
    assert!(
        truth
            .as_array()
            .unwrap()
            .starts_with(short.as_array().unwrap())
    );
    let fewer = told(&toggl, only(Lie::RowsMissing)).await;
    assert!(fewer.as_array().unwrap().len() < count, "{fewer}");
    let more = told(&toggl, only(Lie::RowsDoubled)).await;
    assert!(more.as_array().unwrap().len() > count, "{more}");
    toggl.sandbox.control().tell_the_truth();
    assert_eq!(toggl.get(PEOPLE).await, truth);
}

#[tokio::test]
async fn the_same_seed_tells_the_same() {
    let toggl = Toggl::start().await;
    let lies = Lies {
        seed: 7,
        per_mille: 500,
        ..only(Lie::RowsMissing)
    };
    let mut answers = Vec::new();
    for _ in 0..2 {
        toggl.sandbox.control().tell_lies(lies.clone());
        let mut told = Vec::new();
        for _ in 0..10 {
            told.push(toggl.get(PEOPLE).await);
        }
        answers.push(told);
    }
    assert_eq!(answers[0], answers[1]);
    assert!(answers[0].iter().any(|answer| *answer != answers[0][0]));
}

#[tokio::test]
async fn a_late_list_does_not_know_yet_what_is_new() {
    let toggl = Toggl::start().await;
    let path = format!("/webhooks/api/v1/subscriptions/{STUDIO}");
    let receiver = Receiver::start().await;
    toggl.sandbox.control().tell_lies(only(Lie::Late));
    toggl.subscribe(STUDIO, receiver.url()).await;
    assert_eq!(toggl.get(&path).await, json!([]));
    toggl.sandbox.control().tell_the_truth();
    assert_eq!(toggl.get(&path).await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_said_to_be_made_need_not_be_there() {
    let toggl = Toggl::start().await;
    let receiver = Receiver::start().await;
    toggl.sandbox.control().tell_lies(only(Lie::NotDone));
    toggl.subscribe(STUDIO, receiver.url()).await;
    assert!(toggl.sandbox.control().subscriptions().is_empty());
}

#[tokio::test]
async fn a_slow_change_happens_although_nobody_waits_for_it() {
    let toggl = Toggl::start().await;
    let receiver = Receiver::start().await;
    toggl.sandbox.control().tell_lies(Lies {
        slow_ms: 300,
        ..only(Lie::Slow)
    });
    let path = format!("/webhooks/api/v1/subscriptions/{STUDIO}");
    let gave_up = toggl
        .request(Method::POST, &path)
        .json(&toggl_body(receiver.url()))
        .timeout(Duration::from_millis(50))
        .send()
        .await;
    assert!(gave_up.is_err_and(|error| error.is_timeout()));
    assert!(toggl.sandbox.control().subscriptions().is_empty());
    while toggl.sandbox.control().subscriptions().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn numbers_make_no_sense() {
    let toggl = Toggl::start().await;
    let truth = toggl.get("/api/v9/me/quota").await;
    toggl.sandbox.control().tell_lies(only(Lie::Nonsense));
    let mut told = truth.clone();
    for _ in 0..20 {
        told = toggl.get("/api/v9/me/quota").await;
        if told[0]["total"] != truth[0]["total"] {
            break;
        }
    }
    assert_ne!(told[0]["total"], truth[0]["total"]);
}
