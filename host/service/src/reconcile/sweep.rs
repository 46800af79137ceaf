//! Reading again, slowly, everything that the ledger holds: what was changed or deleted long after it was is found in the
//! end, whatever was lost.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::background::policy::{earlier, later};
use super::super::{Host, HostError, moment};
use super::pages::{Kind, Progress};
use super::{Reserve, outcome};
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::{ActivityFilter, Connection, EventKind, SeenQuotas};

const NOTE: &str = "sweep";

/// What is read at once.
const WINDOW: Duration = Duration::from_secs(28 * 24 * 3600);

/// The fewest requests of one round.
const FEWEST_REQUESTS: u32 = 4;

/// Where a sweep stands. It goes back in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sweep {
    /// When the connection was made: another connection of the scope begins anew.
    connected_at: Timestamp,
    began_at: Timestamp,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Stage {
    /// What began before this time is still to be read.
    Before(Timestamp),
    /// This range is being read.
    Within(Timestamp, Timestamp),
    /// Everything was read.
    Done,
}

impl Host {
    /// Reads on for a little while.
    pub(crate) async fn sweep(&self, id: &ConnectionId) -> Result<(), HostError> {
        let connection = &self.connection(id).await?;
        let now = self.now();
        let connected_at = connection.coverage.connected_at;
        let kept: Option<Sweep> = self.recall(id, NOTE).await?;
        let kept = kept.filter(|sweep| sweep.connected_at == connected_at);
        let began_at = kept.as_ref().map_or(connected_at, |sweep| sweep.began_at);
        let mut sweep = match kept {
            Some(sweep) if sweep.stage != Stage::Done => sweep,
            // Nor is there one in a time that has not come.
            _ if began_at <= now && later(began_at, self.schedule().sweep) > now => return Ok(()),
            _ => Sweep {
                connected_at,
                began_at: now,
                stage: Stage::Before(Timestamp::MAX),
            },
        };
        let mut requests = requests_of_a_round(connection.quotas.as_ref());
        while requests > 0 && sweep.stage != Stage::Done {
            sweep.stage = match sweep.stage {
                Stage::Before(before) => self.window_before(connection, before).await?,
                Stage::Within(since, until) => {
                    let range = (since, until);
                    let progress = self
                        .read_some(
                            connection,
                            Kind::Sweep,
                            range,
                            Reserve::ForPeople,
                            &mut requests,
                        )
                        .await?;
                    let Progress::Done(read) = progress else {
                        return Ok(());
                    };
                    if read.applied.changed > 0 || read.missing > 0 {
                        let message = format!(
                            "From {} to {} was compared: {}.",
                            moment(since),
                            moment(until),
                            outcome(read.applied.changed, read.missing, read.unread)
                        );
                        self.record(id, EventKind::DifferenceFound, message).await;
                    }
                    Stage::Before(since)
                }
                Stage::Done => Stage::Done,
            };
            self.keep_note(id, NOTE, Some(&sweep)).await?;
        }
        Ok(())
    }

    /// The last range before a time that the ledger has something in.
    async fn window_before(
        &self,
        connection: &Connection,
        before: Timestamp,
    ) -> Result<Stage, HostError> {
        let filter = ActivityFilter {
            connection: Some(connection.id.clone()),
            to: (before != Timestamp::MAX).then_some(before),
            include_unmapped: true,
            ..ActivityFilter::default()
        };
        let page = self.ledger.activities(&filter, None, 1).await?;
        let latest = page.items.first().and_then(|activity| activity.start);
        Ok(match latest {
            Some(start) => Stage::Within(earlier(start, WINDOW), start),
            None => Stage::Done,
        })
    }
}

/// How many requests a round may take: a tenth of the greatest quota, so that a month is enough for a few million
/// activities. A third of each is for people all the same.
fn requests_of_a_round(seen: Option<&SeenQuotas>) -> u32 {
    let totals = seen.iter().flat_map(|seen| &seen.quotas);
    let greatest = totals.map(|quota| quota.total).max().unwrap_or_default();
    (greatest / 10).max(FEWEST_REQUESTS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use integration_host_contract::Quota;

    #[test]
    fn a_larger_quota_sweeps_faster() {
        let seen = |total| SeenQuotas {
            quotas: vec![Quota {
                name: "organization".to_owned(),
                remaining: 1,
                total,
                resets_in_seconds: 1,
            }],
            at: Timestamp::UNIX_EPOCH,
        };
        assert_eq!(requests_of_a_round(None), FEWEST_REQUESTS);
        assert_eq!(requests_of_a_round(Some(&seen(30))), FEWEST_REQUESTS);
        assert_eq!(requests_of_a_round(Some(&seen(600))), 60);
    }
}
