//! The component, the port, the database and the folder.

use super::*;

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
        (&b""[..], &["not WebAssembly", "a component"][..]),
        (b"\x7fELF and so on", &["not WebAssembly", "a component"]),
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
async fn a_storage_component_that_cannot_be_used_is_refused_with_the_reason() {
    let folder = Folder::new();
    let text = |content: &str| {
        let component = wat::parse_str(content).unwrap();
        folder.write("store.wasm", component);
    };
    let storage = ["--storage", "component:store.wasm"];
    folder.write("store.wasm", "A letter.");
    folder
        .refuses(&storage, &["store.wasm", "not WebAssembly"])
        .await;
    text("(module)");
    folder
        .refuses(&storage, &["store.wasm", "not a component"])
        .await;
    folder.write(
        "store.wasm",
        fs::read(end_to_end::component().unwrap()).unwrap(),
    );
    folder
        .refuses(
            &storage,
            &["store.wasm", "exports no worksights:integration/storage"],
        )
        .await;
    text(
        "(component
           (import \"wasi:sockets/tcp@0.2.0\" (instance))
           (instance $storage)
           (export \"worksights:integration/storage@0.1.0\" (instance $storage)))",
    );
    folder
        .refuses(
            &storage,
            &["store.wasm", "wasi:sockets/tcp@0.2.0", "does not lend"],
        )
        .await;
    text(
        "(component
           (instance $storage)
           (export \"worksights:integration/storage@0.1.0\" (instance $storage)))",
    );
    folder
        .refuses(&storage, &["store.wasm", "does not implement"])
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
async fn a_second_host_with_the_same_database_is_refused_and_the_first_named() {
    let setup = Setup::builder().start().await.unwrap();
    setup.connect(NORTHWIND).await.unwrap();
    let data = setup.host.summary["data"].as_str().unwrap().to_owned();
    let process = setup.host.id().unwrap().to_string();
    let folder = Folder::new();
    let names = [process.as_str(), "runs a host", "host.sqlite", "--data"];
    folder.refuses(&["--data", &data], &names).await;
    let storage = format!("sqlite:{data}/host.sqlite");
    folder.refuses(&["--storage", &storage], &names).await;
    setup.ensure_deliveries_arrive().await.unwrap();
}

/// The program with a bound on its address space, in KiB, as `ulimit -v` sets it.
async fn run_within(kibibytes: u64, arguments: &str) -> std::process::Output {
    let program = end_to_end::host_program().unwrap().display().to_string();
    let line = format!("ulimit -v {kibibytes}; exec '{program}' {arguments}");
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", &line]).output().await.unwrap()
}

#[tokio::test]
async fn little_address_space_is_enough_or_the_setting_is_named() {
    let component = end_to_end::component().unwrap().display().to_string();
    let inspect = format!("inspect '{component}' --json");
    let output = run_within(12 << 20, &inspect).await;
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "with 12 GiB: {error}");
    let output = run_within(2 << 20, &inspect).await;
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert_sentence(&error);
    assert!(
        error.contains("concurrent_calls") && error.contains("ulimit -v"),
        "{error}"
    );
}
