//! Reading a range of days again.

use axum::extract::State;
use axum::response::Response;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use maud::{Markup, html};
use serde::Deserialize;

use super::overview::{Failure, again};
use super::{Tab, find};
use crate::console::elements::{Field, busy, text_field};
use crate::console::form::ConsoleForm;
use crate::console::notice::Notice;
use crate::console::problem::ConsoleError;
use crate::console::viewer::Viewer;
use crate::extract::ApiPath;
use crate::state::AppState;
use integration_host_contract::ErrorCode;
use integration_host_contract::sentence::{sentence, shorten};
use integration_host_ledger::Connection;

/// What is sent: two days in the viewer's zone, both of them included.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct RangeForm {
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
}

impl RangeForm {
    /// From the beginning of the first day to the end of the last, or what is wrong.
    fn read(&self, zone: &TimeZone) -> Result<(Timestamp, Timestamp), String> {
        let from = midnight(&self.from, 0, zone)?;
        let to = midnight(&self.to, 1, zone)?;
        if from < to {
            Ok((from, to))
        } else {
            Err("The last day is before the first. Choose a later last day.".to_owned())
        }
    }
}

/// The beginning of a day, or of one after it.
fn midnight(text: &str, days_later: i32, zone: &TimeZone) -> Result<Timestamp, String> {
    text.trim()
        .parse::<Date>()
        .and_then(|date| date.checked_add(days_later.days()))
        .and_then(|date| date.to_zoned_datetime(zone.clone()))
        .map(|begin| begin.timestamp())
        .map_err(|_| format!("“{}” is no day. Write it like 2026-03-01.", shorten(text)))
}

/// The card with the form. `remote` is what the remote service is called.
pub(super) fn card(connection: &Connection, remote: &str, failure: &Failure) -> Markup {
    let (range, problem) = match failure {
        Failure::Reconcile { range, problem } => (range.clone(), Some(problem.as_str())),
        _ => (RangeForm::default(), None),
    };
    let day = |name, label, value, problem: Option<&'_ str>| {
        text_field(&Field {
            name,
            label,
            kind: "date",
            value,
            problem,
            autofocus: problem.is_some(),
            ..Field::default()
        })
    };
    html! {
        section class="card" aria-labelledby="reconcile" {
            h2 id="reconcile" { "Read days again" }
            p class="subtle" {
                "What deliveries missed is read by itself. Do this if an entry looks different here than in "
                (remote) ", or is missing. It uses some of the requests that are left."
            }
            form class="stack" method="post" action=(format!("connections/{}/reconcile", connection.id)) {
                div class="toolbar" {
                    (day("from", "First day", &range.from, problem))
                    (day("to", "Last day", &range.to, None))
                }
                button class="secondary" { "Read again" }
                (busy("Reading…"))
            }
        }
    }
}

/// Reads the range.
pub(super) async fn reconcile(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath(id): ApiPath<String>,
    ConsoleForm(range): ConsoleForm<RangeForm>,
) -> Result<Response, ConsoleError> {
    let connection = find(&state, id).await?;
    let id = connection.id.clone();
    let problem = match range.read(&viewer.zone) {
        Err(problem) => problem,
        Ok((from, to)) => {
            let read = state
                .complete(|service| async move { service.reconcile(&id, from, to).await })
                .await?;
            match read {
                Ok(_) => {
                    let log = Tab::Activity.address(&connection);
                    return Ok(viewer.see_other(&Notice::Reconciled.on(&log)));
                }
                Err(error) => sentence(&error.message),
            }
        }
    };
    again(
        &state,
        &viewer,
        &connection,
        Failure::Reconcile { range, problem },
    )
    .await
}

/// Reads the time in which the connection was disconnected.
pub(super) async fn unread(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath(id): ApiPath<String>,
) -> Result<Response, ConsoleError> {
    let connection = find(&state, id).await?;
    let id = connection.id.clone();
    let read = state
        .complete(|service| async move {
            match service.unread_time(&id).await? {
                Some(unread) => service
                    .reconcile(&id, unread.from, unread.to)
                    .await
                    .map(drop),
                // Somebody has had it read meanwhile.
                None => Ok(()),
            }
        })
        .await?;
    match read {
        Ok(()) => {
            let log = Tab::Activity.address(&connection);
            Ok(viewer.see_other(&Notice::Reconciled.on(&log)))
        }
        Err(error) => {
            let failure = Failure::Check(sentence(&error.message));
            again(&state, &viewer, &connection, failure).await
        }
    }
}

/// Has the gap of the connection read at once.
pub(super) async fn gap(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath(id): ApiPath<String>,
) -> Result<Response, ConsoleError> {
    let connection = find(&state, id).await?;
    match state.service.read_gap_now(&connection.id).await {
        // It may have been closed meanwhile.
        Ok(()) => {}
        Err(error) if error.code == ErrorCode::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    Ok(viewer.see_other(&Tab::Overview.address(&connection)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(from: &str, to: &str) -> Result<(String, String), String> {
        let range = RangeForm {
            from: from.into(),
            to: to.into(),
        };
        let (from, to) = range.read(&TimeZone::get("Europe/Berlin").unwrap())?;
        Ok((from.to_string(), to.to_string()))
    }

    #[test]
    fn days_are_those_of_whoever_looks_at_the_page() {
        let range = ("2026-03-27T23:00:00Z".into(), "2026-03-29T22:00:00Z".into());
        assert_eq!(
            read("2026-03-28", "2026-03-29"),
            Ok(range),
            "the days before and on the change to summer time"
        );
    }

    #[test]
    fn what_is_no_range_is_answered_with_what_helps() {
        assert!(
            read("2026-03-28", "2026-03-27")
                .unwrap_err()
                .contains("later")
        );
        for wrong in ["", "28.3.2026", "2026-02-30", "9999-12-31"] {
            let problem = read("2026-03-28", wrong).unwrap_err();
            assert!(problem.contains("2026-03-01"), "{problem}");
        }
    }
}
