//! `rotate-key`: another sealing key.

use clap::Args;

use super::backup::PROGRESS_INTERVAL;
use super::client::Client;
use super::failure::Failure;
use super::output::Output;
use integration_host_server::api::{FormerKeysView, RotationView, SealingKeyView};

pub(super) const ROTATE_EXAMPLES: &str = "\
Examples:
  integration-host rotate-key

The host goes on working meanwhile. If the key comes from a file, a new one is made there, and the former
one goes when nothing needs it any more. Otherwise put a new key before the present one at its source,
restart the host, run this, and then remove the former key. What was cut off goes on when run again.";

#[derive(Args, Debug)]
pub(super) struct RotateArguments {}

/// `rotate-key`
pub(super) async fn rotate_key(
    _: RotateArguments,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let path = ["sealing-key", "rotate"];
    let rotating = client.post::<RotationView>(&path);
    tokio::pin!(rotating);
    let rotation = loop {
        tokio::select! {
            rotation = &mut rotating => break rotation?,
            () = tokio::time::sleep(PROGRESS_INTERVAL) => {
                // Progress only; whether it works shows in the answer.
                let status = client.get::<SealingKeyView>(&["sealing-key"], &[]).await;
                if let Some(progress) = status.ok().and_then(|status| status.rotation) {
                    output.progress(&format!(
                        "{} of {} connections, {} values …",
                        progress.connections_done, progress.connections_total, progress.values
                    ));
                }
            }
        }
    };
    output.answer(&rotation, describe_rotation)?;
    match rotation.former_keys {
        FormerKeysView::Kept => Err(Failure::Reported),
        FormerKeysView::Removed | FormerKeysView::Dispensable => Ok(()),
    }
}

fn describe_rotation(rotation: &RotationView) -> String {
    let key = if rotation.key_is_new {
        "the new key"
    } else {
        "the key"
    };
    let mut text = format!(
        "Everything is sealed with {key} {} from {} now; {} values were sealed again.\n",
        rotation.key_id, rotation.source, rotation.resealed
    );
    text.push_str(match rotation.former_keys {
        FormerKeysView::Removed => {
            "The former key is gone; backups made before need it, so keep your copy of it as long as those. Make a copy of the new key."
        }
        FormerKeysView::Dispensable => {
            "Nothing needs the former key any more: remove it where it is kept, except for backups made before."
        }
        FormerKeysView::Kept => {
            "Some values do not open and were sealed with a former key, so that stays. `integration-host check` says what helps; then rotate again."
        }
    });
    if !rotation.unreadable_connections.is_empty() {
        text.push_str(&format!(
            "\nWith values that do not open: {}",
            rotation.unreadable_connections.join(", ")
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotation(former_keys: FormerKeysView) -> RotationView {
        RotationView {
            source: "the file data/sealing-key".into(),
            key_id: "0011223344556677".into(),
            key_is_new: true,
            resealed: 12,
            unreadable_connections: Vec::new(),
            former_keys,
        }
    }

    #[test]
    fn after_a_rotation_a_person_knows_what_to_do_with_the_former_key() {
        for (former, expected) in [
            (FormerKeysView::Removed, "backups made before need it"),
            (FormerKeysView::Dispensable, "remove it where it is kept"),
            (FormerKeysView::Kept, "rotate again"),
        ] {
            let text = describe_rotation(&rotation(former));
            assert!(text.contains(expected), "{text}");
        }
        let unreadable = RotationView {
            unreadable_connections: vec!["abc".into()],
            ..rotation(FormerKeysView::Kept)
        };
        assert!(describe_rotation(&unreadable).contains("abc"));
    }
}
