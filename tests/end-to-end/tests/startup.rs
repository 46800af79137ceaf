//! What cannot work ends the start with one sentence that names the thing and the remedy, and leaves
//! everything as it was.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use end_to_end::{NORTHWIND, Setup, run_cli, write_directory};
use integration_host::database::SqliteDatabase;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tempfile::TempDir;

/// A folder in which a host would start.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_directory(folder.path()).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// What a start that must fail says, checked for its form and for what it must name.
    async fn refuses(&self, arguments: &[&str], names: &[&str]) -> String {
        self.refuses_with(arguments, &[], names).await
    }

    async fn refuses_with(
        &self,
        arguments: &[&str],
        environment: &[(&str, &str)],
        names: &[&str],
    ) -> String {
        let component = end_to_end::component().unwrap().display().to_string();
        let mut all = vec!["serve"];
        for (flag, value) in [
            ("--listen", "127.0.0.1:0"),
            ("--component", component.as_str()),
            ("--data", "data"),
            ("--directory", "users.csv"),
            ("--log-level", "info"),
        ] {
            if !arguments.contains(&flag) {
                all.extend([flag, value]);
            }
        }
        all.extend(arguments);
        let output = run_cli(&all, environment, self.0.path()).await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        let context = format!("{arguments:?}: {error}");
        assert!(
            matches!(output.status.code(), Some(1 | 2)),
            "{:?} {context}",
            output.status
        );
        assert!(output.stdout.is_empty(), "{context}");
        assert_sentence(&error);
        for name in names {
            assert!(error.contains(name), "“{name}” is not in {context}");
        }
        error
    }
}

