//! Reading the secrets that an integration asks for, without one ever being an argument.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, IsTerminal as _};

use clap::Args;

use super::failure::Failure;
use integration_host_contract::sentence::printable;
use integration_host_seal::secret;
use integration_host_seal::secret::Secret;
use integration_host_server::api::{IntegrationView, SecretFieldView, SecretValues};

/// Longer than any token, in bytes.
const MOST_TYPED: usize = 4096;

/// Where tokens, and whatever else is secret, come from.
#[derive(Args, Debug)]
pub(super) struct TokenSource {
    /// Read the token from standard input instead of the variable that is named after integration and secret, such as
    /// TOGGL_API_TOKEN; of several secrets, each from a line
    #[arg(long)]
    token_stdin: bool,
}

/// The variable that holds a secret of an integration.
pub(super) fn variable(integration: &str, secret: &str) -> String {
    format!("{integration}_{secret}")
        .to_uppercase()
        .replace('-', "_")
}

/// What to type before a command that needs secrets.
pub(super) fn variables<'a>(
    integration: &str,
    secrets: impl IntoIterator<Item = &'a str>,
) -> String {
    let assignments = secrets
        .into_iter()
        .map(|secret| format!("{}=… ", variable(integration, secret)));
    assignments.collect()
}

impl TokenSource {
    /// The secrets that the integration asks for, for a request.
    pub(super) fn read(&self, integration: &IntegrationView) -> Result<SecretValues, Failure> {
        let mut values = BTreeMap::new();
        for field in &integration.secrets {
            let variable = variable(&integration.id, &field.name);
            let text = match (self.token_stdin, secret::in_environment(&variable)) {
                (true, _) => read_line(&variable)?,
                (false, Some(text)) => text,
                (false, None) => {
                    return Err(Failure::usage(format!(
                        "there is no {}; set {variable}, or give it on standard input with --token-stdin{}",
                        printable(&field.label),
                        place(integration, field)
                    )));
                }
            };
            let value = text.expose().trim();
            if value.is_empty() {
                return Err(Failure::usage(format!(
                    "the {} is empty{}",
                    printable(&field.label),
                    place(integration, field)
                )));
            }
            values.insert(field.name.clone(), Secret::new(value));
        }
        Ok(SecretValues(values))
    }
}

/// Where a person finds a secret, as the end of a sentence.
fn place(integration: &IntegrationView, field: &SecretFieldView) -> String {
    match field.help_url.is_empty() {
        true => String::new(),
        false => format!(
            " ({} shows it at {})",
            printable(&integration.name),
            printable(&field.help_url)
        ),
    }
}

fn read_line(variable: &str) -> Result<Secret, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err(Failure::usage(format!(
            "--token-stdin would show the token while you type; pipe it in, or set {variable}"
        )));
    }
    // Made large enough at once: a text that grows leaves copies behind.
    let mut line = String::with_capacity(MOST_TYPED);
    stdin
        .lock()
        .read_line(&mut line)
        .map_err(|error| Failure::usage(format!("cannot read the token: {error}")))?;
    Ok(Secret::new(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_named_after_integration_and_secret() {
        assert_eq!(variable("toggl", "api-token"), "TOGGL_API_TOKEN");
        assert_eq!(
            variables("acme-time", ["id", "key"]),
            "ACME_TIME_ID=… ACME_TIME_KEY=… "
        );
        assert_eq!(variables("open", []), "");
    }
}
