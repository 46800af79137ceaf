//! Connecting.

use std::sync::Arc;

use tracing::info;

use super::background::policy::needs_a_person;
use super::lease::{Fenced, LeaseGuard};
use super::{Host, HostError};
use integration_host_contract::id::{ConnectionId, HookId, ScopeId};
use integration_host_contract::{ErrorCode, TestReport};
use integration_host_engine::CallContext;
use integration_host_engine::capability::http::SecretSource;
use integration_host_ledger::{
    Attention, Connection, ConnectionScan, ConnectionState, ConnectionUpdate, EventKind,
    ImportLimits, LedgerError, NewConnection,
};
use integration_host_seal::secret::Secrets;
use integration_host_storage::MemoryStore;

/// The longest name of a connection, in characters.
pub const MAX_NAME_CHARACTERS: usize = 200;

/// The longest secret a person may give, in bytes.
const MAX_SECRET_BYTES: usize = 1024;

/// How often an attempt is begun again because it was undone before it had its lease.
const MOST_UNDONE: u32 = 3;

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

impl Host {
    /// Test Connection: whose secrets these are, and what they could connect. Nothing is kept.
    pub async fn test(&self, secrets: Secrets) -> Result<TestReport, HostError> {
        self.check_secrets(&secrets)?;
        let nobody = ConnectionId::new("test");
        let context = CallContext {
            lease_deadlines: Vec::new(),
            asked_by_person: true,
            store: Arc::new(MemoryStore::new(Arc::clone(&self.inner.parts.clock))),
            ..self.context_with(&nobody, SecretSource::Given(secrets))
        };
        Ok(self.inner.parts.integration.test(&context).await?)
    }

    /// Connects a scope: binds it, subscribes to its webhook and imports its team. If any of it
    /// fails, nothing is left behind here or at the remote service. `Conflict` if it is connected
    /// already. What an attempt leaves behind because the remote service does not answer is undone in the
    /// background, as soon as it does; what it leaves because it is dropped before its end, at the next
    /// start. A webhook that may still come into being is looked for during a day. The next attempt takes up either.
    pub async fn connect(&self, request: ConnectRequest) -> Result<Connection, HostError> {
        self.connect_with(request, |_| {}).await
    }

    /// [`Host::connect`] that tells at the beginning of each step what it does.
    pub async fn connect_with(
        &self,
        request: ConnectRequest,
        progress: impl Fn(ConnectStep) + Send + Sync,
    ) -> Result<Connection, HostError> {
        self.check_secrets(&request.secrets)?;
        let name = request.name.as_deref().map(valid_name).transpose()?;
        self.ensure_no_other_integration().await?;
        let id = ConnectionId::generate();
        let new = NewConnection {
            id: id.clone(),
            hook: HookId::generate(),
            name: name.clone(),
            integration: self.manifest().id.clone(),
            scope_id: request.scope_id.clone(),
            created_at: self.now(),
        };
        let (connection, guard) = match self.begin(new).await {
            Ok(begun) => begun,
            // It is connected, but storage has lost what that takes: the secrets are what was missing.
            Err(error) if error.code == ErrorCode::Conflict => {
                let lost = self.lost_connection_of(&request.scope_id).await?;
                let Some(lost) = lost else {
                    return Err(self.taken(&request.scope_id, error).await);
                };
                let replaced = self.replace_secrets(&lost, request.secrets).await?;
                return match &name {
                    Some(name) => self.rename(&lost, name).await,
                    None => Ok(replaced),
                };
            }
            Err(error) => return Err(error),
        };
        // An attempt that was left behind never was.
        let was_connected =
            connection.id != id && connection.coverage.connected_at != connection.created_at;
        let service = self.for_person().fenced_by(&guard);
        let established = service.establish(&connection, request.secrets, progress);
        match established.await {
            Ok(made) => {
                info!(connection = %made.id, scope = %made.scope_id, "connected");
                let message = format!("“{}” was connected.", made.scope_name);
                self.record(&made.id, EventKind::Connected, message).await;
                self.begin_upkeep(&made.id);
                if was_connected {
                    service.take_up_again(&connection, &made.id).await;
                    return service.connection(&made.id).await;
                }
                Ok(made)
            }
            Err(error) => {
                // Undoing is nothing a person asks for.
                let undoing = self.fenced_by(&guard);
                let wait = match undoing.abandon(&connection.id).await {
                    Ok(wait) => wait,
                    Err(_) => Some(self.schedule().retry),
                };
                if let Some(wait) = wait {
                    self.inner.background.undo_later(&connection.id, wait);
                }
                Err(error)
            }
        }
    }

