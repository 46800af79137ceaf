//! What testing, connecting, mapping users and checking promise.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use serde_json::{Value, json};
use support::{CALLBACK, FakeHost, ME, WORKSPACE};
use toggl_integration::Toggl;
use toggl_integration::capability::Credential;
use toggl_integration::capability::Method::Get;
use toggl_integration::model::{Error, MemberState, User, UserMatch};

fn workspace(change: Value) -> String {
    let mut row = json!({"id": WORKSPACE, "organization_id": 2_108_099, "name": "Team", "role": "admin",
        "premium": false, "business_ws": false, "suspended_at": null, "server_deleted_at": null});
    for (key, value) in change.as_object().unwrap() {
        row[key] = value.clone();
    }
    json!([row]).to_string()
}

fn obstacle(change: Value) -> Option<String> {
    let host = FakeHost::new();
    host.on(Get, "/api/v9/me", 200, ME);
    host.on(Get, "/me/workspaces", 200, &workspace(change));
    let report = host.toggl().test().unwrap();
    let connected = host.toggl().connect(&WORKSPACE.to_string());
    assert_eq!(
        report.scopes[0].obstacle.is_some(),
        connected.is_err(),
        "connect agrees with test"
    );
    report.scopes[0].obstacle.clone()
}

#[test]
fn the_manifest_says_what_the_host_needs() {
    let manifest = Toggl::describe();
    assert_eq!(manifest.id, "toggl");
    assert_eq!(manifest.hosts, ["api.track.toggl.com"]);
    assert_eq!(manifest.secrets[0].name, "api-token");
    assert_eq!(manifest.webhook.signature_header, "x-webhook-signature-256");
    assert_eq!(manifest.scope_noun.plural, "workspaces");
    let kinds = manifest.subject_kinds.iter().map(|kind| kind.id);
    assert_eq!(kinds.collect::<Vec<_>>(), ["client", "project", "task"]);
    assert_eq!(manifest.charted_kind, "project");
}

#[test]
fn a_test_lists_the_recorded_workspace_with_its_plan() {
    let host = FakeHost::new();
    host.serve_account();
    let report = host.toggl().test().unwrap();
    assert_eq!(report.account.id, "2166261");
    assert_eq!(report.account.email.as_deref(), Some("user@example.com"));
    let scope = &report.scopes[0];
    assert_eq!(scope.id, WORKSPACE.to_string());
    assert_eq!(
        (scope.organization.as_deref(), scope.plan.as_deref()),
        (Some("Redacted org"), Some("Free"))
    );
    assert_eq!(
        (scope.role.as_deref(), scope.obstacle.as_deref()),
        (Some("admin"), None)
    );
    for request in host.requests.borrow().iter() {
        assert_eq!(
            request.authorization.username,
            Credential::Secret("api-token")
        );
        assert_eq!(
            request.authorization.password,
            Credential::Literal("api_token")
        );
        assert!(request.idempotent);
    }
}

#[test]
fn a_rejected_token_is_explained() {
    for status in [401, 403] {
        let host = FakeHost::new();
        host.on(Get, "/api/v9/me", status, "");
        let Err(Error::Unauthorized(message)) = host.toggl().test() else {
            panic!("{status}")
        };
        assert!(message.contains("track.toggl.com/profile"), "{message}");
    }
}

#[test]
fn plans_and_organisations_may_stay_unknown() {
    let host = FakeHost::new();
    host.on(Get, "/api/v9/me", 200, ME);
    host.on(
        Get,
        "/me/workspaces",
        200,
        &workspace(json!({"premium": true})),
    );
    host.on(Get, "/me/organizations", 500, "");
    assert_eq!(
        host.toggl().test().unwrap().scopes[0].plan.as_deref(),
        Some("Starter")
    );
}

#[test]
fn what_cannot_be_connected_says_why() {
    assert_eq!(obstacle(json!({})), None);
    assert_eq!(obstacle(json!({"role": null, "admin": true})), None);
    assert!(
        obstacle(json!({"role": "user", "admin": true}))
            .unwrap()
            .contains("no admin")
    );
    assert!(
        obstacle(json!({"role": null, "admin": false}))
            .unwrap()
            .contains("no admin")
    );
    assert!(
        obstacle(json!({"role": null, "admin": null}))
            .unwrap()
            .contains("no admin")
    );
    assert!(
        obstacle(json!({"suspended_at": "2026-01-01T00:00:00Z"}))
            .unwrap()
            .contains("suspended")
    );
    assert!(
        obstacle(json!({"server_deleted_at": "2026-01-01T00:00:00Z"}))
            .unwrap()
            .contains("deleted")
    );
}

