//! Following the event stream.

use std::time::Duration;

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
        let mut parser = Parser::default();
        // A broken stream reads like one that ended.
        while let Ok(Some(chunk)) = response.chunk().await {
            for event in parser.push(&chunk)? {
                if !event.id.is_empty() {
                    after = event.id;
                }
                match event.name.as_str() {
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

/// One event.
#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    name: String,
    data: String,
    id: String,
}

/// Reads `text/event-stream`, as far as this program's server writes it.
#[derive(Default)]
struct Parser {
    line: Vec<u8>,
    event: Event,
}

impl Parser {
    /// Takes more bytes and returns the events they complete.
    fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, Failure> {
        let mut events = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                if self.line.len() >= LONGEST_LINE {
                    return Err(Failure::failed("the host sent an endless line"));
                }
                self.line.push(*byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(&line);
            events.extend(self.end_line(line.trim_end_matches('\r')));
        }
        Ok(events)
    }

    fn end_line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return (!event.data.is_empty()).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "id" => value.clone_into(&mut self.event.id),
            "data" => {
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_the_bytes_are_cut() {
        let text = ": alive\n\nevent: activity\nid: 17\nretry: 2000\ndata: {\"a\":\"ü\"}\n\nevent: problem\r\ndata:1\r\ndata:2\r\n\r\n";
        let expected = vec![
            Event {
                name: "activity".into(),
                data: "{\"a\":\"ü\"}".into(),
                id: "17".into(),
            },
            Event {
                name: "problem".into(),
                data: "1\n2".into(),
                id: String::new(),
            },
        ];
        for size in 1..text.len() {
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for chunk in text.as_bytes().chunks(size) {
                events.extend(parser.push(chunk).unwrap());
            }
            assert_eq!(events, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut parser = Parser::default();
        assert!(parser.push(&vec![b'x'; LONGEST_LINE + 1]).is_err());
    }
}
