//! What the console waits for: the ledger of a large company, asked what its pages show.

use std::future::Future;
use std::time::Instant;

use anyhow::Result;
use end_to_end::large_ledger::{Shape, fill_data};
use integration_host_contract::id::{SubjectId, UserId};
use integration_host_database::SqliteDatabase;
use integration_host_ledger::{
    Activities as _, ActivityFilter, DeliveryLog as _, DeliveryStatus, MemberFilter, Teams as _,
};
use integration_host_ledger_sql::SqliteLedger;
use jiff::{SignedDuration, Timestamp};

use super::{median, print};

const ROUNDS: usize = 21;
const PAGE: usize = 100;
const PROMISED: &str = "≤ 50 ms";

pub async fn measure() -> Result<()> {
    let data = tempfile::tempdir()?;
    let until = Timestamp::now();
    let shape = Shape::company(until);
    let started = Instant::now();
    let id = fill_data(data.path(), &shape).await?;
    let figure = format!("{:.1} s", started.elapsed().as_secs_f64());
    print("a ledger of 1,000,000 activities, filled in", figure, "");

    let ledger = SqliteLedger::new(SqliteDatabase::open(data.path().join("host.sqlite"))?);
    let (ledger, id) = (&ledger, &id);
    let week = (0..=7)
        .rev()
        .map(|day| Ok(until.checked_sub(SignedDuration::from_hours(24 * day))?))
        .collect::<Result<Vec<Timestamp>>>()?;
    let all = ActivityFilter {
        connection: Some(id.clone()),
        include_unmapped: true,
        ..ActivityFilter::default()
    };
    let of_week = ActivityFilter {
        from: week.first().copied(),
        to: week.last().copied(),
        ..all.clone()
    };
    let user = ActivityFilter {
        user: Some(UserId::new("user-1")),
        ..of_week.clone()
    };
    let text = ActivityFilter {
        text: Some("number 777".to_owned()),
        ..all.clone()
    };
    let nothing = ActivityFilter {
        text: Some("nobody wrote this".to_owned()),
        ..all.clone()
    };
    let client = ActivityFilter {
        subject: Some(SubjectId::new("client/7")),
        tag: Some("invoice".to_owned()),
        ..all.clone()
    };
    for (what, filter) in [
        ("timeline, a week of everybody", &of_week),
        ("timeline, a week of one user", &user),
    ] {
        time(what, || async {
            ledger.summary(filter, &week, until).await?;
            ledger.activities(filter, None, PAGE).await?;
            Ok(())
        })
        .await?;
    }
    time("  the week's summary alone", || async {
        drop(ledger.summary(&of_week, &week, until).await?);
        Ok(())
    })
    .await?;
    for (what, filter) in [
        ("  first page of all", &all),
        ("  first page with a text (one in a thousand)", &text),
        ("  first page with a client and a tag", &client),
        ("  first page with a text that nobody wrote", &nothing),
    ] {
        time(what, || async {
            drop(ledger.activities(filter, None, PAGE).await?);
            Ok(())
        })
        .await?;
    }
    let everybody = MemberFilter::default();
    let searched = MemberFilter {
        query: Some("son 01".to_owned()),
        unmapped: true,
        ..MemberFilter::default()
    };
    for (what, filter) in [
        ("users, a page of 10,000 members", &everybody),
        ("users, searched and unmapped", &searched),
    ] {
        time(what, || async {
            drop(ledger.members(id, filter, None, PAGE).await?);
            Ok(())
        })
        .await?;
    }
    let hour = until.checked_sub(SignedDuration::from_hours(1))?;
    time("deliveries per minute (60,000 in the hour)", || async {
        drop(ledger.delivery_rates(id, hour, until).await?);
        Ok(())
    })
    .await?;
    for (what, status) in [
        ("deliveries, a page of 1,000,000", None),
        ("  ignored ones", Some(DeliveryStatus::Ignored)),
        (
            "  failed ones, of which there are none",
            Some(DeliveryStatus::Failed),
        ),
    ] {
        time(what, || async {
            let page = ledger.deliveries(Some(id), status, None, PAGE);
            drop(page.await?);
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Prints the median time of an answer.
async fn time<F>(what: &str, ask: impl Fn() -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        ask().await?;
        times.push(started.elapsed());
    }
    let figure = format!("{:.2} ms", median(times).as_secs_f64() * 1e3);
    print(what, figure, PROMISED);
    Ok(())
}
