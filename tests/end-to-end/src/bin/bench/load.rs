//! Deliveries of new time entries, as many at once as there are senders.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use end_to_end::{TOMAS, delivery};
use futures_util::future::try_join_all;
use serde_json::json;
use toggl_sandbox::model::Subscription;

/// Sends each of these deliveries and waits until it is accepted. Returns how long each took.
pub async fn deliver(
    subscriptions: &[Subscription],
    numbers: std::ops::Range<u64>,
    senders: u64,
) -> Result<Vec<Duration>> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let senders = (0..senders)
        .zip(subscriptions.iter().cycle())
        .map(|(sender, subscription)| {
            let (client, numbers) = (&client, numbers.clone());
            async move {
                let mut times = Vec::new();
                for number in numbers.skip(sender as usize).step_by(senders as usize) {
                    let (signature, body) = signed(subscription, number);
                    let sent = Instant::now();
                    let answer = client
                        .post(&subscription.url_callback)
                        .header("content-type", "application/json")
                        .header("X-Webhook-Signature-256", signature)
                        .body(body)
                        .send()
                        .await?;
                    let status = answer.status();
                    if !status.is_success() {
                        let why = answer.text().await?;
                        bail!("a delivery was answered with {status}: {why}");
                    }
                    times.push(sent.elapsed());
                }
                Ok(times)
            }
        });
    Ok(try_join_all(senders).await?.concat())
}

fn signed(subscription: &Subscription, number: u64) -> (String, Vec<u8>) {
    let (id, workspace) = (number + 1, subscription.workspace_id);
    let event = json!({
        "event_id": id, "created_at": "2026-03-02T11:43:32.827Z", "creator_id": TOMAS,
        "metadata": { "action": "created", "model": "time_entry",
            "workspace_id": workspace.to_string(), "time_entry_id": id.to_string() },
        "payload": {
            "at": "2026-03-02T11:43:32+00:00", "billable": false,
            "description": format!("Entry {number}"), "duration": 60, "id": id,
            "project_id": null, "start": "2026-03-02T11:42:32Z", "stop": "2026-03-02T11:43:32Z",
            "tags": ["a"], "user_id": TOMAS, "workspace_id": workspace
        },
        "subscription_id": subscription.id, "timestamp": "2026-03-02T11:43:33Z",
        "url_callback": subscription.url_callback
    });
    delivery(&subscription.secret, &event)
}
