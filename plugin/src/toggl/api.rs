//! A client for the calls the integration makes.

use std::cell::Cell;

use serde::Serialize;

use crate::capability::{
    BasicCredentials, Capabilities, Credential, Header, HttpRequest, HttpResponse, Method,
};
use crate::json::{self, Json, Read};
use crate::model::Error;

use super::failure::Audience;
use super::quota;
use super::types::read_list;
use super::{
    EventFilter, Failure, Limits, Listed, Me, Member, Named, Organization, OwnEntry, QuotaReading,
    QuotaRow, ReportRow, SubscriptionRow, TOKEN_SECRET, TaskPage, Workspace,
};

const REST: &str = "https://api.track.toggl.com/api/v9";
const REPORTS: &str = "https://api.track.toggl.com/reports/api/v3";
const WEBHOOKS: &str = "https://api.track.toggl.com/webhooks/api/v1";

/// The greatest page Toggl serves of projects; tasks document no maximum.
pub(crate) const PAGE_SIZE: u64 = 200;

const USER_AGENT: &str = concat!("worksights-toggl-integration/", env!("CARGO_PKG_VERSION"));

/// Toggl, as the owner of the connection's API token sees it.
pub(crate) struct Api<'a> {
    capabilities: &'a dyn Capabilities,
    quota: Cell<Option<QuotaReading>>,
}

/// The body that creates or replaces a subscription.
#[derive(Debug, Serialize)]
pub(crate) struct NewSubscription<'a> {
    pub url_callback: &'a str,
    pub event_filters: &'a [EventFilter],
    pub enabled: bool,
    pub description: &'a str,
    /// Answers need not hold it, so it is never read back.
    pub secret: &'a str,
}

/// The body of a search of the Reports API.
#[derive(Debug, Serialize)]
pub(crate) struct ReportSearch<'a> {
    pub start_date: String,
    pub end_date: String,
    pub order_by: &'static str,
    pub order_dir: &'static str,
    pub page_size: u64,
    /// Adds the tags' names.
    pub enrich_response: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_row_number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_id: Option<u64>,
    #[serde(skip_serializing_if = "<[u64]>::is_empty")]
    pub time_entry_ids: &'a [u64],
}

/// A page of a report.
pub(crate) struct ReportPage {
    pub rows: Listed<ReportRow>,
    /// The row number and id at which the next page begins.
    pub next: Option<(u64, Option<u64>)>,
}

impl<'a> Api<'a> {
    pub fn new(capabilities: &'a dyn Capabilities) -> Self {
        Self {
            capabilities,
            quota: Cell::new(None),
        }
    }

    /// What the last answer said of the organisation's quota.
    pub fn quota(&self) -> Option<QuotaReading> {
        self.quota.get()
    }

    pub fn me(&self) -> Result<Me, Failure> {
        parse(&self.get(format!("{REST}/me"))?)
    }

    pub fn workspaces(&self) -> Result<Listed<Workspace>, Failure> {
        self.get_list(format!("{REST}/me/workspaces"))
    }

    pub fn organizations(&self) -> Result<Listed<Organization>, Failure> {
        self.get_list(format!("{REST}/me/organizations"))
    }

    pub fn quotas(&self) -> Result<Listed<QuotaRow>, Failure> {
        self.get_list(format!("{REST}/me/quota"))
    }

    /// A time entry of the token's owner, in whatever workspace. Those of others are unknown here.
    pub fn own_time_entry(&self, id: u64) -> Result<OwnEntry, Failure> {
        parse(&self.get(format!("{REST}/me/time_entries/{id}"))?)
    }

    /// The workspace's members, deactivated and invited ones among them. `exclude_deleted` might leave
    /// out deactivated ones, so it is not asked for.
    pub fn members(&self, workspace: u64) -> Result<Listed<Member>, Failure> {
        self.get_list(format!("{REST}/workspaces/{workspace}/users"))
    }

    pub fn clients(&self, workspace: u64) -> Result<Listed<Named>, Failure> {
        self.get_list(format!("{REST}/workspaces/{workspace}/clients?status=both"))
    }

    pub fn client(&self, workspace: u64, client: u64) -> Result<Named, Failure> {
        parse(&self.get(format!("{REST}/workspaces/{workspace}/clients/{client}"))?)
    }

