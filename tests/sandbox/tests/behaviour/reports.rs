//! The detailed search of the Reports API.

use reqwest::Method;
use serde_json::{Value, json};
use toggl_sandbox::{NewEntry, Scenario, control::DeleteEntry};

use crate::support::{JONAS, SIDE_PROJECTS, STUDIO, SUPPLIERS, Toggl, assert_shape};

fn path(workspace: i64) -> String {
    format!("/reports/api/v3/workspace/{workspace}/search/time_entries")
}

async fn toggl_without_history() -> Toggl {
    Toggl::with(Scenario {
        history_days: 0,
        ..Scenario::default()
    })
    .await
}

fn log(toggl: &Toggl, day: u8, description: &str) -> i64 {
    let start = format!("2026-11-{day:02}T23:30:00Z").parse().unwrap();
    let entry = NewEntry {
        workspace_id: STUDIO,
        user_id: JONAS,
        description: Some(description.to_owned()),
        start: Some(start),
        duration: Some(3600),
        ..Default::default()
    };
    toggl.sandbox.control().log_time(entry).unwrap().id
}

#[tokio::test]
async fn rows_look_like_toggls() {
    let toggl = Toggl::start().await;
    let rows = toggl
        .post(
            &path(STUDIO),
            json!({ "start_date": "2000-01-01", "enrich_response": true }),
        )
        .await;
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 50, "50 rows a page by default");
    for row in rows {
        assert_shape("detailed.GroupedTimeEntry", None, row);
        assert_shape("detailed.SingleTimeEntry", None, &row["time_entries"][0]);
        assert!(
            row["username"].is_string() && row.get("email").is_some(),
            "enriched rows name their user"
        );
    }
    let plain = toggl
        .post(&path(STUDIO), json!({ "start_date": "2000-01-01" }))
        .await;
    assert!(plain[0].get("email").is_none() && plain[0].get("project_name").is_none());
}

#[tokio::test]
async fn pages_follow_the_headers_and_do_not_overlap() {
    let toggl = toggl_without_history().await;
    let logged: Vec<i64> = (1..=5).map(|day| log(&toggl, day, "work")).collect();
    for by_row in [true, false] {
        let mut body = json!({ "start_date": "2026-11-01", "end_date": "2026-11-30", "page_size": 2, "order_dir": "ASC" });
        let mut seen = Vec::new();
        loop {
            let response = toggl.send(Method::POST, &path(STUDIO), &body).await;
            let header = |name: &str| {
                response
                    .headers()
                    .get(name)
                    .map(|value| value.to_str().unwrap().parse::<i64>().unwrap())
            };
            let (next_id, next_row) = (header("x-next-id"), header("x-next-row-number"));
            let rows: Value = response.json().await.unwrap();
            seen.extend(
                rows.as_array()
                    .unwrap()
                    .iter()
                    .map(|row| row["time_entries"][0]["id"].as_i64().unwrap()),
            );
            match next_id.zip(next_row) {
                Some((_, row)) if by_row => body["first_row_number"] = json!(row),
                Some((id, _)) => body["first_id"] = json!(id),
                None => break,
            }
        }
        assert_eq!(seen, logged);
    }
}

#[tokio::test]
async fn deleted_and_running_entries_are_absent_and_both_dates_belong_to_the_range() {
    let toggl = toggl_without_history().await;
    let (first, second, third) = (
        log(&toggl, 1, "a"),
        log(&toggl, 2, "b"),
        log(&toggl, 3, "c"),
    );
    toggl
        .sandbox
        .control()
        .delete_entry(DeleteEntry {
            entry_id: second,
            ..Default::default()
        })
        .unwrap();
    toggl
        .sandbox
        .control()
        .start_timer(toggl_sandbox::control::StartTimer {
            workspace_id: STUDIO,
            user_id: JONAS,
            ..Default::default()
        })
        .unwrap();
    let ids = async |body: Value| {
        let rows = toggl.post(&path(STUDIO), body).await;
        rows.as_array()
            .unwrap()
            .iter()
            .map(|row| row["time_entries"][0]["id"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ids(json!({ "start_date": "2026-11-01" })).await,
        [third, first]
    );
    assert_eq!(
        ids(json!({ "start_date": "2026-11-01", "end_date": "2026-11-01" })).await,
        [first]
    );
    assert_eq!(
        ids(json!({ "time_entry_ids": [second, third] })).await,
        [third]
    );
    assert!(ids(json!({ "user_ids": [9_500_001] })).await.is_empty());
    let grouped = toggl
        .post(
            &path(STUDIO),
            json!({ "user_ids": [JONAS], "grouped": true }),
        )
        .await;
    assert_eq!(
        grouped.as_array().unwrap().len(),
        2,
        "entries that differ in description are different rows"
    );
}

#[tokio::test]
async fn refusals_are_toggls() {
    let toggl = Toggl::start().await;
    let dates = json!({ "start_date": "2026-11-01" });
    let (status, text) = toggl
        .refused(Method::POST, &path(SIDE_PROJECTS), dates.clone())
        .await;
    assert_eq!(
        (status, text.as_str()),
        (402, "\"Workspace needs to have this feature enabled\"")
    );
    let (status, text) = toggl.refused(Method::POST, &path(1), dates).await;
    assert_eq!(
        (status, text.as_str()),
        (403, "\"Workspace not found/accessible\"")
    );
    let (status, text) = toggl.refused(Method::POST, &path(STUDIO), json!({})).await;
    assert_eq!(
        (status, text.as_str()),
        (400, "\"At least one parameter must be set\"")
    );
}

#[tokio::test]
async fn ordinary_members_find_only_their_own_time() {
    let toggl = Toggl::start().await;
    let rows = toggl
        .post(&path(SUPPLIERS), json!({ "start_date": "2000-01-01" }))
        .await;
    let rows = rows.as_array().unwrap();
    assert!(!rows.is_empty() && rows.iter().all(|row| row["user_id"] == 9_500_001));
}
