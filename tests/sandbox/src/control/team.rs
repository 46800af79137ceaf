//! Changing the names time goes to, and the people who log it.

use serde::{Deserialize, Serialize};

use super::{Control, ControlError, first_admin, origin};
use crate::{
    scenario::{Plan, Role, UserPlan},
    world::{ClientEdit, ProjectEdit, TaskEdit, World, model::Member, model::User},
};

/// What a name belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NameKind {
    /// A client.
    Client,
    /// A project.
    Project,
    /// A task.
    Task,
    /// A tag.
    Tag,
}

/// A client, project, task or tag to create.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateName {
    /// What to create.
    pub kind: NameKind,
    /// Workspace id.
    pub workspace_id: i64,
    /// Name.
    pub name: String,
    /// The client of a project.
    pub client_id: Option<i64>,
    /// The project of a task.
    pub project_id: Option<i64>,
    /// Makes a project private.
    #[serde(default)]
    pub private: bool,
}

/// A client, project, task or tag to rename.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// What to rename.
    pub kind: NameKind,
    /// Its id.
    pub id: i64,
    /// The new name.
    pub name: String,
}

/// A client, project, task or tag to delete.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteName {
    /// What to delete.
    pub kind: NameKind,
    /// Its id.
    pub id: i64,
}

/// A membership to change or add; absent fields stay.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SetMember {
    /// Workspace id.
    pub workspace_id: i64,
    /// Global user id.
    pub user_id: i64,
    /// New role.
    pub role: Option<Role>,
    /// Whether the invitation is accepted.
    pub joined: Option<bool>,
    /// Whether an administrator deactivated the member.
    pub inactive: Option<bool>,
    /// Takes the user out of the workspace.
    pub removed: bool,
}

/// An organisation to move to another plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPlan {
    /// Organisation id.
    pub organization_id: i64,
    /// The new plan.
    pub plan: Plan,
}

/// A token to replace, as its owner would on the profile page.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetToken {
    /// Global user id.
    pub user_id: i64,
    /// The new token.
    pub token: String,
}

/// A workspace to change; absent fields stay.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SetWorkspace {
    /// Workspace id.
    pub workspace_id: i64,
    /// New name.
    pub name: Option<String>,
    /// Whether it is suspended.
    pub suspended: Option<bool>,
    /// Whether it is deleted.
    pub deleted: Option<bool>,
    /// Whether report searches are available.
    pub reports: Option<bool>,
}

impl Control {
    /// Creates a client, project, task or tag as the workspace's first administrator; answers its id.
    ///
    /// # Errors
    /// When the name is empty or taken, or the workspace, client or project does not exist.
    pub fn create_name(&self, new: CreateName) -> Result<i64, ControlError> {
        self.shared.change(|world| {
            let workspace_id = new.workspace_id;
            let base = format!("/api/v9/workspaces/{workspace_id}");
            let admin = first_admin(world, workspace_id)?;
            let origin = |path: String| origin(admin, "POST", path, &new);
            let name = Some(new.name.clone());
            Ok(match new.kind {
                NameKind::Client => {
                    world
                        .save_client(
                            &origin(format!("{base}/clients")),
                            workspace_id,
                            None,
                            ClientEdit { name },
                        )?
                        .id
                }
                NameKind::Project => {
                    let edit = ProjectEdit {
                        name,
                        client_id: Some(new.client_id),
                        is_private: Some(new.private),
                        ..Default::default()
                    };
                    world
                        .save_project(
                            &origin(format!("{base}/projects")),
                            workspace_id,
                            None,
                            edit,
                        )?
                        .id
                }
                NameKind::Task => {
                    let project_id = new.project_id.ok_or_else(|| {
                        ControlError::Refused("a task needs a project_id".to_owned())
                    })?;
                    let path = format!("{base}/projects/{project_id}/tasks");
                    world
                        .save_task(
                            &origin(path),
                            workspace_id,
                            project_id,
                            None,
                            TaskEdit { name, active: None },
                        )?
                        .id
                }
                NameKind::Tag => {
                    world
                        .save_tag(
                            &origin(format!("{base}/tags")),
                            workspace_id,
                            None,
                            &new.name,
                        )?
                        .id
                }
            })
        })
    }

    /// Renames a client, project, task or tag as the workspace's first administrator.
    ///
    /// # Errors
    /// When it does not exist, or the name is empty or taken.
    pub fn rename(&self, change: Rename) -> Result<(), ControlError> {
        self.shared.change(|world| {
            let Rename {
                kind,
                id,
                name: new_name,
            } = change;
            let (workspace_id, path) = place(world, kind, id)?;
            let origin = origin(
                first_admin(world, workspace_id)?,
                "PUT",
                path,
                &serde_json::json!({ "name": new_name }),
            );
            let name = Some(new_name.clone());
            match kind {
                NameKind::Client => {
                    drop(world.save_client(&origin, workspace_id, Some(id), ClientEdit { name })?)
                }
                NameKind::Project => drop(world.save_project(
                    &origin,
                    workspace_id,
                    Some(id),
                    ProjectEdit {
                        name,
                        ..Default::default()
                    },
                )?),
                NameKind::Task => {
                    let project_id = world.tasks.get(&id).map_or(0, |task| task.project_id);
                    drop(world.save_task(
                        &origin,
                        workspace_id,
                        project_id,
                        Some(id),
                        TaskEdit { name, active: None },
                    )?);
                }
                NameKind::Tag => {
                    drop(world.save_tag(&origin, workspace_id, Some(id), &new_name)?)
                }
            }
            Ok(())
        })
    }

