//! Every place that users can come from, with the real host: they are matched, found and mapped to.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use end_to_end::{NORTHWIND, PLATFORM_USERS, Setup, eventually, write_directory};
use integration_host_database::postgres::PostgresAddress;
use integration_host_directory::sql::{Rows, Selection, SqlDirectory};
use reqwest::{Method, StatusCode};
use rusqlite::Connection;
use serde_json::{Value, json};
use test_services::{ScimService, TestDatabase};
use toggl_sandbox::NewEntry;

/// A member of the built-in team.
const MARA: i64 = 9_500_001;

#[tokio::test]
async fn from_a_file_named_in_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_directory(folder.path()).unwrap();
    check(&format!("directory = '{}'", path.display())).await;
}

#[tokio::test]
async fn from_a_query_of_an_sqlite_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("platform.sqlite");
    let database = Connection::open(&path).unwrap();
    let made = "CREATE TABLE people (uid TEXT, mail TEXT, full_name TEXT, gone INTEGER)";
    database.execute_batch(made).unwrap();
    for user in PLATFORM_USERS {
        let insert = "INSERT INTO people VALUES (?1, ?2, ?3, 0)";
        database.execute(insert, user).unwrap();
    }
    let gone = "INSERT INTO people SELECT 'gone-' || uid, mail, full_name, 1 FROM people";
    database.execute_batch(gone).unwrap();
    check(&format!(
        "[directory]\nfrom = 'sqlite:{}'\nquery = '''
            SELECT uid AS id, mail AS email, full_name AS name FROM people WHERE NOT gone
        '''",
        path.display()
    ))
    .await;
}

#[tokio::test]
async fn from_a_table_of_a_postgres_database() {
    let Some(database) = TestDatabase::create().unwrap() else {
        return;
    };
    let mut statements =
        "CREATE SCHEMA hr; CREATE TABLE hr.people (uid TEXT, mail TEXT, \"Full Name\" TEXT);"
            .to_owned();
    for [id, email, name] in PLATFORM_USERS {
        statements += &format!("INSERT INTO hr.people VALUES ('{id}', '{email}', '{name}');");
    }
    database.execute(&statements).unwrap();
    check(&format!(
        "[directory]\nfrom = '{}?sslmode=disable'\ntable = 'hr.people'\nid_column = 'uid'\nemail_column = 'mail'\n\
         name_column = 'Full Name'",
        database.url()
    ))
    .await;
}

#[tokio::test]
async fn what_a_postgres_database_does_not_let_be_read_is_named() {
    let Some(database) = TestDatabase::create().unwrap() else {
        return;
    };
    let made = "CREATE TABLE users (id TEXT, email TEXT, title TEXT); INSERT INTO users VALUES ('1', 'a@b.c', 'A');
        CREATE TABLE secrets (id TEXT, email TEXT, name TEXT); DROP ROLE IF EXISTS reads_users;
        CREATE ROLE reads_users LOGIN; GRANT SELECT ON users TO reads_users;";
    database.execute(made).unwrap();
    let address = format!("{}?sslmode=disable", database.url());
    let (_, server) = address.split_once('@').unwrap();
    let address: PostgresAddress = format!("postgres://reads_users@{server}").parse().unwrap();
    let problem = async |rows: Rows| {
        let selection = Selection {
            rows,
            ..Selection::default()
        };
        match SqlDirectory::postgres(&address, &selection, Duration::from_secs(30)).await {
            Ok(_) => panic!("{selection:?} is accepted"),
            Err(error) => error.to_string(),
        }
    };
    let table = |name: &str| Rows::table(name).unwrap();
    for (rows, expected) in [
        (table("people"), "relation \"people\" does not exist"),
        (table("secrets"), "permission denied for table secrets"),
        (table("users"), "`name_column`"),
        (Rows::query("SELECT"), "`id_column`"),
        (Rows::query("SELEC 1"), "`query` in [directory]"),
        (
            Rows::query("DELETE FROM users RETURNING *"),
            "`query` in [directory]",
        ),
    ] {
        let error = problem(rows).await;
        assert!(error.contains(expected), "{error}");
    }
    let cleared = "DROP OWNED BY reads_users; DROP ROLE reads_users";
    database.execute(cleared).unwrap();
}

#[tokio::test]
async fn from_a_scim_service_which_may_be_away_for_a_while() {
    let Some(service) = ScimService::start().unwrap() else {
        return;
    };
    let tenant = service.tenant();
    for [_, email, name] in PLATFORM_USERS {
        tenant.add(name, Some(email)).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, ScimService::TOKEN).unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let configuration = format!(
        "[directory]\nfrom = 'scim:{}'\ntoken_file = '{}'",
        tenant.url(),
        token.display()
    );
    let (setup, connection) = check(&configuration).await;

    drop(service);
    let path = format!("/connections/{connection}/users/refresh");
    let refreshed = setup.host.call(Method::POST, &path, Value::Null).await;
    let (status, problem) = refreshed.unwrap();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    let (status, problem) = search(&setup, "jonas").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("refuses connections"), "{detail}");
    assert_eq!(
        user_of(&setup, &connection, "Tomás Herrera").await["name"],
        "Tomás Herrera"
    );
    setup.ensure_deliveries_arrive().await.unwrap();
    let log = setup.host.log().unwrap();
    assert!(!log.contains(ScimService::TOKEN), "the token is in the log");
}

/// Writes a directory of some of the platform's users, and waits until the host has seen it.
async fn rewrite(setup: &Setup, path: &Path, users: &[[&str; 3]]) {
    let lines: Vec<_> = users.iter().map(|user| user.join(",") + "\n").collect();
    fs::write(path, format!("id,email,name\n{}", lines.concat())).unwrap();
    let is_seen = async || {
        let (_, found) = search(setup, "").await;
        let seen: Vec<_> = (found["users"].as_array().into_iter().flatten())
            .map(|user| (user["id"].clone(), user["email"].clone()))
            .collect();
        seen.len() == users.len()
            && users
                .iter()
                .all(|[id, email, _]| seen.contains(&(json!(id), json!(email))))
    };
    eventually("the host does not see the directory as it is now", is_seen)
        .await
        .unwrap();
}

async fn import(setup: &Setup, connection: &str, query: &str) -> Value {
    let path = format!("/connections/{connection}/users/refresh{query}");
    let (status, answer) = setup
        .host
        .call(Method::POST, &path, Value::Null)
        .await
        .unwrap();
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

/// Logs time of Mara's and returns the id of its entry, once it is in the ledger.
async fn log_time(setup: &Setup) -> i64 {
    let entry = setup.toggl().log_time(NewEntry {
        workspace_id: NORTHWIND,
        user_id: MARA,
        start: Some("2026-03-02T09:00:00Z".parse().unwrap()),
        stop: Some("2026-03-02T10:00:00Z".parse().unwrap()),
        ..NewEntry::default()
    });
    setup.settle().await.unwrap();
    entry.unwrap().id
}

async fn whose(setup: &Setup, entry: i64) -> Value {
    setup.activity(entry).await.unwrap()["user"]["id"].clone()
}

#[tokio::test]
async fn what_was_mapped_stays_when_the_directory_is_empty_or_gives_addresses_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_directory(folder.path()).unwrap();
    let configuration = format!("directory = '{}'", path.display());
    let setup = Setup::builder()
        .unlimited()
        .configuration(configuration)
        .without_directory()
        .start()
        .await
        .unwrap();
    let connection = setup.connect(NORTHWIND).await.unwrap();
    let id = connection["id"].as_str().unwrap();
    let mapped = connection["users"]["mapped"].clone();
    let first = log_time(&setup).await;
    assert_eq!(whose(&setup, first).await, "u-mara");

    // Only somebody whom nobody knows is left.
    let stranger = ["u-stranger", "stranger@example.com", "Stranger"];
    rewrite(&setup, &path, &[stranger]).await;
    let answer = import(&setup, id, "").await;
    assert_eq!(
        (&answer["mapped"], &answer["import"]["unconfirmed"]),
        (&mapped, &mapped)
    );
    let question = answer["import"]["question"].as_str().unwrap();
    assert!(
        question.contains("no longer confirmed by e-mail"),
        "{question}"
    );
    let mara = member(&setup, id, "Mara Lindqvist").await;
    assert_eq!(mara["user"]["id"], "u-mara", "{mara}");
    let doubt = mara["doubt"].as_str().unwrap();
    assert!(
        doubt.starts_with("No longer confirmed by e-mail"),
        "{doubt}"
    );
    let second = log_time(&setup).await;
    let third = format!("/connections/{id}/users?in_doubt=true");
    let in_doubt = setup.host.get(&third).await.unwrap();
    assert_eq!(in_doubt["matching"], mapped);
    for entry in [first, second] {
        assert_eq!(whose(&setup, entry).await, "u-mara");
    }
    let events = setup
        .host
        .get(&format!("/connections/{id}/log"))
        .await
        .unwrap();
    let told = (events["events"].as_array().unwrap().iter())
        .filter(|event| event["kind"] == "team-imported")
        .count();
    assert_eq!(json!(told), mapped, "a line for each: {events}");

    // The directory is back, and Mara's address is somebody else's.
    let mut users = PLATFORM_USERS;
    users[0] = ["u-new", "mara.lindqvist@example.com", "New Person"];
    rewrite(&setup, &path, &users).await;
    let answer = import(&setup, id, "").await;
    assert_eq!(answer["import"]["question"], Value::Null, "{answer}");
    let third = log_time(&setup).await;
    let expected = [(first, "u-mara"), (second, "u-mara"), (third, "u-new")];
    for (entry, user) in expected {
        assert_eq!(whose(&setup, entry).await, user);
    }
    let mara = member(&setup, id, "Mara Lindqvist").await;
    assert_eq!(
        (&mara["user"]["id"], &mara["earlier_user"]["id"]),
        (&json!("u-new"), &json!("u-mara"))
    );
    // Whoever decided that it is right so is not asked again, also for a user who is not in the directory any more.
    let member_path = format!("/connections/{id}/users/{MARA}");
    let body = json!({ "user_id": "u-new", "earlier": "stays" });
    let (status, mara) = setup
        .host
        .call(Method::PUT, &member_path, body)
        .await
        .unwrap();
    assert_eq!(
        (status, &mara["doubt"]),
        (StatusCode::OK, &Value::Null),
        "{mara}"
    );
    for (entry, user) in expected {
        assert_eq!(whose(&setup, entry).await, user);
    }

    // Everybody is made anew with another id.
    let anew: Vec<_> = PLATFORM_USERS
        .iter()
        .map(|[id, email, name]| [format!("{id}-2"), (*email).to_owned(), (*name).to_owned()])
        .collect();
    let anew: Vec<_> = anew
        .iter()
        .map(|[id, email, name]| [id.as_str(), email, name])
        .collect();
    rewrite(&setup, &path, &anew).await;
    let held_back = import(&setup, id, "").await["import"]["held_back"]
        .as_u64()
        .unwrap();
    assert!(held_back > 3, "{held_back} were held back");
    assert_eq!(user_of(&setup, id, "Aiko Tanaka").await["id"], "u-aiko");
    let fewer = format!("?moves={}", held_back - 1);
    import(&setup, id, &fewer).await;
    assert_eq!(
        user_of(&setup, id, "Aiko Tanaka").await["id"],
        "u-aiko",
        "more were moved than a person confirmed"
    );
    import(&setup, id, &format!("?moves={held_back}")).await;
    assert_eq!(user_of(&setup, id, "Aiko Tanaka").await["id"], "u-aiko-2");
    assert_eq!(
        whose(&setup, first).await,
        "u-mara",
        "what a person decided was changed"
    );
}

/// Connects with this configuration; returns the host and the id of the connection.
async fn check(configuration: &str) -> (Setup, String) {
    let started = Setup::builder()
        .unlimited()
        .configuration(configuration)
        .without_directory()
        .start()
        .await;
    let setup = started.unwrap_or_else(|error| panic!("{configuration}: {error}"));
    assert_eq!(setup.host.summary["users"], PLATFORM_USERS.len());
    let connection = setup.connect(NORTHWIND).await.unwrap();
    let id = connection["id"].as_str().unwrap().to_owned();

    // As the platform has it in capitals.
    assert_eq!(
        user_of(&setup, &id, "Tomás Herrera").await["name"],
        "Tomás Herrera"
    );
    assert_eq!(
        user_of(&setup, &id, "Samuel Okafor").await,
        Value::Null,
        "two have this address"
    );
    assert_eq!(
        user_of(&setup, &id, "Jonas Weber").await,
        Value::Null,
        "it has another address"
    );

    let (status, found) = search(&setup, "JONAS").await;
    assert_eq!(status, StatusCode::OK, "{found}");
    let users = found["users"].as_array().unwrap();
    assert_eq!(users.len(), 1, "{found}");
    assert_eq!(users[0]["email"], "jonas@elsewhere.example");
    let path = format!("/connections/{id}/users/9500004");
    let body = json!({ "user_id": users[0]["id"] });
    let (status, mapped) = setup.host.call(Method::PUT, &path, body).await.unwrap();
    assert_eq!(status, StatusCode::OK, "{mapped}");
    assert_eq!(
        user_of(&setup, &id, "Jonas Weber").await["name"],
        "Jonas Weber"
    );

    let (_, found) = search(&setup, "lefèvre").await;
    assert_eq!(found["users"][0]["name"], "Hugo Lefèvre", "{found}");
    (setup, id)
}

async fn search(setup: &Setup, query: &str) -> (StatusCode, Value) {
    let response = setup
        .host
        .request(Method::GET, "/users")
        .query(&[("query", query)]);
    let response = response.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

/// The user that a member of the team is mapped to.
async fn user_of(setup: &Setup, connection: &str, name: &str) -> Value {
    member(setup, connection, name).await["user"].clone()
}

async fn member(setup: &Setup, connection: &str, member: &str) -> Value {
    let path = format!("/connections/{connection}/users");
    let team = setup.host.get(&path).await.unwrap();
    let mut members = team["users"].as_array().unwrap().iter();
    let found = members.find(|found| found["remote_user"]["name"] == member);
    found.unwrap().clone()
}
