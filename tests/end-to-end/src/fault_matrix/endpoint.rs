//! The endpoints of Toggl that the integration calls.

use reqwest::Method;

use crate::setup::NORTHWIND;

/// An endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Me,
    Workspaces,
    Organizations,
    Quota,
    Members,
    Clients,
    Client,
    Projects,
    Project,
    Tasks,
    TasksById,
    Task,
    Limits,
    Subscriptions,
    Create,
    Replace,
    Enable,
    Remove,
    Ping,
    Search,
}

impl Endpoint {
    const ALL: [Self; 20] = [
        Self::Me,
        Self::Workspaces,
        Self::Organizations,
        Self::Quota,
        Self::Members,
        Self::Clients,
        Self::Client,
        Self::Projects,
        Self::Task,
        Self::Project,
        Self::TasksById,
        Self::Tasks,
        Self::Limits,
        Self::Subscriptions,
        Self::Create,
        Self::Replace,
        Self::Enable,
        Self::Remove,
        Self::Ping,
        Self::Search,
    ];

    /// Its method and path; `*` stands for any text.
    fn parts(self) -> (Method, &'static str) {
        match self {
            Self::Me => (Method::GET, "api/v9/me"),
            Self::Workspaces => (Method::GET, "api/v9/me/workspaces"),
            Self::Organizations => (Method::GET, "api/v9/me/organizations"),
            Self::Quota => (Method::GET, "api/v9/me/quota"),
            Self::Members => (Method::GET, "api/v9/workspaces/{ws}/users"),
            Self::Clients => (Method::GET, "api/v9/workspaces/{ws}/clients"),
            Self::Client => (Method::GET, "api/v9/workspaces/{ws}/clients/*"),
            Self::Projects => (Method::GET, "api/v9/workspaces/{ws}/projects"),
            Self::Project => (Method::GET, "api/v9/workspaces/{ws}/projects/*"),
            Self::Tasks => (Method::GET, "api/v9/workspaces/{ws}/tasks"),
            Self::TasksById => (Method::GET, "api/v9/workspaces/{ws}/tasks/basic"),
            Self::Task => (Method::GET, "api/v9/workspaces/{ws}/projects/*/tasks/*"),
            Self::Limits => (Method::GET, "webhooks/api/v1/limits/{ws}"),
            Self::Subscriptions => (Method::GET, "webhooks/api/v1/subscriptions/{ws}"),
            Self::Create => (Method::POST, "webhooks/api/v1/subscriptions/{ws}"),
            Self::Replace => (Method::PUT, "webhooks/api/v1/subscriptions/{ws}/*"),
            Self::Enable => (Method::PATCH, "webhooks/api/v1/subscriptions/{ws}/*"),
            Self::Remove => (Method::DELETE, "webhooks/api/v1/subscriptions/{ws}/*"),
            Self::Ping => (Method::POST, "webhooks/api/v1/ping/{ws}/*"),
            Self::Search => (
                Method::POST,
                "reports/api/v3/workspace/{ws}/search/time_entries",
            ),
        }
    }

    /// Its method, and the pattern of its path for the workspace that is connected.
    pub fn pattern(self) -> (Method, String) {
        let (method, path) = self.parts();
        let path = path.replace("{ws}", &NORTHWIND.to_string());
        (method, format!("/{path}"))
    }

    /// The endpoint that a request is for.
    pub fn of(method: &Method, path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| {
            let (wanted, pattern) = endpoint.pattern();
            let (mut segments, mut wanted_segments) = (path.split('/'), pattern.split('/'));
            wanted == *method
                && loop {
                    match (segments.next(), wanted_segments.next()) {
                        (None, None) => break true,
                        (Some(_), Some("*")) => {}
                        (segment, wanted) if segment == wanted => {}
                        _ => break false,
                    }
                }
        })
    }

    /// Whether a 403 there means that the token is rejected.
    pub fn is_of_the_account(self) -> bool {
        matches!(
            self,
            Self::Me | Self::Workspaces | Self::Organizations | Self::Quota
        )
    }

    /// Whether the host may send a request there twice.
    pub fn is_repeatable(self) -> bool {
        self != Self::Create
    }

    /// Whether a request there changes something at Toggl.
    pub fn is_a_change(self) -> bool {
        matches!(
            self,
            Self::Create | Self::Replace | Self::Enable | Self::Remove | Self::Ping
        )
    }
}
