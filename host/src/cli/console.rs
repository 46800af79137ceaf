//! The way into the console.

use serde::Serialize;

use super::client::Client;
use super::failure::Failure;
use super::output::Output;
use crate::api::SignInLinkView;

pub(super) const EXAMPLES: &str = "\
Examples:
  integration-host console
  integration-host console --host https://host.example.com

The link opens the console without the admin token, once. Give it to nobody else.";

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {}

#[derive(Serialize)]
struct Link {
    link: String,
    expires_in_seconds: u64,
}

/// `console`
pub(super) async fn run(client: &Client, output: &Output) -> Result<(), Failure> {
    let made: SignInLinkView = client.post(&["sign-in-links"]).await?;
    let link = Link {
        link: format!("{}{}", client.base(), made.path),
        expires_in_seconds: made.expires_in_seconds,
    };
    output.answer(&link, |link| {
        let minutes = link.expires_in_seconds / 60;
        format!(
            "{}\n\nIt signs in once, within {minutes} minutes.",
            link.link
        )
    })
}
