//! What the sandbox starts from: a TOML description of organisations, people, names, limits and deliveries.

mod settings;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use self::settings::{Behaviour, DeliverySettings, Limits};

/// The token of the built-in scenario's account owner. It is public on purpose: the sandbox protects nothing.
pub const DEFAULT_TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// The built-in scenario as TOML, to read, print and start a scenario of one's own from.
pub const DEFAULT_SCENARIO: &str = include_str!("../../scenarios/northwind.toml");

/// Why a scenario could not be used; the text is one sentence for a person.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The file could not be read.
    #[error("the scenario file {path} cannot be read: {cause}")]
    Unreadable {
        /// The file asked for.
        path: String,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// The text is not TOML, a key is unknown, or a value has the wrong type.
    #[error("the scenario is not valid: {0}")]
    Invalid(String),
}

/// Everything the sandbox knows at start-up.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Days of past time entries to make up for every active member, ending yesterday.
    #[serde(default)]
    pub history_days: u8,
    /// Accounts; a user may belong to any number of workspaces.
    pub users: Vec<UserPlan>,
    /// Organisations with their workspaces.
    pub organizations: Vec<OrganizationPlan>,
    /// Quotas and rate limits.
    #[serde(default)]
    pub limits: Limits,
    /// How webhook events are delivered.
    #[serde(default)]
    pub delivery: DeliverySettings,
    /// Behaviour Toggl's documentation leaves open.
    #[serde(default)]
    pub behaviour: Behaviour,
}

/// One Toggl account.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UserPlan {
    /// Global user id.
    pub id: i64,
    /// Full name.
    pub name: String,
    /// E-mail address; absent means Toggl reports none.
    pub email: Option<String>,
    /// API token; made from the id when absent.
    pub token: Option<String>,
}

/// One organisation.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OrganizationPlan {
    /// Organisation id.
    pub id: i64,
    /// Name shown in Toggl.
    pub name: String,
    /// Subscription plan; decides quota and webhook limits.
    pub plan: Plan,
    /// Global user id of the owner.
    pub owner: i64,
    /// Requests per user and hour, instead of the plan's.
    pub requests_per_hour: Option<i64>,
    /// Webhooks per workspace, instead of the plan's.
    pub max_webhooks: Option<usize>,
    /// Event filters per webhook, instead of the plan's.
    pub max_events_per_webhook: Option<usize>,
    /// Its workspaces.
    pub workspaces: Vec<WorkspacePlan>,
}

/// One workspace with its members and names.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WorkspacePlan {
    /// Workspace id.
    pub id: i64,
    /// Name shown in Toggl.
    pub name: String,
    /// Suspended workspaces are listed but refuse every call.
    #[serde(default)]
    pub suspended: bool,
    /// Deleted workspaces are listed only by `since`.
    #[serde(default)]
    pub deleted: bool,
    /// Whether the Reports API is available; without it searches answer 402.
    #[serde(default = "yes")]
    pub reports: bool,
    /// Who belongs to it.
    pub members: Vec<MemberPlan>,
    /// Client names.
    #[serde(default)]
    pub clients: Vec<String>,
    /// Tag names.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Projects.
    #[serde(default)]
    pub projects: Vec<ProjectPlan>,
}

/// A user's membership of a workspace.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MemberPlan {
    /// Global user id.
    pub user: i64,
    /// Role in the workspace.
    #[serde(default)]
    pub role: Role,
    /// `false` for somebody invited who has not accepted.
    #[serde(default = "yes")]
    pub joined: bool,
    /// `true` for somebody an administrator deactivated.
    #[serde(default)]
    pub inactive: bool,
}

/// A project and its tasks.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectPlan {
    /// Project name.
    pub name: String,
    /// Name of one of the workspace's clients.
    pub client: Option<String>,
    /// Task names.
    #[serde(default)]
    pub tasks: Vec<String>,
    /// Private projects are seen by administrators only.
    #[serde(default)]
    pub private: bool,
    /// Whether time on it is billable by default.
    #[serde(default)]
    pub billable: bool,
    /// `false` for an archived project.
    #[serde(default = "yes")]
    pub active: bool,
}

/// A workspace role, with the values Toggl's API accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees and manages everything in the workspace.
    Admin,
    /// Manages projects.
    ProjectLead,
    /// Sees a team.
    TeamLead,
    /// Tracks own time.
    #[default]
    User,
}

impl Role {
    /// The value in the API's `role` fields.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::ProjectLead => "projectlead",
            Role::TeamLead => "teamlead",
            Role::User => "user",
        }
    }
}

/// An organisation's subscription plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Plan {
    /// One webhook of 3 events, 30 requests an hour.
    Free,
    /// Two webhooks of 6 events, 240 requests an hour.
    Starter,
    /// Three webhooks of 12 events, 600 requests an hour.
    Premium,
    /// Custom; here ten webhooks of 30 events, 6000 requests an hour.
    Enterprise,
}

