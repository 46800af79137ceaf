//! A database that cannot be used ends the start with one sentence that says so.

use std::net::TcpListener;

use end_to_end::{PASSWORD, refusal, refusal_in};
use integration_host_database::postgres::PostgresDatabase;
use tempfile::TempDir;
use test_services::{Durability, PostgresServer, TestDatabase};

async fn assert_refused(storage: &str, names: &[&str]) {
    let error = refusal("", &["--storage", storage]).await.unwrap();
    for name in names {
        assert!(error.contains(name), "“{name}” is not in: {error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_the_remedy() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("postgres://host:{PASSWORD}@{closed}/worksights");
    assert_refused(
        &url,
        &[&closed.to_string(), "cannot be reached", "start it"],
    )
    .await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://{}/worksights", silent.local_addr().unwrap());
    assert_refused(&url, &["cannot be reached", "start it"]).await;
}

#[tokio::test]
async fn an_address_that_cannot_be_used_says_what_of_it() {
    for (options, name) in [
        ("sslmode=prefer", "sslmode"),
        ("connections=1", "connections"),
        ("colour=red", "colour"),
        ("sslrootcert=/nowhere/ca.pem", "/nowhere/ca.pem"),
    ] {
        let url = format!("postgres://host:{PASSWORD}@localhost/worksights?{options}");
        assert_refused(&url, &[name]).await;
    }
}

#[tokio::test]
async fn a_login_database_or_encryption_the_server_refuses_is_named() {
    let Some(database) = TestDatabase::create().unwrap() else {
        return;
    };
    let url = database.url();
    let stranger = url.replace("//postgres@", &format!("//stranger:{PASSWORD}@"));
    assert_refused(&stranger, &["refuses the login stranger", "PGPASSWORD"]).await;
    let missing = url.replace("/test_", "/no_test_");
    assert_refused(
        &missing,
        &["there is no database no_test_", "CREATE DATABASE"],
    )
    .await;
    let encrypted = format!("{url}?sslmode=require");
    assert_refused(&encrypted, &["does not encrypt", "sslmode=disable"]).await;
}

#[tokio::test]
async fn a_login_that_may_make_nothing_is_told_what_to_grant() {
    let Some(database) = TestDatabase::create().unwrap() else {
        return;
    };
    let role = format!("reader_{}", std::process::id());
    database
        .execute(&format!("CREATE ROLE {role} LOGIN"))
        .unwrap();
    let url = database.url().replace("//postgres@", &format!("//{role}@"));
    let error = refusal("", &["--storage", &url]).await.unwrap();
    database.execute(&format!("DROP ROLE {role}")).unwrap();
    let grant = "GRANT CREATE ON DATABASE";
    assert!(error.contains(grant) && error.contains(&role), "{error}");
}

#[tokio::test]
async fn a_newer_schema_is_used_as_long_as_it_says_so() {
    let Some(database) = TestDatabase::create().unwrap() else {
        return;
    };
    let url = database.url();
    // A first host makes the schema; it ends because its sealing key is none.
    let folder = TempDir::new().unwrap();
    let start = async |configuration: &str| {
        refusal_in(&folder, configuration, &["--storage", &url])
            .await
            .unwrap()
    };
    let made = start("[limits]\ncomponent_bytes = 1\n").await;
    assert!(made.contains("component"), "{made}");

    database
        .execute(
            "INSERT INTO integration_host.schema_steps (number, oldest_program) VALUES (90, 1)",
        )
        .unwrap();
    let newer = start("[limits]\ncomponent_bytes = 1\n").await;
    assert_eq!(
        newer, made,
        "hosts could not be replaced one after the other"
    );

    database
        .execute(
            "INSERT INTO integration_host.schema_steps (number, oldest_program) VALUES (91, 90)",
        )
        .unwrap();
    let unknown = start("").await;
    assert!(
        unknown.contains("schema 91") && unknown.contains("use that version"),
        "{unknown}"
    );
}

#[tokio::test]
async fn a_host_with_another_sealing_key_than_the_others_does_not_start() {
    let Some(database) = TestDatabase::create().unwrap() else {
        return;
    };
    let url = database.url();
    // It has noted its key by the time it ends.
    let storage = ["--storage", &url];
    let first = refusal("[limits]\ncomponent_bytes = 1\n", &storage).await;
    assert!(first.unwrap().contains("component"));
    let error = refusal("", &storage).await.unwrap();
    assert!(
        error.contains("does not have") && error.contains("--sealing-key-file"),
        "what one host seals the other could not open: {error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_connection_is_verified() {
    let Some(mut server) = PostgresServer::start(Durability::Process).unwrap() else {
        return;
    };
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    server.kill().unwrap();
    server.encrypt(&certificate, &key).unwrap();
    server.start_again().unwrap();
    let folder = TempDir::new().unwrap();
    let authority = folder.path().join("authority.pem");
    std::fs::write(&authority, certificate).unwrap();

    let url = server.url().replace("127.0.0.1", "localhost");
    let trusted = format!("{url}?sslrootcert={}", authority.display());
    let database = PostgresDatabase::open(&trusted.parse().unwrap())
        .await
        .unwrap();
    database.close().await;
    let unknown = format!("{url}?sslmode=require");
    assert_refused(&unknown, &["cannot be reached", "certificate"]).await;
    let of_another = trusted.replace("localhost", "127.0.0.1");
    assert_refused(&of_another, &["cannot be reached", "certificate"]).await;
}
