//! Connecting.

use std::sync::Arc;

use tracing::{info, warn};

use super::background::decide::needs_a_person;
use super::lease::Turn;
use super::{ConnectStep, Service, ServiceError};
use crate::capability::http::SecretSource;
use crate::capability::storage::MemoryStore;
use crate::contract::{ErrorCode, TestReport};
use crate::engine::CallContext;
use crate::id::{ConnectionId, HookId, ScopeId};
use crate::ledger::{
    Attention, Connection, ConnectionState, ConnectionUpdate, EventKind, LedgerError, NewConnection,
};
use crate::secret::Secrets;

/// The longest name of a connection, in characters.
pub(crate) const MAX_NAME_CHARACTERS: usize = 200;

/// The longest secret a person may give, in bytes.
const MAX_SECRET_BYTES: usize = 1024;

/// What a person gives to connect a scope.
#[derive(Clone, Debug)]
pub struct ConnectRequest {
    /// Values for the manifest's secrets.
    pub secrets: Secrets,
    /// The scope.
    pub scope_id: ScopeId,
    /// Name for people; the scope's name if absent.
    pub name: Option<String>,
}

impl Service {
    /// Test Connection: whose secrets these are, and what they could connect. Nothing is kept.
    pub async fn test(&self, secrets: Secrets) -> Result<TestReport, ServiceError> {
        self.check_secrets(&secrets)?;
        let nobody = ConnectionId::new("test");
        let context = CallContext {
            rights: Vec::new(),
            store: Arc::new(MemoryStore::new(Arc::clone(&self.inner.parts.clock))),
            ..self.context_with(&nobody, SecretSource::Given(secrets))
        };
        Ok(self.inner.parts.integration.test(&context).await?)
    }

    /// Connects a scope: binds it, subscribes to its webhook and imports its team. If any of it
    /// fails, nothing is left behind here or at the remote service. `Conflict` if it is connected
    /// already. What an attempt leaves behind because the remote service does not answer is undone in the
    /// background, as soon as it does; what it leaves because it is dropped before its end, at the next
    /// start. The next attempt takes up either.
    pub async fn connect(&self, request: ConnectRequest) -> Result<Connection, ServiceError> {
        self.connect_with(request, |_| {}).await
    }

    /// [`Service::connect`] that tells at the beginning of each step what it does.
    pub async fn connect_with(
        &self,
        request: ConnectRequest,
        progress: impl Fn(ConnectStep) + Send + Sync,
    ) -> Result<Connection, ServiceError> {
        self.check_secrets(&request.secrets)?;
        let name = request.name.as_deref().map(valid_name).transpose()?;
        let new = NewConnection {
            id: ConnectionId::generate(),
            hook: HookId::generate(),
            name,
            integration: self.manifest().id.clone(),
            scope_id: request.scope_id,
            created_at: self.inner.parts.clock.now(),
        };
        let (connection, turn) = self.begin(new).await?;
        let service = self.by_right_of(&turn);
        let established = service.establish(&connection, request.secrets, progress);
        match established.await {
            Ok(connection) => {
                info!(connection = %connection.id, scope = %connection.scope_id, "connected");
                let message = format!("“{}” was connected.", connection.scope_name);
                self.record(&connection.id, EventKind::Connected, message)
                    .await;
                self.begin_upkeep(&connection.id);
                Ok(connection)
            }
            Err(error) => {
                if service.abandon(&connection).await.is_err() {
                    let wait = self.schedule().retry();
                    self.inner.background.undo_later(&connection.id, wait);
                }
                Err(error)
            }
        }
    }

