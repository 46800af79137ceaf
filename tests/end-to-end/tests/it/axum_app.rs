//! The host inside somebody else's axum application, as the example `axum_app` has it: under a path, with the platform's own
//! sign-in and table.

use std::process::Stdio;

use end_to_end::{
    NORTHWIND, PATIENCE, TOMAS, component, eventually, program_folder, unlimited_scenario,
};
use reqwest::header::{COOKIE, LOCATION, ORIGIN};
use reqwest::{Client, Method, Response, redirect};
use serde_json::{Value, json};
use toggl_sandbox::{NewEntry, RunningSandbox, Sandbox};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::time::timeout;

struct App {
    sandbox: RunningSandbox,
    process: Child,
    client: Client,
    url: String,
}

impl App {
    async fn start() -> Self {
        let sandbox = Sandbox::start(unlimited_scenario()).await.unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = free.local_addr().unwrap().to_string();
        drop(free);
        let url = format!("http://{listen}");
        let process = Command::new(program_folder().unwrap().join("examples/axum_app"))
            .arg(component().unwrap())
            .env("LISTEN", listen)
            .env("PUBLIC_URL", format!("{url}/time"))
            .env(
                "UPSTREAM",
                format!("api.track.toggl.com={}", sandbox.base_url()),
            )
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        let app = Self {
            sandbox,
            process,
            client,
            url,
        };
        let starts = eventually("it does not start", async || {
            app.client.get(&app.url).send().await
        });
        starts.await.unwrap();
        app
    }

    async fn ask(&self, method: Method, path: &str, person: &str, body: Value) -> Response {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if !person.is_empty() {
            request = request.header(COOKIE, format!("person={person}"));
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    async fn get(&self, path: &str, person: &str) -> Response {
        self.ask(Method::GET, path, person, Value::Null).await
    }

    fn connect(&self) -> Value {
        json!({
            "secrets": { "api-token": self.sandbox.token() },
            "scope_id": NORTHWIND.to_string(), "name": null
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_is_part_of_an_application_with_its_own_people_and_table() {
    let mut app = App::start().await;
    // Nobody gets in without the platform's sign-in.
    for path in ["/time", "/time/", "/time/timeline", "/time/sign-in"] {
        let answer = app.get(path, "").await;
        assert_eq!(answer.status(), 303, "{path}");
        assert_eq!(answer.headers()[LOCATION], "/sign-in", "{path}");
    }
    assert_eq!(app.get("/time/api/v1/connections", "").await.status(), 401);
    let signed_in = app.get("/sign-in?as=ada", "").await;
    assert_eq!(signed_in.headers()[LOCATION], "/time/");

    // Its pages lead to one another, with the slash and without.
    for (path, base) in [
        ("/time", "./time/"),
        ("/time/", "./"),
        ("/time/timeline", "./"),
    ] {
        let answer = app.get(path, "ada").await;
        assert_eq!(answer.status(), 200, "{path}");
        let page = answer.text().await.unwrap();
        assert!(page.contains(&format!("<base href=\"{base}\">")), "{page}");
        assert!(!page.contains("Sign out"), "that is the platform's: {page}");
    }

    // Who may look may not change, and no page of another site may.
    let connections = "/time/api/v1/connections";
    let refused = app
        .ask(Method::POST, connections, "eve", app.connect())
        .await;
    assert_eq!(refused.status(), 403);
    assert_eq!(app.get("/time/timeline", "eve").await.status(), 200);
    // A backup holds everything, sealing apart.
    assert_eq!(app.get("/time/api/v1/backup", "eve").await.status(), 403);
    let form = app.ask(Method::POST, "/time/connect/test", "eve", Value::Null);
    assert_eq!(form.await.status(), 403);
    let elsewhere = app
        .client
        .post(format!("{}{connections}", app.url))
        .header(COOKIE, "person=ada")
        .header(ORIGIN, "https://evil.example")
        .json(&app.connect());
    assert_eq!(elsewhere.send().await.unwrap().status(), 403);
    assert!(app.sandbox.control().subscriptions().is_empty());

    // What is logged arrives in the platform's table.
    let connected = app
        .ask(Method::POST, connections, "ada", app.connect())
        .await;
    assert_eq!(
        connected.status(),
        201,
        "{}",
        connected.text().await.unwrap()
    );
    let now = jiff::Timestamp::now();
    let entry = NewEntry {
        workspace_id: NORTHWIND,
        user_id: TOMAS,
        description: Some("Embedding".to_owned()),
        start: Some(now - jiff::SignedDuration::from_hours(1)),
        duration: Some(1_800),
        ..NewEntry::default()
    };
    app.sandbox.control().log_time(entry).unwrap();
    eventually("it did not arrive", async || {
        let table: Value = app.get("/", "").await.json().await.unwrap();
        let mut rows = table.as_array().unwrap().iter();
        let is_there = rows.any(|row| row["title"] == "Embedding" && row["seconds"] == 1_800);
        is_there.then_some(()).ok_or(table.to_string())
    })
    .await
    .unwrap();

    // It stops although somebody follows.
    let stream = app.get("/time/api/v1/activities/stream", "eve").await;
    assert_eq!(stream.status(), 200);
    let id = app.process.id().unwrap().to_string();
    let mut interrupt = Command::new("kill");
    let interrupted = interrupt.args(["-INT", &id]).status().await.unwrap();
    assert!(interrupted.success());
    let ended = timeout(PATIENCE, app.process.wait()).await;
    assert!(ended.expect("it does not stop").unwrap().success());
    let mut said = String::new();
    let mut output = app.process.stdout.take().unwrap();
    output.read_to_string(&mut said).await.unwrap();
    assert!(said.contains("stopped"), "{said}");
}
