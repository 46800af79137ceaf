//! A machine that reaches the internet through a proxy only.

use std::process::Command;
use std::sync::Arc;

use end_to_end::{NORTHWIND, Setup};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use test_services::Proxy;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// This machine's name: one that is not known to be this machine.
fn name() -> String {
    let output = Command::new("hostname").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Puts TLS before a server, and says at which port. The certificate is for this name.
async fn encrypt(server: String, name: &str) -> (u16, String) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, server) = (acceptor.clone(), server.clone());
            tokio::spawn(async move {
                let mut inside = TcpStream::connect(server).await.unwrap();
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let _ = copy_bidirectional(&mut stream, &mut inside).await;
                }
            });
        }
    });
    (port, made.cert.pem())
}

#[tokio::test]
async fn the_whole_way_leads_through_a_proxy_that_sees_names_only() {
    let mut setup = Setup::builder().start().await.unwrap();
    let name = name();
    let toggl = setup.options.upstream.replace("http://", "");
    let (port, certificate) = encrypt(toggl, &name).await;
    let Some(proxy) = Proxy::start(port).unwrap() else {
        return;
    };
    setup.host.terminate().await.unwrap();
    let authorities = setup.options.data.join("authorities.pem");
    std::fs::write(&authorities, certificate).unwrap();
    setup.options.upstream = format!("https://{name}:{port}");
    setup.options.environment.extend([
        (
            "SSL_CERT_FILE".to_owned(),
            authorities.display().to_string(),
        ),
        ("HTTPS_PROXY".to_owned(), proxy.url()),
        ("NO_PROXY".to_owned(), "elsewhere.example".to_owned()),
    ]);
    setup.restart().await.unwrap();
    let shown = setup.host.summary["proxy"].as_str().unwrap();
    assert_eq!(format!("http://{shown}"), proxy.url());
    setup.connect(NORTHWIND).await.unwrap();
    setup.ensure_deliveries_arrive().await.unwrap();
    let seen = proxy.log().unwrap();
    assert!(seen.contains(&format!("CONNECT {name}:{port}")), "{seen}");
    for secret in [setup.secrets()["api-token"].as_str().unwrap(), "/api/v9"] {
        assert!(!seen.contains(secret), "the proxy has seen {secret}");
    }

    // Whoever is exempt is reached without it, and a proxy that is away is named.
    let lines = seen.lines().count();
    setup.host.terminate().await.unwrap();
    setup
        .options
        .environment
        .push(("NO_PROXY".to_owned(), name.clone()));
    setup.restart().await.unwrap();
    let test = serde_json::json!({ "secrets": setup.secrets() });
    let (status, answer) = setup
        .host
        .call(reqwest::Method::POST, "/test", test.clone())
        .await
        .unwrap();
    assert!(status.is_success(), "{answer}");
    assert_eq!(proxy.log().unwrap().lines().count(), lines);
    setup.host.terminate().await.unwrap();
    setup
        .options
        .environment
        .push(("NO_PROXY".to_owned(), String::new()));
    let address = proxy.url().replace("http://", "");
    drop(proxy);
    setup.restart().await.unwrap();
    let (status, answer) = setup
        .host
        .call(reqwest::Method::POST, "/test", test)
        .await
        .unwrap();
    assert_eq!(status.as_u16(), 503, "{answer}");
    let detail = answer["detail"].as_str().unwrap();
    assert!(
        detail.contains(&format!("through the proxy {address}")),
        "{detail}"
    );
}
