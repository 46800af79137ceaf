//! Every user directory.

use std::time::Duration;

use integration_conformance::user_directory::Person;
use integration_conformance::user_directory_conformance;
use integration_host_directory::FileDirectory;
use integration_host_directory::scim::{ScimDirectory, TokenSource};
use integration_host_directory::sql::{Selection, SqlDirectory};
use integration_host_http::ReqwestClient;
use integration_host_seal::secret::Secret;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_services::{ScimService, TestDatabase};

const TIMEOUT: Duration = Duration::from_secs(30);

fn with_ids(people: Vec<Person>) -> Vec<(String, Person)> {
    let id = |number| format!("u-{number}");
    (0..).map(id).zip(people).collect()
}

#[tokio::test]
async fn file() {
    let folder = TempDir::new().unwrap();
    user_directory_conformance(async |people| {
        let user = |(id, person): (String, Person)| json!({ "id": id, "name": person.name, "email": person.email });
        let users: Vec<Value> = with_ids(people).into_iter().map(user).collect();
        let path = folder.path().join("users.json");
        std::fs::write(&path, Value::from(users).to_string()).unwrap();
        FileDirectory::load(path).unwrap()
    })
    .await;
}

#[tokio::test]
async fn sqlite() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    user_directory_conformance(async |people| {
        let path = folder.join("platform.sqlite");
        let database = Connection::open(&path).unwrap();
        let made =
            "DROP TABLE IF EXISTS users; CREATE TABLE users (id INTEGER, email TEXT, name TEXT)";
        database.execute_batch(made).unwrap();
        let insert = "INSERT INTO users VALUES (?1, ?2, ?3)";
        for (number, person) in (40..).zip(people) {
            let values = (number, person.email, person.name);
            database.execute(insert, values).unwrap();
        }
        SqlDirectory::sqlite(&path, &Selection::default(), TIMEOUT)
            .await
            .unwrap()
    })
    .await;
}

#[tokio::test]
async fn postgres() {
    let Some(database) = TestDatabase::create().unwrap() else {
        return;
    };
    user_directory_conformance(async |people| {
        let mut statements = "DROP TABLE IF EXISTS users; CREATE TABLE users (id INTEGER, email VARCHAR, name TEXT COLLATE \"C\");".to_owned();
        let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
        for (number, person) in (40..).zip(people) {
            let email = person.email.map_or("NULL".to_owned(), text);
            statements += &format!("INSERT INTO users VALUES ({number}, {email}, {});", text(person.name));
        }
        database.execute(&statements).unwrap();
        let address = format!("{}?connections=8", database.url());
        SqlDirectory::postgres(&address.parse().unwrap(), &Selection::default(), TIMEOUT).await.unwrap()
    })
    .await;
}

#[tokio::test]
async fn scim() {
    let Some(service) = ScimService::start().unwrap() else {
        return;
    };
    user_directory_conformance(async |people| {
        let tenant = service.tenant();
        for person in people {
            tenant.add(person.name, person.email).await.unwrap();
        }
        let http = std::sync::Arc::new(ReqwestClient::new(TIMEOUT).unwrap());
        let token = TokenSource::Given(Secret::new(ScimService::TOKEN));
        let base = tenant.url().parse().unwrap();
        ScimDirectory::connect(http, base, token, TIMEOUT)
            .await
            .unwrap()
    })
    .await;
}
