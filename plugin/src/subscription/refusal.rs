//! The texts with which Toggl refuses a subscription (status 400), and what helps.

use crate::model::Error;
use crate::toggl::{Failure, Limits, excerpt};

/// What a person checks when Toggl cannot reach the callback.
pub(super) const WHAT_TO_CHECK: &str = "Check that the host's public URL is right, that it can be reached from the \
     internet over https with a valid certificate, and that no proxy or login page answers in its place.";

/// An enabled subscription that is not this connection's.
pub(super) struct Other<'a> {
    pub description: &'a str,
    /// Whether a copy of this host made it.
    pub is_of_a_copy: bool,
}

/// Why Toggl refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// “URL endpoint {url} responded with status {n} instead of 200”
    CallbackAnsweredWrongly,
    /// “URL endpoint {url} request failed with error: {error}”
    CallbackNotReached,
    /// “User {id} already reached the limit of {n} enabled subscriptions for workspace {id}”
    NoSlotLeft,
    /// “Subscription description '{description}' is already in use for workspace {id}”
    DescriptionInUse,
    /// “The limit of {n} event filters for your subscription has been exceeded as …”
    TooManyFilters,
}

impl Refusal {
    /// What a failure says, if it is one of these.
    pub fn of(failure: &Failure) -> Option<Self> {
        if failure.status != Some(400) {
            return None;
        }
        let text = failure.text.to_ascii_lowercase();
        if text.contains("request failed with error") {
            Some(Self::CallbackNotReached)
        } else if text.contains("url endpoint") {
            Some(Self::CallbackAnsweredWrongly)
        } else if text.contains("enabled subscriptions") {
            Some(Self::NoSlotLeft)
        } else if text.contains("already in use") {
            Some(Self::DescriptionInUse)
        } else if text.contains("event filters") && text.contains("limit") {
            Some(Self::TooManyFilters)
        } else {
            None
        }
    }

    /// The error that says what to do.
    pub fn explain(self, failure: &Failure, limits: Limits, others: &[Other<'_>]) -> Error {
        let said = excerpt(&failure.text);
        match self {
            Self::CallbackAnsweredWrongly => Error::InvalidInput(format!(
                "Toggl reached the callback but did not get the answer it needs: “{said}”. {WHAT_TO_CHECK}"
            )),
            Self::CallbackNotReached => Error::InvalidInput(format!(
                "Toggl could not reach the callback: “{said}”. {WHAT_TO_CHECK}"
            )),
            Self::NoSlotLeft => {
                let allowed = number_after(&failure.text, "limit of ").or(limits.max_webhooks);
                let allowed = match allowed {
                    None => "no further enabled webhooks".into(),
                    Some(1) => "only 1 enabled webhook".into(),
                    Some(number) => format!("only {number} enabled webhooks"),
                };
                Error::PlanLimit(format!(
                    "The workspace's Toggl plan allows {allowed}{}. Delete or disable one at Toggl \
                     under Integrations, or change the plan.",
                    taken_by(others)
                ))
            }
            Self::DescriptionInUse => Error::Conflict(
                "Toggl already has a webhook with the name this one needs. Delete the webhooks called “WorkSights time \
                 sync …” that nobody uses at Toggl under Integrations."
                    .into(),
            ),
            Self::TooManyFilters => {
                let allowed = number_after(&failure.text, "limit of ").or(limits.max_events_per_webhook);
                let allowed = allowed.map_or_else(String::new, |number| format!(" (it allows {number})"));
                Error::PlanLimit(format!(
                    "The workspace's Toggl plan does not allow a webhook to report time entries created, updated and \
                     deleted{allowed}. Change the plan."
                ))
            }
        }
    }
}

/// `, and other tools hold them: “A” and “B”`
fn taken_by(others: &[Other<'_>]) -> String {
    const NAMED: usize = 3;
    if others.is_empty() {
        return " for this account".into();
    }
    let names: Vec<String> = others
        .iter()
        .take(NAMED)
        .map(|other| format!("“{}”", excerpt(other.description)))
        .collect();
    if others.iter().any(|other| other.is_of_a_copy) {
        return format!(
            ", and another copy of this host, which works for the same workspace, holds one: {}",
            names.join(", ")
        );
    }
    format!(", and other tools hold them: {}", names.join(", "))
}

fn number_after(text: &str, mark: &str) -> Option<u32> {
    let (_, rest) = text.split_once(mark)?;
    let digits = rest
        .split(|character: char| !character.is_ascii_digit())
        .next()?;
    digits.parse().ok()
}
