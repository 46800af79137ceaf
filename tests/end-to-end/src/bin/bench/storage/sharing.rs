//! A ledger whose activities are all on one project and of one member: what a new name of the project, and a new user of
//! the member, cost those who deliver something else meanwhile.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use end_to_end::generated_export::{Shape, generate, remote_user};
use end_to_end::{Embedded, component};
use integration_host_contract::id::UserId;
use integration_host_contract::{Changes, Subject, User};
use integration_host_ledger::{Ledger, MappingChange};
use integration_host_seal::{SealingKey, SealingKeys};
use toggl_sandbox::model::Subscription;

use super::ledger::{Kept, Kind};
use crate::load;
use crate::times::{Times, shown};

/// Deliveries that are measured at each time.
const DELIVERIES: u64 = 4_000;
/// They come from so many at once, and not as fast as the host can.
const SENDERS: u64 = 4;

/// Measures ledgers of so many activities.
pub async fn measure(activities: u32) -> Result<()> {
    let folder = tempfile::tempdir()?;
    for kind in Kind::all()? {
        println!(
            "\nSharing: {activities} activities of one member on one project, in {}",
            kind.name()
        );
        measure_in(&kind, activities, folder.path()).await?;
    }
    Ok(())
}

async fn measure_in(kind: &Kind, activities: u32, folder: &Path) -> Result<()> {
    let shape = Shape::of_one_member(activities);
    let file = folder.join("one-member.jsonl");
    if !file.exists() {
        let mut output = BufWriter::new(File::create(&file)?);
        generate(&shape, &mut output)?;
        output.flush()?;
    }
    let kept = Kept::new(kind)?;
    kept.place.import(&file).await?;
    let ledger: Arc<dyn Ledger> = Arc::from(kept.open().await?);
    let keys = Arc::new(SealingKeys::new(SealingKey::generate()));
    let host = Embedded::builder(&component()?)
        .ledger(Arc::clone(&ledger), keys)
        .start()
        .await?;
    let (_, subscription) = host.connect().await?;
    let mut others = Others {
        subscriptions: vec![subscription],
        sent: 0,
    };
    // What is read for the first time is not what is measured.
    others.deliver().await?;
    let quiet = others.deliver().await?;
    println!("  {:<44} {quiet:>20}", "deliveries, quiet");

    let connection = shape.connection(0);
    let renamed = Changes {
        subjects: vec![Subject {
            id: Shape::PROJECT.to_owned(),
            revision: "2".to_owned(),
            name: Some("Renamed".to_owned()),
            parent: None,
        }],
        ..Changes::default()
    };
    let began = Instant::now();
    ledger.apply(&connection, &renamed, None).await?;
    println!(
        "  {:<44} {:>20}",
        "the project is renamed",
        shown(began.elapsed())
    );
    tell(&*ledger, &mut others, &quiet).await?;

    let user = User {
        id: UserId::new("somebody"),
        name: "Somebody".to_owned(),
        email: None,
    };
    let began = Instant::now();
    let mapped = MappingChange::by_hand(Some(user));
    ledger
        .set_mapping(&connection, &remote_user(0), &mapped)
        .await?;
    println!(
        "  {:<44} {:>20}",
        "the member is mapped",
        shown(began.elapsed())
    );
    tell(&*ledger, &mut others, &quiet).await?;
    host.service.stop().await;
    Ok(())
}

/// Deliveries while activities are told of a change, and how fast they are.
async fn tell(ledger: &dyn Ledger, others: &mut Others, quiet: &Times) -> Result<()> {
    let (began, before) = (Instant::now(), ledger.last_change().await?);
    let meanwhile = others.deliver().await?;
    let times = meanwhile.within(99).as_secs_f64() / quiet.within(99).as_secs_f64();
    println!(
        "  {:<44} {meanwhile:>20}   99 of 100 within {times:.1} × quiet",
        "deliveries, meanwhile"
    );
    let told = ledger
        .last_change()
        .await?
        .saturating_sub(before + DELIVERIES);
    ensure!(told > 0, "no activity was told of the change");
    let a_second = told as f64 / began.elapsed().as_secs_f64();
    println!("  {:<44} {a_second:>18.0}/s", "activities told of it");
    Ok(())
}

/// Those who deliver something else.
struct Others {
    subscriptions: Vec<Subscription>,
    sent: u64,
}

impl Others {
    async fn deliver(&mut self) -> Result<Times> {
        let numbers = self.sent..self.sent + DELIVERIES;
        self.sent = numbers.end;
        Ok(Times::new(
            load::deliver(&self.subscriptions, numbers, SENDERS).await?,
        ))
    }
}
