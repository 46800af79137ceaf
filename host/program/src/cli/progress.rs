//! How far a long piece of work is, told now and then.

use std::time::{Duration, Instant};

use super::output::Output;
use crate::transfer::Progress;

/// How often progress is told.
const INTERVAL: Duration = Duration::from_secs(2);

/// Tells how far an export or an import is, for people only.
pub(super) struct ProgressReporter {
    output: Output,
    began: Instant,
    told: Instant,
    /// How many bytes there are, where that is known.
    bytes: Option<u64>,
}

impl ProgressReporter {
    pub(super) fn start(output: Output, bytes: Option<u64>) -> Self {
        let now = Instant::now();
        Self {
            output,
            began: now,
            told: now,
            bytes,
        }
    }

    pub(super) fn tell(&mut self, progress: Progress) {
        if self.output.is_json() || self.told.elapsed() < INTERVAL {
            return;
        }
        self.told = Instant::now();
        let sentence = describe(progress, self.began.elapsed(), self.bytes);
        self.output.progress(&sentence);
    }

    /// How long it took.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

fn describe(progress: Progress, elapsed: Duration, bytes: Option<u64>) -> String {
    let seconds = elapsed.as_secs_f64().max(0.001);
    let rate = (progress.lines as f64 / seconds).round() as u64;
    let mut text = format!("{} lines, {rate} a second", progress.lines);
    if let Some(bytes) = bytes
        && progress.bytes > 0
    {
        let part = progress.bytes as f64 / bytes.max(progress.bytes) as f64;
        let left = (seconds * (1.0 - part) / part).round() as u64;
        text.push_str(&format!(
            ", {} %, {}:{:02} left",
            (part * 100.0).floor(),
            left / 60,
            left % 60
        ));
    }
    text + " …"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_says_how_fast_and_how_long_still() {
        let progress = Progress {
            lines: 100_000,
            bytes: 25,
        };
        let elapsed = Duration::from_secs(30);
        assert_eq!(
            describe(progress, elapsed, Some(100)),
            "100000 lines, 3333 a second, 25 %, 1:30 left …"
        );
        assert_eq!(
            describe(progress, elapsed, None),
            "100000 lines, 3333 a second …"
        );
    }
}
