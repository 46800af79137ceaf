//! The contract's side of the component: its imports as capabilities, its exports as calls.

mod convert;
mod generated;
mod host;

use self::generated::exports::worksights::integration::integration as contract;
use self::host::Host;
use crate::Toggl;

struct Component;

impl contract::Guest for Component {
    fn describe() -> contract::Manifest {
        Toggl::describe().into()
    }

    fn test() -> Result<contract::TestReport, contract::Error> {
        Ok(Toggl::new(&Host).test()?.into())
    }

    fn connect(scope_id: String) -> Result<contract::BoundScope, contract::Error> {
        Ok(Toggl::new(&Host).connect(&scope_id)?.into())
    }

    fn subscribe(callback: contract::Callback) -> Result<contract::Subscription, contract::Error> {
        Ok(Toggl::new(&Host).subscribe(callback)?.into())
    }

    fn handle_webhook(
        request: contract::WebhookRequest,
    ) -> Result<contract::DeliveryResult, contract::Error> {
        Ok(Toggl::new(&Host).handle_webhook(&request.into())?.into())
    }

    fn map_users() -> Result<contract::Team, contract::Error> {
        Ok(Toggl::new(&Host).map_users()?.into())
    }

    fn refresh_names() -> Result<contract::NameRefresh, contract::Error> {
        Ok(Toggl::new(&Host).refresh_names()?.into())
    }

    fn check(callback: contract::Callback) -> Result<contract::Health, contract::Error> {
        Ok(Toggl::new(&Host).check(callback)?.into())
    }

    fn reconcile(
        selection: contract::Selection,
        cursor: Option<String>,
    ) -> Result<contract::Reconciliation, contract::Error> {
        let selection = selection.into();
        Ok(Toggl::new(&Host)
            .reconcile(&selection, cursor.as_deref())?
            .into())
    }

    fn disconnect(callback: contract::Callback) -> Result<(), contract::Error> {
        Ok(Toggl::new(&Host).disconnect(callback)?)
    }
}
