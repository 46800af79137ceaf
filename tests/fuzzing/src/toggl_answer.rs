//! Any answers of Toggl to any call: the integration makes sense of them or says that it cannot.

use toggl_integration::Toggl;
use toggl_integration::capability::Credential;
use toggl_integration::model::{Error, Selection, SoughtActivity, TimeRange};
use toggl_integration::time::Timestamp;

use crate::assert_is_sentence;
use crate::crossing::{Call, Crossing};
use crate::lent::{CALLBACK, Lent};

/// Requests one call may make. The host counts too; this is what the integration itself keeps to.
const MOST_REQUESTS: usize = 60;

/// Runs the target.
pub fn run(input: &[u8]) {
    let crossing = Crossing::parse(input);
    let lent = lend(&crossing);
    if let Err(error) = call(&lent, &crossing.call) {
        assert_is_sentence(error.message());
        assert!(
            error.message().len() < 2000,
            "an error repeats what Toggl said: {} bytes",
            error.message().len()
        );
    }
    let sent = lent.sent.borrow();
    assert!(sent.len() <= MOST_REQUESTS, "{} requests", sent.len());
    for request in sent.iter() {
        assert!(
            request.url.starts_with("https://api.track.toggl.com/"),
            "the token went to {}",
            request.url
        );
        assert_eq!(
            request.authorization.username,
            Credential::Secret("api-token")
        );
        assert!(!request.url.contains(char::is_control), "{}", request.url);
    }
    let logged = lent.logged.borrow();
    assert!(logged.len() <= 100, "{} lines in the log", logged.len());
}

/// What the integration is lent for one call.
pub fn lend(crossing: &Crossing) -> Lent {
    let lent = Lent::default();
    *lent.storage.borrow_mut() = crossing.stored.clone();
    *lent.answers.borrow_mut() = crossing.answers.clone().into();
    lent
}

fn call(lent: &Lent, call: &Call) -> Result<(), Error> {
    let toggl = Toggl::new(lent);
    match call {
        Call::Test => toggl.test().map(drop),
        Call::Connect(scope) => toggl.connect(scope).map(drop),
        Call::Subscribe => toggl.subscribe(CALLBACK).map(drop),
        Call::Deliver(request) => toggl.handle_webhook(request).map(drop),
        Call::MapUsers => toggl.map_users().map(drop),
        Call::RefreshNames => toggl.refresh_names().map(drop),
        Call::Check => toggl.check(CALLBACK).map(drop),
        Call::Reconcile(from, to, cursor) => reconcile(&toggl, *from, *to, cursor.as_deref()),
        Call::LookUp(ids) => toggl
            .reconcile(&Selection::Activities(sought(ids)), None)
            .map(drop),
        Call::Disconnect => toggl.disconnect(CALLBACK),
    }
}

fn sought(ids: &[String]) -> Vec<SoughtActivity> {
    let sought = ids.iter().map(|id| SoughtActivity {
        id: id.clone(),
        remote_user_id: None,
        start: None,
        outdated: None,
    });
    sought.collect()
}

/// Pages until the end, or until Toggl has nothing more to say.
fn reconcile(toggl: &Toggl<'_>, from: i64, to: i64, cursor: Option<&str>) -> Result<(), Error> {
    let time = Timestamp::from_milliseconds;
    let range = Selection::Range(TimeRange {
        since: time(from),
        until: time(to),
        connected_at: time(from),
    });
    let mut cursor = cursor.map(str::to_owned);
    for _ in 0..10 {
        let page = toggl.reconcile(&range, cursor.as_deref())?;
        let Some(next) = page.next else { break };
        assert_ne!(Some(&next), cursor.as_ref(), "a page leads to itself");
        cursor = Some(next);
    }
    Ok(())
}
