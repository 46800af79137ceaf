use clap::CommandFactory as _;

use super::*;

#[test]
fn the_arguments_are_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_documented_command_is_there() {
    let command = Cli::command();
    let names: Vec<_> = command
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    for expected in [
        "serve",
        "console",
        "test",
        "connect",
        "connections",
        "show",
        "users",
        "refresh-users",
        "map",
        "activities",
        "check",
        "reconcile",
        "missing",
        "rename",
        "set-token",
        "disconnect",
        "deliveries",
        "replay",
        "backup",
        "restore",
        "restored",
        "export",
        "import",
        "rotate-key",
        "inspect",
    ] {
        assert!(names.iter().any(|name| name == expected), "{expected}");
    }
}

#[test]
fn every_command_and_argument_explains_itself_and_takes_json() {
    for command in Cli::command().get_subcommands() {
        assert!(command.get_about().is_some(), "{}", command.get_name());
        for argument in command.get_arguments() {
            assert!(
                argument.get_help().is_some(),
                "{} {}",
                command.get_name(),
                argument.get_id()
            );
        }
        let mut parse = vec!["integration-host", command.get_name(), "--json", "--help"];
        let error = Cli::try_parse_from(parse.drain(..)).unwrap_err();
        assert_eq!(error.kind(), clap::error::ErrorKind::DisplayHelp);
    }
}

#[test]
fn no_command_takes_a_token_as_an_argument() {
    for command in Cli::command().get_subcommands() {
        for argument in command.get_arguments() {
            let name = argument.get_id().as_str();
            let takes_value = argument.get_action().takes_values();
            assert!(
                !(name.contains("token") && takes_value),
                "{} {name}",
                command.get_name()
            );
        }
    }
}

#[test]
fn mapping_needs_a_user_or_nobody_but_not_both() {
    let parse = |arguments: &[&str]| {
        Cli::try_parse_from(
            ["integration-host", "map", "Studio", "11"]
                .iter()
                .chain(arguments),
        )
    };
    assert!(parse(&["u1"]).is_ok());
    assert!(parse(&["--none"]).is_ok());
    assert!(parse(&[]).is_err());
    assert!(parse(&["u1", "--none"]).is_err());
}
