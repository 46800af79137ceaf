//! What a page says about the action before it.
//!
//! The address carries a code, never a text: nobody can make a page say something with a link.

use std::fmt::Write as _;

use maud::{Markup, html};
use serde::Deserialize;

/// Something that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Notice {
    Renamed,
    Disconnected,
    SecretsReplaced,
}

/// The query parameter.
#[derive(Debug, Default, Deserialize)]
pub(super) struct NoticeQuery {
    notice: Option<String>,
}

impl Notice {
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Renamed, "renamed", "The new name is saved."),
        (
            Self::Disconnected,
            "disconnected",
            "The connection was disconnected.",
        ),
        (
            Self::SecretsReplaced,
            "secrets-replaced",
            "The connection uses the new secrets from now on.",
        ),
    ];

    /// The target with this notice.
    pub(super) fn on(self, target: &str) -> String {
        let mut address = target.to_owned();
        let separator = if target.contains('?') { '&' } else { '?' };
        if let Some((_, code, _)) = Self::ALL.iter().find(|(notice, ..)| *notice == self) {
            // Writing to a text cannot fail.
            let _ = write!(address, "{separator}notice={code}");
        }
        address
    }
}

impl NoticeQuery {
    /// The notice, if the address names one.
    pub(super) fn show(&self) -> Markup {
        let named = self.notice.as_deref();
        let found = Notice::ALL.iter().find(|(_, code, _)| named == Some(code));
        html! {
            @if let Some((_, _, text)) = found {
                div class="notice notice-good" role="status" { p { (text) } }
            }
        }
    }
}
