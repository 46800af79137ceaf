//! Whoever connects is told what is being done, and when names are complete.

use std::sync::Mutex;

use end_to_end::{Embedded, NORTHWIND, component, eventually};
use integration_host::ConnectStep::{ImportingTeam, Saving, Subscribing};
use integration_host::{ConnectRequest, ConnectStep, Host, HostError};
use integration_host_contract::id::ScopeId;
use integration_host_ledger::Connection;
use integration_host_seal::secret::Secrets;

async fn connect(
    service: &Host,
    secrets: Secrets,
    scope: impl ToString,
) -> (Vec<ConnectStep>, Result<Connection, HostError>) {
    let steps = Mutex::new(Vec::new());
    let request = ConnectRequest {
        secrets,
        scope_id: ScopeId::new(scope.to_string()),
        name: None,
    };
    let connected = service
        .connect_with(request, |step| steps.lock().unwrap().push(step))
        .await;
    (steps.into_inner().unwrap(), connected)
}

#[tokio::test]
async fn the_steps_of_connecting_are_told_and_names_until_they_are_complete() {
    let embedded = Embedded::builder(&component().unwrap())
        .start()
        .await
        .unwrap();
    let service = &embedded.service;
    let (steps, refused) = connect(service, embedded.secrets(), 1).await;
    assert!(refused.is_err());
    assert_eq!(steps, [Saving], "it failed at another step than was told");

    let (steps, connected) = connect(service, embedded.secrets(), NORTHWIND).await;
    let id = connected.unwrap().id;
    assert_eq!(steps, [Saving, Subscribing, ImportingTeam]);
    assert!(
        service.names_are_loading(&id),
        "names seem complete before the first was fetched"
    );
    eventually("names never seem complete", async || {
        !service.names_are_loading(&id)
    })
    .await
    .unwrap();
}
