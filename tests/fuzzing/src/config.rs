//! Any `host.toml`: a host starts with it, or says in a sentence what is wrong with it.

use integration_host_cli::config::{DirectoryChoice, Overrides, Settings, StorageChoice};

use crate::{assert_is_sentence, file};

/// Runs the target.
pub fn run(toml: &[u8]) {
    let overrides = Overrides {
        config: Some(file::write("host.toml", toml)),
        component: Some(file::once("toggl.wasm", b"\0asm")),
        ..Overrides::default()
    };
    match Settings::resolve(overrides) {
        Ok(settings) => check(&settings),
        Err(error) => {
            let text = error.to_string();
            assert_is_sentence(&text);
            assert!(
                text.len() < 2000,
                "an error repeats the file: {} bytes",
                text.len()
            );
        }
    }
}

/// What follows from settings that were accepted.
fn check(settings: &Settings) {
    assert!(
        settings.public_url.is_some() || settings.listen.ip().is_loopback(),
        "a host on the internet does not know under which address it is reached"
    );
    let base = settings.callback_base();
    let base = url::Url::parse(&base).expect("callbacks have a URL");
    assert!(matches!(base.scheme(), "http" | "https"), "{base}");
    assert!(
        base.scheme() == "https" || settings.is_loopback(),
        "deliveries would cross the internet in the clear: {base}"
    );
    assert!(base.username().is_empty() && base.password().is_none());
    if let StorageChoice::Postgres(address) = &settings.storage {
        check_address(&format!("{address:?}"));
    }
    if let Some(DirectoryChoice::Postgres(address, _)) = &settings.directory {
        check_address(&format!("{address:?}"));
    }
    let limits = &settings.limits;
    assert!(
        !limits.cpu.is_zero() && limits.memory_bytes > 0 && limits.concurrent_calls > 0,
        "nothing would work with these limits"
    );
}

/// What may be shown of a database's address names nobody and holds no password.
fn check_address(shown: &str) {
    if let Ok(url) = url::Url::parse(shown) {
        assert!(
            url.username().is_empty() && url.password().is_none() && url.query().is_none(),
            "a password would get into a log"
        );
    }
}
