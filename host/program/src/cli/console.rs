//! The way into the console.

use serde::Serialize;
use serde::de::IgnoredAny;

use super::client::Client;
use super::failure::Failure;
use super::output::Output;
use integration_host_server::api::SignInLinkView;

pub(super) const EXAMPLES: &str = "\
Examples:
  integration-host console
  integration-host console --host https://host.example.com
  integration-host console --sign-out-everywhere

The link opens the console without the admin token, once. Give it to nobody else.";

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// Sign everybody out of the console, instead of printing a link
    #[arg(long)]
    sign_out_everywhere: bool,
}

/// That nobody is signed in.
#[derive(Serialize)]
struct SignedOut {
    signed_out_everywhere: bool,
}

/// A link that signs in once.
#[derive(Serialize)]
struct Link {
    link: String,
    expires_in_seconds: u64,
}

/// `console`
pub(super) async fn run(
    client: &Client,
    arguments: &Arguments,
    output: &Output,
) -> Result<(), Failure> {
    if arguments.sign_out_everywhere {
        client.delete::<IgnoredAny>(&["sessions"]).await?;
        let done = SignedOut {
            signed_out_everywhere: true,
        };
        return output.answer(&done, |_| {
            "Everybody was signed out of the console. Without an argument this command prints a link that signs in."
                .to_owned()
        });
    }
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
async fn sign_in_link(client: &Client) -> Result<Link, Failure> {
    let made: SignInLinkView = client.post(&["sign-in-links"]).await?;
    Ok(Link {
        link: format!("{}{}", client.base(), made.path),
        expires_in_seconds: made.expires_in_seconds,
    })
}
