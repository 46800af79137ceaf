//! Flags, `host.toml` and the user directory.

use super::*;

#[tokio::test]
async fn a_wrong_flag_is_named_with_what_it_takes() {
    let folder = Folder::new();
    for (arguments, names) in [
        (
            &["--listen", "nonsense"][..],
            &["listen", "nonsense", "127.0.0.1:8080"][..],
        ),
        (&["--listen", "127.0.0.1"], &["listen", "127.0.0.1:8080"]),
        (&["--listen", "127.0.0.1:70000"], &["listen", "70000"]),
        (&["--listen", "0.0.0.0:0"], &["0.0.0.0:0", "--public-url"]),
        (
            &[
                "--listen",
                "192.0.2.1:8080",
                "--public-url",
                "https://host.example.com",
            ],
            &["192.0.2.1:8080", "--listen"],
        ),
        (&["--public-url", "nonsense"], &["public_url", "https://"]),
        (
            &["--public-url", "ftp://host.example.com"],
            &["public_url", "https://"],
        ),
        (
            &["--public-url", "http://host.example.com"],
            &["plain http", "https://"],
        ),
        (
            &["--public-url", "https://host.example.com/?a=b"],
            &["public_url", "?"],
        ),
        (&["--storage", "nonsense"], &["storage", "sqlite:PATH"]),
        (
            &["--storage", "sqlite:"],
            &["storage", "sqlite:./host.sqlite"],
        ),
        (
            &["--storage", "sqlite:missing/host.sqlite"],
            &["missing/host.sqlite", "create it"],
        ),
        (
            &["--storage", "postgres://localhost:1/host"],
            &["localhost:1", "cannot be reached"],
        ),
        (
            &["--storage", "component:store.wasm"],
            &["component store.wasm", "No such file"],
        ),
        (
            &["--component", "missing.wasm"],
            &["missing.wasm", "--component"],
        ),
        (&["--directory", "missing.csv"], &["missing.csv"]),
        (&["--config", "missing.toml"], &["missing.toml", "--config"]),
        (&["--upstream", "nonsense"], &["nonsense", "HOST=URL"]),
        (
            &["--upstream", "api.track.toggl.com=nonsense"],
            &["upstream", "HOST=URL"],
        ),
        (
            &["--upstream", "api.track.toggl.com=http://127.0.0.1:1/v9"],
            &["upstream", "host and port"],
        ),
        (
            &["--upstream", "api.example.com=http://127.0.0.1:1"],
            &["api.example.com", "api.track.toggl.com"],
        ),
        (
            &["--deleted-entries", "sometimes"],
            &["--deleted-entries", "keep", "hide"],
        ),
        (&["--log-format", "xml"], &["--log-format", "text", "json"]),
        (
            &["--log-level", "integration_host=loud"],
            &["log_level", "info"],
        ),
        (&["--no-such-flag"], &["--no-such-flag", "--help"]),
        (&["surplus"], &["surplus", "--help"]),
    ] {
        folder.refuses(arguments, names).await;
    }
    for secret in [
        &["--storage", "postgres://user:hunter2@localhost/host"][..],
        &["--storage", "mysql://user:hunter2@localhost/host"],
        &["--storage", "host=localhost password=hunter2"],
        &["--storage", "user:hunter2@localhost:5432/host"],
        &["--storage", "sqlite://user:hunter2@localhost/host"],
        &["--storage", "postgres://user:1?hunter2=1@localhost/host"],
        &["--ledger", "host=localhost password=hunter2"],
        &["--directory", "host=localhost password=hunter2"],
        &["--directory", "user:hunter2@localhost/platform"],
        &["--public-url", "user:hunter2@host.example.com"],
        &["postgres://user:hunter2@localhost/host"],
        &["--stroage=postgres://user:hunter2@localhost/host"],
        &["--log-format", "postgres://user:hunter2@localhost/host"],
        &["--public-url", "https://user:hunter2@host.example.com"],
        &[
            "--directory",
            "postgres://user:hunter2@localhost:1/platform",
        ],
        &["--directory", "ldap://user:hunter2@localhost"],
        &["--directory", "scim:https://user:hunter2@localhost"],
        &[
            "--upstream",
            "api.track.toggl.com=http://user:hunter2@127.0.0.1:1",
        ],
    ] {
        let error = folder.refuses(secret, &[]).await;
        assert!(
            !error.contains("hunter2"),
            "a password is repeated: {error}"
        );
    }
    for token in ["two words", "x", "fifteen-letters"] {
        folder
            .refuses_with(
                &[],
                &[("INTEGRATION_HOST_TOKEN", token)],
                &["INTEGRATION_HOST_TOKEN"],
            )
            .await;
    }
}

