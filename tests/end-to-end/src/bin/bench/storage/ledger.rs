//! Ledgers of ten thousand to ten million activities: how long the same reads take, and how long it takes to import
//! and export them.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use end_to_end::generated_export::{Shape, generate};
use integration_host_contract::id::SubjectId;
use integration_host_database::SqliteDatabase;
use integration_host_database::postgres::PostgresDatabase;
use integration_host_ledger::{ActivityFilter, Ledger, Retention};
use integration_host_ledger_sql::{PostgresLedger, SqliteLedger};
use jiff::SignedDuration;
use tempfile::TempDir;
use test_services::{Durability, PostgresServer, TestDatabase};

use super::moving::{Moved, Place};
use crate::times::Times;

/// Of the smallest ledger; each further one has ten times as many.
const FEWEST: u32 = 10_000;
/// A larger ledger is not exported as well.
const MOST_EXPORTED: u32 = 1_000_000;
/// How often each read is made, each time for another connection or from another place on.
const READS: u32 = 300;
const PAGE: usize = 100;
const PROMISED: Duration = Duration::from_millis(10);

/// Measures ledgers of up to so many activities.
pub async fn measure(most: u32) -> Result<()> {
    let larger = |size: &u32| size.checked_mul(10);
    let sizes: Vec<u32> = std::iter::successors(Some(FEWEST), larger)
        .take_while(|size| *size <= most)
        .collect();
    let folder = tempfile::tempdir()?;
    for kind in &Kind::all()? {
        println!("\nMoving: a ledger in {}", kind.name());
        let mut columns = Vec::new();
        for activities in sizes.iter().copied() {
            columns.push(measure_size(kind, activities, folder.path()).await?);
        }
        show(kind, &sizes, &columns);
    }
    Ok(())
}

/// What keeps a ledger.
pub(super) enum Kind {
    Sqlite,
    Postgres(PostgresServer),
}

impl Kind {
    /// What is here to keep one.
    pub(super) fn all() -> Result<Vec<Self>> {
        let mut kinds = vec![Self::Sqlite];
        kinds.extend(PostgresServer::start(Durability::Disk)?.map(Self::Postgres));
        Ok(kinds)
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres(_) => "Postgres",
        }
    }
}

/// A ledger of one's own, which goes when this is dropped.
pub(super) struct Kept {
    pub(super) place: Place,
    _data: TempDir,
    _database: Option<TestDatabase>,
}

impl Kept {
    pub(super) fn new(kind: &Kind) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let database = match kind {
            Kind::Sqlite => None,
            Kind::Postgres(server) => Some(TestDatabase::create_on(server.url())?),
        };
        Ok(Self {
            place: Place {
                data: data.path().to_owned(),
                postgres: database.as_ref().map(TestDatabase::url),
            },
            _data: data,
            _database: database,
        })
    }

    pub(super) async fn open(&self) -> Result<Box<dyn Ledger>> {
        Ok(match &self.place.postgres {
            None => Box::new(SqliteLedger::new(SqliteDatabase::open(
                self.place.data.join("host.sqlite"),
            )?)),
            Some(address) => {
                let database = PostgresDatabase::open(&address.parse()?).await?;
                Box::new(PostgresLedger::new(database, Retention::default()))
            }
        })
    }
}

/// Makes a ledger of a size, and times each read.
async fn measure_size(
    kind: &Kind,
    activities: u32,
    folder: &Path,
) -> Result<Vec<(&'static str, Times)>> {
    let shape = Shape::year(activities);
    let file = folder.join(format!("{activities}.jsonl"));
    if !file.exists() {
        let mut output = BufWriter::new(File::create(&file)?);
        generate(&shape, &mut output)?;
        output.flush()?;
    }
    let kept = Kept::new(kind)?;
    let imported = kept.place.import(&file).await?;
    tell("imported", activities, &imported);
    let ledger = kept.open().await?;
    let times = reads(&*ledger, &shape).await?;
    ledger.close().await;
    if activities <= MOST_EXPORTED {
        let copy = kept.place.data.join("copy.jsonl");
        let exported = kept.place.export(&copy).await?;
        tell("exported", activities, &exported);
        ensure!(
            std::fs::metadata(&copy)?.len() > u64::from(activities),
            "the export is too short to be true"
        );
    }
    Ok(times)
}

