//! Memberships and accounts: what an administrator changes about people.

use super::{
    Change, World,
    build::made_up_token,
    model::{Action, Entity, Member, Origin, User},
};
use crate::{
    scenario::{Plan, Role, UserPlan},
    shapes,
};

impl World {
    /// Changes a membership, or adds one; `None` leaves a field as it is.
    pub fn save_member(
        &mut self,
        origin: &Origin,
        workspace_id: i64,
        user_id: i64,
        role: Option<Role>,
        joined: Option<bool>,
        inactive: Option<bool>,
    ) -> Member {
        let at = self.now();
        let known = self.members.get(&(workspace_id, user_id)).cloned();
        let action = if known.is_some() {
            Action::Updated
        } else {
            Action::Created
        };
        let id = known
            .as_ref()
            .map_or_else(|| self.new_id(), |member| member.id);
        let mut member = known.unwrap_or(Member {
            id,
            workspace_id,
            user_id,
            role: Role::User,
            joined: true,
            inactive: false,
            at,
        });
        member.role = role.unwrap_or(member.role);
        member.joined = joined.unwrap_or(member.joined);
        member.inactive = inactive.unwrap_or(member.inactive);
        member.at = at;
        self.members.insert((workspace_id, user_id), member.clone());
        self.emit_member(origin, &member, action);
        member
    }

    /// Takes a user out of a workspace.
    pub fn remove_member(&mut self, origin: &Origin, workspace_id: i64, user_id: i64) -> bool {
        let Some(member) = self.members.get(&(workspace_id, user_id)).cloned() else {
            return false;
        };
        self.emit_member(origin, &member, Action::Deleted);
        self.members.remove(&(workspace_id, user_id)).is_some()
    }

    /// Replaces a user's token; the old one is dead at once.
    pub fn set_token(&mut self, user_id: i64, token: String) -> bool {
        let at = self.now();
        let Some(user) = self.users.get_mut(&user_id) else {
            return false;
        };
        user.token = token;
        user.at = at;
        true
    }

    /// Adds an account, or changes one with the same id.
    pub fn save_user(&mut self, plan: &UserPlan) -> User {
        let at = self.now();
        let known = self.users.get(&plan.id);
        let token = plan
            .token
            .clone()
            .or_else(|| known.map(|user| user.token.clone()))
            .unwrap_or_else(|| made_up_token(plan.id));
        let created_at = known.map_or(at, |user| user.created_at);
        let user = User {
            id: plan.id,
            name: plan.name.clone(),
            email: plan.email.clone(),
            token,
            created_at,
            at,
        };
        self.users.insert(plan.id, user.clone());
        user
    }

    /// Moves an organisation to another plan.
    pub fn set_plan(&mut self, organization_id: i64, plan: Plan) -> bool {
        let Some(organization) = self.organizations.get_mut(&organization_id) else {
            return false;
        };
        organization.plan = plan;
        true
    }

    fn emit_member(&mut self, origin: &Origin, member: &Member, action: Action) {
        let payload = shapes::workspace_user(self, member, true);
        self.emit(
            origin,
            Change {
                entity: Entity::WorkspaceUser,
                action,
                workspace_id: member.workspace_id,
                owner_id: member.user_id,
                subject_id: member.id,
                project: None,
                payload,
            },
        );
    }
}
