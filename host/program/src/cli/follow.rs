//! Following the event stream.

use std::future::ready;
use std::pin::pin;
use std::time::Duration;

use eventsource_stream::{Event, EventStreamError, Eventsource as _};
use futures_util::{Stream, StreamExt as _};
use reqwest::Response;

use super::client::Client;
use super::failure::Failure;
use super::output::{Output, printable};
use integration_host_server::api::{ActivityView, Problem};

/// The longest line of a stream that is taken for one.
const LONGEST_LINE: usize = 1 << 20;
/// How long to wait before connecting again.
const RECONNECT: Duration = Duration::from_secs(2);

/// Calls `show` for every activity from now on, until that fails. A stream that breaks is taken up again
/// where it was, so nothing is missed, however long the host is away. If the host's data was restored meanwhile, it is
/// everything from the beginning: nobody knows which of it is new.
pub(super) async fn follow(
    client: &Client,
    mut show: impl AsyncFnMut(&ActivityView) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut after = "now".to_owned();
    let mut response = open(client, &after).await?;
    loop {
        let mut events = pin!(events(response.bytes_stream()));
        while let Some(event) = events.next().await {
            let event = event?;
            if !event.id.is_empty() {
                after = event.id;
            }
            match event.event.as_str() {
                "activity" => show(&parse(&event.data)?).await?,
                Problem::FEED_RESTARTED => {
                    tell(
                        "the host's data was restored or moved; showing everything from the beginning",
                    );
                    after.clear();
                }
                "problem" => tell(&parse::<Problem>(&event.data)?.detail),
                _ => {}
            }
        }
        tell("the stream ended; connecting again");
        response = reopen(client, &after).await;
    }
}

/// Connects until it succeeds, and says why not whenever the reason changes.
async fn reopen(client: &Client, after: &str) -> Response {
    let mut told = String::new();
    loop {
        tokio::time::sleep(RECONNECT).await;
        match open(client, after).await {
            Ok(response) => return response,
            Err(Failure::Failed(why)) if why != told => {
                tell(&why);
                told = why;
            }
            Err(_) => {}
        }
    }
}

async fn open(client: &Client, after: &str) -> Result<Response, Failure> {
    client
        .open(&["activities", "stream"], &[("after", after)])
        .await
}

fn tell(sentence: &str) {
    Output::new(false).progress(&printable(sentence));
}

fn parse<T: serde::de::DeserializeOwned>(data: &str) -> Result<T, Failure> {
    serde_json::from_str(data).map_err(|_| {
        Failure::failed(
            "the host sent an event this program does not understand; is it of the same version?",
        )
    })
}

/// What the bytes of `text/event-stream` say. A broken stream reads like one that ended.
fn events<B: AsRef<[u8]>, E>(
    bytes: impl Stream<Item = Result<B, E>>,
) -> impl Stream<Item = Result<Event, Failure>> {
    let mut line = 0;
    // The reader of events keeps a line however long it is.
    let bounded = bytes.map(move |bytes| {
        let bytes = bytes.map_err(|_| None)?;
        for byte in bytes.as_ref() {
            line = if *byte == b'\n' { 0 } else { line + 1 };
            if line > LONGEST_LINE {
                return Err(Some(Failure::failed("the host sent an endless line")));
            }
        }
        Ok(bytes)
    });
    bounded.eventsource().scan((), |(), event| {
        ready(match event {
            Ok(event) => Some(Ok(event)),
            Err(EventStreamError::Transport(Some(failure))) => Some(Err(failure)),
            Err(_) => None,
        })
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream::iter;

    use super::*;

    async fn read(pieces: impl Iterator<Item = &[u8]>) -> Result<Vec<Event>, Failure> {
        let pieces = iter(pieces.map(Ok::<_, Infallible>));
        let events: Vec<_> = events(pieces).collect().await;
        events.into_iter().collect()
    }

    #[tokio::test]
    async fn events_are_read_however_the_bytes_are_cut() {
        let text = ": alive\n\nevent: activity\nid: 17\nretry: 2000\ndata: {\"a\":\"ü\"}\n\nevent: problem\r\ndata:1\r\ndata:2\r\n\r\n";
        for size in 1..text.len() {
            let read = read(text.as_bytes().chunks(size)).await.unwrap();
            let [activity, problem] = read.as_slice() else {
                panic!("in pieces of {size}: {read:?}");
            };
            let activity = (
                activity.event.as_str(),
                activity.id.as_str(),
                activity.data.as_str(),
            );
            assert_eq!(
                activity,
                ("activity", "17", "{\"a\":\"ü\"}"),
                "in pieces of {size}"
            );
            let problem = (problem.event.as_str(), problem.data.as_str());
            assert_eq!(problem, ("problem", "1\n2"), "in pieces of {size}");
        }
    }

    #[tokio::test]
    async fn an_endless_line_is_refused() {
        let line = vec![b'x'; LONGEST_LINE + 1];
        assert!(read(std::iter::once(line.as_slice())).await.is_err());
    }
}