    /// Says by its name what has a scope already.
    async fn taken(&self, scope: &ScopeId, error: HostError) -> HostError {
        let found = self.ledger.connections().await.unwrap_or_default();
        let found = found.into_iter().find(|connection| {
            connection.scope_id == *scope
                && connection.state == ConnectionState::Active
                && self.is_of_this_integration(&connection.integration)
        });
        let message = match found {
            Some(connection) => format!(
                "“{}” is already connected, as “{}”; to use another token, replace that connection's",
                connection.scope_name, connection.name
            ),
            None => "this is already being connected; wait until that attempt has ended".to_owned(),
        };
        HostError { message, ..error }
    }

    /// Records a connection, or takes up one that an attempt left behind: the remote service may know
    /// its hook, and another one would double its subscription.
    async fn begin(&self, new: NewConnection) -> Result<(Connection, LeaseGuard), HostError> {
        let _beginning = self.inner.leases.beginning.lock().await;
        let mut undone = 0;
        let taken = loop {
            let made = match self.ledger.create_connection(new.clone()).await {
                Ok(made) => made,
                Err(error @ LedgerError::Conflict(_)) => break error,
                Err(error) => return Err(error.into()),
            };
            let guard = self.inner.leases.hold(&made.id).await?;
            // Had this host stood still before it had the lease, another would have taken it for a leftover; and whoever
            // looked for the webhook of an earlier attempt may have ended this one with that.
            match self.ledger.connection(&made.id).await? {
                Some(found)
                    if found.state == ConnectionState::Connecting && found.hook == made.hook =>
                {
                    let named = self.named(found, new.name, &guard).await?;
                    return Ok((named, guard));
                }
                _ if undone < MOST_UNDONE => undone += 1,
                _ => {
                    return Err(HostError::new(
                        ErrorCode::Unavailable,
                        "another host has undone this attempt, because this one was away; try again",
                    ));
                }
            }
        };
        let Some(left_behind) = self.unfinished(&new).await? else {
            return Err(taken.into());
        };
        // Whoever holds the lease is still at work on it.
        let Some(guard) = self.inner.leases.try_hold(&left_behind.id).await? else {
            return Err(taken.into());
        };
        // It may have come to an end just before.
        match self.ledger.connection(&left_behind.id).await? {
            Some(connection) if connection.state == ConnectionState::Connecting => {
                info!(connection = %connection.id, "taking up an unfinished attempt to connect");
                let named = self.named(connection, new.name, &guard).await?;
                Ok((named, guard))
            }
            _ => Err(taken.into()),
        }
    }

    /// The connection with the name that a person gave, if one was given: one that existed before has another.
    async fn named(
        &self,
        connection: Connection,
        name: Option<String>,
        guard: &LeaseGuard,
    ) -> Result<Connection, HostError> {
        let Some(name) = name.filter(|name| *name != connection.name) else {
            return Ok(connection);
        };
        let update = ConnectionUpdate {
            name: Some(name),
            ..ConnectionUpdate::default()
        };
        let service = self.fenced_by(guard);
        let named = (service.ledger).update_connection(&connection.id, update, self.now());
        Ok(named.await?)
    }

    /// Renames a connection.
    pub async fn rename(&self, id: &ConnectionId, name: &str) -> Result<Connection, HostError> {
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
    ) -> Result<Connection, HostError> {
        self.check_secrets(&secrets)?;
        self.connection(id).await?;
        let guard = self.inner.leases.hold(id).await?;
        let service = self.for_person().fenced_by(&guard);
        service.replace_secrets_in_turn(id, secrets).await
    }

    pub(super) fn begin_upkeep(&self, id: &ConnectionId) {
        let schedule = self.schedule();
        let background = &self.inner.background;
        background.begin(id, schedule.upkeep, schedule.silence);
    }

    /// Whether the secrets are those the manifest asks for.
    fn check_secrets(&self, secrets: &Secrets) -> Result<(), HostError> {
        let fields = &self.manifest().secrets;
        if let Some(unknown) = secrets
            .keys()
            .find(|name| fields.iter().all(|field| field.name != **name))
        {
            let expected: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
            return Err(HostError::invalid(format!(
                "there is no secret called \"{unknown}\"; give {}",
                expected.join(", ")
            )));
        }
        for field in fields {
            let value = secrets
                .get(&field.name)
                .map_or("", |secret| secret.expose());
            if value.trim().is_empty() {
                return Err(HostError::invalid(format!(
                    "the {} is missing. {}",
                    field.label, field.help
                )));
            }
            let mistaken = field
                .mistaken
                .iter()
                .find(|mistaken| value.trim().starts_with(&mistaken.prefix));
            if let Some(mistaken) = mistaken {
                return Err(HostError::invalid(&mistaken.message));
            }
            if value.len() > MAX_SECRET_BYTES || value.chars().any(char::is_control) {
                return Err(HostError::invalid(format!(
                    "this is not a valid {}: it is too long or contains line breaks. {}",
                    field.label, field.help
                )));
            }
        }
        Ok(())
    }
}

