//! The event stream delivers what happens and goes on where it was.

use std::time::Duration;

use end_to_end::{NORTHWIND, TOMAS};
use reqwest::StatusCode;
use serde_json::{Value, json};
use toggl_sandbox::control::StartTimer;
use tokio::time::timeout;

use super::support::Api;

#[tokio::test]
async fn a_stream_says_at_once_that_it_is_open() {
    let api = Api::connected().await;
    let request = api.request("GET", "/activities/stream?after=now");
    let mut stream = request.send().await.unwrap();
    let first = timeout(Duration::from_secs(5), stream.chunk()).await;
    let first = first.expect("nothing is sent before something happens");
    assert_eq!(first.unwrap().unwrap(), ": connected\n\n");
}

#[tokio::test]
async fn a_stream_delivers_what_happens_and_goes_on_where_it_was() {
    let api = Api::connected().await;
    let start = || StartTimer {
        workspace_id: NORTHWIND,
        user_id: TOMAS,
        ..StartTimer::default()
    };
    let mut stream = api
        .request("GET", "/activities/stream?after=now")
        .send()
        .await
        .unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert_eq!(stream.headers()["cache-control"], "no-store");
    let first = api.setup.toggl().start_timer(start()).unwrap().id;
    let (id, activity) = next_event(&mut stream).await;
    assert_eq!(activity["source"]["entry_id"], first.to_string());
    assert_eq!(activity["running"], true);
    drop(stream);

    // Meanwhile: the next start stops the timer before it.
    let second = api.setup.toggl().start_timer(start()).unwrap().id;
    api.setup.settle().await.unwrap();
    let request = api
        .request("GET", "/activities/stream?after=now")
        .header("Last-Event-ID", &id);
    let mut stream = request.send().await.unwrap();
    let (one, two) = (next_event(&mut stream).await, next_event(&mut stream).await);
    let mut entries = [&one.1["source"]["entry_id"], &two.1["source"]["entry_id"]];
    entries.sort_by_key(|entry| entry.as_str().unwrap().parse::<i64>().unwrap());
    assert_eq!(
        entries,
        [&json!(first.to_string()), &json!(second.to_string())]
    );
    let places = [&id, &one.0, &two.0].map(|place| {
        let (_, number) = place.split_once('-').unwrap();
        number.parse::<u64>().unwrap()
    });
    assert!(places.is_sorted(), "{places:?}");
    // The ids are the cursors of the feed.
    let rest = api
        .setup
        .host
        .get(&format!("/activities/changes?after={}", two.0))
        .await
        .unwrap();
    assert_eq!(rest["activities"], json!([]));
}

/// The id and the data of a stream's next activity.
async fn next_event(stream: &mut reqwest::Response) -> (String, Value) {
    let read = async {
        let mut text = String::new();
        loop {
            let chunk = stream.chunk().await.unwrap().unwrap();
            text.push_str(std::str::from_utf8(&chunk).unwrap());
            if let Some((event, rest)) = text.split_once("\n\n") {
                let event = event.to_owned();
                if event.contains("event: activity") {
                    assert!(rest.is_empty(), "one event a chunk");
                    return event;
                }
                text = rest.to_owned();
            }
        }
    };
    let event = timeout(Duration::from_secs(30), read).await.unwrap();
    let field = |name: &str| {
        let mut lines = event.lines();
        lines
            .find_map(|line| line.strip_prefix(name))
            .unwrap()
            .trim()
            .to_owned()
    };
    (field("id:"), serde_json::from_str(&field("data:")).unwrap())
}
