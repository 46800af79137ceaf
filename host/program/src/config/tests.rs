use std::fs;
use std::time::Duration;

use super::*;

/// A directory with a component, and a `host.toml` with this content.
fn directory(toml: &str) -> (tempfile::TempDir, Overrides) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("toggl.wasm"), b"\0asm").unwrap();
    fs::write(directory.path().join("host.toml"), toml).unwrap();
    let overrides = Overrides {
        config: Some(directory.path().join("host.toml")),
        component: Some(directory.path().join("toggl.wasm")),
        ..Overrides::default()
    };
    (directory, overrides)
}

fn error(toml: &str) -> String {
    let (_directory, overrides) = directory(toml);
    Settings::resolve(overrides).unwrap_err().to_string()
}

#[test]
fn without_any_configuration_everything_has_a_value() {
    let (_directory, overrides) = directory("");
    let settings = Settings::resolve(Overrides {
        config: None,
        ..overrides
    })
    .unwrap();
    assert_eq!(settings.listen.to_string(), DEFAULT_LISTEN);
    assert_eq!(settings.callback_base(), "http://127.0.0.1:8080");
    assert_eq!(settings.data, PathBuf::from(DEFAULT_DATA));
    assert_eq!(
        settings.storage,
        StorageChoice::Sqlite("./integration-host-data/host.sqlite".into())
    );
    assert_eq!(settings.deleted_entries, DeletedEntries::Keep);
    assert!(settings.is_loopback());
}

#[test]
fn the_file_is_read_and_flags_win_over_it() {
    let toml = r#"
        listen = "127.0.0.1:9001"
        data = "data"
        public_url = "https://host.example.com/toggl/"
        storage = "sqlite:other.sqlite"
        deleted_entries = "hide"
        log_format = "json"
        trusted_proxies = ["127.0.0.1", "2001:db8::/32"]

        [hosts]
        approved = ["API.track.toggl.com"]
        [hosts.upstream]
        "api.track.toggl.com" = "http://127.0.0.1:9000"

        [limits]
        cpu_ms = 500
    "#;
    let (directory, overrides) = directory(toml);
    let settings = Settings::resolve(Overrides {
        listen: Some("localhost:9002".into()),
        upstream: vec!["reports.example.com=http://127.0.0.1:9003".into()],
        ..overrides
    })
    .unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:9002");
    assert_eq!(settings.data, directory.path().join("data"));
    assert_eq!(
        settings.storage,
        StorageChoice::Sqlite(directory.path().join("other.sqlite"))
    );
    assert_eq!(settings.callback_base(), "https://host.example.com/toggl");
    assert_eq!(settings.deleted_entries, DeletedEntries::Hide);
    assert_eq!(settings.log_format, LogFormat::Json);
    assert_eq!(
        settings.hosts.approved,
        Some(vec!["api.track.toggl.com".into()])
    );
    assert_eq!(settings.hosts.upstream.len(), 2);
    assert_eq!(settings.limits.cpu, Duration::from_millis(500));
    let proxies: Vec<_> = settings
        .trusted_proxies
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(proxies, ["127.0.0.1/32", "2001:db8::/32"]);
    assert!(!settings.is_loopback());
}

#[test]
fn a_wrong_value_is_named_with_the_remedy() {
    for (toml, expected) in [
        ("listne = \"127.0.0.1:1\"", "unknown field `listne`"),
        ("\n\nlisten = 5", "line 3"),
        ("listen = \"8080\"", "`listen` is “8080”"),
        ("listen = \"0.0.0.0:8080\"", "--public-url"),
        ("public_url = \"host\"", "must be a URL"),
        (
            "public_url = \"http://host.example.com\"",
            "plain http is for this machine only",
        ),
        (
            "public_url = \"https://a:b@host.example.com\"",
            "user name or password",
        ),
        ("public_url = \"https://host.example.com?x\"", "without ?"),
        ("trusted_proxies = [\"nginx\"]", "has “nginx”"),
        ("storage = \"mysql://x\"", "must be one of sqlite:PATH"),
        ("storage = \"sqlite:\"", "names no file"),
        ("deleted_entries = \"maybe\"", "`keep`"),
        ("[limits]\ncpu_seconds = 3", "unknown field `cpu_seconds`"),
        ("[limits]\ncpu_seconds = 3", "keys like it are `cpu_ms`"),
        ("[limits]\nnonsense = 3", "docs/operating.md"),
        (
            "[limits]\nmemory_bytes = 0",
            "`memory_bytes` in [limits] is 0",
        ),
        ("[limits]\nmemory_bytes = -1", "line 2"),
        ("[hosts]\nallowed = []", "unknown field `allowed`"),
        (
            "[hosts.upstream]\n\"a.example.com\" = \"ftp://x\"",
            "\"a.example.com=ftp://x\" is not an upstream override",
        ),
        ("listen = ", "line 1"),
    ] {
        let message = error(toml);
        assert!(message.contains(expected), "{toml}: {message}");
        assert!(!message.contains('\n'), "one sentence: {message}");
    }
}