fn tell(what: &str, activities: u32, moved: &Moved) {
    let a_second = f64::from(activities) / moved.elapsed.as_secs_f64();
    let memory = moved.most_memory as f64 / 1e6;
    println!(
        "  {activities:>10} activities {what}: {a_second:>8.0} /s, at most {memory:.0} MB of memory"
    );
}

async fn reads(ledger: &dyn Ledger, shape: &Shape) -> Result<Vec<(&'static str, Times)>> {
    let all = ActivityFilter {
        include_unmapped: true,
        ..ActivityFilter::default()
    };
    let of_connection = |read: u32| ActivityFilter {
        connection: Some(shape.connection(read % shape.connections)),
        ..all.clone()
    };
    // A week that ends up to fifty weeks ago.
    let in_week = |read: u32, filter: ActivityFilter| {
        let weeks = SignedDuration::from_hours(7 * 24 * i64::from(read % 50));
        let to = shape.until.checked_sub(weeks).context("too long ago")?;
        let week = SignedDuration::from_hours(7 * 24);
        anyhow::Ok(ActivityFilter {
            from: Some(to.checked_sub(week)?),
            to: Some(to),
            ..filter
        })
    };
    let page = async |filter: ActivityFilter| {
        drop(ledger.activities(&filter, None, PAGE).await?);
        anyhow::Ok(())
    };
    let last = ledger.last_change().await?;
    ensure!(last > 0, "nothing was imported");
    Ok(vec![
        (
            "page, newest of all",
            time(async |_| page(all.clone()).await).await?,
        ),
        (
            "page, newest of a connection",
            time(async |read| page(of_connection(read)).await).await?,
        ),
        (
            "page, a week of a connection",
            time(async |read| page(in_week(read, of_connection(read))?).await).await?,
        ),
        (
            "filter, a user",
            time(async |read| {
                let user = shape.user(3 * (read % (shape.members / 3)) + 1);
                page(ActivityFilter {
                    user,
                    ..all.clone()
                })
                .await
            })
            .await?,
        ),
        (
            "filter, a user's week",
            time(async |read| {
                let user = shape.user(3 * (read % (shape.members / 3)) + 1);
                page(in_week(
                    read,
                    ActivityFilter {
                        user,
                        ..all.clone()
                    },
                )?)
                .await
            })
            .await?,
        ),
        (
            "filter, a client of a connection",
            time(async |read| {
                let subject = Some(SubjectId::new(format!("client/{}", read % 20)));
                page(ActivityFilter {
                    subject,
                    ..of_connection(read)
                })
                .await
            })
            .await?,
        ),
        (
            "filter, a tag and billable",
            time(async |read| {
                page(ActivityFilter {
                    tag: Some("invoice".to_owned()),
                    billable: Some(true),
                    ..of_connection(read)
                })
                .await
            })
            .await?,
        ),
        (
            "filter, a text of one in 1,000",
            time(async |read| {
                let text = Some(format!("number {}", 100 + read));
                page(ActivityFilter {
                    text,
                    ..of_connection(read)
                })
                .await
            })
            .await?,
        ),
        (
            "change feed, from anywhere on",
            time(async |read| {
                let after = last * u64::from(read) / u64::from(READS);
                drop(ledger.changes(after, PAGE).await?);
                Ok(())
            })
            .await?,
        ),
    ])
}

async fn time(read: impl AsyncFn(u32) -> Result<()>) -> Result<Times> {
    let mut times = Vec::new();
    for number in 0..READS {
        let began = Instant::now();
        read(number).await?;
        times.push(began.elapsed());
    }
    Ok(Times::new(times))
}

/// A line for each read, a column for each size.
fn show(kind: &Kind, sizes: &[u32], columns: &[Vec<(&'static str, Times)>]) {
    println!(
        "\nReading {}: pages of {PAGE}; half / 99 of 100 within; promised: 99 of 100 within {} ms at every size",
        kind.name(),
        PROMISED.as_millis()
    );
    print!("{:<34}", "activities");
    for size in sizes {
        print!(" {size:>20}");
    }
    println!();
    let Some(first) = columns.first() else { return };
    for (line, (what, _)) in first.iter().enumerate() {
        print!("{what:<34}");
        let cells = columns.iter().filter_map(|column| column.get(line));
        let mut is_kept = true;
        for (_, times) in cells {
            print!(" {times:>20}");
            is_kept &= times.within(99) <= PROMISED;
        }
        println!("{}", if is_kept { "" } else { "   missed" });
    }
}
