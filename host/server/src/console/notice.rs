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
    Checked,
    Reconciled,
    TakenBack,
    Replayed,
    ReplayedAll,
    ReplayFailed,
    ReplayUnfinished,
}

/// The query parameter.
#[derive(Debug, Default, Deserialize)]
pub(super) struct NoticeQuery {
    notice: Option<String>,
}

impl Notice {
    const ALL: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Renamed, "renamed", "The new name is saved."),
        (
            Self::Disconnected,
            "disconnected",
            "The connection was disconnected.",
        ),
        (
            Self::SecretsReplaced,
            "secrets-replaced",
            "The connection uses the new token from now on.",
        ),
        (
            Self::Checked,
            "checked",
            "Checked just now: the connection works.",
        ),
        (
            Self::Reconciled,
            "reconciled",
            "The days were read again. The first line below says what was found.",
        ),
        (
            Self::TakenBack,
            "taken-back",
            "Nothing is marked as deleted any more that was only missing.",
        ),
        (Self::Replayed, "replayed", "The delivery was handled."),
        (
            Self::ReplayedAll,
            "replayed-all",
            "There are no failed deliveries left.",
        ),
        (
            Self::ReplayFailed,
            "replay-failed",
            "Some deliveries failed again. They say why.",
        ),
        (
            Self::ReplayUnfinished,
            "replay-unfinished",
            "Many were handled, and some are left. Replay again.",
        ),
    ];

    /// How good the news is.
    fn class(self) -> &'static str {
        match self {
            Self::ReplayFailed | Self::ReplayUnfinished => "notice-busy",
            _ => "notice-good",
        }
    }

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
            @if let Some((notice, _, text)) = found {
                div class=(format!("notice {}", notice.class())) role="status" { p { (text) } }
            }
        }
    }
}
