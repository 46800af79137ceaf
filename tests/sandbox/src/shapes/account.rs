//! The account, its workspaces and organisations. These answers carry secrets in clear, as the real ones do.

use serde_json::{Value, json};

use super::{microseconds, seconds_with_offset};
use crate::{
    scenario::{Plan, Role},
    world::{
        World,
        model::{Organization, User, Workspace},
    },
};

/// `GET /me` (recording), without related data.
pub(crate) fn me(world: &World, user: &User) -> Value {
    json!({
        "id": user.id,
        "api_token": user.token,
        "email": user.email,
        "fullname": user.name,
        "timezone": "Europe/Oslo",
        "toggl_accounts_id": format!("account-{}", user.id),
        "default_workspace_id": world.memberships(user.id).find(|member| member.has_access()).map(|member| member.workspace_id),
        "beginning_of_week": 1,
        "image_url": "https://assets.track.toggl.com/images/profile.png",
        "created_at": microseconds(user.created_at),
        "updated_at": microseconds(user.at),
        "openid_email": null,
        "openid_enabled": false,
        "country_id": null,
        "has_password": true,
        "at": microseconds(user.at),
        "intercom_hash": format!("{:064x}", user.id),
        "oauth_providers": ["google"],
        "authorization_updated_at": microseconds(user.at),
        "2fa_enabled": false,
    })
}

/// A workspace as one of its members sees it (recording of `GET /me?with_related_data=true`, plus `permissions` of the OpenAPI).
pub(crate) fn workspace(world: &World, workspace: &Workspace, user: &User) -> Value {
    let role = world
        .members
        .get(&(workspace.id, user.id))
        .map_or(Role::User, |member| member.role);
    let plan = world
        .organization_of(workspace.id)
        .map_or(Plan::Free, |organization| organization.plan);
    json!({
        "id": workspace.id,
        "organization_id": workspace.organization_id,
        "name": workspace.name,
        "premium": plan != Plan::Free,
        "business_ws": matches!(plan, Plan::Premium | Plan::Enterprise),
        "admin": role == Role::Admin,
        "role": role.as_str(),
        "suspended_at": workspace.suspended_at.map(microseconds),
        "server_deleted_at": workspace.deleted_at.map(microseconds),
        "default_hourly_rate": null,
        "rate_last_updated": null,
        "default_currency": "EUR",
        "only_admins_may_create_projects": false,
        "only_admins_may_create_tags": false,
        "only_admins_see_billable_rates": false,
        "only_admins_see_team_dashboard": false,
        "projects_billable_by_default": true,
        "projects_private_by_default": false,
        "projects_enforce_billable": false,
        "limit_public_project_data": false,
        "last_modified": seconds_with_offset(workspace.at),
        "reports_collapse": true,
        "rounding": 0,
        "rounding_minutes": 0,
        "api_token": user.token,
        "at": seconds_with_offset(workspace.at),
        "logo_url": "https://assets.track.toggl.com/images/workspace.jpg",
        "ical_url": format!("/ical/workspace_user/{}", user.token),
        "ical_enabled": true,
        "csv_upload": null,
        "subscription": null,
        "hide_start_end_times": false,
        "working_hours_in_minutes": null,
        "permissions": null,
    })
}

/// A row of `GET /me/organizations` (recording).
pub(crate) fn organization(world: &World, organization: &Organization, user_id: i64) -> Value {
    let workspaces: Vec<&Workspace> = world
        .workspaces
        .values()
        .filter(|workspace| workspace.organization_id == organization.id)
        .collect();
    let mut users: Vec<i64> = workspaces
        .iter()
        .flat_map(|workspace| world.members_of(workspace.id))
        .map(|member| member.user_id)
        .collect();
    users.sort_unstable();
    users.dedup();
    let owner = organization.owner_id == user_id;
    json!({
        "id": organization.id,
        "name": organization.name,
        "pricing_plan_id": organization.plan as i64,
        "pricing_plan_name": organization.plan.name(),
        "pricing_plan_enterprise": organization.plan == Plan::Enterprise,
        "created_at": microseconds(organization.created_at),
        "at": microseconds(organization.created_at),
        "server_deleted_at": null,
        "is_multi_workspace_enabled": workspaces.len() > 1,
        "suspended_at": null,
        "user_count": users.len(),
        "trial_info": {
            "trial": false,
            "trial_available": true,
            "trial_end_date": null,
            "next_payment_date": null,
            "last_pricing_plan_id": null,
            "can_have_trial": true,
            "trial_plan_id": null,
        },
        "is_unified": false,
        "max_workspaces": 20,
        "permissions": null,
        "admin": owner,
        "owner": owner,
    })
}