impl Plan {
    /// The value of `pricing_plan_name`.
    pub fn name(self) -> &'static str {
        match self {
            Plan::Free => "Free",
            Plan::Starter => "Starter",
            Plan::Premium => "Premium",
            Plan::Enterprise => "Enterprise",
        }
    }

    /// Organisation requests per user and hour (Toggl's "API & Webhook Limits" help page; Enterprise is custom).
    pub fn requests_per_hour(self) -> i64 {
        match self {
            Plan::Free => 30,
            Plan::Starter => 240,
            Plan::Premium => 600,
            Plan::Enterprise => 6000,
        }
    }

    /// Webhooks per workspace and event filters per webhook (`GET /limits/{workspace_id}`; Enterprise is custom).
    pub fn webhook_limits(self) -> (usize, usize) {
        match self {
            Plan::Free => (1, 3),
            Plan::Starter => (2, 6),
            Plan::Premium => (3, 12),
            Plan::Enterprise => (10, 30),
        }
    }
}

fn yes() -> bool {
    true
}

impl Default for Scenario {
    /// The built-in team, "Northwind Studio"; a test keeps it readable.
    fn default() -> Self {
        Self::parse(DEFAULT_SCENARIO).unwrap_or_else(|_| Self::empty())
    }
}

impl Scenario {
    /// A Toggl without anybody in it.
    pub fn empty() -> Self {
        Self {
            history_days: 0,
            users: Vec::new(),
            organizations: Vec::new(),
            limits: Limits::default(),
            delivery: DeliverySettings::default(),
            behaviour: Behaviour::default(),
        }
    }

    /// Reads a scenario from TOML and checks that what it refers to exists.
    ///
    /// # Errors
    /// [`ScenarioError::Invalid`] names the line, the unknown key or the missing user.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text)
            .map_err(|error| ScenarioError::Invalid(one_line(&error.to_string())))?;
        scenario.check().map_err(ScenarioError::Invalid)?;
        Ok(scenario)
    }

    /// Reads a scenario file.
    ///
    /// # Errors
    /// When the file cannot be read, or as [`Scenario::parse`].
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path).map_err(|cause| ScenarioError::Unreadable {
            path: path.display().to_string(),
            cause,
        })?;
        Self::parse(&text)
    }

    fn check(&self) -> Result<(), String> {
        let known = |id: i64| self.users.iter().any(|user| user.id == id);
        for organization in &self.organizations {
            if !known(organization.owner) {
                return Err(format!(
                    "organization {} has owner {}, who is not among the users",
                    organization.id, organization.owner
                ));
            }
            for workspace in &organization.workspaces {
                if let Some(member) = workspace.members.iter().find(|member| !known(member.user)) {
                    return Err(format!(
                        "workspace {} has member {}, who is not among the users",
                        workspace.id, member.user
                    ));
                }
                for project in &workspace.projects {
                    if let Some(client) = &project.client
                        && !workspace.clients.contains(client)
                    {
                        return Err(format!(
                            "project '{}' has client '{client}', which workspace {} does not list",
                            project.name, workspace.id
                        ));
                    }
                }
            }
        }
        if !self.limits.requests_per_second.is_finite() || self.limits.requests_per_second <= 0.0 {
            return Err("limits.requests_per_second must be greater than 0".to_owned());
        }
        if self.delivery.concurrency == 0 {
            return Err("delivery.concurrency must be at least 1".to_owned());
        }
        Ok(())
    }
}

/// TOML errors come with a drawing of the line; a sentence is enough here.
fn one_line(text: &str) -> String {
    let place = text.lines().next().unwrap_or_default();
    let reason = text
        .lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or_default();
    if place == reason {
        place.to_owned()
    } else {
        format!("{place}: {reason}")
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_scenario_is_readable() {
        let scenario = Scenario::parse(DEFAULT_SCENARIO).expect("the built-in scenario must parse");
        assert_eq!(
            scenario
                .users
                .first()
                .and_then(|user| user.token.as_deref()),
            Some(DEFAULT_TOKEN)
        );
    }

    #[test]
    fn an_unknown_key_is_named_in_one_sentence() {
        let error = Scenario::parse("users = []\norganizations = []\n[limits]\nburts = 3\n")
            .expect_err("a typo must not pass");
        let text = error.to_string();
        assert!(text.contains("burts"), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }

    #[test]
    fn a_member_nobody_knows_is_refused() {
        let text = DEFAULT_SCENARIO.replacen("user = 9500012", "user = 1", 1);
        let error = Scenario::parse(&text).expect_err("an unknown member must not pass");
        assert!(error.to_string().contains("member 1"), "{error}");
    }
}
