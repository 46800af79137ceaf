//! Today's program opens the databases of every released version, and everything in them works.
//!
//! How the stored ones were made stands in `fixtures/databases/README.md`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use end_to_end::Setup;
use integration_host_database::inspect_backup;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

fn fixture(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/databases")
        .join(version)
}

/// A host that finds a stored database, and what the released program told of it.
async fn open(version: &str) -> (Setup, Value) {
    let mut setup = Setup::builder().start().await.unwrap();
    assert_eq!(setup.host.terminate().await.unwrap(), Some(0));
    for file in ["host.sqlite", "sealing-key"] {
        let path = setup.options.data.join(file);
        fs::copy(fixture(version).join(file), &path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let told = fs::read_to_string(fixture(version).join("told.json")).unwrap();
    setup.restart().await.unwrap();
    (setup, serde_json::from_str(&told).unwrap())
}

/// What the older program told must still be told; newer ones may tell more.
fn assert_still_told(what: &str, old: &Value, new: &Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(_)) => {
            for (name, value) in old {
                assert_still_told(&format!("{what}.{name}"), value, &new[name]);
            }
        }
        (Value::Array(old), Value::Array(many)) => {
            assert_eq!(old.len(), many.len(), "{what}");
            for (number, (old, new)) in old.iter().zip(many).enumerate() {
                assert_still_told(&format!("{what}[{number}]"), old, new);
            }
        }
        _ => assert_eq!(old, new, "{what} was another before the upgrade"),
    }
}

#[tokio::test]
async fn everything_in_a_database_of_schema_2_is_there_and_works() {
    let (setup, mut told) = open("v2").await;
    let id = told["connections"][0]["id"].as_str().unwrap().to_owned();
    // The test's host listens elsewhere than the one that made the database.
    for connection in told["connections"].as_array_mut().unwrap() {
        connection.as_object_mut().unwrap().remove("callback_url");
    }
    for (name, path) in [
        ("connections", "/connections"),
        ("activities", "/activities?include=unmapped,deleted"),
        ("deliveries", "/deliveries"),
        ("users", &format!("/connections/{id}/users")),
    ] {
        let now = setup.host.get(path).await.unwrap();
        assert_still_told(name, &told[name], &now[name]);
        assert!(!told[name].as_array().unwrap().is_empty());
    }

    // A kept delivery can still be handled, which takes the sealed signing secret.
    let failed = setup.host.get("/deliveries?status=failed").await.unwrap();
    let delivery = failed["deliveries"][0]["id"].as_str().unwrap();
    let path = format!("/deliveries/{delivery}/replay");
    let (status, replayed) = setup
        .host
        .call(Method::POST, &path, json!(null))
        .await
        .unwrap();
    assert_eq!(status, StatusCode::OK, "{replayed}");
    assert_eq!(setup.activity(500).await.unwrap()["title"], json!(["Kept"]));

    // The token opens, and the webhook that this Toggl does not know is made again.
    setup.ensure_healthy(&id).await.unwrap();
    setup.ensure_deliveries_arrive().await.unwrap();

    let database = setup.options.data.join("host.sqlite");
    let fresh = Setup::builder().start().await.unwrap();
    assert_eq!(
        inspect_backup(&database).unwrap().schema_version,
        inspect_backup(&fresh.options.data.join("host.sqlite"))
            .unwrap()
            .schema_version,
        "the schema is not the present one"
    );
}

#[tokio::test]
async fn an_upgrade_that_is_killed_goes_on_at_the_next_start() {
    for _ in 0..5 {
        let (mut setup, told) = open("v2").await;
        setup.host.kill().await.unwrap();
        setup.restart().await.unwrap();
        let now = setup.host.get("/connections").await.unwrap();
        assert_eq!(now["connections"][0]["id"], told["connections"][0]["id"]);
    }
}
