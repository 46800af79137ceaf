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

/// A link that signs in once.
#[derive(Serialize)]
pub(super) struct Link {
    pub(super) link: String,
    expires_in_seconds: u64,
}

/// `console`
pub(super) async fn run(client: &Client, output: &Output) -> Result<(), Failure> {
    let link = sign_in_link(client).await?;
    output.answer(&link, |link| {
        let minutes = link.expires_in_seconds / 60;
        format!(
            "{}\n\nIt signs in once, within {minutes} minutes.",
            link.link
        )
    })
}

/// Asks the host for a link.
pub(super) async fn sign_in_link(client: &Client) -> Result<Link, Failure> {
    let made: SignInLinkView = client.post(&["sign-in-links"]).await?;
    Ok(Link {
        link: format!("{}{}", client.base(), made.path),
        expires_in_seconds: made.expires_in_seconds,
    })
}
