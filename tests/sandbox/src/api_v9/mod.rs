//! API v9 (`/api/v9`): the account, workspaces, people, names and time entries.

mod entries;
mod me;
mod names;
mod people;
mod projects;
mod query;
mod tasks;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, patch, post, put},
};

use crate::shared::Shared;

/// The routes below `/api/v9`.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/me", get(me::me))
        .route("/me/logged", get(me::logged))
        .route("/me/id", get(me::id))
        .route("/me/workspaces", get(me::workspaces))
        .route("/me/organizations", get(me::organizations))
        .route("/me/quota", get(me::quota))
        .route("/me/reset_token", post(me::reset_token))
        .route("/me/time_entries", get(me::time_entries))
        .route("/me/time_entries/current", get(me::current_time_entry))
        .route("/me/time_entries/{entry}", get(me::time_entry))
        .route("/workspaces/{workspace}", get(people::workspace))
        .route("/workspaces/{workspace}/users", get(people::users))
        .route(
            "/workspaces/{workspace}/users/data",
            post(people::users_data),
        )
        .route(
            "/workspaces/{workspace}/workspace_users",
            get(people::workspace_users),
        )
        .route(
            "/organizations/{organization}/users",
            get(people::organization_users),
        )
        .route(
            "/workspaces/{workspace}/projects",
            get(projects::projects).post(projects::create_project),
        )
        .route(
            "/workspaces/{workspace}/projects/{project}",
            get(projects::project)
                .put(projects::update_project)
                .delete(projects::delete_project),
        )
        .route(
            "/workspaces/{workspace}/clients",
            get(names::clients).post(names::create_client),
        )
        .route(
            "/workspaces/{workspace}/clients/{client}",
            get(names::client)
                .put(names::update_client)
                .delete(names::delete_client),
        )
        .route("/workspaces/{workspace}/tasks", get(tasks::tasks))
        .route(
            "/workspaces/{workspace}/tasks/basic",
            get(tasks::basic_tasks),
        )
        .route(
            "/workspaces/{workspace}/projects/{project}/tasks",
            get(tasks::project_tasks).post(tasks::create_task),
        )
        .route(
            "/workspaces/{workspace}/projects/{project}/tasks/{task}",
            get(tasks::task)
                .put(tasks::update_task)
                .delete(tasks::delete_task),
        )
        .route(
            "/workspaces/{workspace}/tags",
            get(names::tags).post(names::create_tag),
        )
        .route(
            "/workspaces/{workspace}/tags/{tag}",
            put(names::update_tag).delete(names::delete_tag),
        )
        .route(
            "/workspaces/{workspace}/time_entries",
            post(entries::create),
        )
        .route(
            "/workspaces/{workspace}/time_entries/{entries}",
            put(entries::update)
                .delete(entries::delete)
                .patch(entries::bulk_edit),
        )
        .route(
            "/workspaces/{workspace}/time_entries/{entry}/stop",
            patch(entries::stop),
        )
}
