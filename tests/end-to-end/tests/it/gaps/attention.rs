//! A person is asked for what only a person can do, and no longer than that.

use end_to_end::NORTHWIND;
use serde_json::Value;
use toggl_sandbox::CallFault;
use toggl_sandbox::control::{Control, SetMember, SetSubscription, SetToken, SetWorkspace};
use toggl_sandbox::scenario::Role;

use super::support::{Connected, MARA, forgetful};

const QUICK: &str = "upkeep_ms = 1000\nretry_ms = 500";

/// Breaks something, waits for the attention it raises, repairs it, and waits until it is gone.
async fn assert_asked(
    code: &str,
    says: &str,
    break_it: impl Fn(&Control),
    repair: impl Fn(&Control),
) {
    let connected = Connected::start(forgetful(), QUICK).await;
    let toggl = connected.setup.toggl();
    break_it(toggl);
    connected
        .until(&format!("nobody was told: {code}"), async || {
            connected.connection().await["status"] == "attention"
        })
        .await;
    let connection = connected.connection().await;
    assert_eq!(connection["attention"]["code"], code, "{connection}");
    let message = connection["attention"]["message"].as_str().unwrap();
    assert!(
        message.contains(says) && message.len() < 400 && !message.contains('\n'),
        "{message}"
    );
    repair(toggl);
    connected
        .until(
            &format!("{code} stays although its cause is gone"),
            async || connected.connection().await["attention"] == Value::Null,
        )
        .await;
    connected.until_logged("gap-reconciled", 1).await;
    let kinds = connected.kinds().await;
    let of = |kind: &str| kinds.iter().filter(|one| *one == kind).count();
    assert_eq!(
        (of("attention-raised"), of("attention-cleared")),
        (1, 1),
        "{kinds:?}"
    );
    connected.assert_live(code).await;
}

#[tokio::test]
async fn a_revoked_token_asks_for_a_new_one() {
    let token = |token: &'static str| {
        move |toggl: &Control| {
            toggl
                .set_token(SetToken {
                    user_id: MARA,
                    token: token.into(),
                })
                .unwrap();
        }
    };
    let connected = forgetful();
    let old = connected
        .users
        .iter()
        .find(|user| user.id == MARA)
        .and_then(|user| user.token.clone());
    let old: &'static str = Box::leak(old.unwrap().into_boxed_str());
    assert_asked("unauthorized", "token", token("another"), token(old)).await;
}

#[tokio::test]
async fn a_lost_role_asks_for_an_admin() {
    let role = |role: Role| {
        move |toggl: &Control| {
            toggl
                .set_member(SetMember {
                    workspace_id: NORTHWIND,
                    user_id: MARA,
                    role: Some(role),
                    ..SetMember::default()
                })
                .unwrap();
        }
    };
    assert_asked("forbidden", "admin", role(Role::User), role(Role::Admin)).await;
}

#[tokio::test]
async fn a_deleted_workspace_is_named() {
    let deleted = |deleted: bool| {
        move |toggl: &Control| {
            toggl
                .set_workspace(SetWorkspace {
                    workspace_id: NORTHWIND,
                    deleted: Some(deleted),
                    ..SetWorkspace::default()
                })
                .unwrap();
        }
    };
    assert_asked("not-found", "workspace", deleted(true), deleted(false)).await;
}

#[tokio::test]
async fn a_taken_slot_asks_for_a_bigger_plan() {
    let taken = |toggl: &Control| {
        toggl.fail_calls(CallFault {
            count: 1_000,
            method: Some("PATCH".into()),
            path: Some("*/subscriptions/*".into()),
            status: Some(400),
            body: Some(
                "\"User 9500001 already reached the limit of 1 enabled subscriptions for workspace 7400001\""
                    .into(),
            ),
            ..CallFault::default()
        });
        toggl
            .set_subscription(SetSubscription {
                subscription_id: toggl.subscriptions()[0].id,
                enabled: Some(false),
                ..SetSubscription::default()
            })
            .unwrap();
    };
    assert_asked("plan-limit", "plan", taken, Control::clear_faults).await;
}

#[tokio::test]
async fn nobody_is_asked_because_toggl_has_a_bad_hour() {
    let connected = Connected::start(forgetful(), QUICK).await;
    let toggl = connected.setup.toggl();
    toggl.fail_calls(CallFault {
        count: 12,
        path: Some("/api/v9/me*".into()),
        status: Some(503),
        ..CallFault::default()
    });
    let failed = || {
        let requests = toggl.requests();
        requests
            .iter()
            .filter(|request| request.status == 503)
            .count()
    };
    connected
        .until("the host has not tried", async || failed() == 12)
        .await;
    let before = connected.connection().await["covered_until"].clone();
    connected
        .until("the host does not go on", async || {
            connected.connection().await["covered_until"] != before
        })
        .await;
    let connection = connected.connection().await;
    assert_eq!(connection["attention"], Value::Null, "{connection}");
    let kinds = connected.kinds().await;
    assert!(
        !kinds.iter().any(|kind| kind.starts_with("attention")),
        "{kinds:?}"
    );
}
