//! A delivery with any body, genuinely signed: the worst that Toggl itself, or somebody who has the
//! secret, could send.

use serde_json::Value;
use toggl_integration::Toggl;
use toggl_integration::model::{DeliveryOutcome, DeliveryResult, WebhookRequest};

use crate::lent::{CALLBACK, Lent, WORKSPACE, connected, signed};
use crate::{assert_is_sentence, oracle};

/// What the integration says of a body that is no JSON.
const NO_JSON: &str = "The delivery is genuine but its JSON cannot be understood.";

/// Runs the target.
pub fn run(body: &[u8]) {
    let lent = Lent::connected();
    let request = signed(body);
    let result = deliver(&lent, &request);

    assert_eq!(
        result,
        deliver(&Lent::connected(), &request),
        "the same delivery was understood differently the second time"
    );
    let again = deliver(&lent, &request);
    assert_eq!(
        (result.outcome, &result.changes.activities),
        (again.outcome, &again.changes.activities),
        "a delivery that Toggl repeats led to something else"
    );
    check_bounds(&result, body.len());
    check_storage(&lent);
    if let Some(sent) = oracle::unambiguous(body) {
        check_meaning(&result, &sent);
    }
}

fn deliver(lent: &Lent, request: &WebhookRequest) -> DeliveryResult {
    let result = Toggl::new(lent).handle_webhook(request);
    assert!(
        lent.sent.borrow().is_empty(),
        "a delivery cost a request to Toggl"
    );
    result.expect("storage answers, so a delivery has an outcome")
}

/// Nothing that comes out is larger than what came in allows.
fn check_bounds(result: &DeliveryResult, body_bytes: usize) {
    assert_is_sentence(&result.detail);
    assert!(result.detail.len() < 100, "{}", result.detail);
    // A control character of the validation code is six characters when it is escaped.
    let most = if result.outcome == DeliveryOutcome::Ping {
        body_bytes * 6 + 32
    } else {
        0
    };
    assert!(
        result.response.body.len() <= most,
        "the answer to a delivery is larger than it may be"
    );
    let changes = &result.changes;
    assert!(
        changes.activities.len() <= 1 && changes.subjects.len() <= 3,
        "one delivery told of more than one time entry and what it was logged on"
    );
    for activity in &changes.activities {
        assert!(
            activity.deleted || activity.content.is_some(),
            "an activity appeared of which nothing is known"
        );
        assert!(activity.id.parse::<u64>().is_ok_and(|id| id > 0));
        assert!(activity.revision.len() < 100, "{}", activity.revision);
        if let Some(log) = &activity.content {
            let tags: usize = log.tags.iter().map(String::len).sum();
            assert!(
                // A byte that cannot be read is replaced by a character of three.
                log.description.len() + tags <= 3 * body_bytes,
                "an activity has more text than was sent"
            );
            assert!(log.tags.len() <= body_bytes);
            assert!(log.remote_user_id.parse::<u64>().is_ok_and(|id| id > 0));
        }
    }
    let has_changes = !changes.activities.is_empty() || !changes.subjects.is_empty();
    match result.outcome {
        DeliveryOutcome::Accepted => assert!(has_changes && result.response.status == 200),
        DeliveryOutcome::Ping | DeliveryOutcome::Ignored | DeliveryOutcome::Unreadable => {
            assert!(!has_changes && result.response.status == 200);
        }
        DeliveryOutcome::Refused => assert!(
            !has_changes && result.response.status == 403,
            "a genuine delivery was taken for a forged one"
        ),
    }
}

/// A delivery changes names, a ping announces its subscription, and nothing else happens.
fn check_storage(lent: &Lent) {
    let mut storage = lent.storage.borrow().clone();
    storage.remove("announced");
    for (key, value) in connected() {
        assert_eq!(
            storage.remove(&key),
            Some(value),
            "a delivery changed `{key}`"
        );
    }
    for key in storage.keys() {
        let key = key.strip_prefix("missing/").unwrap_or(key);
        let (kind, id) = key.split_once('/').expect("a kind and an id");
        assert!(["client", "project", "task"].contains(&kind), "{key}");
        assert!(id.parse::<u64>().is_ok_and(|id| id > 0), "{key}");
    }
}

/// What was understood is what was sent.
fn check_meaning(result: &DeliveryResult, sent: &Value) {
    assert_ne!(result.detail, NO_JSON, "JSON was taken for nonsense");
    let (metadata, payload) = (&sent["metadata"], &sent["payload"]);
    let workspaces = [
        &payload["workspace_id"],
        &payload["wid"],
        &metadata["workspace_id"],
    ];
    let is_elsewhere = workspaces
        .into_iter()
        .filter_map(oracle::id)
        .any(|workspace| workspace != WORKSPACE);
    let is_called_elsewhere = sent["url_callback"]
        .as_str()
        .is_some_and(|called| called != CALLBACK);
    if is_called_elsewhere {
        assert_eq!(
            result.outcome,
            DeliveryOutcome::Refused,
            "a delivery that was meant for somebody else was taken"
        );
    }
    if is_elsewhere {
        let activities = &result.changes.activities;
        assert!(
            activities
                .iter()
                .all(|activity| activity.deleted && activity.content.is_none())
                && result.changes.subjects.is_empty(),
            "what is in another workspace was taken in"
        );
    }
    for activity in &result.changes.activities {
        let id = oracle::id(&payload["id"]).or_else(|| oracle::id(&metadata["time_entry_id"]));
        assert_eq!(id.map(|id| id.to_string()).as_ref(), Some(&activity.id));
        assert_eq!(metadata["model"], "time_entry");
        if metadata["action"] == "deleted" {
            assert!(activity.deleted, "a deleted entry lives on");
        }
        if let Some(log) = &activity.content {
            let description = payload["description"].as_str().unwrap_or_default();
            assert_eq!(log.description, description);
            let tags = payload["tags"].as_array().into_iter().flatten();
            let tags: Vec<&str> = tags.filter_map(Value::as_str).collect();
            assert_eq!(log.tags, tags);
            assert_eq!(log.billable, payload["billable"] == true);
            if payload["duration"]
                .as_i64()
                .is_some_and(|seconds| seconds < 0)
            {
                assert_eq!(log.stop, None, "a running entry was stopped");
            }
        }
    }
}