#[test]
fn what_stands_in_the_wrong_place_is_not_repeated() {
    for toml in [
        "[hosts]\nupstream = \"api.example.com=http://u:hush@proxy\"",
        "[hosts]\nupstream = { a = [\"http://u:hush@proxy\"], expected = \"\" }",
        "[hosts]\nwithout_proxy = \"token=hush\"",
        "sealing_key_command = \"vault read hush\"",
        "[directory]\nfrom = \"scim:https://idp\"\ntoken_command = \"print hush\\\", expected hush\"",
        "log_format = \"postgres://u:hush@db/d\"",
        "log_format = \"a`, expected postgres://u:hush@db/d\"",
        "[limits]\nmemory_bytes = \"postgres://u:hush@db/d\"",
        "[limits]\nstorage = \"postgres://u:hush@db/d\"",
        "storage = \"postgres://u:hush@db/d",
        "storage = postgres://u:hush@db/d",
        "storage = \"host=db password=\"hush\"\"",
        "\"postgres://u:hush@db/d\" = 1",
        "postgres://u:hush@db/d",
    ] {
        let message = error(toml);
        assert!(!message.contains("hush"), "{toml}: {message}");
        assert!(message.contains("line "), "{toml}: {message}");
    }
    for address in [
        "postgres://u:hush@db/d",
        "host=db password=hush",
        "u:hush@db/d",
    ] {
        for key in ["component", "data", "sealing_key_file"] {
            let message = error(&format!("{key} = \"{address}\""));
            assert!(!message.contains("hush"), "{message}");
        }
        let path = || Some(PathBuf::from(address));
        for overrides in [
            Overrides {
                config: path(),
                ..Overrides::default()
            },
            Overrides {
                component: path(),
                ..Overrides::default()
            },
            Overrides {
                data: path(),
                ..Overrides::default()
            },
            Overrides {
                sealing_key_file: path(),
                ..Overrides::default()
            },
        ] {
            let message = Settings::resolve(overrides).unwrap_err().0;
            assert!(
                !message.contains("hush") && message.contains("must be a path"),
                "{message}"
            );
        }
    }
    let wrong = error("[hosts]\nupstream = \"http://u:hush@proxy\"");
    assert!(
        wrong.contains("invalid type: a text, expected a map"),
        "{wrong}"
    );
}

#[test]
fn a_missing_file_is_named() {
    let (_directory, overrides) = directory("");
    let missing = PathBuf::from("no/such.file");
    let config = Settings::resolve(Overrides {
        config: Some(missing.clone()),
        ..overrides.clone()
    });
    assert!(config.unwrap_err().0.contains("no/such.file"));
    let component = Settings::resolve(Overrides {
        component: Some(missing),
        ..overrides
    });
    assert!(component.unwrap_err().0.contains("cargo xtask build"));
}

#[test]
fn a_database_password_is_never_shown() {
    let storage: StorageChoice = "postgres://host:s3cret@db.example.com/host"
        .parse()
        .unwrap();
    assert_eq!(storage.to_string(), "postgres://db.example.com/host");
    assert!(!format!("{storage:?}").contains("s3cret"));
    let storage: StorageChoice = "rediss://host:s3cret@cache.example.com".parse().unwrap();
    assert_eq!(storage.to_string(), "rediss://cache.example.com:6379/0");
    assert!(!format!("{storage:?}").contains("s3cret"));
    for wrong in [
        "redis:s3cret",
        "redis://host:s3cret@cache/name",
        "postgres:s3cret",
        "postgers://host:s3cret@db",
        "postgres://",
    ] {
        let message = wrong.parse::<StorageChoice>().unwrap_err().0;
        assert!(!message.contains("s3cret"), "{message}");
    }
}

