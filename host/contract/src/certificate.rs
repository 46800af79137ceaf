//! What is wrong with a certificate, in words.

use std::error::Error as StdError;
use std::io;

use rustls::CertificateError;

/// What is wrong with a certificate, as part of a sentence.
pub fn in_words(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet"
        }
        CertificateError::Revoked => "it was revoked",
        CertificateError::UnknownIssuer => "this machine does not know who issued it",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is the certificate of another host"
        }
        CertificateError::BadEncoding => "it cannot be read",
        CertificateError::BadSignature => "its signature is wrong",
        // A certificate that issues others, shown as the server's own, has no name among these errors.
        CertificateError::Other(_) => {
            "it is self-signed, or was not made for a server: it may be one that issues others"
        }
        _ => "it is not valid for a server",
    }
}

/// What is wrong with a certificate, if that is why something failed.
pub fn cause(error: &(dyn StdError + 'static)) -> Option<&'static str> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(error)) = error.downcast_ref() {
            return Some(in_words(error));
        }
        next = match error.downcast_ref::<io::Error>() {
            // An io::Error names the source of what it wraps, not what it wraps itself.
            Some(error) => error.get_ref().map(|inner| inner as _),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::OtherError;

    use super::*;

    #[test]
    fn no_name_of_a_type_stands_in_a_sentence() {
        // How a certificate is refused that issues others, as self-signed ones often do.
        let own =
            CertificateError::Other(OtherError(Arc::new(io::Error::other("CaUsedAsEndEntity"))));
        for error in [
            own,
            CertificateError::Expired,
            CertificateError::UnknownIssuer,
            CertificateError::NotValidForName,
            CertificateError::BadEncoding,
        ] {
            let wrapped = io::Error::other(rustls::Error::InvalidCertificate(error));
            let words = cause(&wrapped).unwrap_or_default();
            assert!(
                words.starts_with("it ") || words.starts_with("this ") || words.starts_with("its ")
            );
            assert!(!words.contains(['(', '{']), "{words}");
        }
        assert_eq!(cause(&io::Error::other("something else")), None);
    }
}
