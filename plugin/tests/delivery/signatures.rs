//! Only what is signed rightly is taken.

use super::*;

const VECTOR: &[u8] = include_bytes!("../fixtures/signature-vector.body");
const VECTOR_SECRET: &str = "PGuRrhCFajIyEvFlreKL";
const VECTOR_SIGNATURE: &str =
    "sha256=bf829606cda0ca6923defb5ca70a43135adc7e8887486a201a19cb50ca6006b1";

#[test]
fn the_documented_signature_is_accepted() {
    let host = FakeHost::connected();
    let mut webhook = host.state("webhook");
    webhook["secret"] = VECTOR_SECRET.into();
    host.set_state("webhook", webhook);
    let mut request = signed(VECTOR_SECRET, VECTOR);
    assert_eq!(request.headers[0].value, VECTOR_SIGNATURE);
    request.callback_url = "https://callback-url.com".into();
    let result = host.toggl().handle_webhook(&request).unwrap();
    assert_eq!(result.outcome, DeliveryOutcome::Ping);
}

#[test]
fn what_is_not_signed_rightly_is_refused() {
    let host = FakeHost::connected();
    let body = created().to_string();
    let good = host.signed(body.as_bytes());
    let signature = good.headers[0].value.clone();
    let wrong = [
        None,
        Some(String::new()),
        Some("sha256=".into()),
        Some(signature.replace("sha256=", "")),
        Some(signature.replace("sha256=", "sha1=")),
        Some(signature[..signature.len() - 2].into()),
        Some(format!("{signature}00")),
        Some(signature.replace("sha256=", "sha256=zz")),
        Some(signed("another", body.as_bytes()).headers[0].value.clone()),
    ];
    for value in wrong {
        let mut request = good.clone();
        match &value {
            Some(value) => request.headers[0].value = value.clone(),
            None => request.headers.clear(),
        }
        let result = host.toggl().handle_webhook(&request).unwrap();
        assert_eq!(
            (result.outcome, result.response.status),
            (DeliveryOutcome::Refused, 401),
            "{value:?}"
        );
        assert_eq!(result.changes, Default::default());
    }
    let mut twice = good.clone();
    twice.headers.push(good.headers[0].clone());
    assert_eq!(
        host.toggl().handle_webhook(&twice).unwrap().response.status,
        401
    );
    let mut altered = good;
    altered.body.push(b' ');
    assert_eq!(
        host.toggl()
            .handle_webhook(&altered)
            .unwrap()
            .response
            .status,
        401
    );
}

#[test]
fn without_a_secret_nothing_is_accepted_or_refused() {
    let host = FakeHost::new();
    let signed = signed("", created().to_string().as_bytes());
    let unknown = host.toggl().handle_webhook(&signed);
    assert!(matches!(unknown, Err(Error::NotFound(_))), "{unknown:?}");
    let mut unsigned = signed;
    unsigned.headers.clear();
    let result = host.toggl().handle_webhook(&unsigned).unwrap();
    assert_eq!(
        (result.outcome, result.response.status),
        (DeliveryOutcome::Refused, 401)
    );
}

#[test]
fn the_previous_secret_is_accepted_until_the_subscription_is_updated() {
    let host = FakeHost::connected();
    let mut webhook = host.state("webhook");
    webhook["previous_secret"] = "previous".into();
    host.set_state("webhook", webhook);
    let request = signed("previous", created().to_string().as_bytes());
    assert_eq!(
        host.toggl().handle_webhook(&request).unwrap().outcome,
        DeliveryOutcome::Accepted
    );
}