    /// Records a connection, or takes up one that an attempt left behind: the remote service may know
    /// its hook, and another one would double its subscription.
    async fn begin(&self, new: NewConnection) -> Result<(Connection, Turn), ServiceError> {
        let parts = &self.inner.parts;
        let _beginning = self.inner.leases.beginning.lock().await;
        let taken = match self.ledger.create_connection(new.clone()).await {
            Ok(made) => {
                let turn = self.inner.leases.hold(&made.id).await?;
                // Had this host stood still before it had the lease, another would have taken it for a leftover.
                return match self.ledger.connection(&made.id).await? {
                    Some(found)
                        if found.state == ConnectionState::Connecting
                            && found.hook == made.hook =>
                    {
                        Ok((found, turn))
                    }
                    _ => Err(ServiceError::new(
                        ErrorCode::Unavailable,
                        "another host has undone this attempt, because this one was away; try again",
                    )),
                };
            }
            Err(error @ LedgerError::Conflict(_)) => error,
            Err(error) => return Err(error.into()),
        };
        let Some(left_behind) = self.unfinished(&new).await? else {
            return Err(taken.into());
        };
        // Whoever holds the lease is still at work on it.
        let Some(turn) = self.inner.leases.try_hold(&left_behind.id).await? else {
            return Err(taken.into());
        };
        // It may have come to an end just before.
        match self.ledger.connection(&left_behind.id).await? {
            Some(connection) if connection.state == ConnectionState::Connecting => {
                info!(connection = %connection.id, "taking up an unfinished attempt to connect");
                let Some(name) = new.name else {
                    return Ok((connection, turn));
                };
                let update = ConnectionUpdate {
                    name: Some(name),
                    ..ConnectionUpdate::default()
                };
                let now = parts.clock.now();
                let ledger = self.by_right_of(&turn).ledger;
                let renamed = ledger
                    .update_connection(&connection.id, update, now)
                    .await?;
                Ok((renamed, turn))
            }
            _ => Err(taken.into()),
        }
    }

    async fn establish(
        &self,
        connection: &Connection,
        secrets: Secrets,
        progress: impl Fn(ConnectStep) + Send + Sync,
    ) -> Result<Connection, ServiceError> {
        let parts = &self.inner.parts;
        let id = &connection.id;
        progress(ConnectStep::Saving);
        self.ensure_in_charge()?;
        self.inner.secrets.put(id, &secrets).await?;
        let context = self.context(id);
        let bound = parts
            .integration
            .connect(&context, &connection.scope_id)
            .await?;
        progress(ConnectStep::Subscribing);
        // The hook answers from here on: the remote service calls it before `subscribe` returns.
        let callback_url = self.callback_url(&connection.hook);
        let subscription = parts.integration.subscribe(&context, &callback_url).await?;
        progress(ConnectStep::ImportingTeam);
        // Without the team the connection works; people are told if only they can help.
        let team = self.import_team(id).await.err();
        if let Some(error) = &team {
            let message = format!("The team could not be imported: {error}");
            self.record(id, EventKind::TeamFailed, message).await;
        }
        let attention = team
            .filter(|error| needs_a_person(error.code))
            .map(|error| Attention {
                code: error.code.as_str().to_owned(),
                message: error.message,
            });
        let update = ConnectionUpdate {
            name: connection.name.is_empty().then(|| bound.scope.name.clone()),
            scope_name: Some(bound.scope.name),
            owner: Some(bound.account),
            state: Some(ConnectionState::Active),
            attention: Some(attention),
            subscription: Some(Some(subscription)),
            quotas: None,
        };
        Ok(self
            .ledger
            .update_connection(id, update, parts.clock.now())
            .await?)
    }

    /// Undoes what a failed or interrupted attempt to connect has done. The caller holds the lease.
    pub(super) async fn abandon(&self, connection: &Connection) -> Result<(), ServiceError> {
        let id = &connection.id;
        let undone = async {
            self.remove_traces(id).await?;
            // A revived connection goes back to being disconnected and keeps its history.
            Ok::<_, ServiceError>(self.ledger.remove_connection(id).await?)
        };
        undone.await.inspect_err(|error| {
            warn!(connection = %id, %error, "undoing an unfinished connection did not succeed");
        })
    }

    /// Renames a connection.
    pub async fn rename(&self, id: &ConnectionId, name: &str) -> Result<Connection, ServiceError> {
        let name = valid_name(name)?;
        self.connection(id).await?;
        let parts = &self.inner.parts;
        let update = ConnectionUpdate {
            name: Some(name),
            ..ConnectionUpdate::default()
        };
        Ok(self
            .ledger
            .update_connection(id, update, parts.clock.now())
            .await?)
    }

