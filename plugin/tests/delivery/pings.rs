//! Toggl asks whether the callback is ours.

use super::*;

const PING: &str = include_str!("../fixtures/delivery-ping-with-validation.json");

#[test]
fn every_ping_is_answered_with_its_code() {
    let host = FakeHost::connected();
    let mut ping: Value = serde_json::from_str(PING).unwrap();
    ping["url_callback"] = CALLBACK.into();
    for _ in 0..2 {
        let result = deliver(&host, &ping);
        assert_eq!(
            (result.outcome, result.event_id.as_deref()),
            (DeliveryOutcome::Ping, None)
        );
        let answer: Value = serde_json::from_slice(&result.response.body).unwrap();
        assert_eq!(
            answer,
            json!({"validation_code": "89627dd73f2044f2f73815d665bbce33"})
        );
        assert_eq!(
            result.response.content_type.as_deref(),
            Some("application/json")
        );
    }
    ping.as_object_mut()
        .unwrap()
        .retain(|key, _| !key.starts_with("validation"));
    let result = deliver(&host, &ping);
    assert_eq!(
        (result.outcome, result.response.body.as_slice()),
        (DeliveryOutcome::Ping, &b"{}"[..])
    );
}

#[test]
fn a_ping_of_a_new_subscription_is_answered_although_another_is_stored() {
    let host = FakeHost::connected();
    let mut webhook = host.state("webhook");
    webhook["subscription_id"] = 10_713.into();
    host.set_state("webhook", webhook);
    let mut ping: Value = serde_json::from_str(PING).unwrap();
    ping["url_callback"] = CALLBACK.into();
    assert_eq!(deliver(&host, &ping).outcome, DeliveryOutcome::Ping);
    let mut event = created();
    assert_eq!(deliver(&host, &event).outcome, DeliveryOutcome::Accepted);
    event["subscription_id"] = 10_714.into();
    assert_eq!(
        deliver(&host, &event).outcome,
        DeliveryOutcome::Accepted,
        "a second subscription with our secret was refused until Toggl disables it"
    );
}