/// `error: `, one line, nothing of the program's insides.
fn assert_sentence(error: &str) {
    assert!(error.starts_with("error: "), "{error}");
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
    assert!(error.len() < 600, "{error}");
    for inside in ["panicked", "src/", "Error {", "Some(", "\u{1b}"] {
        assert!(!error.contains(inside), "{error}");
    }
}

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
            &["--storage", "postgres://localhost/host"],
            &["postgres://localhost/host", "sqlite:PATH"],
        ),
        (
            &["--storage", "component:store.wasm"],
            &["component:store.wasm", "sqlite:PATH"],
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
        &["--public-url", "https://user:hunter2@host.example.com"],
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
    for token in ["", "two words"] {
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
        (b"[limits]\ncpu_ms = \"fast\"", &["line 2", "fast"]),
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
        ("i.json", b"[{\"id\": 1, \"name\": \"A\"}]", &["line 1"]),
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

#[tokio::test]
async fn a_component_that_cannot_be_used_is_refused_with_the_reason() {
    let folder = Folder::new();
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    // A type section with an instance that has nothing in it, and an import of that type.
    let imports = [
        COMPONENT,
        b"\x07\x03\x01\x42\x00",
        b"\x0a\x1b\x01\x00\x16wasi:sockets/tcp@0.2.6\x05\x00",
    ]
    .concat();
    let real = fs::read(end_to_end::component().unwrap()).unwrap();
    for (content, names) in [
        (&b""[..], &["not WebAssembly", "toggl.wasm"][..]),
        (b"\x7fELF and so on", &["not WebAssembly", "toggl.wasm"]),
        (b"\0asm", &["damaged"]),
        (
            b"\0asm\x01\0\0\0",
            &["not a component", "wasm-tools component new"],
        ),
        (
            COMPONENT,
            &["does not implement worksights:integration@0.1.0"],
        ),
        (&imports, &["wasi:sockets/tcp@0.2.6", "does not lend"]),
        (&real[..real.len() / 2], &["damaged", "again"]),
    ] {
        folder.write("it.wasm", content);
        folder
            .refuses(&["--component", "it.wasm"], &[&["it.wasm"], names].concat())
            .await;
        let output = run_cli(&["inspect", "it.wasm"], &[], folder.0.path())
            .await
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert_sentence(&error);
        for name in names {
            assert!(error.contains(name), "{error}");
        }
    }
    folder
        .refuses(&["--component", "."], &["--component"])
        .await;
}

#[tokio::test]
async fn an_occupied_port_is_named_with_the_remedy() {
    let folder = Folder::new();
    let occupied = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = occupied.local_addr().unwrap().to_string();
    folder
        .refuses(
            &["--listen", &address],
            &[&address, "another program", "--listen"],
        )
        .await;
    let host = address.replace("127.0.0.1", "localhost");
    folder.refuses(&["--listen", &host], &["--listen"]).await;
}

#[tokio::test]
async fn what_is_not_our_database_stays_as_it_is() {
    let folder = Folder::new();
    let foreign = folder.path("foreign.sqlite");
    rusqlite::Connection::open(&foreign)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (value TEXT); INSERT INTO theirs VALUES ('kept');")
        .unwrap();
    let marked = folder.path("marked.sqlite");
    rusqlite::Connection::open(&marked)
        .unwrap()
        .execute_batch("PRAGMA application_id = 252006674;")
        .unwrap();
    let newer = folder.path("newer.sqlite");
    SqliteDatabase::open(&newer).unwrap().close().await;
    rusqlite::Connection::open(&newer)
        .unwrap()
        .execute_batch("PRAGMA user_version = 999;")
        .unwrap();
    let text = folder.write("text.sqlite", "A letter. ".repeat(1000));
    let damaged = folder.path("damaged.sqlite");
    SqliteDatabase::open(&damaged).unwrap().close().await;
    let mut bytes = fs::read(&damaged).unwrap();
    bytes[100..4096].fill(0xa5);
    fs::write(&damaged, bytes).unwrap();
    // The schema is whole, what the tables hold is not.
    let deep = folder.path("deep.sqlite");
    SqliteDatabase::open(&deep).unwrap().close().await;
    let mut bytes = fs::read(&deep).unwrap();
    bytes[8192..].fill(0xa5);
    fs::write(&deep, bytes).unwrap();
    let cut = folder.path("cut.sqlite");
    SqliteDatabase::open(&cut).unwrap().close().await;
    let bytes = fs::read(&cut).unwrap();
    fs::write(&cut, &bytes[..5000]).unwrap();

    for (path, names) in [
        (&foreign, &["another program", "choose another path"][..]),
        (&marked, &["another program", "choose another path"]),
        (&newer, &["newer version", "restore a backup"]),
        (&text, &["not an SQLite database", "restore a backup"]),
        (&damaged, &["damaged", "restore a backup"]),
        (&deep, &["damaged", "restore a backup"]),
        (&cut, &["damaged", "restore a backup"]),
    ] {
        let before = fs::read(path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let storage = format!("sqlite:{name}");
        folder
            .refuses(&["--storage", &storage], &[&[name], names].concat())
            .await;
        assert!(fs::read(path).unwrap() == before, "{name} was changed");
        let beside: Vec<_> = fs::read_dir(folder.0.path())
            .unwrap()
            .flatten()
            .map(|file| file.file_name().into_string().unwrap())
            .filter(|file| file.starts_with(name) && file != name)
            .collect();
        assert!(beside.is_empty(), "{beside:?} was left behind");
    }
    folder
        .refuses(&["--storage", "sqlite:."], &["writable"])
        .await;
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_written_is_named() {
    let folder = Folder::new();
    folder.write("file", "kept");
    folder
        .refuses(&["--data", "file"], &["data directory file", "--data"])
        .await;
    folder
        .refuses(
            &["--data", "file/data"],
            &["data directory file/data", "--data"],
        )
        .await;
    assert_eq!(fs::read(folder.path("file")).unwrap(), b"kept");
    folder
        .refuses(&["--data", "/proc/none"], &["/proc/none", "--data"])
        .await;
    if Path::new("/proc/self").is_dir() {
        folder
            .refuses(&["--data", "/proc/self"], &["/proc/self", "--data"])
            .await;
    }
}

#[tokio::test]
async fn a_key_or_token_that_cannot_be_used_is_named() {
    let folder = Folder::new();
    fs::create_dir(folder.path("data")).unwrap();
    let key = folder.write("data/sealing-key", "ab".repeat(32));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    folder.refuses(&[], &["sealing-key", "chmod 600"]).await;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    for content in [&b""[..], b"too short", b"\xff\xfe"] {
        fs::write(&key, content).unwrap();
        folder
            .refuses(&[], &["sealing-key", "64 hexadecimal digits"])
            .await;
        assert_eq!(fs::read(&key).unwrap(), content);
    }
    fs::remove_file(&key).unwrap();
    fs::create_dir(&key).unwrap();
    folder.refuses(&[], &["sealing-key"]).await;
    fs::remove_dir(&key).unwrap();

    let token = folder.path("data/admin-token");
    for content in [&b""[..], b"two words", b"\xff\xfe"] {
        fs::write(&token, content).unwrap();
        folder.refuses(&[], &["admin-token"]).await;
        assert_eq!(fs::read(&token).unwrap(), content);
    }
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    folder.refuses(&[], &["admin-token", "chmod 600"]).await;
}

#[tokio::test]
async fn another_sealing_key_ends_the_start_and_the_right_one_brings_everything_back() {
    let mut setup = Setup::start().await.unwrap();
    let connection = setup.connect(NORTHWIND).await.unwrap();
    assert_eq!(setup.host.terminate().await.unwrap(), Some(0));
    let key = setup.options.data.join("sealing-key");
    let right = fs::read(&key).unwrap();
    fs::write(&key, "ab".repeat(32)).unwrap();
    let folder = Folder(std::mem::replace(
        &mut setup.folder,
        tempfile::tempdir().unwrap(),
    ));
    folder
        .refuses(
            &[],
            &[
                "sealing key",
                connection["id"].as_str().unwrap(),
                "put that key back",
            ],
        )
        .await;
    fs::write(&key, right).unwrap();
    setup.restart().await.unwrap();
    let path = format!("/connections/{}/check", connection["id"].as_str().unwrap());
    let (status, health) = setup
        .host
        .call(Method::POST, &path, json!(null))
        .await
        .unwrap();
    assert_eq!(status, StatusCode::OK, "{health}");
    assert_eq!(health["healthy"], true, "{health}");
    drop(folder);
}