#[test]
fn the_ledger_is_where_the_storage_is_if_that_can_keep_one() {
    let folder = tempfile::tempdir().unwrap();
    let component = folder.path().join("toggl.wasm");
    std::fs::write(&component, "").unwrap();
    let ledger = |storage: &str, ledger: Option<&str>| {
        let overrides = Overrides {
            component: Some(component.clone()),
            data: Some("data".into()),
            storage: Some(storage.to_owned()),
            ledger: ledger.map(str::to_owned),
            ..Overrides::default()
        };
        Settings::resolve(overrides).map(|settings| settings.ledger.to_string())
    };
    for (storage, chosen, expected) in [
        ("sqlite:a.sqlite", None, "sqlite:a.sqlite"),
        ("memory:", None, "memory:"),
        ("redis://localhost", None, "sqlite:data/host.sqlite"),
        ("component:a.wasm", None, "sqlite:data/host.sqlite"),
        ("redis://localhost", Some("memory:"), "memory:"),
        ("sqlite:a", Some("sqlite:b"), "sqlite:b"),
    ] {
        assert_eq!(ledger(storage, chosen).unwrap(), expected, "{storage}");
    }
    for wrong in ["redis://:s3cret@localhost", "component:a.wasm", "nonsense"] {
        let message = ledger("memory:", Some(wrong)).unwrap_err().0;
        assert!(message.contains("`ledger`"), "{message}");
        assert!(!message.contains("s3cret"), "{message}");
    }
}

#[test]
fn plain_http_is_enough_on_this_machine() {
    for url in [
        "http://localhost:8080",
        "http://127.0.0.1:1",
        "http://[::1]:1",
        "http://host.localhost",
    ] {
        assert!(parse_public_url(url).is_ok(), "{url}");
    }
}

#[test]
fn the_sealing_key_has_one_source() {
    let resolve = |toml: &str, change: &dyn Fn(&mut Overrides)| {
        let (_directory, mut overrides) = directory(toml);
        change(&mut overrides);
        Settings::resolve(overrides).map(|settings| settings.sealing_key)
    };
    let nothing = |_: &mut Overrides| {};
    let flag = |overrides: &mut Overrides| overrides.sealing_key_file = Some("key".into());
    let variable = |overrides: &mut Overrides| overrides.sealing_key_in_environment = true;
    let command = "sealing_key_command = [\"vault\", \"read\"]";
    let in_vault = KeySource::Command(vec!["vault".into(), "read".into()]);
    assert_eq!(
        resolve("data = \"/d\"", &nothing),
        Ok(KeySource::File("/d/sealing-key".into()))
    );
    assert_eq!(
        resolve("sealing_key_file = \"/k\"", &nothing),
        Ok(KeySource::File("/k".into()))
    );
    assert_eq!(resolve(command, &nothing), Ok(in_vault));
    assert_eq!(resolve(command, &flag), Ok(KeySource::File("key".into())));
    assert_eq!(resolve(command, &variable), Ok(KeySource::Environment));

    let both = |overrides: &mut Overrides| {
        flag(overrides);
        variable(overrides);
    };
    let twice = resolve("", &both).unwrap_err().to_string();
    assert!(twice.contains("keep one of them"), "{twice}");
    let twice = error(&format!("{command}\nsealing_key_file = \"k\""));
    assert!(twice.contains("keep one of them"), "{twice}");
    for empty in ["[]", "[\"\"]"] {
        let error = error(&format!("sealing_key_command = {empty}"));
        assert!(error.contains("names no program"), "{error}");
    }
}