    pub fn projects(&self, workspace: u64, page: u32) -> Result<Listed<Named>, Failure> {
        self.get_list(format!(
            "{REST}/workspaces/{workspace}/projects?active=both&per_page={PAGE_SIZE}&page={page}"
        ))
    }

    pub fn projects_by_id(&self, workspace: u64, ids: &[u64]) -> Result<Listed<Named>, Failure> {
        self.get_list(format!(
            "{REST}/workspaces/{workspace}/projects?active=both&per_page={PAGE_SIZE}&page=1&project_ids={}",
            comma_separated(ids)
        ))
    }

    pub fn project(&self, workspace: u64, project: u64) -> Result<Named, Failure> {
        parse(&self.get(format!("{REST}/workspaces/{workspace}/projects/{project}"))?)
    }

    /// A page of tasks, and whether it is the last.
    pub fn tasks(&self, workspace: u64, page: u32) -> Result<(Listed<Named>, bool), Failure> {
        let response = self.get(format!(
            "{REST}/workspaces/{workspace}/tasks?active=both&per_page={PAGE_SIZE}&page={page}"
        ))?;
        let answer: TaskPage = parse(&response)?;
        let tasks = answer.data;
        // The page may be smaller than asked for.
        let per_page = answer.per_page.unwrap_or(PAGE_SIZE);
        let is_last = match answer.total_count {
            Some(total) => u64::from(page).saturating_mul(per_page) >= total,
            None => (tasks.len() as u64) < per_page,
        };
        Ok((tasks, is_last))
    }

    pub fn tasks_by_id(&self, workspace: u64, ids: &[u64]) -> Result<Listed<Named>, Failure> {
        let response = self.get(format!(
            "{REST}/workspaces/{workspace}/tasks/basic?active=both&only_me=false&per_page={PAGE_SIZE}&page=1&task_ids={}",
            comma_separated(ids)
        ))?;
        let answer: TaskPage = parse(&response)?;
        Ok(answer.data)
    }

    pub fn task(&self, workspace: u64, project: u64, task: u64) -> Result<Named, Failure> {
        parse(&self.get(format!(
            "{REST}/workspaces/{workspace}/projects/{project}/tasks/{task}"
        ))?)
    }

    pub fn limits(&self, workspace: u64) -> Result<Limits, Failure> {
        parse(&self.get(format!("{WEBHOOKS}/limits/{workspace}"))?)
    }

    /// The workspace's subscriptions that are not deleted, whoever created them.
    pub fn subscriptions(&self, workspace: u64) -> Result<Vec<SubscriptionRow>, Failure> {
        let response = self.get(format!("{WEBHOOKS}/subscriptions/{workspace}"))?;
        // One that is overlooked would be made a second time, so all of them must be readable.
        let mut rows: Vec<SubscriptionRow> = parse_with(&response, |json| match json {
            Json::List(_) | Json::Null => read_list(json),
            _ => None,
        })?;
        rows.retain(|row| row.deleted_at.is_none());
        Ok(rows)
    }

    /// Toggl pings the callback before this returns, and before `replace_subscription` and
    /// `enable_subscription` do.
    pub fn create_subscription(
        &self,
        workspace: u64,
        subscription: &NewSubscription<'_>,
    ) -> Result<SubscriptionRow, Failure> {
        let url = format!("{WEBHOOKS}/subscriptions/{workspace}");
        parse(&self.send(Method::Post, url, to_json(subscription)?, false)?)
    }

    pub fn replace_subscription(
        &self,
        workspace: u64,
        id: u64,
        subscription: &NewSubscription<'_>,
    ) -> Result<SubscriptionRow, Failure> {
        let url = format!("{WEBHOOKS}/subscriptions/{workspace}/{id}");
        parse(&self.send(Method::Put, url, to_json(subscription)?, true)?)
    }

