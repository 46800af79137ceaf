//! A second try for a few tests that failed. On a machine that others use too, a test may run out of time once; one that
//! fails alone and at once again is broken.

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, PipeReader, Write as _};
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// More failures than these are no want of time.
const MOST: usize = 3;

/// How long to wait for output after the end: something that was left running may hold the pipe.
const LEFT_OVER: Duration = Duration::from_secs(5);

/// Runs tests, and those that failed once more, alone, and says so.
///
/// # Errors
/// Too many failed, or one failed again, or something else than a test did.
pub fn run(command: impl Fn() -> Command, arguments: &[OsString]) -> Result<()> {
    let (status, seen) = watch(command().args(arguments))?;
    if status.success() {
        return Ok(());
    }
    let failed = &seen.failed;
    if failed.is_empty() || failed.len() > MOST || seen.is_aborted {
        bail!("tests failed ({status}): {}", failed.join(", "));
    }
    eprintln!("── a second try for {}", failed.join(", "));
    let mut arguments = arguments.to_vec();
    if !arguments.iter().any(|argument| argument == "--") {
        arguments.push("--".into());
    }
    arguments.push("--exact".into());
    arguments.extend(failed.iter().map(OsString::from));
    let (status, _) = watch(command().args(arguments))?;
    if !status.success() {
        bail!("failed twice ({status}): {}", failed.join(", "));
    }
    eprintln!("── passed at the second try only: {}", failed.join(", "));
    Ok(())
}

/// What the output of `cargo test` told.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    failed: Vec<String>,
    /// A program of tests ended without telling of all its tests.
    is_aborted: bool,
}

impl Seen {
    fn look(&mut self, line: &str) {
        let name = line
            .strip_prefix("test ")
            .and_then(|line| line.strip_suffix(" ... FAILED"));
        if let Some(name) = name {
            self.failed.push(name.to_owned());
        }
        self.is_aborted |= line.contains("process didn't exit successfully")
            && !line.contains("(exit status: 101)");
    }
}

/// Runs a command to its end, shows what it prints and looks at it.
fn watch(command: &mut Command) -> Result<(ExitStatus, Seen)> {
    let (output, pipe) = io::pipe()?;
    command.stdout(pipe.try_clone()?).stderr(pipe);
    let mut child = command
        .spawn()
        .with_context(|| format!("{command:?} cannot be started"))?;
    // The pipe ends when the last who can write to it is gone.
    command.stdout(io::stdout()).stderr(io::stderr());
    let seen = Arc::<Mutex<Seen>>::default();
    let looking = thread::spawn({
        let seen = Arc::clone(&seen);
        move || show(output, &seen)
    });
    let status = child.wait()?;
    let ended = Instant::now();
    while !looking.is_finished() && ended.elapsed() < LEFT_OVER {
        thread::sleep(Duration::from_millis(20));
    }
    let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((status, seen))
}

fn show(output: PipeReader, seen: &Mutex<Seen>) {
    for line in BufReader::new(output).split(b'\n') {
        let Ok(line) = line else { return };
        let mut shown = io::stdout().lock();
        // Nobody may be reading: what was seen counts.
        let _ = shown.write_all(&line).and_then(|()| shown.write_all(b"\n"));
        seen.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .look(&String::from_utf8_lossy(&line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_tests_are_told_from_programs_that_died() {
        let mut seen = Seen::default();
        for line in [
            "test ledger::keeps ... ok",
            "test ledger::finds ... FAILED",
            "error: test failed, to rerun pass `-p integration-host --lib`",
            "  process didn't exit successfully: `target/debug/deps/a` (exit status: 101)",
        ] {
            seen.look(line);
        }
        assert_eq!(seen.failed, ["ledger::finds"]);
        assert!(!seen.is_aborted);
        seen.look("  process didn't exit successfully: `target/debug/deps/a` (signal: 6, SIGABRT: process abort signal)");
        assert!(seen.is_aborted);
    }
}
