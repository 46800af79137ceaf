//! What an act needs beforehand, and doing it.

use anyhow::{Context as _, Result};
use integration_host::{ConnectRequest, HostError};
use integration_host_contract::id::{ConnectionId, ScopeId};
use integration_host_contract::{NameRefresh, Selection, TimeRange};
use integration_host_engine::{CallContext, CallError, Integration};
use integration_host_ledger::ImportLimits;
use jiff::{SignedDuration, Timestamp};
use toggl_sandbox::control::{CreateName, NameKind, SetSubscription};

use super::endpoint::Endpoint;
use super::site::{Common, Site};
use super::table::{Act, Outcome, Row};
use crate::setup::NORTHWIND;

/// Names looked for one by one, and so many that lists of them are.
const FEW: usize = 1;
const MANY: usize = 6;

/// Who the act is for.
pub(super) struct Subject<'a> {
    common: &'a Common,
    site: &'a Site,
    row: Row,
    /// The connection, where there is one.
    pub connection: Option<ConnectionId>,
    names: Option<CallContext>,
}

impl<'a> Subject<'a> {
    /// Makes what the act needs.
    pub async fn prepare(common: &'a Common, site: &'a Site, row: Row) -> Result<Self> {
        let mut subject = Self {
            common,
            site,
            row,
            connection: None,
            names: None,
        };
        match row.act {
            Act::Test | Act::Connect => {}
            Act::FillNames | Act::FindNames | Act::FindManyNames => {
                subject.prepare_names().await?;
            }
            Act::Check
            | Act::Repair
            | Act::ImportTeam
            | Act::Reconcile
            | Act::ReplaceToken
            | Act::Disconnect => subject.connect().await?,
        }
        if row.act == Act::Repair {
            subject.break_webhook()?;
        }
        Ok(subject)
    }

    /// Does the act, and says how it ended.
    pub async fn act(&mut self) -> Result<Outcome, HostError> {
        let service = &self.site.service;
        let id = self
            .connection
            .clone()
            .unwrap_or_else(|| ConnectionId::new("none"));
        match self.row.act {
            Act::Test => service.test(self.site.secrets()).await.map(drop),
            Act::Connect => self.connect().await,
            Act::Check | Act::Repair => service.check(&id).await.map(drop),
            Act::ImportTeam => {
                let limits = ImportLimits::default();
                service.refresh_users(&id, &limits).await.map(drop)
            }
            Act::Reconcile => {
                let now = Timestamp::now();
                let from = now - SignedDuration::from_hours(24);
                service.reconcile(&id, from, now).await.map(drop)
            }
            Act::ReplaceToken => {
                let secrets = self.site.secrets();
                service.replace_secrets(&id, secrets).await.map(drop)
            }
            Act::Disconnect => match service.connection(&id).await {
                Ok(_) => service.disconnect(&id).await.map(drop),
                // A second time there is nothing left to do.
                Err(_) => Ok(()),
            },
            Act::FillNames | Act::FindNames | Act::FindManyNames => {
                return self.refresh_names().await;
            }
        }
        .map(|()| Outcome::Done)
    }

    async fn connect(&mut self) -> Result<(), HostError> {
        if self.connection.is_some() {
            return Ok(());
        }
        let request = ConnectRequest {
            secrets: self.site.secrets(),
            scope_id: ScopeId::new(NORTHWIND.to_string()),
            name: None,
        };
        let connection = self.site.service.connect(request).await?;
        self.connection = Some(connection.id);
        Ok(())
    }

    /// Breaks the webhook at Toggl so that the endpoint is needed to repair it.
    fn break_webhook(&self) -> Result<()> {
        let control = self.site.sandbox.control();
        let subscription = control.subscriptions().into_iter().next();
        let subscription = subscription.context("nothing is subscribed")?;
        let change = SetSubscription {
            subscription_id: subscription.id,
            ..SetSubscription::default()
        };
        control.set_subscription(match self.row.endpoint {
            Endpoint::Replace => SetSubscription {
                url_callback: Some("https://elsewhere.example/hook".into()),
                ..change
            },
            Endpoint::Create => SetSubscription {
                deleted: true,
                ..change
            },
            Endpoint::Ping => SetSubscription {
                validated: Some(false),
                ..change
            },
            _ => SetSubscription {
                enabled: Some(false),
                ..change
            },
        })?;
        Ok(())
    }

    async fn prepare_names(&mut self) -> Result<()> {
        let integration = &self.common.integration;
        let context = self.site.context();
        let scope = ScopeId::new(NORTHWIND.to_string());
        integration.connect(&context, &scope).await?;
        if self.row.act != Act::FillNames {
            refresh_names(integration, &context).await?;
            self.log_on_new_names()?;
            let now = Timestamp::now();
            let since = now - SignedDuration::from_hours(24);
            let range = Selection::Range(TimeRange {
                since,
                until: now,
                connected_at: since,
            });
            integration.reconcile(&context, &range, None).await?;
        }
        self.names = Some(context);
        Ok(())
    }

    /// Logs time on tasks, projects and clients that the integration has not seen.
    fn log_on_new_names(&self) -> Result<()> {
        let control = self.site.sandbox.control();
        let name = |kind, number: usize, client_id, project_id| CreateName {
            kind,
            workspace_id: NORTHWIND,
            name: format!("New {number}"),
            client_id,
            project_id,
            private: false,
        };
        let count = if self.row.act == Act::FindManyNames {
            MANY
        } else {
            FEW
        };
        // A single project is looked for by a path under which its tasks are, too.
        let has_task = self.row.endpoint != Endpoint::Project;
        for number in 0..count {
            let client = control.create_name(name(NameKind::Client, number, None, None))?;
            let project =
                control.create_name(name(NameKind::Project, number, Some(client), None))?;
            let task = if has_task {
                Some(control.create_name(name(NameKind::Task, number, None, Some(project)))?)
            } else {
                None
            };
            self.site.log_time(Some(project), task)?;
        }
        Ok(())
    }

    async fn refresh_names(&self) -> Result<Outcome, HostError> {
        let Some(context) = &self.names else {
            return Ok(Outcome::Done);
        };
        match refresh_names(&self.common.integration, context).await {
            Ok(refresh) if refresh.again_in_seconds.is_some() => Ok(Outcome::Later),
            Ok(_) => Ok(Outcome::Done),
            Err(error) => Err(error.into()),
        }
    }
}

async fn refresh_names(
    integration: &Integration,
    context: &CallContext,
) -> Result<NameRefresh, CallError> {
    integration
        .refresh_names(context, |refresh| Box::pin(std::future::ready(Ok(refresh))))
        .await
}
