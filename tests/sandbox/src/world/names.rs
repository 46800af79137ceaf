//! Clients, projects, tasks and tags: the names time entries refer to.

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Change, World,
    entries::present,
    model::{Action, Client, Entity, Origin, Project, Tag, Task},
};
use crate::{api_error::ApiError, shapes};

/// Fields of a project that may be set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ProjectEdit {
    pub name: Option<String>,
    #[serde(deserialize_with = "present")]
    pub client_id: Option<Option<i64>>,
    /// The legacy name of `client_id`.
    #[serde(deserialize_with = "present")]
    pub cid: Option<Option<i64>>,
    pub color: Option<String>,
    pub active: Option<bool>,
    pub is_private: Option<bool>,
    pub billable: Option<bool>,
}

/// Fields of a client that may be set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ClientEdit {
    pub name: Option<String>,
}

/// Fields of a task that may be set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TaskEdit {
    pub name: Option<String>,
    pub active: Option<bool>,
}

impl World {
    /// Creates a project (`id` absent) or changes one.
    pub fn save_project(
        &mut self,
        origin: &Origin,
        workspace_id: i64,
        id: Option<i64>,
        edit: ProjectEdit,
    ) -> Result<Project, ApiError> {
        let at = self.now();
        let mut project = match id {
            Some(id) => self.project(workspace_id, id)?.clone(),
            None => Project {
                id: self.new_id(),
                workspace_id,
                client_id: None,
                name: String::new(),
                color: "#0b83d9".to_owned(),
                active: true,
                private: false,
                billable: false,
                created_at: at,
                at,
            },
        };
        project.name = edit.name.unwrap_or(project.name);
        if project.name.trim().is_empty() {
            return Err(ApiError::bad_request("Project name cannot be empty"));
        }
        project.client_id = edit.client_id.or(edit.cid).unwrap_or(project.client_id);
        if let Some(client_id) = project.client_id
            && self
                .clients
                .get(&client_id)
                .is_none_or(|client| client.workspace_id != workspace_id)
        {
            return Err(ApiError::bad_request(&format!(
                "Client with the ID {client_id} isn't present in workspace {workspace_id}"
            )));
        }
        project.color = edit.color.unwrap_or(project.color);
        project.active = edit.active.unwrap_or(project.active);
        project.private = edit.is_private.unwrap_or(project.private);
        project.billable = edit.billable.unwrap_or(project.billable);
        project.at = at;
        self.projects.insert(project.id, project.clone());
        let payload = shapes::project(self, &project);
        self.emit_name(
            origin,
            Entity::Project,
            action(id),
            workspace_id,
            project.id,
            Some((project.id, project.private)),
            payload,
        );
        Ok(project)
    }

    /// Creates a client (`id` absent) or changes one.
    pub fn save_client(
        &mut self,
        origin: &Origin,
        workspace_id: i64,
        id: Option<i64>,
        edit: ClientEdit,
    ) -> Result<Client, ApiError> {
        let at = self.now();
        let mut client = match id {
            Some(id) => self.client(workspace_id, id)?.clone(),
            None => Client {
                id: self.new_id(),
                workspace_id,
                name: String::new(),
                archived: false,
                creator_id: origin.user_id,
                at,
            },
        };
        client.name = edit.name.unwrap_or(client.name);
        if client.name.trim().is_empty() {
            return Err(ApiError::bad_request("Client name cannot be empty"));
        }
        client.at = at;
        self.clients.insert(client.id, client.clone());
        self.emit_name(
            origin,
            Entity::Client,
            action(id),
            workspace_id,
            client.id,
            None,
            shapes::client(&client),
        );
        Ok(client)
    }