/// The name as it is kept, or why it cannot be.
pub fn valid_name(name: &str) -> Result<String, HostError> {
    let name = name.trim();
    if name.is_empty() {
        return Err(HostError::invalid(
            "the name is empty; give the connection a name",
        ));
    }
    if name.chars().count() > MAX_NAME_CHARACTERS || name.chars().any(char::is_control) {
        return Err(HostError::invalid(format!(
            "the name is longer than {MAX_NAME_CHARACTERS} characters or contains line breaks"
        )));
    }
    Ok(name.to_owned())
}

impl Host {
    /// The unfinished connection of a scope that is to be connected.
    pub(super) async fn unfinished(
        &self,
        of: &NewConnection,
    ) -> Result<Option<Connection>, HostError> {
        let ledger = &self.ledger;
        let mut scan_connections = ConnectionScan::of(&**ledger);
        loop {
            let mut page = scan_connections.next().await?;
            if page.is_empty() {
                return Ok(None);
            }
            page.retain(|summary| summary.state == ConnectionState::Connecting);
            for summary in page {
                let found = ledger.connection(&summary.id).await?;
                let found = found.filter(|found| {
                    found.state == ConnectionState::Connecting
                        && found.integration == of.integration
                        && found.scope_id == of.scope_id
                });
                if found.is_some() {
                    return Ok(found);
                }
            }
        }
    }
}

/// What [`Host::connect_with`] is doing. The steps follow in this order; after the last one the
/// connection is active, and [names](Host::names_are_loading) go on loading in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectStep {
    /// Keeping the secrets and binding the connection to its scope.
    Saving,
    /// Subscribing to the webhook.
    Subscribing,
    /// Importing the team and matching it to users.
    ImportingTeam,
}

impl Host {
    /// Whether names of what time is spent on are still to be fetched: they are being fetched, or will
    /// be, because a fetch did not get all of them. Known to the host that does the work.
    pub fn names_are_loading(&self, id: &ConnectionId) -> bool {
        self.inner.background.names_are_due(id)
    }
}

impl Fenced {
    async fn establish(
        &self,
        connection: &Connection,
        secrets: Secrets,
        progress: impl Fn(ConnectStep) + Send + Sync,
    ) -> Result<Connection, HostError> {
        let parts = &self.inner.parts;
        let id = &connection.id;
        progress(ConnectStep::Saving);
        // Wrong ones must not take the place of those an earlier attempt left behind to find its webhook with.
        let given = self.context_with(id, SecretSource::Given(secrets.clone()));
        let bound = parts
            .integration
            .connect(&given, &connection.scope_id)
            .await?;
        self.ensure_in_charge()?;
        self.inner.secrets.put(id, &secrets).await?;
        let context = self.context(id);
        progress(ConnectStep::Subscribing);
        // The hook answers from here on: the remote service calls it before `subscribe` returns.
        let callback = self.callback(connection).await?;
        let subscription = self.subscribe(connection, &context, callback).await?;
        progress(ConnectStep::ImportingTeam);
        // Without the team the connection works; people are told if only they can help.
        let team = self.import_team(id, &ImportLimits::default()).await.err();
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
            unsettled_since: Some(None),
            ..ConnectionUpdate::default()
        };
        Ok(self
            .ledger
            .update_connection(id, update, parts.clock.now())
            .await?)
    }

    async fn replace_secrets_in_turn(
        &self,
        id: &ConnectionId,
        secrets: Secrets,
    ) -> Result<Connection, HostError> {
        let connection = self.connection(id).await?;
        if self.has_lost(id).await? {
            self.notice_loss(id).await?;
        }
        let parts = &self.inner.parts;
        let given = self.context_with(id, SecretSource::Given(secrets.clone()));
        let bound = parts
            .integration
            .connect(&given, &connection.scope_id)
            .await?;
        let callback = self.callback(&connection).await?;
        let subscription = self.subscribe(&connection, &given, callback).await?;
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
        let labels = self.manifest().secrets.iter();
        let labels: Vec<&str> = labels.map(|field| field.label.as_str()).collect();
        let message = format!("A new {} is used from now on.", labels.join(" and "));
        self.record(id, EventKind::SecretsReplaced, message).await;
        self.set_attention(&connection, None).await?;
        // What was not confirmed while the old ones failed is read now.
        self.inner.background.maintain_now(id);
        self.connection(id).await
    }
}
