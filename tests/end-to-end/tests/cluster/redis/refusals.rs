//! A server that cannot be used ends the start with one sentence that says so.

use std::io::Write as _;
use std::net::TcpListener;

use tempfile::TempDir;

use super::*;

/// What a host says that is to keep its storage there. It must not start.
async fn refusal(storage: &str) -> String {
    let configuration = "[limits]\nstorage_timeout_ms = 1_500\n";
    end_to_end::refusal(configuration, &["--storage", storage])
        .await
        .unwrap()
}

async fn assert_refused(storage: &str, names: &[&str]) {
    let error = refusal(storage).await;
    for name in names {
        assert!(error.contains(name), "“{name}” is not in: {error}");
    }
}

#[tokio::test]
async fn a_server_that_is_none_is_named_with_the_remedy() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("redis://user:hunter2@{closed}/0");
    assert_refused(&url, &[&closed.to_string(), "cannot reach", "start it"]).await;

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}/0", silent.local_addr().unwrap());
    assert_refused(&url, &["does not answer", "start it"]).await;

    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}/0", other.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in other.incoming() {
            // Whoever hangs up has seen enough.
            let _ = stream
                .unwrap()
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    assert_refused(&url, &["Redis server", "rediss://"]).await;
}

#[tokio::test]
async fn a_refused_login_is_told_without_the_password() {
    let Some(server) = RedisServer::start(&["--requirepass", "hunter2"]).unwrap() else {
        return;
    };
    let address = server.address();
    for login in ["", ":wrong@", "nobody:hunter2@"] {
        let url = format!("redis://{login}{address}/0");
        assert_refused(&url, &["refuses the login", "password", &address]).await;
    }
    assert_refused(
        &format!("redis://:hunter2@{address}/99"),
        &["no database 99"],
    )
    .await;
}

#[tokio::test]
async fn a_user_who_may_not_do_what_storage_needs_is_told_at_start() {
    let Some(server) = RedisServer::start(&[]).unwrap() else {
        return;
    };
    // What docs/operating.md names, and the same without what scripts need.
    let documented = [
        "ACL",
        "SETUSER",
        "host",
        "on",
        ">hunter2",
        "~part:*",
        "+@read",
        "+@write",
        "+@scripting",
        "+@connection",
        "+info",
        "+config|get",
    ];
    assert_eq!(server.ask(&documented).unwrap(), "+OK");
    let url = format!("redis://host:hunter2@{}/0?prefix=part", server.address());
    RedisStore::open(&url.parse().unwrap(), PATIENCE, Arc::new(SystemClock))
        .await
        .unwrap();
    server.ask(&["ACL", "SETUSER", "host", "-evalsha"]).unwrap();
    assert_refused(&url, &["does not allow", "another user"]).await;
}

#[tokio::test]
async fn a_server_that_may_lose_what_it_acknowledged_is_refused() {
    for (arguments, remedy) in [
        (&["--appendonly", "no"][..], "appendonly yes"),
        (&["--appendfsync", "everysec"], "appendfsync always"),
        (
            &["--maxmemory-policy", "allkeys-lru"],
            "maxmemory-policy noeviction",
        ),
    ] {
        let Some(server) = RedisServer::start(arguments).unwrap() else {
            return;
        };
        assert_refused(&server.url(), &[remedy, "durability=unchecked"]).await;
        let accepted = format!("{}?durability=unchecked", server.url());
        let address = accepted.parse().unwrap();
        RedisStore::open(&address, PATIENCE, Arc::new(SystemClock))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_replica_and_a_cluster_are_refused() {
    for (arguments, name) in [
        (&["--replicaof", "127.0.0.1", "1"][..], "replica"),
        (&["--cluster-enabled", "yes"], "cluster"),
    ] {
        let Some(server) = RedisServer::start(arguments).unwrap() else {
            return;
        };
        assert_refused(&server.url(), &[name, &server.address()]).await;
    }
}

#[tokio::test]
async fn tls_is_used_and_its_certificate_checked() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = TempDir::new().unwrap();
    let file = |name: &str, content: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let certificate = file("certificate.pem", made.cert.pem());
    let key = file("key.pem", made.signing_key.serialize_pem());
    let tls_port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let arguments = [
        "--tls-port",
        &tls_port.to_string(),
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &certificate,
        "--tls-auth-clients",
        "no",
    ];
    let Some(_server) = RedisServer::start(&arguments).unwrap() else {
        return;
    };
    let url = format!("rediss://localhost:{tls_port}/0");
    assert_refused(&url, &["TLS", "?ca=FILE"]).await;
    let plain = format!("redis://localhost:{tls_port}/0");
    assert_refused(&plain, &["Redis server", "rediss://"]).await;
    let missing = format!("{url}?ca=missing.pem");
    assert_refused(&missing, &["missing.pem", "ca"]).await;

    let address = format!("{url}?ca={certificate}").parse().unwrap();
    let store = RedisStore::open(&address, PATIENCE, Arc::new(SystemClock))
        .await
        .unwrap();
    store
        .commit(&connection(), &[], &[put("key", b"1")])
        .await
        .unwrap();
    assert_eq!(get(&store, "key").await.unwrap().value, b"1");
    // The name counts, not only who signed.
    let other = format!("rediss://127.0.0.1:{tls_port}/0?ca={certificate}");
    let error = RedisStore::open(&other.parse().unwrap(), PATIENCE, Arc::new(SystemClock)).await;
    assert!(error.is_err_and(|error| error.to_string().contains("TLS")));
}