#[test]
fn connecting_again_keeps_the_signing_secret() {
    let host = FakeHost::connected();
    let secret = host.secret();
    assert_eq!(secret.len(), 64);
    host.toggl().connect(&WORKSPACE.to_string()).unwrap();
    assert_eq!(host.secret(), secret);
    assert!(matches!(host.toggl().connect("1"), Err(Error::Conflict(_))));
    let other = FakeHost::new();
    other.serve_account();
    assert!(matches!(
        other.toggl().connect("1"),
        Err(Error::NotFound(_))
    ));
    assert!(matches!(
        other.toggl().connect("x"),
        Err(Error::NotFound(_))
    ));
}

#[test]
fn the_manifest_names_where_the_signing_secrets_are() {
    let host = FakeHost::connected();
    let scheme = Toggl::describe().webhook.signature.unwrap();
    assert_eq!(scheme.prefix, "sha256=");
    let stored = host.state(scheme.storage_key);
    let present = &stored[scheme.secret_members[0]];
    assert_eq!(present.as_str(), Some(host.secret().as_str()));
    for member in scheme.secret_members {
        assert!(
            stored.get(member).is_some(),
            "`{member}` is not stored: {stored}"
        );
    }
    let others = stored.as_object().unwrap().iter();
    let mut others = others.filter(|(name, _)| !scheme.secret_members.contains(&name.as_str()));
    assert!(others.all(|(name, _)| !name.contains("secret")), "{stored}");
}

#[test]
fn nothing_secret_that_toggl_returns_is_stored() {
    let host = FakeHost::connected();
    for value in host.storage.borrow().values() {
        let value = String::from_utf8_lossy(value);
        assert!(
            !value.contains("***") && !value.contains("REDACTED"),
            "{value}"
        );
    }
}

#[test]
fn members_are_matched_by_address_and_never_guessed() {
    let host = FakeHost::connected();
    let user = |id: &str, email: &str| User {
        id: id.into(),
        name: id.into(),
        email: Some(email.into()),
    };
    *host.users.borrow_mut() = vec![
        user("u1", "ann@example.com"),
        user("u2", "twin@example.com"),
        user("u3", "twin@example.com"),
        user("u4", "shared@example.com"),
    ];
    let members = json!([
        {"id": 1, "email": " Ann@Example.com ", "fullname": "Ann", "inactive": false, "is_active": true},
        {"id": 2, "email": "twin@example.com", "fullname": "Twin", "inactive": false, "is_active": true},
        {"id": 3, "email": "shared@example.com", "fullname": "One", "inactive": true, "is_active": true},
        {"id": 4, "email": "SHARED@example.com", "fullname": "Other", "inactive": false, "is_active": false},
        {"id": 5, "email": null, "fullname": null},
        {"id": 6, "email": "nobody@example.com", "fullname": "Nobody", "inactive": false, "is_active": true},
        {"email": "who@example.com", "fullname": "Without an id"},
        {"id": 1, "email": "ann@example.com", "fullname": "Ann", "inactive": false, "is_active": true},
    ]);
    host.on(Get, "/workspaces/2230580/users", 200, &members.to_string());
    let team = host.toggl().map_users().unwrap();
    assert!(
        team.notes[0].starts_with("1 of 8 members"),
        "{:?}",
        team.notes
    );
    let team = team.members;
    assert!(
        matches!(&team[6].user_match, UserMatch::Matched(user) if user.id == "u1"),
        "who is listed twice is taken for two people"
    );
    assert!(matches!(&team[0].user_match, UserMatch::Matched(user) if user.id == "u1"));
    assert!(matches!(&team[1].user_match, UserMatch::Ambiguous(why) if why.contains("2 users")));
    assert!(matches!(&team[2].user_match, UserMatch::Ambiguous(why) if why.contains("2 members")));
    assert!(matches!(team[3].user_match, UserMatch::Ambiguous(_)));
    assert_eq!(team[4].user_match, UserMatch::Unmatched);
    assert_eq!(team[5].user_match, UserMatch::Unmatched);
    let states: Vec<_> = team.iter().map(|member| member.state).collect();
    use MemberState::{Active, Deactivated, Invited};
    assert_eq!(
        states,
        [Active, Active, Deactivated, Invited, Active, Active, Active]
    );
    assert_eq!(host.lookups.borrow().len(), 1, "one batch");
    assert_eq!(host.lookups.borrow()[0].len(), 4);
}

