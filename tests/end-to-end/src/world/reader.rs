//! A reader of the change feed: what a platform would have.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use reqwest::StatusCode;
use serde_json::Value;

use super::host::Api;

/// What it knows of each activity, and where it is in the feed.
#[derive(Debug, Default)]
pub(super) struct Reader {
    activities: BTreeMap<String, Value>,
    after: Option<String>,
}

impl Reader {
    /// Reads on to the end of the feed, and begins again where the feed says so.
    pub(super) async fn read_on(&mut self, api: &Api) -> Result<()> {
        loop {
            let path = match &self.after {
                Some(after) => format!("/activities/changes?limit=200&after={after}"),
                None => "/activities/changes?limit=200".to_owned(),
            };
            let (status, page) = api.get(&path).await?;
            match status {
                StatusCode::GONE => {
                    *self = Self::default();
                    continue;
                }
                StatusCode::OK => {}
                _ => bail!("the feed answered {status}: {page}"),
            }
            let activities = page["activities"].as_array().cloned().unwrap_or_default();
            let is_last = activities.is_empty();
            for activity in activities {
                let id = activity["id"].as_str().unwrap_or_default().to_owned();
                self.activities.insert(id, activity);
            }
            if let Some(next) = page["next"].as_str() {
                self.after = Some(next.to_owned());
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// What it knows.
    pub(super) fn activities(&self) -> &BTreeMap<String, Value> {
        &self.activities
    }
}
