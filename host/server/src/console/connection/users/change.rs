//! Changing a mapping.

use std::fmt;

use axum::extract::State;
use axum::response::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::view::View;
use super::{failed, outcome};
use crate::api::Earlier;
use crate::console::form::ConsoleForm;
use crate::console::problem::ConsoleError;
use crate::console::viewer::Viewer;
use crate::error::ApiError;
use crate::extract::{ApiPath, ApiQuery};
use crate::state::AppState;
use integration_host_contract::ErrorCode;
use integration_host_contract::id::{ConnectionId, RemoteUserId, UserId};
use integration_host_ledger::{Mapping, MatchedBy};

/// What is sent to change a mapping.
#[derive(Debug, Deserialize)]
pub(super) struct ChangeForm {
    /// The mapping that the page showed.
    before: String,
    /// The mapping that the person wants.
    after: String,
    /// Whether that takes back a change.
    #[serde(default)]
    undo: String,
    /// What becomes of activities that belong to a user already.
    #[serde(default)]
    earlier: Earlier,
}

/// Where a member's mapping is shown and changed, relative to the console's root.
pub(super) struct Address<'a> {
    pub(super) id: &'a ConnectionId,
    pub(super) member: &'a RemoteUserId,
}

impl fmt::Display for Address<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let member = utf8_percent_encode(self.member.as_str(), NON_ALPHANUMERIC);
        write!(formatter, "connections/{}/users/{member}", self.id)
    }
}

/// A mapping in a form: who decided, then the user's id.
pub(super) fn code_of(mapping: &Mapping) -> String {
    let user = mapping.user.as_ref().map_or("", UserId::as_str);
    let decided = match mapping.matched_by {
        None => "nobody",
        Some(MatchedBy::Email) => "email",
        Some(MatchedBy::Manual) => "manual",
    };
    format!("{decided}:{user}")
}

/// The reverse of [`code_of`].
pub(super) fn mapping_of(code: &str) -> Option<Mapping> {
    let (decided, user) = code.split_once(':')?;
    let user = Some(user).filter(|user| !user.is_empty()).map(UserId::new);
    let matched_by = match (decided, &user) {
        ("nobody", None) => None,
        ("email", Some(_)) => Some(MatchedBy::Email),
        ("manual", _) => Some(MatchedBy::Manual),
        _ => return None,
    };
    Some(Mapping { user, matched_by })
}

/// Changes a mapping if it is still what the page showed.
pub(super) async fn change(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath((id, member)): ApiPath<(String, String)>,
    ApiQuery(view): ApiQuery<View>,
    ConsoleForm(form): ConsoleForm<ChangeForm>,
) -> Result<Response, ConsoleError> {
    let (Some(before), Some(after)) = (mapping_of(&form.before), mapping_of(&form.after)) else {
        return Err(ApiError::malformed(
            "the form does not say whom to map to; go back, load the page again and choose once more",
        )
        .into());
    };
    let (id, member) = (ConnectionId::new(id), RemoteUserId::new(member));
    let target = (id.clone(), member.clone());
    let was = before.clone();
    let keeps_earlier = form.earlier == Earlier::Stays;
    let changed = state
        .complete(|service| async move {
            let (id, member) = target;
            let change = service.change_mapping(&id, &member, before, after, keeps_earlier);
            change.await
        })
        .await?;
    let outcome = match changed {
        Ok(_) if form.undo.is_empty() => outcome::changed(&member, &was, form.earlier),
        Ok(_) => outcome::restored(&member),
        Err(error) if error.code == ErrorCode::Conflict => outcome::overtaken(&member),
        Err(error) => return failed(&state, &viewer, &id, &view, &error).await,
    };
    Ok(viewer.see_other(&outcome.on(&view, &id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_carries_every_mapping_and_nothing_else() {
        for (user, matched_by) in [
            (None, None),
            (None, Some(MatchedBy::Manual)),
            (Some("u:1"), Some(MatchedBy::Manual)),
            (Some("u1"), Some(MatchedBy::Email)),
        ] {
            let user = user.map(UserId::new);
            let mapping = Mapping { user, matched_by };
            assert_eq!(mapping_of(&code_of(&mapping)), Some(mapping));
        }
        for code in ["", "u1", "nobody:u1", "email:", "else:u1"] {
            assert_eq!(mapping_of(code), None, "{code}");
        }
    }
}