    pub fn enable_subscription(&self, workspace: u64, id: u64) -> Result<SubscriptionRow, Failure> {
        let url = format!("{WEBHOOKS}/subscriptions/{workspace}/{id}");
        parse(&self.send(
            Method::Patch,
            url,
            Some(br#"{"enabled":true}"#.to_vec()),
            true,
        )?)
    }

    pub fn delete_subscription(&self, workspace: u64, id: u64) -> Result<(), Failure> {
        let url = format!("{WEBHOOKS}/subscriptions/{workspace}/{id}");
        self.send(Method::Delete, url, None, true).map(|_| ())
    }

    pub fn ping_subscription(&self, workspace: u64, id: u64) -> Result<(), Failure> {
        let url = format!("{WEBHOOKS}/ping/{workspace}/{id}");
        self.send(Method::Post, url, None, true).map(|_| ())
    }

    pub fn search_time_entries(
        &self,
        workspace: u64,
        search: &ReportSearch<'_>,
    ) -> Result<ReportPage, Failure> {
        let url = format!("{REPORTS}/workspace/{workspace}/search/time_entries");
        let response = self.send(Method::Post, url, to_json(search)?, true)?;
        let number = |name| {
            response
                .header(name)
                .and_then(|value| value.trim().parse::<u64>().ok())
        };
        Ok(ReportPage {
            rows: parse(&response)?,
            next: number("x-next-row-number").map(|row| (row, number("x-next-id"))),
        })
    }

    fn get_list<T: Read>(&self, url: String) -> Result<Listed<T>, Failure> {
        parse(&self.get(url)?)
    }

    fn get(&self, url: String) -> Result<HttpResponse, Failure> {
        self.send(Method::Get, url, None, true)
    }

    fn send(
        &self,
        method: Method,
        url: String,
        body: Option<Vec<u8>>,
        idempotent: bool,
    ) -> Result<HttpResponse, Failure> {
        let audience = match url.strip_prefix(REST) {
            Some(path) if path.starts_with("/me") => Audience::Account,
            _ => Audience::Workspace,
        };
        let quota = quota::name(&url);
        if let Some(seconds) = self.capabilities.quota_resets_in(&quota) {
            return Err(Failure::quota_used_up(seconds));
        }
        let header = |name: &str, value: &str| Header {
            name: name.into(),
            value: value.into(),
        };
        let request = HttpRequest {
            method,
            url,
            headers: vec![
                header("content-type", "application/json"),
                header("user-agent", USER_AGENT),
            ],
            authorization: BasicCredentials {
                username: Credential::Secret(TOKEN_SECRET),
                password: Credential::Literal("api_token"),
            },
            body,
            idempotent,
        };
        let response = self
            .capabilities
            .send(&request)
            .map_err(Failure::no_response)?;
        if audience == Audience::Workspace
            && let Some(reading) = QuotaReading::of(&response, self.capabilities.now())
        {
            self.quota.set(Some(reading));
        }
        let result = if (200..300).contains(&response.status) {
            Ok(())
        } else {
            Err(Failure::of_response(audience, &response))
        };
        let used_up_for = match &result {
            Ok(()) => quota::used_up_for_seconds(&response),
            Err(failure) => failure.quota_resets_in_seconds(),
        };
        if let Some(seconds) = used_up_for {
            self.capabilities.quota_used_up(&quota, seconds);
        }
        result.map(|()| response)
    }
}

fn parse<T: Read>(response: &HttpResponse) -> Result<T, Failure> {
    parse_with(response, T::read)
}

fn parse_with<T>(
    response: &HttpResponse,
    read: impl FnOnce(&Json<'_>) -> Option<T>,
) -> Result<T, Failure> {
    // No body says what `null` does.
    let body = match response.body.trim_ascii() {
        [] => b"null",
        body => body,
    };
    match json::parse(body) {
        Ok(json) => read(&json)
            .ok_or_else(|| Failure::nonsense(response, "it has another form than documented")),
        Err(_) => Err(Failure::nonsense(response, "it is no JSON")),
    }
}

fn to_json<T: Serialize>(body: &T) -> Result<Option<Vec<u8>>, Failure> {
    let body = serde_json::to_vec(body).map_err(|error| Failure {
        status: None,
        text: String::new(),
        error: Error::Internal(format!("A request body could not be written: {error}")),
    })?;
    Ok(Some(body))
}

fn comma_separated(ids: &[u64]) -> String {
    let texts: Vec<String> = ids.iter().map(u64::to_string).collect();
    texts.join(",")
}
