//! The signature of a delivery: `X-Webhook-Signature-256: sha256=HEX`, the HMAC-SHA256 of the raw
//! body, keyed with the subscription's secret as text.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::capability::Header;

/// The header's name in lower case.
pub(crate) const SIGNATURE_HEADER: &str = "x-webhook-signature-256";

/// What stands before the digits.
pub(crate) const SIGNATURE_PREFIX: &str = "sha256=";

/// The signature that the headers carry, if they carry exactly one in the known form.
pub(super) fn find(headers: &[Header]) -> Option<[u8; 32]> {
    let mut signatures = headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case(SIGNATURE_HEADER));
    let (Some(signature), None) = (signatures.next(), signatures.next()) else {
        return None;
    };
    let digits = signature.value.trim().strip_prefix(SIGNATURE_PREFIX)?;
    let mut bytes = [0; 32];
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    Some(bytes)
}

/// Whether the secret signed this body, in time that depends on neither.
pub(super) fn is_genuine(secret: &str, body: &[u8], signature: &[u8; 32]) -> bool {
    // An empty key would let anybody sign.
    if secret.is_empty() {
        return false;
    }
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return false;
    };
    mac.update(body);
    mac.verify_slice(signature).is_ok()
}
