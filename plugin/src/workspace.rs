//! Test Connection, and binding the connection to a workspace.

use crate::capability::{Capabilities, Level};
use crate::model::{Account, BoundScope, Error, Scope, TestReport};
use crate::state::{self, Connection, Webhook};
use crate::toggl::{Api, Listed, Me, Organization, Workspace};

const SECRET_BYTES: usize = 32;

/// Checks the token and lists the workspaces, connectable or not.
pub(crate) fn test(capabilities: &dyn Capabilities) -> Result<TestReport, Error> {
    let api = Api::new(capabilities);
    let account = account(&api.me()?);
    let workspaces = api.workspaces()?;
    // Organisations only add their name and plan.
    let organizations = api.organizations().unwrap_or_else(|failure| {
        capabilities.log(
            Level::Info,
            &format!("Plans stay unknown: {}", failure.error),
        );
        Listed::default()
    });
    if let Some(note) = workspaces.note("workspaces", "id") {
        capabilities.log(Level::Warn, &note);
    }
    let to_scope = |workspace: &Workspace| {
        let organization = organizations
            .rows
            .iter()
            .find(|organization| Some(organization.id) == workspace.organization_id);
        scope(workspace, organization)
    };
    Ok(TestReport {
        account,
        scopes: workspaces.rows.iter().map(to_scope).collect(),
    })
}

/// Binds the connection to a workspace, and makes the signing secret that deliveries will be
/// checked with: Toggl pings the callback before the call that creates the subscription returns.
pub(crate) fn connect(
    capabilities: &dyn Capabilities,
    scope_id: &str,
) -> Result<BoundScope, Error> {
    let bound: Option<Connection> = state::read(capabilities, state::CONNECTION)?;
    if let Some(bound) = bound
        && bound.workspace_id.to_string() != scope_id
    {
        return Err(Error::Conflict(format!(
            "This connection is bound to the workspace “{}”. Make another connection for another workspace.",
            bound.workspace_name
        )));
    }
    let api = Api::new(capabilities);
    let me = api.me()?;
    let workspaces = api.workspaces()?;
    let workspace = find(&workspaces, scope_id)?;
    let scope = scope(workspace, None);
    if let Some(obstacle) = &scope.obstacle {
        return Err(Error::Forbidden(obstacle.clone()));
    }
    let connection = Connection {
        workspace_id: workspace.id,
        workspace_name: scope.name.clone(),
        organization_id: workspace.organization_id,
        account_id: me.id,
    };
    let mut writes = vec![state::put(state::CONNECTION, &connection)?];
    if let Some(webhook) = renewed_webhook(capabilities, workspace.id)? {
        writes.push(state::put(state::WEBHOOK, &webhook)?);
    }
    capabilities.write(writes)?;
    Ok(BoundScope {
        account: account(&me),
        scope,
    })
}

/// The webhook with a new signing secret; `None`: the one there is stays.
///
/// Connecting again with a subscription comes of a replaced API token. Whoever had the old one may
/// have read the signing secret at Toggl, so it is replaced too: `subscribe` gives it to Toggl, and
/// the previous one is accepted until then. One that waits for that already is not replaced again.
fn renewed_webhook(
    capabilities: &dyn Capabilities,
    workspace_id: u64,
) -> Result<Option<Webhook>, Error> {
    let Some(webhook) = state::read::<Webhook>(capabilities, state::WEBHOOK)? else {
        return Ok(Some(Webhook {
            workspace_id,
            secret: new_secret(capabilities)?,
            previous_secret: None,
            subscription_id: None,
            callback_url: None,
            description: None,
            events: None,
        }));
    };
    if webhook.subscription_id.is_none() || webhook.previous_secret.is_some() {
        return Ok(None);
    }
    Ok(Some(Webhook {
        secret: new_secret(capabilities)?,
        previous_secret: Some(webhook.secret),
        ..webhook
    }))
}

fn new_secret(capabilities: &dyn Capabilities) -> Result<String, Error> {
    let bytes = capabilities.random_bytes(SECRET_BYTES);
    if bytes.len() < SECRET_BYTES {
        return Err(Error::Unavailable(
            "The host gave too few random bytes.".into(),
        ));
    }
    Ok(hex::encode(bytes))
}

/// The workspace with this id. Not found among workspaces of which some could not be read, it may be one of these.
pub(crate) fn find<'w>(
    workspaces: &'w Listed<Workspace>,
    scope_id: &str,
) -> Result<&'w Workspace, Error> {
    let mut rows = workspaces.rows.iter();
    rows.find(|workspace| workspace.id.to_string() == scope_id)
        .ok_or_else(|| match workspaces.note("workspaces", "id") {
            Some(note) => Error::Unavailable(format!("{note} Try again later.")),
            None => Error::NotFound(format!(
                "The account of this API token is no member of the workspace {scope_id}. Test the connection to see its workspaces."
            )),
        })
}

/// The account as the contract has it.
pub(crate) fn account(me: &Me) -> Account {
    let name = me.fullname.clone();
    let email = me.email.clone();
    Account {
        id: me.id.to_string(),
        name: name.unwrap_or_else(|| format!("Toggl user {}", me.id)),
        email,
    }
}

/// The workspace as the contract has it.
pub(crate) fn scope(workspace: &Workspace, organization: Option<&Organization>) -> Scope {
    let name = workspace
        .name
        .clone()
        .unwrap_or_else(|| format!("Workspace {}", workspace.id));
    Scope {
        id: workspace.id.to_string(),
        obstacle: obstacle(workspace, &name),
        name,
        organization: organization.and_then(|organization| organization.name.clone()),
        plan: organization
            .and_then(|organization| organization.pricing_plan_name.clone())
            .or_else(|| plan(workspace).map(str::to_owned)),
        role: role(workspace).map(str::to_owned),
    }
}

fn plan(workspace: &Workspace) -> Option<&'static str> {
    match (workspace.premium?, workspace.business_ws?) {
        (_, true) => Some("Premium"),
        (true, false) => Some("Starter"),
        (false, false) => Some("Free"),
    }
}

fn role(workspace: &Workspace) -> Option<&str> {
    match (workspace.role.as_deref(), workspace.admin) {
        (Some(role), _) => Some(role),
        (_, Some(true)) => Some("admin"),
        (_, Some(false)) => Some("user"),
        (_, None) => None,
    }
}

/// Why the workspace cannot be connected, if it cannot.
fn obstacle(workspace: &Workspace, name: &str) -> Option<String> {
    if workspace.server_deleted_at.is_some() {
        return Some(format!("The workspace “{name}” was deleted at Toggl."));
    }
    if workspace.suspended_at.is_some() {
        return Some(format!(
            "The workspace “{name}” is suspended at Toggl; its owner can find out why under Subscription."
        ));
    }
    if role(workspace) == Some("admin") {
        return None;
    }
    // A webhook reports what its creator may see.
    Some(format!(
        "The account of this API token is no admin of the workspace “{name}”, and Toggl shows others only their own \
         time entries. Use an admin's token, or let an admin make this account one."
    ))
}
