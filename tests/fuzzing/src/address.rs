//! Any address of a place with a password in it: it is used, or refused without a part of it being told.

use integration_host_cli::config::{Overrides, Settings};

use crate::{assert_is_sentence, file};

/// Stands where a password stands.
const PASSWORD: &str = "hush-hush-7141";

/// Runs the target. The input is what stands before and after a password, with a line end between them.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (before, after) = text.split_once('\n').unwrap_or((&text, ""));
    check(&format!("{before}user:{PASSWORD}@{after}"));
    check(&format!("{before} password={PASSWORD} {after}"));
}

fn check(address: &str) {
    let component = Some(file::once("toggl.wasm", b"\0asm"));
    let some = || Some(address.to_owned());
    let overrides = || Overrides {
        component: component.clone(),
        ..Overrides::default()
    };
    for overrides in [
        Overrides {
            storage: some(),
            ..overrides()
        },
        Overrides {
            ledger: some(),
            ..overrides()
        },
        Overrides {
            directory: some(),
            ..overrides()
        },
        Overrides {
            proxy: some(),
            ..overrides()
        },
        Overrides {
            public_url: some(),
            ..overrides()
        },
        Overrides {
            listen: some(),
            ..overrides()
        },
        Overrides {
            trusted_proxies: vec![address.to_owned()],
            ..overrides()
        },
        Overrides {
            upstream: vec![address.to_owned()],
            ..overrides()
        },
        Overrides {
            upstream: vec![format!("api.example.com={address}")],
            ..overrides()
        },
    ] {
        let told = match Settings::resolve(overrides) {
            Ok(settings) => format!(
                "{} {} {:?} {} {:?} {:?}",
                settings.storage,
                settings.ledger,
                settings
                    .directory
                    .as_ref()
                    .map(|directory| directory.to_string()),
                settings.callback_base(),
                settings.hosts.proxy,
                settings.hosts.upstream,
            ),
            Err(error) => {
                let text = error.to_string();
                assert_is_sentence(&text);
                text
            }
        };
        assert!(!told.contains(PASSWORD), "a password is told: {told}");
    }
}
