//! One target, run by libFuzzer.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::command::workspace;

/// The largest input, in bytes: larger than any real delivery, small enough to be quick.
const MAX_INPUT_BYTES: u32 = 8192;

/// An input that takes longer is a finding, in seconds. Generous, for machines that are busy.
const INPUT_TIMEOUT_SECONDS: u32 = 30;

/// A program that holds more memory is a finding, in MiB.
const MEMORY_LIMIT_MIB: u32 = 2048;

/// What targets need to run.
pub struct Surroundings {
    /// The component.
    pub component: PathBuf,
    /// The folder of the targets' programs.
    pub programs: PathBuf,
    /// Where corpora grow, and where findings and logs go.
    pub folder: PathBuf,
}

/// What came of a target's run.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    pub target: String,
    /// Inputs that were run.
    pub inputs: u64,
    /// Inputs per second, on average.
    pub per_second: u64,
    /// Edges of the instrumented code that some input reached.
    pub edges: u64,
    /// Inputs that were added to the growing corpus, since they reached something new.
    pub new_units: u64,
    pub crash: Option<Crash>,
}

/// A broken promise.
#[derive(Debug, PartialEq)]
pub struct Crash {
    /// The input.
    pub input: PathBuf,
    /// What runs it again.
    pub command: String,
    /// What the program said at the end.
    pub log: PathBuf,
}

impl Surroundings {
    /// Runs a target for some time, or until it crashes.
    pub fn run(&self, target: &str, time: Duration) -> Result<Outcome> {
        let seconds = time.as_secs().max(1);
        eprintln!("fuzzing {target} for {seconds} s");
        let corpus = self.make("corpus", target)?;
        let findings = self.make("artifacts", target)?;
        let temporary = self.make("tmp", target)?;
        let log = self.make("log", "")?.join(format!("{target}.log"));
        let program = self.programs.join(target);
        let mut command = Command::new(&program);
        command
            .arg(corpus)
            .arg(workspace().join("fuzz/corpus").join(target))
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-max_len={MAX_INPUT_BYTES}"))
            .arg(format!("-timeout={INPUT_TIMEOUT_SECONDS}"))
            .arg(format!("-rss_limit_mb={MEMORY_LIMIT_MIB}"))
            .arg(format!("-artifact_prefix={}/", findings.display()))
            .arg("-print_final_stats=1");
        let dictionary = workspace().join(format!("fuzz/dictionaries/{target}.dict"));
        if dictionary.is_file() {
            command.arg(format!("-dict={}", dictionary.display()));
        }
        let status = command
            .env("TOGGL_COMPONENT", &self.component)
            .env("TMPDIR", temporary)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .status()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        let mut outcome = read(target, &said);
        if !status.success() {
            let input = finding(&said).unwrap_or_default();
            outcome.crash = Some(Crash {
                command: format!(
                    "TOGGL_COMPONENT={} {} {}",
                    self.component.display(),
                    program.display(),
                    input.display()
                ),
                input,
                log,
            });
        }
        Ok(outcome)
    }

    fn make(&self, kind: &str, target: &str) -> Result<PathBuf> {
        let folder = self.folder.join(kind).join(target);
        fs::create_dir_all(&folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(folder)
    }
}

/// The figures in what libFuzzer writes.
fn read(target: &str, said: &str) -> Outcome {
    let statistic = |name: &str| {
        let value = said
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name));
        value
            .and_then(|value| value.trim_start_matches(':').trim().parse().ok())
            .unwrap_or_default()
    };
    let edges = said.lines().rev().find_map(|line| {
        let (_, rest) = line.split_once(" cov: ")?;
        rest.split_whitespace().next()?.parse().ok()
    });
    Outcome {
        target: target.to_owned(),
        inputs: statistic("number_of_executed_units"),
        per_second: statistic("average_exec_per_sec"),
        edges: edges.unwrap_or_default(),
        new_units: statistic("new_units_added"),
        crash: None,
    }
}

/// The input that libFuzzer has kept.
fn finding(said: &str) -> Option<PathBuf> {
    let (_, rest) = said.split_once("Test unit written to ")?;
    rest.lines().next().map(Path::new).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
#2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 40Mb
#65536\tpulse  cov: 345 ft: 900 corp: 70/2Kb lim: 643 exec/s: 32768 rss: 60Mb
thread panicked at a promise
artifact_prefix='x/'; Test unit written to x/crash-0123
Base64: AA==
stat::number_of_executed_units: 70000
stat::average_exec_per_sec:     31000
stat::new_units_added:          69
";

    #[test]
    fn the_figures_and_the_finding_are_read_from_what_the_fuzzer_says() {
        let outcome = read("times", SAID);
        let expected = Outcome {
            target: "times".into(),
            inputs: 70_000,
            per_second: 31_000,
            edges: 345,
            new_units: 69,
            crash: None,
        };
        assert_eq!(outcome, expected);
        assert_eq!(finding(SAID), Some(PathBuf::from("x/crash-0123")));
    }

    #[test]
    fn a_program_that_ended_early_has_no_figures() {
        let expected = Outcome {
            target: "times".into(),
            ..Outcome::default()
        };
        assert_eq!(read("times", "cannot open shared object file"), expected);
        assert_eq!(finding("cannot open shared object file"), None);
    }
}
