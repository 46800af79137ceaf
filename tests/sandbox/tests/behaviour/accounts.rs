//! Who is let in, and to what.

use reqwest::Method;
use serde_json::json;
use toggl_sandbox::control::{SetMember, SetToken, SetWorkspace};

use crate::support::{MARA, STUDIO, SUPPLIERS, SUSPENDED, Toggl};

#[tokio::test]
async fn a_request_without_credentials_gets_the_recorded_401() {
    let toggl = Toggl::start().await;
    let response = toggl.bare(Method::GET, "/api/v9/me").send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["x-authorization-missing"], "true");
    assert_eq!(response.text().await.unwrap(), "");
}

#[tokio::test]
async fn wrong_credentials_get_403_with_text() {
    let toggl = Toggl::start().await;
    for (name, password) in [
        ("ffffffffffffffffffffffffffffffff", "api_token"),
        (toggl.token.as_str(), "password"),
        ("", "api_token"),
    ] {
        let response = toggl
            .bare(Method::GET, "/api/v9/me")
            .basic_auth(name, Some(password))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 403, "{name}:{password} must not get in");
        assert!(
            !response.text().await.unwrap().starts_with('{'),
            "Toggl's errors are never objects"
        );
    }
    let bearer = toggl
        .bare(Method::GET, "/api/v9/me")
        .bearer_auth(&toggl.token)
        .send()
        .await
        .unwrap();
    assert_eq!(bearer.status(), 403, "only basic authentication works");
}

#[tokio::test]
async fn a_replaced_token_is_dead_at_once() {
    let toggl = Toggl::start().await;
    toggl
        .sandbox
        .control()
        .set_token(SetToken {
            user_id: MARA,
            token: "f".repeat(32),
        })
        .unwrap();
    assert_eq!(
        toggl.refused(Method::GET, "/api/v9/me", json!({})).await.0,
        403
    );
    let renewed = toggl
        .bare(Method::GET, "/api/v9/me/logged")
        .basic_auth("f".repeat(32), Some("api_token"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (
            renewed.status().as_u16(),
            renewed.text().await.unwrap().as_str()
        ),
        (200, "")
    );
}

#[tokio::test]
async fn a_workspace_that_cannot_be_used_answers_403_in_a_json_string() {
    let toggl = Toggl::start().await;
    let control = toggl.sandbox.control();
    for workspace in [SUSPENDED, 1] {
        let (status, text) = toggl
            .refused(
                Method::GET,
                &format!("/api/v9/workspaces/{workspace}/users"),
                json!({}),
            )
            .await;
        assert_eq!(
            (status, text.as_str()),
            (403, "\"User does not have access to this resource.\"")
        );
    }
    control
        .set_workspace(SetWorkspace {
            workspace_id: SUPPLIERS,
            deleted: Some(true),
            ..Default::default()
        })
        .unwrap();
    control
        .set_member(SetMember {
            workspace_id: STUDIO,
            user_id: MARA,
            inactive: Some(true),
            ..Default::default()
        })
        .unwrap();
    for workspace in [SUPPLIERS, STUDIO] {
        assert_eq!(
            toggl
                .refused(
                    Method::GET,
                    &format!("/api/v9/workspaces/{workspace}/users"),
                    json!({})
                )
                .await
                .0,
            403
        );
    }
}

#[tokio::test]
async fn the_team_has_the_awkward_members_a_real_one_has() {
    let toggl = Toggl::start().await;
    let team = toggl
        .get(&format!("/api/v9/workspaces/{STUDIO}/users"))
        .await;
    let team = team.as_array().unwrap();
    assert_eq!(team.len(), 12);
    assert_eq!(
        team.iter().filter(|user| user["inactive"] == true).count(),
        2,
        "deactivated members stay in the list"
    );
    assert_eq!(
        team.iter()
            .filter(|user| user["is_active"] == false)
            .count(),
        1,
        "so do invited ones"
    );
    assert_eq!(
        team.iter().filter(|user| user["email"].is_null()).count(),
        1
    );
    assert_eq!(
        team.iter()
            .filter(|user| user["email"] == "elena.rossi@example.com")
            .count(),
        2
    );
    assert!(
        team.iter()
            .any(|user| user["id"] == MARA && user["role"] == "admin"),
        "ids are global user ids"
    );
    let present = toggl
        .get(&format!(
            "/api/v9/workspaces/{STUDIO}/users?exclude_deleted=true"
        ))
        .await;
    assert_eq!(present.as_array().unwrap().len(), 10);
    let memberships = toggl
        .get(&format!("/api/v9/workspaces/{STUDIO}/workspace_users"))
        .await;
    assert!(
        memberships
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["id"] != row["uid"]),
        "here ids are those of memberships"
    );
}

#[tokio::test]
async fn the_organisation_lists_its_users_page_by_page() {
    let toggl = Toggl::start().await;
    let path = "/api/v9/organizations/2108001/users?per_page=5&page=3";
    let response = toggl.request(Method::GET, path).send().await.unwrap();
    assert_eq!(
        (
            &response.headers()["x-pages"],
            &response.headers()["x-records"]
        ),
        (&"3".parse().unwrap(), &"12".parse().unwrap())
    );
    assert_eq!(
        response
            .json::<serde_json::Value>()
            .await
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let (status, text) = toggl
        .refused(
            Method::GET,
            "/api/v9/organizations/2108003/users",
            json!({}),
        )
        .await;
    assert_eq!(
        (status, text.as_str()),
        (
            403,
            "\"User is not authorized to list the organization users\""
        )
    );
}
