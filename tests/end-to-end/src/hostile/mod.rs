//! What a hostile component tries, and whether it was contained: cases as data, for the test and for
//! `cargo xtask chaos`.

mod cage;
mod components;
mod log;
mod storage;

use anyhow::{Result, ensure};
use integration_host_engine::{CallError, Engine, LimitKind};
use tracing::instrument::WithSubscriber as _;

pub use cage::{Cage, Export, delivery};
pub use log::Log;

/// What keeps an attempt from succeeding.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// The call is stopped by this limit, and the log names connection, function and limit.
    Stopped(LimitKind),
    /// The call traps, and the log names connection and function.
    Trapped,
    /// The host refuses the request, nothing leaves it, and the log says so.
    Refused,
    /// The call goes on and is told something that begins so.
    Told(&'static str),
    /// The call goes on, is told something that begins so, and the log names connection, function and this
    /// limit.
    Limited(&'static str, &'static str),
    /// The call fails with an error that contains this.
    Fails(&'static str),
}

/// One attempt in one function.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The function that makes it.
    pub export: Export,
    /// Its name in the component.
    pub attempt: &'static str,
    /// What stops it.
    pub expected: Expected,
}

/// What came of all cases.
#[derive(Debug, Default)]
pub struct Report {
    /// How many were contained.
    pub contained: usize,
    /// How many there are.
    pub total: usize,
    /// What got out, one line each.
    pub escaped: Vec<String>,
}

impl Report {
    fn add(&mut self, case: &str, outcome: Result<()>) {
        self.total += 1;
        match outcome {
            Ok(()) => self.contained += 1,
            Err(error) => self.escaped.push(format!("{case}: {error:#}")),
        }
    }
}

/// Every case of the misbehaving component.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |export, attempt, expected| {
        cases.push(Case {
            export,
            attempt,
            expected,
        });
    };
    for export in Export::ALL {
        add(export, "trap", Expected::Trapped);
        add(export, "loop", Expected::Stopped(LimitKind::Cpu));
        add(export, "grow", Expected::Stopped(LimitKind::Memory));
        add(export, "recurse", Expected::Stopped(LimitKind::Stack));
        match export {
            Export::Disconnect => continue,
            Export::HandleWebhook => {
                add(
                    export,
                    "return-answer",
                    Expected::Stopped(LimitKind::Result),
                );
                add(export, "return-forged", Expected::Told("failed 2026"));
            }
            _ => {}
        }
        add(export, "return-text", Expected::Stopped(LimitKind::Result));
        if export != Export::Connect {
            add(export, "return-items", Expected::Stopped(LimitKind::Result));
        }
    }
    for export in [Export::Subscribe, Export::HandleWebhook, Export::Reconcile] {
        add(
            export,
            "return-flood",
            Expected::Stopped(LimitKind::Transfer),
        );
    }
    for attempt in [
        "loop-log",
        "loop-random",
        "loop-clock",
        "loop-storage",
        "loop-list",
    ] {
        add(Export::Connect, attempt, Expected::Stopped(LimitKind::Cpu));
        add(
            Export::HandleWebhook,
            attempt,
            Expected::Stopped(LimitKind::Cpu),
        );
    }
    let connect = [
        (
            "fail",
            Expected::Fails("failed 2026-01-01 ERROR forged=true [2J"),
        ),
        ("huge-random", Expected::Stopped(LimitKind::Random)),
        ("huge-log", Expected::Stopped(LimitKind::Transfer)),
        ("huge-lookup", Expected::Stopped(LimitKind::Transfer)),
        ("flood-log", Expected::Limited("logged", "log_lines")),
        (
            "flood-directory",
            Expected::Limited("1000 ", "directory_lookups"),
        ),
        (
            "flood-http",
            Expected::Limited("Error::LimitExceeded", "http"),
        ),
        ("hang", Expected::Stopped(LimitKind::Time)),
        ("redirect", Expected::Told("302 ")),
        (
            "huge-answer",
            Expected::Limited("Error::LimitExceeded", "http"),
        ),
        ("leave-scope", Expected::Told("[\"attempt\"")),
        ("odd-keys", Expected::Limited("0 accepted", "storage_call")),
        (
            "huge-value",
            Expected::Limited("Err(Error::Invalid", "storage_call"),
        ),
        (
            "many-keys",
            Expected::Limited("10000 Error::Invalid", "storage_call"),
        ),
        ("write-and-fail", Expected::Fails("on purpose")),
        ("write-and-trap", Expected::Trapped),
        ("write-and-loop", Expected::Stopped(LimitKind::Cpu)),
        ("read", Expected::Told("Ok(false)")),
    ];
    for (attempt, expected) in connect {
        add(Export::Connect, attempt, expected);
    }
    for attempt in [
        "undeclared-secret",
        "other-host",
        "plain-http",
        "file-url",
        "userinfo",
        "backslash",
        "trailing-dot",
        "other-port",
        "unicode-host",
        "fraction-slash",
        "percent-host",
        "percent-slash",
        "loopback",
        "loopback-number",
        "loopback-octal",
        "loopback-v6",
        "loopback-mapped",
        "loopback-name",
        "private",
        "link-local",
        "metadata",
        "inside-name",
        // Once more: the name server answers differently now.
        "inside-name",
        "huge-url",
        "huge-body",
        "huge-headers",
        "many-headers",
        "inject-value",
        "inject-newline",
        "inject-name",
        "set-host",
        "set-length",
        "set-encoding",
        "set-authorization",
        "set-cookie",
    ] {
        add(Export::Connect, attempt, Expected::Refused);
    }
    cases
}

