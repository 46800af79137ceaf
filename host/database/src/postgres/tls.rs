//! Encrypted connections to a database: rustls, like the host's other connections.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::Tls;
use super::error::PostgresOpenError;

/// What encrypts connections; `None`: nothing does.
pub(super) fn connector(tls: &Tls) -> Result<Option<MakeRustlsConnect>, PostgresOpenError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| PostgresOpenError(format!("TLS cannot be used: {error}")))?;
    let config = match tls {
        Tls::Disabled => return Ok(None),
        Tls::System => builder
            .with_platform_verifier()
            .map_err(|error| {
                PostgresOpenError(format!(
                    "the system's certificate authorities cannot be read ({error}): name a file of them with `sslrootcert` in the database's address"
                ))
            })?
            .with_no_client_auth(),
        Tls::Authorities(file) => builder
            .with_root_certificates(authorities(file)?)
            .with_no_client_auth(),
    };
    Ok(Some(MakeRustlsConnect::new(config)))
}

fn authorities(file: &Path) -> Result<RootCertStore, PostgresOpenError> {
    let unusable = |cause: String| {
        PostgresOpenError(format!(
            "the certificate authorities in {} cannot be used: {cause}",
            file.display()
        ))
    };
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(error.to_string()))?;
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        store
            .add(certificate)
            .map_err(|error| unusable(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(unusable("it holds no certificate".to_owned()));
    }
    Ok(store)
}