#[tokio::test]
async fn a_wrong_configuration_file_is_named_with_the_place() {
    let folder = Folder::new();
    for (content, names) in [
        (
            &b"lissen = \"127.0.0.1:1\""[..],
            &["line 1", "lissen", "listen"][..],
        ),
        (b"\n[limits]\ncpu = 1", &["line 3", "cpu", "cpu_ms"]),
        (b"[limit]\ncpu_ms = 1", &["line 1", "limit"]),
        (b"[limits]\ncpu_ms = 0", &["cpu_ms", "larger"]),
        (b"[background]\nupkeep_ms = 0", &["upkeep_ms", "larger"]),
        (b"[background]\nupkeep = 1", &["upkeep", "upkeep_ms"]),
        (b"[limits]\ncpu_ms = -1", &["line 2"]),
        (b"[limits]\ncpu_ms = \"fast\"", &["line 2", "a text"]),
        (b"listen = ", &["line 1"]),
        (b"listen = 8080", &["line 1", "8080"]),
        (b"a = 1\na = 2", &["line 2"]),
        (b"log_format = \"xml\"", &["line 1", "text", "json"]),
        (b"storage = \"nonsense\"", &["storage", "sqlite:PATH"]),
        (
            b"[hosts.upstream]\n\"api.track.toggl.com\" = \"nonsense\"",
            &["api.track.toggl.com", "HOST=URL"],
        ),
        (
            b"[hosts]\napproved = [\"https://api.track.toggl.com\"]",
            &["hosts.approved", "https://"],
        ),
        (b"log_level = \"\xff\"", &["UTF-8"]),
    ] {
        folder.write("host.toml", content);
        folder
            .refuses(
                &["--config", "host.toml"],
                &[&["host.toml"], names].concat(),
            )
            .await;
    }
    folder
        .refuses(&["--config", "."], &["configuration file", "--config"])
        .await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_asked_is_named_with_the_remedy() {
    let folder = Folder::new();
    let database = rusqlite::Connection::open(folder.path("platform.sqlite")).unwrap();
    let made = "CREATE TABLE people (id INTEGER, mail TEXT, name TEXT)";
    database.execute_batch(made).unwrap();
    for (section, names) in [
        (
            "from = 'ldap://localhost'",
            &["not known", "scim:https://"][..],
        ),
        (
            "from = 'sqlite:nowhere.sqlite'",
            &["nowhere.sqlite", "No such file"],
        ),
        (
            "from = 'sqlite:users.csv'",
            &["users.csv", "not an SQLite database"],
        ),
        (
            "from = 'sqlite:platform.sqlite'",
            &["platform.sqlite", "no such table: users", "`table`"],
        ),
        (
            "from = 'sqlite:platform.sqlite'\ntable = 'people'",
            &["\"email\"", "`email_column`", "host.toml"],
        ),
        (
            "from = 'sqlite:platform.sqlite'\nquery = 'SELECT'",
            &["`query`", "syntax error", "correct it"],
        ),
        (
            "from = 'postgres://localhost:1/platform'",
            &["localhost:1", "cannot be reached"],
        ),
        (
            "from = 'scim:http://127.0.0.1:1'",
            &[
                "needs a token",
                "`token_file`",
                "INTEGRATION_HOST_DIRECTORY_TOKEN",
            ],
        ),
        (
            "from = 'scim:http://127.0.0.1:1'\ntoken_file = 'token'",
            &["token", "cannot be read"],
        ),
        (
            "from = 'scim:http://127.0.0.1:1'\ntoken_command = ['echo', 'hunter2']",
            &["scim:http://127.0.0.1:1", "refuses connections"],
        ),
        (
            "from = 'users.csv'\ntable = 'people'",
            &["`table`", "leave it out"],
        ),
    ] {
        folder.write("host.toml", format!("[directory]\n{section}"));
        let error = folder.refuses(&["--config", "host.toml"], names).await;
        assert!(!error.contains("hunter2"), "a token is repeated: {error}");
    }
}

#[tokio::test]
async fn a_wrong_directory_file_is_named_with_the_line() {
    let folder = Folder::new();
    for (name, content, names) in [
        (
            "a.csv",
            &b"id,name\nu-1,Ada\n"[..],
            &["line 1", "email"][..],
        ),
        ("b.csv", b"", &["line 1", "id"]),
        (
            "c.csv",
            b"id,email,name\nu-1,ada@example.com\n",
            &["line 2", "2 fields"],
        ),
        (
            "d.csv",
            b"id,email,name\nu-1,a@example.com,A\nu-1,b@example.com,B\n",
            &["line 3", "u-1"],
        ),
        (
            "e.csv",
            b"id,email,name\n,a@example.com,A\n",
            &["line 2", "id"],
        ),
        (
            "f.csv",
            b"id,email,name\nu-1,a@example.com,\xff\n",
            &["line 2", "UTF-8"],
        ),
        ("g.json", b"[{\"id\": \"u-1\"", &["line 1", "JSON"]),
        (
            "h.json",
            b"{\"id\": \"u-1\", \"name\": \"A\"}",
            &["JSON array"],
        ),
        ("i.json", b"[{\"id\": true, \"name\": \"A\"}]", &["line 1"]),
        (
            "j.json",
            b"[{\"id\":\"u\",\"name\":\"A\"},{\"id\":\"u\",\"name\":\"B\"}]",
            &["entry 2", "u"],
        ),
    ] {
        folder.write(name, content);
        folder
            .refuses(&["--directory", name], &[&[name], names].concat())
            .await;
    }
    folder
        .refuses(&["--directory", "."], &["user directory"])
        .await;
}

/// As a compose file has them: `INTEGRATION_HOST_STORAGE: ${STORAGE:-}`.
#[tokio::test]
async fn an_empty_variable_is_not_set() {
    let folder = Folder::new();
    let variables = [
        "COMPONENT",
        "CONFIG",
        "DATA",
        "DELETED_ENTRIES",
        "DIRECTORY",
        "DIRECTORY_TOKEN",
        "LEDGER",
        "LISTEN",
        "LOG_FORMAT",
        "LOG_LEVEL",
        "PUBLIC_URL",
        "SEALING_KEY",
        "SEALING_KEY_FILE",
        "STORAGE",
        "TOKEN",
        "TRUSTED_PROXIES",
        "UPSTREAM",
        "URL",
    ]
    .map(|name| format!("INTEGRATION_HOST_{name}"));
    let environment: Vec<_> = variables.iter().map(|name| (name.as_str(), "")).collect();
    // The start comes as far as the port, which is the last thing to be looked at.
    let occupied = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = occupied.local_addr().unwrap().to_string();
    let names = [address.as_str(), "another program listens there"];
    folder
        .refuses_with(&["--listen", &address], &environment, &names)
        .await;
    assert!(folder.path("data/admin-token").exists());
    // Other commands have the same variables.
    let output = run_cli(&["connections"], &environment, folder.0.path())
        .await
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_sentence(&error);
    assert!(error.contains("integration-host-data"), "{error}");
}