    /// Creates a task (`id` absent) or changes one.
    pub fn save_task(
        &mut self,
        origin: &Origin,
        workspace_id: i64,
        project_id: i64,
        id: Option<i64>,
        edit: TaskEdit,
    ) -> Result<Task, ApiError> {
        let at = self.now();
        let private = self.project(workspace_id, project_id)?.private;
        let mut task = match id {
            Some(id) => self.task(workspace_id, project_id, id)?.clone(),
            None => Task {
                id: self.new_id(),
                workspace_id,
                project_id,
                name: String::new(),
                active: true,
                at,
            },
        };
        task.name = edit.name.unwrap_or(task.name);
        if task.name.trim().is_empty() {
            return Err(ApiError::bad_request("Task name cannot be empty"));
        }
        task.active = edit.active.unwrap_or(task.active);
        task.at = at;
        self.tasks.insert(task.id, task.clone());
        let payload = shapes::task(self, &task);
        self.emit_name(
            origin,
            Entity::Task,
            action(id),
            workspace_id,
            task.id,
            Some((project_id, private)),
            payload,
        );
        Ok(task)
    }

    /// Creates a tag (`id` absent) or renames one.
    pub fn save_tag(
        &mut self,
        origin: &Origin,
        workspace_id: i64,
        id: Option<i64>,
        name: &str,
    ) -> Result<Tag, ApiError> {
        let name = name.trim();
        if name.is_empty() {
            return Err(ApiError::bad_request("tag name can't be blank"));
        }
        if self
            .tags
            .values()
            .any(|tag| tag.workspace_id == workspace_id && tag.name == name && Some(tag.id) != id)
        {
            return Err(ApiError::bad_request(&format!(
                "a tag with the name '{name}' already exists"
            )));
        }
        let at = self.now();
        let mut tag = match id {
            Some(id) => self.tag(workspace_id, id)?.clone(),
            None => Tag {
                id: self.new_id(),
                workspace_id,
                name: String::new(),
                creator_id: origin.user_id,
                at,
            },
        };
        name.clone_into(&mut tag.name);
        tag.at = at;
        self.tags.insert(tag.id, tag.clone());
        self.emit_name(
            origin,
            Entity::Tag,
            action(id),
            workspace_id,
            tag.id,
            None,
            shapes::tag(&tag),
        );
        Ok(tag)
    }

    /// Deletes a client; its projects stay without one.
    pub fn delete_client(
        &mut self,
        origin: &Origin,
        workspace_id: i64,
        id: i64,
    ) -> Result<(), ApiError> {
        let client = self.client(workspace_id, id)?.clone();
        self.clients.remove(&id);
        self.projects
            .values_mut()
            .filter(|project| project.client_id == Some(id))
            .for_each(|project| project.client_id = None);
        self.emit_name(
            origin,
            Entity::Client,
            Action::Deleted,
            workspace_id,
            id,
            None,
            shapes::client(&client),
        );
        Ok(())
    }

    /// Deletes a project and its tasks; entries stay without a project.
    pub fn delete_project(
        &mut self,
        origin: &Origin,
        workspace_id: i64,
        id: i64,
    ) -> Result<(), ApiError> {
        let project = self.project(workspace_id, id)?.clone();
        let payload = shapes::project(self, &project);
        self.projects.remove(&id);
        self.tasks.retain(|_, task| task.project_id != id);
        for entry in self
            .entries
            .values_mut()
            .filter(|entry| entry.project_id == Some(id))
        {
            (entry.project_id, entry.task_id) = (None, None);
        }
        self.emit_name(
            origin,
            Entity::Project,
            Action::Deleted,
            workspace_id,
            id,
            Some((id, project.private)),
            payload,
        );
        Ok(())
    }

