//! Reading an API token without it ever being an argument.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, IsTerminal as _};

use clap::Args;

use super::failure::Failure;
use integration_host_seal::secret;
use integration_host_seal::secret::Secret;
use integration_host_server::api::SecretValues;

/// The variable that holds the token.
const VARIABLE: &str = "TOGGL_API_TOKEN";
/// Longer than any token, in bytes.
const MOST_TYPED: usize = 4096;
/// What the integration's manifest calls it.
const NAME: &str = "api-token";

/// Where the API token comes from.
#[derive(Args, Debug)]
pub(super) struct TokenSource {
    /// Read the API token from standard input instead of the variable TOGGL_API_TOKEN
    #[arg(long)]
    token_stdin: bool,
}

impl TokenSource {
    /// The token, as the secrets of a request.
    pub(super) fn read(&self) -> Result<SecretValues, Failure> {
        let text = if self.token_stdin {
            read_line()?
        } else {
            match secret::in_environment(VARIABLE) {
                Some(text) => text,
                None => {
                    return Err(Failure::usage(format!(
                        "there is no API token; set {VARIABLE}, or give it on standard input with --token-stdin (Toggl shows it at https://track.toggl.com/profile)"
                    )));
                }
            }
        };
        let token = text.expose().trim();
        if token.is_empty() {
            return Err(Failure::usage(
                "the API token is empty; copy it from https://track.toggl.com/profile",
            ));
        }
        Ok(SecretValues(BTreeMap::from([(
            NAME.to_owned(),
            Secret::new(token),
        )])))
    }
}

fn read_line() -> Result<Secret, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err(Failure::usage(format!(
            "--token-stdin would show the token while you type; pipe it in, or set {VARIABLE}"
        )));
    }
    // Made large enough at once: a text that grows leaves copies behind.
    let mut line = String::with_capacity(MOST_TYPED);
    stdin
        .lock()
        .read_line(&mut line)
        .map_err(|error| Failure::usage(format!("cannot read the API token: {error}")))?;
    Ok(Secret::new(line))
}