#[test]
fn an_odd_workspace_hides_no_other_and_is_not_taken_for_a_lost_membership() {
    let host = FakeHost::new();
    host.serve_account();
    let mut rows: Value = serde_json::from_str(support::WORKSPACES).unwrap();
    let known = rows.as_array().unwrap().len();
    rows.as_array_mut().unwrap().push(json!({"name": "No id"}));
    host.reset(Get, "/me/workspaces");
    host.on(Get, "/me/workspaces", 200, &rows.to_string());
    assert_eq!(host.toggl().test().unwrap().scopes.len(), known);
    let unknown = host.toggl().connect("77");
    assert!(matches!(unknown, Err(Error::Unavailable(_))), "{unknown:?}");
}

#[test]
fn a_team_that_may_not_be_seen_is_an_error() {
    let host = FakeHost::connected();
    host.on(
        Get,
        "/workspaces/2230580/users",
        403,
        "\"User does not have access to this resource.\"",
    );
    assert!(matches!(host.toggl().map_users(), Err(Error::Forbidden(_))));
}

fn check(change: impl FnOnce(&FakeHost, &mut Value)) -> (FakeHost, Value) {
    let host = FakeHost::connected();
    let mut webhook = host.state("webhook");
    webhook["subscription_id"] = 7.into();
    webhook["callback_url"] = CALLBACK.into();
    host.set_state("webhook", webhook);
    let filters: Vec<Value> = ["created", "updated", "deleted"]
        .map(|action| json!({"entity": "time_entry", "action": action}))
        .into();
    let mut row = json!({"subscription_id": 7, "enabled": true, "url_callback": CALLBACK, "event_filters": filters,
        "description": "Ours", "validated_at": "2026-03-01T11:00:00Z"});
    change(&host, &mut row);
    host.on(
        Get,
        "/subscriptions/2230580",
        200,
        &json!([row]).to_string(),
    );
    host.on(
        Get,
        "/me/quota",
        200,
        &json!([
            {"organization_id": null, "remaining": -1, "resets_in_secs": 60, "total": 30},
            {"organization_id": 2_108_099, "remaining": 20, "resets_in_secs": 70, "total": 30},
            {"organization_id": 1, "remaining": 2, "resets_in_secs": 70, "total": 30},
        ])
        .to_string(),
    );
    (host, row)
}

#[test]
fn a_healthy_connection_has_no_problem() {
    let (host, _) = check(|_, _| {});
    let health = host.toggl().check(CALLBACK).unwrap();
    assert_eq!(health.problem, None);
    assert_eq!(
        health.quotas.len(),
        2,
        "those of other organisations do not matter"
    );
    assert_eq!(
        (health.quotas[0].name.as_str(), health.quotas[0].remaining),
        ("user", -1)
    );
    assert_eq!(health.subscription.unwrap().id, "7");
}

#[test]
fn everything_that_subscribing_sets_is_compared() {
    let changes = [
        json!({"description": "Renamed by somebody"}),
        json!({"description": null}),
        json!({"event_filters": [
            {"entity": "time_entry", "action": "created"}, {"entity": "time_entry", "action": "updated"},
            {"entity": "time_entry", "action": "deleted"}, {"entity": "tag", "action": "created"},
        ]}),
        json!({}),
    ];
    for change in changes {
        let (host, row) = check(|host, row| {
            let mut webhook = host.state("webhook");
            webhook["description"] = row["description"].clone();
            webhook["events"] = row["event_filters"].clone();
            host.set_state("webhook", webhook);
            for (key, value) in change.as_object().unwrap() {
                row[key] = value.clone();
            }
        });
        let problem = host.toggl().check(CALLBACK).unwrap().problem;
        let is_changed = change != json!({});
        assert_eq!(
            problem.is_some_and(|problem| problem.repairable),
            is_changed,
            "{row}"
        );
    }
}