/// Runs every case, and every fixture in `fixtures/components` and `fixtures/storage-components`.
///
/// # Errors
/// The host or the sandbox cannot be set up. What gets out is in the report.
pub async fn run() -> Result<Report> {
    let log = Log::default();
    let attempts = async {
        let engine = Engine::new(Cage::limits(), None)?;
        let cage = Cage::new(&engine).await?;
        let mut report = Report::default();
        for case in cases() {
            let Case {
                export, attempt, ..
            } = case;
            let outcome = contain(&cage, case, &log).await;
            report.add(&format!("{attempt} in {}", export.name()), outcome);
        }
        report.add("filling the storage", storage_has_an_end(&cage).await);
        components::run(&engine, &log, &mut report).await?;
        storage::run(&log, &mut report).await?;
        let after = cage.attempt(Export::Connect, "read").await;
        let works = after.map(drop).map_err(anyhow::Error::from);
        report.add("an ordinary call after all that", works);
        anyhow::Ok(report)
    };
    attempts.with_subscriber(log.dispatch()).await
}

async fn contain(cage: &Cage, case: Case, log: &Log) -> Result<()> {
    let Case {
        export,
        attempt,
        expected,
    } = case;
    let sent_before = cage.sandbox.control().requests().len();
    log.take();
    let outcome = cage.attempt(export, attempt).await;
    let logged = log.take();
    let sent = cage.sandbox.control().requests().len() - sent_before;
    let in_log = |what: &str| {
        let line = logged.lines().find(|line| line.contains(what));
        ensure!(
            line.is_some_and(|line| line.contains("connection=attacker")
                && line.contains(&format!("export=\"{}\"", export.name()))),
            "the log does not name it: {}",
            shortened(&logged)
        );
        Ok(())
    };
    match (expected, &outcome) {
        (Expected::Stopped(limit), Err(error)) if error.limit() == Some(limit) => {
            in_log(&format!("limit=\"{limit}\""))?;
        }
        (Expected::Trapped, Err(CallError::Trap { .. })) => in_log("cause=")?,
        (Expected::Refused, Ok(told)) if told.starts_with("Error::Refused") => {
            in_log("refused an HTTP request")?;
            ensure!(sent == 0, "{sent} requests left the host");
        }
        (Expected::Told(beginning), Ok(told)) if told.starts_with(beginning) => {}
        (Expected::Limited(beginning, limit), Ok(told)) if told.starts_with(beginning) => {
            in_log(&format!("limit=\"{limit}\""))?;
        }
        (Expected::Fails(text), Err(error)) if error.to_string().contains(text) => {}
        _ => {
            let got = match &outcome {
                Ok(told) => format!("it was told {}", shortened(told)),
                Err(error) => format!("it ended with {error:?}"),
            };
            anyhow::bail!("{got} instead of {expected:?}");
        }
    }
    ensure!(
        logged.len() < 200_000,
        "it filled the log with {} bytes",
        logged.len()
    );
    ensure!(
        logged
            .lines()
            .all(|line| line.contains(" INFO ") || line.contains(" WARN ")),
        "it forged a line of the log: {}",
        shortened(&logged)
    );
    let context = &cage.context;
    let left = context
        .store
        .list(&context.connection, "integration/left", None, 1)
        .await?;
    ensure!(left.is_empty(), "a failed call left something behind");
    Ok(())
}

/// Calls that each store a little cannot fill the host's disk.
async fn storage_has_an_end(cage: &Cage) -> Result<()> {
    let most = Cage::limits().storage_bytes_per_connection;
    for _ in 0..8 {
        if let Err(error) = cage.attempt(Export::Connect, "fill").await {
            let entries = cage
                .context
                .store
                .list(&cage.context.connection, "", None, 1000)
                .await?;
            let stored: usize = entries.iter().map(|entry| entry.value.len()).sum();
            ensure!(
                stored <= most,
                "{stored} bytes are stored, allowed are {most}"
            );
            ensure!(
                error.to_string().contains("stores more than"),
                "it ended with {error:?}"
            );
            return Ok(());
        }
    }
    anyhow::bail!("it may store without end")
}

/// The beginning of a text.
fn shortened(text: &str) -> String {
    text.chars().take(400).collect()
}
