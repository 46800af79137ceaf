//! Background work of hosts, as their logs tell it: who was at work on what from when to when.

use std::collections::HashMap;
use std::fmt;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde_json::Value;

/// What hosts must be told to log for this.
pub const LOGGING: &str = "log_format = \"json\"
log_level = \"warn,integration_host::background=debug\"
";

/// A piece of work.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) host: usize,
    work: String,
    pub(super) connection: String,
    pub(super) began: Timestamp,
    pub(super) ended: Timestamp,
}

/// Everything that hosts did in the background.
#[derive(Default)]
pub(super) struct Pieces {
    pieces: Vec<Piece>,
    /// How much of the log of a host was read. It goes on in the same file when the host is started again.
    read: HashMap<usize, usize>,
}

impl Pieces {
    /// Adds what the log of a host tells since it was last read. The host ended at this time.
    pub(super) fn read(&mut self, host: usize, log: &str, ended: Timestamp) -> Result<()> {
        let read = self.read.insert(host, log.len()).unwrap_or_default();
        let mut open: Vec<Piece> = Vec::new();
        for line in log.get(read..).unwrap_or_default().lines() {
            let Ok(line) = serde_json::from_str::<Value>(line) else {
                continue;
            };
            let fields = &line["fields"];
            let at = || -> Result<Timestamp> {
                let at = line["timestamp"]
                    .as_str()
                    .context("a line without a time")?;
                Ok(at.parse()?)
            };
            let connection = fields["connection"].as_str().unwrap_or_default();
            match fields["message"].as_str() {
                Some("background work begins") => open.push(Piece {
                    host,
                    work: fields["work"].as_str().unwrap_or_default().to_owned(),
                    connection: connection.to_owned(),
                    began: at()?,
                    ended,
                }),
                Some("background work ends") => {
                    let place = open.iter().position(|piece| piece.connection == connection);
                    let mut piece = open.remove(place.context("work ends that did not begin")?);
                    piece.ended = at()?;
                    self.pieces.push(piece);
                }
                _ => {}
            }
        }
        // What the host was at when it was killed.
        self.pieces.extend(open);
        Ok(())
    }

    /// Cuts what a host was at when it was stopped from `stopped` to `woken`, and returns what was left of it
    /// then.
    pub(super) fn cut(&mut self, host: usize, stopped: Timestamp, woken: Timestamp) -> Vec<Piece> {
        let mut rests = Vec::new();
        for piece in &mut self.pieces {
            if piece.host == host && piece.began < stopped && piece.ended > stopped {
                rests.push(Piece {
                    began: woken,
                    ..piece.clone()
                });
                piece.ended = stopped;
            }
        }
        rests
    }

    pub(super) fn count(&self) -> usize {
        self.pieces.len()
    }

    /// When two hosts were at work on the same connection at the same time.
    pub(super) fn collisions(&self) -> Vec<String> {
        let mut pieces: Vec<&Piece> = self.pieces.iter().collect();
        pieces.sort_by_key(|piece| piece.began);
        let mut collisions = Vec::new();
        for (number, piece) in pieces.iter().enumerate() {
            let meanwhile = pieces
                .iter()
                .skip(number + 1)
                .take_while(|later| later.began < piece.ended)
                .filter(|later| later.host != piece.host && later.connection == piece.connection);
            collisions.extend(meanwhile.map(|later| format!("{piece} and {later}")));
        }
        collisions
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            work,
            connection,
            began,
            ended,
        } = self;
        write!(
            formatter,
            "host {host}: {work} of {connection} from {began} to {ended}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(second: u32, what: &str, connection: &str) -> String {
        let fields = serde_json::json!({ "message": what, "connection": connection });
        let at = format!("2026-01-01T00:00:{second:02}Z");
        serde_json::json!({ "timestamp": at, "fields": fields }).to_string() + "\n"
    }

    fn at(second: u32) -> Timestamp {
        format!("2026-01-01T00:00:{second:02}Z").parse().unwrap()
    }

    #[test]
    fn work_that_overlaps_is_seen() {
        let (begins, ends) = ("background work begins", "background work ends");
        let mut pieces = Pieces::default();
        let one = [(1, begins), (5, ends), (7, begins)];
        let one = one.map(|(second, what)| line(second, what, "a")).concat();
        let other = [(4, begins, "b"), (5, begins, "a"), (6, ends, "a")];
        let other = other
            .map(|(second, what, id)| line(second, what, id))
            .concat();
        pieces.read(0, &one, at(9)).unwrap();
        pieces.read(1, &other, at(6)).unwrap();
        assert_eq!((pieces.count(), pieces.collisions().len()), (4, 0));
        pieces.read(0, &one, at(9)).unwrap();
        assert_eq!(pieces.count(), 4, "a log was read twice");
        // The first was killed while it was at work, and another began before.
        pieces.read(2, &line(8, begins, "a"), at(9)).unwrap();
        assert_eq!(pieces.collisions().len(), 1);
        // Unless the first had been stopped.
        let rests = pieces.cut(0, at(7) + std::time::Duration::from_millis(500), at(9));
        assert_eq!((rests.len(), pieces.collisions().len()), (1, 0));
    }
}