#[test]
fn users_come_from_one_line_or_from_a_section() {
    let resolve = |toml: &str, flag: Option<&str>, token: bool| {
        let (directory, mut overrides) = directory(toml);
        overrides.directory = flag.map(str::to_owned);
        overrides.directory_token_in_environment = token;
        let settings = Settings::resolve(overrides)?;
        let base = format!("{}/", directory.path().display());
        let shown = settings.directory.map(|choice| choice.to_string());
        Ok::<_, ConfigError>(shown.map(|shown| shown.replace(&base, "BASE/")))
    };
    for (toml, flag, token, expected) in [
        ("", None, false, None),
        ("", Some("users.csv"), false, Some("users.csv")),
        (
            "directory = 'users.csv'",
            None,
            false,
            Some("BASE/users.csv"),
        ),
        (
            "directory = 'file:a:b.csv'",
            None,
            false,
            Some("BASE/a:b.csv"),
        ),
        ("directory = 'a:b.csv'", None, false, Some("BASE/a:b.csv")),
        (
            "directory = 'sqlite:p.db'",
            None,
            false,
            Some("sqlite:BASE/p.db"),
        ),
        (
            "[directory]\nfrom = 'sqlite:p.db'\ntable = 'hr.people'\nid_column = 'uid'",
            None,
            false,
            Some("sqlite:BASE/p.db"),
        ),
        (
            "directory = { from = 'postgres://u:s3cret@db.example.com/p', query = 'SELECT 1' }",
            None,
            false,
            Some("postgres://db.example.com/p"),
        ),
        (
            "directory = 'scim:https://idp.example.com/scim/v2'",
            None,
            true,
            Some("scim:https://idp.example.com/scim/v2"),
        ),
        // The place may hold a password and come from the environment, and the rest from the file.
        (
            "[directory]\ntable = 'people'",
            Some("postgres://u:s3cret@localhost/p"),
            false,
            Some("postgres://localhost/p"),
        ),
        (
            "[directory]\nfrom = 'scim:http://localhost:1'\ntoken_file = 't'",
            Some("u.csv"),
            false,
            Some("u.csv"),
        ),
    ] {
        let found = resolve(toml, flag, token).unwrap_or_else(|error| panic!("{toml}: {error}"));
        assert_eq!(found.as_deref(), expected, "{toml}");
    }
    for (toml, token, expected) in [
        (
            "directory = 5",
            false,
            "a file or an address, or a section with `from`",
        ),
        ("directory = ''", false, "names no place"),
        ("directory = 'sqlite:'", false, "names no place"),
        (
            "directory = 'ldap://u:s3cret@x'",
            false,
            "has a form that is not known",
        ),
        (
            "directory = 'https://idp.example.com'",
            false,
            "say scim:https://",
        ),
        (
            "directory = 'postgres://u:s3cret@'",
            false,
            "the Postgres address in `directory` cannot be used",
        ),
        (
            "directory = 'scim:https://u:s3cret@idp.example.com'",
            true,
            "contains a user name or password",
        ),
        (
            "directory = 'scim:https://idp.example.com?token=s3cret'",
            true,
            "contains ?, # or @",
        ),
        (
            "directory = 'scim:http://idp.example.com'",
            true,
            "would send the token in clear",
        ),
        ("directory = 'scim:s3cret'", true, "cannot be read"),
        (
            "directory = 'scim:https://idp.example.com'",
            false,
            "needs a token",
        ),
        (
            "[directory]\ntable = 't'",
            false,
            "does not say where users come from",
        ),
        ("[directory]\nform = 'u.csv'", false, "unknown field `form`"),
        (
            "[directory]\nfrom = 'u.csv'\ntable = 't'",
            false,
            "`table` in [directory] is not for files",
        ),
        (
            "[directory]\nfrom = 'sqlite:p'\ntoken_file = 't'",
            false,
            "`token_file` in [directory] is not for databases",
        ),
        (
            "[directory]\nfrom = 'sqlite:p'\ntable = 't'\nquery = 'q'",
            false,
            "keep one of them",
        ),
        (
            "[directory]\nfrom = 'sqlite:p'\ntable = ''",
            false,
            "`table` in [directory] is “”",
        ),
        (
            "[directory]\nfrom = 'sqlite:p'\nname_column = \"a\\nb\"",
            false,
            "`name_column`",
        ),
        (
            "[directory]\nfrom = 'scim:https://i.example.com'\ntoken_file = 't'",
            true,
            "keep one of",
        ),
        (
            "[directory]\nfrom = 'scim:https://i.example.com'\ntoken_command = []",
            false,
            "names no program",
        ),
        (
            "[directory]\nfrom = 'scim:https://i.example.com'\ntoken = 's3cret'",
            false,
            "unknown field `token`",
        ),
    ] {
        let error = resolve(toml, None, token).unwrap_err().to_string();
        assert!(error.contains(expected), "{toml}: {error}");
        assert!(
            !error.contains("s3cret") && !error.contains('\n'),
            "{error}"
        );
    }
}

#[test]
fn the_documentation_shows_what_is_accepted() {
    let text = include_str!("../../../../docs/operating.md");
    let mut examples = 0;
    for block in text.split("```toml\n").skip(1) {
        let toml = block.split("```").next().unwrap();
        let (_directory, overrides) = directory(toml);
        Settings::resolve(overrides).unwrap_or_else(|error| panic!("{toml}: {error}"));
        examples += 1;
    }
    assert!(examples >= 4, "{examples} examples");
}

/// A rule that finds passwords in connection strings must not refuse addresses that are as they should be.
#[test]
fn names_that_sound_like_passwords_are_no_reason_to_refuse_an_address() {
    for address in [
        "postgres://app_secret:abcToken=@token:5432/secret",
        "postgres://token@secret.example.com:6000/pwd?application_name=token",
        "postgres://h/d?user=u&password=hush",
        "redis://secret:pwd=@token:6379/0",
        "sqlite:/srv/user@example.com/secret-token.sqlite",
    ] {
        let parsed: Result<StorageChoice, _> = address.parse();
        parsed.unwrap_or_else(|error| panic!("{address}: {error}"));
    }
}