    /// Deletes a task; entries stay without it.
    pub fn delete_task(
        &mut self,
        origin: &Origin,
        workspace_id: i64,
        project_id: i64,
        id: i64,
    ) -> Result<(), ApiError> {
        let task = self.task(workspace_id, project_id, id)?.clone();
        let payload = shapes::task(self, &task);
        self.tasks.remove(&id);
        self.entries
            .values_mut()
            .filter(|entry| entry.task_id == Some(id))
            .for_each(|entry| entry.task_id = None);
        let private = self
            .projects
            .get(&project_id)
            .is_some_and(|project| project.private);
        self.emit_name(
            origin,
            Entity::Task,
            Action::Deleted,
            workspace_id,
            id,
            Some((project_id, private)),
            payload,
        );
        Ok(())
    }

    /// Deletes a tag and takes it off every entry.
    pub fn delete_tag(
        &mut self,
        origin: &Origin,
        workspace_id: i64,
        id: i64,
    ) -> Result<(), ApiError> {
        let tag = self.tag(workspace_id, id)?.clone();
        self.tags.remove(&id);
        self.entries
            .values_mut()
            .for_each(|entry| entry.tag_ids.retain(|tag| *tag != id));
        self.emit_name(
            origin,
            Entity::Tag,
            Action::Deleted,
            workspace_id,
            id,
            None,
            shapes::tag(&tag),
        );
        Ok(())
    }

    /// The ids of tags by name; Toggl creates the ones it does not know.
    pub fn tag_ids(&mut self, origin: &Origin, workspace_id: i64, names: &[String]) -> Vec<i64> {
        let mut ids = Vec::new();
        for name in names {
            let known = self
                .tags
                .values()
                .find(|tag| tag.workspace_id == workspace_id && tag.name == name.trim())
                .map(|tag| tag.id);
            let id = known.or_else(|| {
                self.save_tag(origin, workspace_id, None, name)
                    .ok()
                    .map(|tag| tag.id)
            });
            ids.extend(id.filter(|id| !ids.contains(id)));
        }
        ids
    }

    /// A project of a workspace. Toggl documents no 404 here; the text is the one it has for tasks.
    pub fn project(&self, workspace_id: i64, id: i64) -> Result<&Project, ApiError> {
        self.projects
            .get(&id)
            .filter(|project| project.workspace_id == workspace_id)
            .ok_or_else(|| ApiError::literal(StatusCode::NOT_FOUND, "Project not found/accessible"))
    }

    /// A client of a workspace.
    pub fn client(&self, workspace_id: i64, id: i64) -> Result<&Client, ApiError> {
        self.clients
            .get(&id)
            .filter(|client| client.workspace_id == workspace_id)
            .ok_or_else(|| {
                ApiError::literal(
                    StatusCode::NOT_FOUND,
                    &format!("No client with ID {id} was found"),
                )
            })
    }

    /// A task of a project.
    pub fn task(&self, workspace_id: i64, project_id: i64, id: i64) -> Result<&Task, ApiError> {
        self.tasks
            .get(&id)
            .filter(|task| task.workspace_id == workspace_id && task.project_id == project_id)
            .ok_or_else(|| ApiError::literal(StatusCode::NOT_FOUND, "Task not found/accessible"))
    }

    /// A tag of a workspace.
    pub fn tag(&self, workspace_id: i64, id: i64) -> Result<&Tag, ApiError> {
        self.tags
            .get(&id)
            .filter(|tag| tag.workspace_id == workspace_id)
            .ok_or_else(|| ApiError::literal(StatusCode::NOT_FOUND, "Tag was not found"))
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "one per part of an event; a struct would only repeat Change"
    )]
    fn emit_name(
        &mut self,
        origin: &Origin,
        entity: Entity,
        action: Action,
        workspace_id: i64,
        subject_id: i64,
        project: Option<(i64, bool)>,
        payload: Value,
    ) {
        self.emit(
            origin,
            Change {
                entity,
                action,
                workspace_id,
                owner_id: origin.user_id,
                subject_id,
                project,
                payload,
            },
        );
    }
}

fn action(id: Option<i64>) -> Action {
    if id.is_some() {
        Action::Updated
    } else {
        Action::Created
    }
}
