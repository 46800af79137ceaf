//! The signature of deliveries and pings (Toggl's webhook documentation, "Validating received events").

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header that carries it.
pub const SIGNATURE_HEADER: &str = "x-webhook-signature-256";

/// `sha256=` and the lowercase hex HMAC-SHA256 of the raw body, keyed with the secret as UTF-8 text.
pub fn sign(secret: &str, body: &[u8]) -> String {
    // HMAC takes keys of any length, so there is no error to report.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}