    /// Replaces a connection's secrets, after making sure that they reach the same scope. Mappings
    /// stay.
    pub async fn replace_secrets(
        &self,
        id: &ConnectionId,
        secrets: Secrets,
    ) -> Result<Connection, ServiceError> {
        self.check_secrets(&secrets)?;
        self.connection(id).await?;
        let turn = self.inner.leases.hold(id).await?;
        let service = self.by_right_of(&turn);
        service.replace_secrets_in_turn(id, secrets).await
    }

    async fn replace_secrets_in_turn(
        &self,
        id: &ConnectionId,
        secrets: Secrets,
    ) -> Result<Connection, ServiceError> {
        let connection = self.connection(id).await?;
        let parts = &self.inner.parts;
        let given = self.context_with(id, SecretSource::Given(secrets.clone()));
        let bound = parts
            .integration
            .connect(&given, &connection.scope_id)
            .await?;
        let callback_url = self.callback_url(&connection.hook);
        let subscription = parts.integration.subscribe(&given, &callback_url).await?;
        self.ensure_in_charge()?;
        self.inner.secrets.put(id, &secrets).await?;
        self.scrub().await;
        let update = ConnectionUpdate {
            scope_name: Some(bound.scope.name),
            owner: Some(bound.account),
            subscription: Some(Some(subscription)),
            ..ConnectionUpdate::default()
        };
        self.ledger
            .update_connection(id, update, parts.clock.now())
            .await?;
        let message = "The secrets were replaced.".to_owned();
        self.record(id, EventKind::SecretsReplaced, message).await;
        self.set_attention(&connection, None).await?;
        // What was not confirmed while the old ones failed is read now.
        self.inner.background.look_after_now(id);
        self.connection(id).await
    }

    pub(super) fn begin_upkeep(&self, id: &ConnectionId) {
        let schedule = self.schedule();
        let background = &self.inner.background;
        background.begin(id, schedule.upkeep(), schedule.silence());
    }

    /// Whether the secrets are those the manifest asks for.
    fn check_secrets(&self, secrets: &Secrets) -> Result<(), ServiceError> {
        let fields = &self.manifest().secrets;
        if let Some(unknown) = secrets
            .keys()
            .find(|name| fields.iter().all(|field| field.name != **name))
        {
            let expected: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
            return Err(ServiceError::invalid(format!(
                "there is no secret called \"{unknown}\"; give {}",
                expected.join(", ")
            )));
        }
        for field in fields {
            let value = secrets
                .get(&field.name)
                .map_or("", |secret| secret.expose());
            if value.trim().is_empty() {
                return Err(ServiceError::invalid(format!(
                    "the {} is missing. {}",
                    field.label, field.help
                )));
            }
            let mistaken = field
                .mistaken
                .iter()
                .find(|mistaken| value.trim().starts_with(&mistaken.prefix));
            if let Some(mistaken) = mistaken {
                return Err(ServiceError::invalid(&mistaken.message));
            }
            if value.len() > MAX_SECRET_BYTES || value.chars().any(char::is_control) {
                return Err(ServiceError::invalid(format!(
                    "this is not a valid {}: it is too long or contains line breaks. {}",
                    field.label, field.help
                )));
            }
        }
        Ok(())
    }
}

/// The name as it is kept, or why it cannot be.
pub(crate) fn valid_name(name: &str) -> Result<String, ServiceError> {
    let name = name.trim();
    if name.is_empty() {
        return Err(ServiceError::invalid(
            "the name is empty; give the connection a name",
        ));
    }
    if name.chars().count() > MAX_NAME_CHARACTERS || name.chars().any(char::is_control) {
        return Err(ServiceError::invalid(format!(
            "the name is longer than {MAX_NAME_CHARACTERS} characters or contains line breaks"
        )));
    }
    Ok(name.to_owned())
}