    /// Deletes a client, project, task or tag as the workspace's first administrator.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn delete_name(&self, gone: DeleteName) -> Result<(), ControlError> {
        self.shared.change(|world| {
            let DeleteName { kind, id } = gone;
            let (workspace_id, path) = place(world, kind, id)?;
            let origin = origin(first_admin(world, workspace_id)?, "DELETE", path, &"");
            match kind {
                NameKind::Client => world.delete_client(&origin, workspace_id, id)?,
                NameKind::Project => world.delete_project(&origin, workspace_id, id)?,
                NameKind::Task => {
                    let project_id = world.tasks.get(&id).map_or(0, |task| task.project_id);
                    world.delete_task(&origin, workspace_id, project_id, id)?;
                }
                NameKind::Tag => world.delete_tag(&origin, workspace_id, id)?,
            }
            Ok(())
        })
    }

    /// Changes, adds or removes a membership.
    ///
    /// # Errors
    /// When the workspace or the user does not exist.
    pub fn set_member(&self, change: SetMember) -> Result<Option<Member>, ControlError> {
        self.shared.change(|world| {
            let SetMember {
                workspace_id,
                user_id,
                role,
                joined,
                inactive,
                removed,
            } = change;
            if !world.users.contains_key(&user_id) || !world.workspaces.contains_key(&workspace_id)
            {
                return Err(ControlError::Refused(format!(
                    "no user {user_id} or no workspace {workspace_id}"
                )));
            }
            let acting = first_admin(world, workspace_id).unwrap_or(user_id);
            let origin = origin(
                acting,
                "PUT",
                format!("/api/v9/workspaces/{workspace_id}/workspace_users/{user_id}"),
                &change,
            );
            if removed {
                world.remove_member(&origin, workspace_id, user_id);
                return Ok(None);
            }
            Ok(Some(world.save_member(
                &origin,
                workspace_id,
                user_id,
                role,
                joined,
                inactive,
            )))
        })
    }

    /// Adds an account, or changes one with the same id; a token left out stays or is made up.
    ///
    /// # Errors
    /// None so far.
    pub fn set_user(&self, plan: UserPlan) -> Result<User, ControlError> {
        self.shared.change(|world| Ok(world.save_user(&plan)))
    }

    /// Moves an organisation to another plan.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn set_plan(&self, change: SetPlan) -> Result<(), ControlError> {
        let SetPlan {
            organization_id,
            plan,
        } = change;
        let done = self
            .shared
            .change(|world| world.set_plan(organization_id, plan));
        done.then_some(())
            .ok_or_else(|| ControlError::Refused(format!("no organization {organization_id}")))
    }

    /// Replaces a user's token; the old one answers 403 from now on.
    ///
    /// # Errors
    /// When the user does not exist.
    pub fn set_token(&self, change: SetToken) -> Result<(), ControlError> {
        let SetToken { user_id, token } = change;
        let done = self.shared.change(|world| world.set_token(user_id, token));
        done.then_some(())
            .ok_or_else(|| ControlError::Refused(format!("no user {user_id}")))
    }

    /// Renames, suspends, deletes or restores a workspace, or takes its reports away.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn set_workspace(&self, change: SetWorkspace) -> Result<(), ControlError> {
        self.shared.change(|world| {
            let now = world.now();
            let unknown = || ControlError::Refused(format!("no workspace {}", change.workspace_id));
            let workspace = world
                .workspaces
                .get_mut(&change.workspace_id)
                .ok_or_else(unknown)?;
            if let Some(name) = change.name {
                workspace.name = name;
            }
            if let Some(suspended) = change.suspended {
                workspace.suspended_at = suspended.then_some(now);
            }
            if let Some(deleted) = change.deleted {
                workspace.deleted_at = deleted.then_some(now);
            }
            workspace.reports = change.reports.unwrap_or(workspace.reports);
            workspace.at = now;
            Ok(())
        })
    }
}

/// A name's workspace and the API path that changes it.
fn place(world: &World, kind: NameKind, id: i64) -> Result<(i64, String), ControlError> {
    let found = match kind {
        NameKind::Client => world
            .clients
            .get(&id)
            .map(|client| (client.workspace_id, format!("clients/{id}"))),
        NameKind::Project => world
            .projects
            .get(&id)
            .map(|project| (project.workspace_id, format!("projects/{id}"))),
        NameKind::Task => world.tasks.get(&id).map(|task| {
            (
                task.workspace_id,
                format!("projects/{}/tasks/{id}", task.project_id),
            )
        }),
        NameKind::Tag => world
            .tags
            .get(&id)
            .map(|tag| (tag.workspace_id, format!("tags/{id}"))),
    };
    let (workspace_id, path) =
        found.ok_or_else(|| ControlError::Refused(format!("no {kind:?} {id}").to_lowercase()))?;
    Ok((
        workspace_id,
        format!("/api/v9/workspaces/{workspace_id}/{path}"),
    ))
}
