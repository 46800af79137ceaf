//! Fuzzing: every target for its share of the time.

mod report;
mod run;

use std::fs;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::build;
use crate::command::{cargo, run as run_to_end, target_directory, workspace};
use report::Report;
use run::{Outcome, Surroundings};

/// How long to fuzz, and what.
#[derive(Args)]
pub struct FuzzArguments {
    /// For how long, all targets together
    #[arg(long, default_value_t = 120, value_name = "N")]
    seconds: u64,
    /// Only this target; may be repeated [default: all of fuzz/fuzz_targets]
    #[arg(long = "target", value_name = "NAME")]
    targets: Vec<String>,
    /// How many run at the same time [default: one a core]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// Prints the figures as JSON
    #[arg(long)]
    json: bool,
}

impl FuzzArguments {
    /// Every target, for so long.
    pub fn all_for(seconds: u64) -> Self {
        Self {
            seconds,
            targets: Vec::new(),
            jobs: None,
            json: false,
        }
    }
}

/// Builds and runs the targets, prints what came of it, and fails if one of them crashed.
pub fn fuzz(arguments: &FuzzArguments) -> Result<()> {
    let targets = choose(&arguments.targets)?;
    let surroundings = Surroundings {
        component: build::component()?,
        programs: build_targets(&targets)?,
        folder: target_directory().join("fuzz"),
    };
    let jobs = arguments.jobs.map_or_else(cores, NonZero::get);
    let jobs = jobs.min(targets.len());
    let report = Report::new(run_all(&surroundings, &targets, arguments.seconds, jobs)?);
    if arguments.json {
        println!("{}", report.json());
    } else {
        print!("{report}");
    }
    match report.crashes() {
        0 => Ok(()),
        crashes => bail!("{crashes} of {} targets crashed", targets.len()),
    }
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// The targets with these names, or all.
fn choose(names: &[String]) -> Result<Vec<String>> {
    let folder = workspace().join("fuzz/fuzz_targets");
    let mut all = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        if let Some(name) = entry?.path().file_stem() {
            all.push(name.to_string_lossy().into_owned());
        }
    }
    all.sort();
    if let Some(unknown) = names.iter().find(|name| !all.contains(name)) {
        bail!(
            "there is no target `{unknown}`; there are {}",
            all.join(", ")
        );
    }
    if !names.is_empty() {
        all.retain(|name| names.contains(name));
    }
    Ok(all)
}

/// Builds the targets with libFuzzer's instrumentation and returns the folder they are in. It is a folder
/// of their own: the plugin is a C library too, whose file has one name however it was built.
fn build_targets(targets: &[String]) -> Result<PathBuf> {
    let folder = workspace().join("fuzz");
    let build = target_directory().join("fuzz/build");
    let mut command = cargo();
    command
        .current_dir(&folder)
        .arg("build")
        .env("RUSTC_WRAPPER", folder.join("instrument.sh"))
        .env("CARGO_TARGET_DIR", &build);
    for target in targets {
        command.args(["--bin", target]);
    }
    run_to_end(&mut command)?;
    Ok(build.join("debug"))
}

/// Runs `jobs` targets at a time, each for its share of the time.
fn run_all(
    surroundings: &Surroundings,
    targets: &[String],
    seconds: u64,
    jobs: usize,
) -> Result<Vec<Outcome>> {
    let total = Duration::from_secs(seconds).as_secs_f64() * jobs as f64;
    let share = Duration::from_secs_f64(total / targets.len() as f64);
    let waiting = Mutex::new(targets.iter());
    let work = || {
        let mut outcomes = Vec::new();
        loop {
            let next = waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .next();
            let Some(target) = next else {
                return Ok(outcomes);
            };
            outcomes.push(surroundings.run(target, share)?);
        }
    };
    let outcomes: Result<Vec<Vec<Outcome>>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|_| bail!("a defect ended the fuzzing"))
            })
            .collect()
    });
    let mut outcomes: Vec<Outcome> = outcomes?.into_iter().flatten().collect();
    outcomes.sort_by(|one, other| one.target.cmp(&other.target));
    Ok(outcomes)
}
