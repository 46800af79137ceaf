//! People: three listings with three meanings of `id`.

use serde_json::{Value, json};

use super::seconds_with_offset;
use crate::{
    scenario::Role,
    world::{
        World,
        model::{Member, Organization},
    },
};

/// `GET /workspaces/{ws}/users`: `id` is the global user id.
pub(crate) fn simple_user(world: &World, member: &Member, with_email: bool) -> Value {
    let user = world.users.get(&member.user_id);
    json!({
        "id": member.user_id,
        "email": user.and_then(|user| user.email.as_deref()).filter(|_| with_email),
        "fullname": user.map(|user| &user.name),
        "inactive": member.inactive,
        "is_active": member.joined,
        "is_admin": member.role == Role::Admin,
        "role": member.role.as_str(),
    })
}

/// `GET /workspaces/{ws}/workspace_users`: `id` is the membership, `uid` the global user id.
pub(crate) fn workspace_user(world: &World, member: &Member, with_email: bool) -> Value {
    let user = world.users.get(&member.user_id);
    let owner = world
        .organization_of(member.workspace_id)
        .is_some_and(|organization| organization.owner_id == member.user_id);
    json!({
        "id": member.id,
        "uid": member.user_id,
        "wid": member.workspace_id,
        "admin": member.role == Role::Admin,
        "workspace_admin": member.role == Role::Admin,
        "organization_admin": owner,
        "role": member.role.as_str(),
        "role_id": role_id(member.role),
        "active": member.joined,
        "inactive": member.inactive,
        "is_direct": true,
        "name": user.map(|user| &user.name),
        "email": user.and_then(|user| user.email.as_deref()).filter(|_| with_email),
        "timezone": "UTC",
        "at": seconds_with_offset(member.at),
        "group_ids": null,
        "rate": null,
        "labor_cost": null,
        "invite_url": null,
        "invitation_code": null,
        "avatar_file_name": null,
        "working_hours_in_minutes": null,
        "2fa_enabled": false,
    })
}

/// `GET /organizations/{org}/users`: `id` is the organisation membership, `user_id` the global user id.
pub(crate) fn organization_user(world: &World, organization: &Organization, user_id: i64) -> Value {
    let user = world.users.get(&user_id);
    let memberships: Vec<&Member> = world
        .memberships(user_id)
        .filter(|member| {
            world
                .organization_of(member.workspace_id)
                .is_some_and(|owner| owner.id == organization.id)
        })
        .collect();
    let workspaces: Vec<Value> = memberships
        .iter()
        .map(|member| {
            json!({
                "workspace_id": member.workspace_id,
                "workspace_name": world.workspaces.get(&member.workspace_id).map(|workspace| &workspace.name),
                "workspace_user_id": member.id,
                "active": member.joined,
                "inactive": member.inactive,
                "admin": member.role == Role::Admin,
                "role": member.role.as_str(),
                "role_id": role_id(member.role),
                "groups": [],
            })
        })
        .collect();
    json!({
        // The real id is one of its own; any stable number that is no user id does.
        "id": user_id.saturating_add(organization.id),
        "user_id": user_id,
        "organization_id": organization.id,
        "name": user.map(|user| &user.name),
        "email": user.and_then(|user| user.email.as_deref()),
        "inactive": memberships.iter().all(|member| member.inactive),
        "joined": memberships.iter().any(|member| member.joined),
        "admin": organization.owner_id == user_id,
        "owner": organization.owner_id == user_id,
        "can_edit_email": false,
        "groups": [],
        "workspace_count": workspaces.len(),
        "workspaces": workspaces,
        "2fa_enabled": false,
    })
}

/// Numbers for roles; Toggl's own are not documented.
fn role_id(role: Role) -> i64 {
    match role {
        Role::Admin => 1,
        Role::User => 2,
        Role::ProjectLead => 3,
        Role::TeamLead => 4,
    }
}
