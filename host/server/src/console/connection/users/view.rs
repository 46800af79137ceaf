//! Which part of a team is shown. All of it stands in the address.

use serde::Deserialize;
use url::form_urlencoded::Serializer;

use integration_host_contract::id::ConnectionId;
use integration_host_ledger::{MatchedBy, MemberFilter};

/// What the address says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct View {
    /// What is searched for.
    pub(super) search: String,
    /// The code of a [`Show`].
    show: String,
    /// The cursor after which the page begins.
    after: String,
}

/// Whom to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    Everybody,
    Unmapped,
    ByEmail,
    ByHand,
    InDoubt,
}

impl Show {
    pub(super) const ALL: [Self; 5] = [
        Self::Everybody,
        Self::Unmapped,
        Self::ByEmail,
        Self::ByHand,
        Self::InDoubt,
    ];

    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Everybody => "",
            Self::Unmapped => "unmapped",
            Self::ByEmail => "email",
            Self::ByHand => "manual",
            Self::InDoubt => "doubt",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Everybody => "Everybody",
            Self::Unmapped => "Not mapped",
            Self::ByEmail => "Mapped by e-mail",
            Self::ByHand => "Decided by hand",
            Self::InDoubt => "To be looked at",
        }
    }
}

impl View {
    /// Whom to show; an unknown code shows everybody.
    pub(super) fn show(&self) -> Show {
        Show::ALL
            .into_iter()
            .find(|show| show.code() == self.show)
            .unwrap_or(Show::Everybody)
    }

    /// Whether only some members are asked for.
    pub(super) fn is_narrowed(&self) -> bool {
        !self.search.trim().is_empty() || self.show() != Show::Everybody
    }

    pub(super) fn filter(&self) -> MemberFilter {
        let show = self.show();
        MemberFilter {
            query: Some(self.search.clone()),
            unmapped: show == Show::Unmapped,
            matched_by: match show {
                Show::Everybody | Show::Unmapped | Show::InDoubt => None,
                Show::ByEmail => Some(MatchedBy::Email),
                Show::ByHand => Some(MatchedBy::Manual),
            },
            in_doubt: show == Show::InDoubt,
        }
    }

    pub(super) fn cursor(&self) -> Option<&str> {
        Some(self.after.as_str()).filter(|after| !after.is_empty())
    }

    /// The members whose mapping should be looked at.
    pub(super) fn in_doubt() -> Self {
        Self {
            show: Show::InDoubt.code().to_owned(),
            ..Self::default()
        }
    }

    /// The page of the same list that begins after a cursor.
    pub(super) fn after(&self, cursor: &str) -> Self {
        Self {
            after: cursor.to_owned(),
            ..self.clone()
        }
    }

    /// The address of the list, with further parameters.
    pub(super) fn address(&self, id: &ConnectionId, further: &[(&str, &str)]) -> String {
        self.append_to(format!("connections/{id}/users"), further)
    }

    /// An address that leads back to this part of the list.
    pub(super) fn append_to(&self, address: String, further: &[(&str, &str)]) -> String {
        let own = self.parameters();
        let parameters = own.iter().chain(further);
        let query = Serializer::new(String::new())
            .extend_pairs(parameters.filter(|(_, value)| !value.is_empty()))
            .finish();
        if query.is_empty() {
            address
        } else {
            format!("{address}?{query}")
        }
    }

    /// What a form that is sent by GET must carry to lead back to this part of the list.
    pub(super) fn parameters(&self) -> [(&'static str, &str); 3] {
        [
            ("search", self.search.as_str()),
            ("show", self.show().code()),
            ("after", self.after.as_str()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_back_to_what_was_shown() {
        let view = View {
            search: "a&b=ü".into(),
            show: "unmapped".into(),
            after: r#"["ann",  "11"]"#.into(),
        };
        let address = view.address(
            &ConnectionId::new("c"),
            &[("notice", "mapped"), ("was", "")],
        );
        let query = address.split_once('?').unwrap().1;
        let read: std::collections::HashMap<_, _> =
            url::form_urlencoded::parse(query.as_bytes()).collect();
        assert_eq!(read["search"], "a&b=ü");
        assert_eq!(read["show"], "unmapped");
        assert_eq!(read["after"], r#"["ann",  "11"]"#);
        assert_eq!(read["notice"], "mapped");
        assert_eq!(read.len(), 4);
        let everything = View::default();
        assert_eq!(
            everything.address(&ConnectionId::new("c"), &[]),
            "connections/c/users"
        );
    }
}