#[test]
fn what_nothing_works_without_is_wanted_whatever_toggl_said_it_had_set() {
    let (host, _) = check(|host, row| {
        row["event_filters"] = json!([{"entity": "tag", "action": "created"}]);
        let mut webhook = host.state("webhook");
        webhook["events"] = row["event_filters"].clone();
        host.set_state("webhook", webhook);
    });
    let problem = host.toggl().check(CALLBACK).unwrap().problem;
    assert!(
        problem.is_some_and(|problem| problem.repairable),
        "nothing arrives, and nobody is told"
    );
}

#[test]
fn a_second_webhook_of_ours_is_found() {
    let (host, row) = check(|_, _| {});
    let mut second = row.clone();
    second["subscription_id"] = 8.into();
    host.reset(Get, "/subscriptions/2230580");
    host.on(
        Get,
        "/subscriptions/2230580",
        200,
        &json!([row, second]).to_string(),
    );
    let problem = host.toggl().check(CALLBACK).unwrap().problem.unwrap();
    assert!(problem.repairable, "{problem:?}");
}

#[test]
fn numbers_of_quotas_that_make_no_sense_are_nothing_to_go_by() {
    let (host, _) = check(|host, _| {
        let quota = |remaining: i64, resets: i64, total: i64| json!({"organization_id": 2_108_099, "remaining": remaining, "resets_in_secs": resets, "total": total});
        let rows = json!([
            quota(3, 99_999_999_999, 30),
            quota(3, -7, 30),
            quota(31, 9, 30),
            quota(3, 9, 0)
        ]);
        host.on(Get, "/me/quota", 200, &rows.to_string());
    });
    let quotas = host.toggl().check(CALLBACK).unwrap().quotas;
    let resets: Vec<_> = quotas.iter().map(|quota| quota.resets_in_seconds).collect();
    assert_eq!(resets, [3600, 0], "{quotas:?}");
}

#[test]
fn what_subscribing_may_repair_is_told_from_what_a_person_must_do() {
    let repairable = [
        json!({"enabled": false}),
        json!({"validated_at": null}),
        json!({"url_callback": "https://old.example"}),
        json!({"subscription_id": 8, "url_callback": "https://other.example"}),
        json!({"subscription_id": 8}),
        json!({"event_filters": []}),
        json!({"event_filters": [{"entity": "time_entry", "action": "created"}]}),
        json!({"event_filters": [{"entity": "tag", "action": "*"}]}),
        json!({"secret": "another one"}),
    ];
    for change in repairable {
        let (host, _) = check(|_, row| {
            for (key, value) in change.as_object().unwrap() {
                row[key] = value.clone();
            }
        });
        let problem = host
            .toggl()
            .check(CALLBACK)
            .unwrap()
            .problem
            .expect("a problem");
        assert!(problem.repairable, "{change}");
    }
    let (host, _) = check(|host, _| {
        host.reset(Get, "/me/workspaces");
        host.on(
            Get,
            "/me/workspaces",
            200,
            &workspace(json!({"role": "user"})),
        );
    });
    let problem = host.toggl().check(CALLBACK).unwrap().problem.unwrap();
    assert!(!problem.repairable && matches!(problem.error, Error::Forbidden(_)));
    let (host, _) = check(|host, _| {
        host.reset(Get, "/me/workspaces");
        host.on(Get, "/me/workspaces", 200, "[]");
    });
    assert!(matches!(
        host.toggl().check(CALLBACK).unwrap().problem.unwrap().error,
        Error::NotFound(_)
    ));
    let (host, _) = check(|host, _| {
        host.reset(Get, "/api/v9/me");
        host.on(Get, "/api/v9/me", 403, "");
    });
    assert!(matches!(
        host.toggl().check(CALLBACK).unwrap().problem.unwrap().error,
        Error::Unauthorized(_)
    ));
    let (host, _) = check(|host, _| {
        host.reset(Get, "/api/v9/me");
        host.on(
            Get,
            "/api/v9/me",
            402,
            "You have hit your hourly limit for API calls. Your quota will reset in 9 seconds.",
        );
    });
    assert!(matches!(
        host.toggl().check(CALLBACK),
        Err(Error::QuotaExhausted {
            resets_in_seconds: 9,
            ..
        })
    ));
}
