//! Why a command failed, and its exit code.

use std::io::{self, Write as _};
use std::process::ExitCode;

use super::output::printable;
use crate::config::ConfigError;
use integration_host_contract::sentence::may_hold_credential;

/// Why a command failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// It could not be done: exit code 1 and a sentence.
    Failed(String),
    /// It was asked or configured wrongly: exit code 2 and a sentence.
    Usage(String),
    /// What it printed says that something is wrong: exit code 1.
    Reported,
    /// Whoever read the output has read enough, as `head` does: exit code 0.
    OutputClosed,
}

impl Failure {
    pub(super) fn failed(sentence: impl Into<String>) -> Self {
        Self::Failed(sentence.into())
    }

    pub(super) fn usage(sentence: impl Into<String>) -> Self {
        Self::Usage(sentence.into())
    }

    /// Tells the person and says how the program ends.
    pub(super) fn report(self) -> ExitCode {
        let (sentence, code) = match self {
            Self::Failed(sentence) => (sentence, ExitCode::FAILURE),
            Self::Usage(sentence) => (sentence, ExitCode::from(2)),
            Self::Reported => return ExitCode::FAILURE,
            Self::OutputClosed => return ExitCode::SUCCESS,
        };
        // If standard error is closed, the exit code still tells.
        let _ = writeln!(io::stderr().lock(), "error: {}", printable(&sentence));
        code
    }
}

/// A failed write to standard output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(format!("cannot write the output: {error}")),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

/// Arguments that cannot be parsed. Clap's message stands in several paragraphs; errors here are a line.
impl From<clap::Error> for Failure {
    fn from(error: clap::Error) -> Self {
        let arguments = std::env::args_os().chain(std::env::vars_os().map(|(_, value)| value));
        let given = arguments.map(|argument| argument.to_string_lossy().into_owned());
        let text = without_credentials(error.to_string(), given);
        let paragraphs: Vec<_> = text
            .trim_start_matches("error: ")
            .trim_end()
            .trim_end_matches('.')
            .split("\n\n")
            .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        Self::Usage(
            paragraphs
                .join("; ")
                .replace("; Usage: ", "; usage: ")
                .replace("; For more", "; for more"),
        )
    }
}

/// A message of clap's, which repeats arguments, without those that may hold a password: an address in a wrong place, or
/// of a flag that does not exist.
fn without_credentials(message: String, given: impl Iterator<Item = String>) -> String {
    let secret = given.filter(|argument| may_hold_credential(argument));
    secret.fold(message, |message, argument| {
        let value = argument.split_once('=').map_or("", |(_, value)| value);
        let message = message.replace(argument.as_str(), "…");
        match may_hold_credential(value) {
            true => message.replace(value, "…"),
            false => message,
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command};

    use super::*;

    #[test]
    fn an_address_in_a_wrong_place_is_not_repeated() {
        let command = || {
            Command::new("program")
                .arg(Arg::new("form").long("form").value_parser(["text", "json"]))
        };
        for arguments in [
            ["program", "postgres://u:hush@localhost/d"],
            ["program", "--form=postgres://u:hush@localhost/d"],
            ["program", "--storge=host=localhost password=hush"],
            ["program", "host=localhost  password = hush"],
        ] {
            let error = command().try_get_matches_from(arguments).unwrap_err();
            let given = arguments.into_iter().map(str::to_owned);
            let message = without_credentials(error.to_string(), given);
            assert!(!message.contains("hush"), "{message}");
        }
    }

    #[test]
    fn wrong_arguments_are_told_in_one_line() {
        let command = || {
            Command::new("program").arg(
                Arg::new("form")
                    .long("form")
                    .required(true)
                    .value_parser(["text", "json"]),
            )
        };
        for (arguments, expected) in [
            (
                vec!["program", "--form", "xml"],
                "invalid value 'xml' for '--form <form>' [possible values: text, json]; for more information, try '--help'",
            ),
            (
                vec!["program"],
                "the following required arguments were not provided: --form <form>; usage: program --form <form>; for more information, try '--help'",
            ),
        ] {
            let error = command().try_get_matches_from(arguments).unwrap_err();
            match Failure::from(error) {
                Failure::Usage(sentence) => assert_eq!(sentence, expected),
                other => panic!("{other:?}"),
            }
        }
    }
}
