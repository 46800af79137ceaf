//! The table: which calls reach which endpoints, and what each fault must come to.
//!
//! The rules are few. A fault becomes the error that says what helps. The host repeats what may pass and
//! does no harm. What only adds something (plans, quotas, the webhook's limits) fails nothing. What only
//! a person can solve becomes the connection's attention when it is checked; what passes asks nobody, and
//! leaves a gap in deliveries open that is closed later.

use super::endpoint::Endpoint::{self, *};
use super::fault::Fault;

/// What is asked of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Test Connection.
    Test,
    /// Connect a workspace.
    Connect,
    /// Check a connection that is in order.
    Check,
    /// Check a connection whose webhook is broken at Toggl, so that the endpoint is needed to repair it.
    Repair,
    /// Import the team again.
    ImportTeam,
    /// Reconcile a day.
    Reconcile,
    /// Replace the API token.
    ReplaceToken,
    /// Disconnect.
    Disconnect,
    /// Fetch all names for the first time.
    FillNames,
    /// Fetch a few names that a time entry refers to.
    FindNames,
    /// Fetch many names that time entries refer to.
    FindManyNames,
}

impl Act {
    /// Whether it is tried although a quota is known to be used up, because a person asks for it.
    pub fn is_a_persons(self) -> bool {
        matches!(
            self,
            Self::Test
                | Self::Connect
                | Self::Check
                | Self::Repair
                | Self::ReplaceToken
                | Self::Disconnect
        )
    }
}

/// An act and the endpoint at which it goes wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub act: Act,
    pub endpoint: Endpoint,
}

/// Every act with every endpoint it reaches.
const ROWS: [(Act, &[Endpoint]); 11] = [
    (Act::Test, &[Me, Workspaces, Organizations]),
    (
        Act::Connect,
        &[Me, Workspaces, Limits, Subscriptions, Create, Members],
    ),
    (Act::Check, &[Me, Workspaces, Quota, Subscriptions]),
    (Act::Repair, &[Limits, Enable, Replace, Create, Ping]),
    (Act::ImportTeam, &[Members]),
    (Act::Reconcile, &[Search]),
    (
        Act::ReplaceToken,
        &[Me, Workspaces, Limits, Subscriptions, Replace],
    ),
    (Act::Disconnect, &[Subscriptions, Remove]),
    (Act::FillNames, &[Clients, Projects, Tasks]),
    (Act::FindNames, &[Task, Project, Client]),
    (Act::FindManyNames, &[TasksById, Projects]),
];

/// How an act ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// As it should.
    Done,
    /// So far well; the rest is asked for later.
    Later,
    /// With this error.
    Failed(&'static str),
}

/// How the connection stands afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// There is none, and nothing is left behind.
    Nothing,
    /// There is none for now; the next attempt takes up what is at Toggl.
    LeftOver,
    /// It is active.
    Active,
    /// It is active and asks for a person.
    Attention(&'static str),
    /// It is active and asks for nobody, and deliveries are known to be missing until it is repaired.
    Gap,
}

/// What a cell must come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub outcome: Outcome,
    pub standing: Standing,
    /// Requests at the endpoint.
    pub attempts: usize,
}

/// Every cell.
pub(super) fn cells() -> Vec<(Row, Fault)> {
    let rows = || {
        ROWS.into_iter().flat_map(|(act, endpoints)| {
            endpoints
                .iter()
                .map(move |endpoint| (act, *endpoint))
                .map(|(act, endpoint)| Row { act, endpoint })
        })
    };
    let mut cells = Vec::new();
    for fault in Fault::OF_ALL {
        cells.extend(rows().map(|row| (row, fault)));
    }
    for fault in Fault::OF_CHANGES {
        let changes = rows().filter(|row| row.endpoint.is_a_change());
        cells.extend(changes.map(|row| (row, fault)));
    }
    let connecting = Row {
        act: Act::Connect,
        endpoint: Create,
    };
    cells.push((connecting, Fault::LostAnswerThenDown));
    cells
}

/// What this cell must come to.
pub(super) fn expected(row: Row, fault: Fault) -> Expected {
    let (outcome, standing) = end(row, fault);
    Expected {
        outcome,
        standing,
        attempts: attempts(row, fault),
    }
}

/// How often the endpoint is asked.
fn attempts(row: Row, fault: Fault) -> usize {
    // Whether something is left is looked up once more after removing it.
    let once_more = row.act == Act::Disconnect
        && row.endpoint == Subscriptions
        && fault.code(row.endpoint).is_none();
    usize::from(once_more) + attempts_of_a_request(row, fault)
}

fn attempts_of_a_request(row: Row, fault: Fault) -> usize {
    match (row.act, row.endpoint, fault) {
        // What was deleted is still there: once more.
        (
            Act::Disconnect,
            Remove,
            Fault::NotFound | Fault::Html | Fault::Nonsense | Fault::NonsenseList,
        ) => 2,
        (_, endpoint, fault) if !endpoint.is_repeatable() || !fault.is_worth_repeating() => 1,
        (_, _, fault) if fault.passes() => 2,
        _ => 4,
    }
}

fn end(row: Row, fault: Fault) -> (Outcome, Standing) {
    let Row { act, endpoint } = row;
    let Some(code) = fault.code(endpoint) else {
        return (Outcome::Done, when_done(act));
    };
    // Only a person can do something about these.
    let is_lasting = matches!(
        code,
        "unauthorized" | "forbidden" | "not-found" | "plan-limit"
    );
    let fails = (Outcome::Failed(code), otherwise(act));
    let done = (Outcome::Done, when_done(act));
    let attention = |code| (Outcome::Done, Standing::Attention(code));
    let unrepaired = if is_lasting {
        attention(code)
    } else {
        (Outcome::Done, Standing::Gap)
    };
    match (act, endpoint) {
        // These only add something.
        (Act::Test, Organizations) | (Act::Check, Quota) => done,
        // Without the webhook's limits the least is asked for; but the next request would fail alike.
        (_, Limits) => match (act, code) {
            (Act::Repair, "unauthorized" | "quota-exhausted" | "rate-limited") => unrepaired,
            (_, "unauthorized" | "quota-exhausted" | "rate-limited") => fails,
            _ => done,
        },

        // The answer was lost, the subscription was not: it is found by its callback.
        (Act::Connect, Create) if fault == Fault::LostAnswerThenDown => {
            (Outcome::Failed("upstream"), Standing::LeftOver)
        }
        (Act::Connect | Act::Repair, Create) if fault.has_effect() => done,
        // A connection works without its team, which is imported later.
        (Act::Connect, Members) if is_lasting => attention(code),
        (Act::Connect, Members) => done,

        (Act::Check, _) if is_lasting => attention(code),
        // Whether the callback is validated is seen at the subscription.
        (Act::Repair, Ping) if fault.has_effect() => done,
        (Act::Repair, Ping)
            if matches!(fault, Fault::Html | Fault::Nonsense | Fault::NonsenseList) =>
        {
            (Outcome::Done, Standing::Gap)
        }
        // What Toggl does not know any more is made anew.
        (Act::Repair, Enable | Replace) | (Act::ReplaceToken, Replace)
            if fault == Fault::NotFound =>
        {
            done
        }
        (Act::Repair, _) => unrepaired,

        // What gives no access any more keeps nobody from disconnecting.
        (Act::Disconnect, _) if is_lasting => done,
        (Act::Disconnect, Remove)
            if matches!(fault, Fault::Html | Fault::Nonsense | Fault::NonsenseList) =>
        {
            done
        }

        (Act::FillNames | Act::FindNames | Act::FindManyNames, _) => match code {
            "quota-exhausted" | "rate-limited" => (Outcome::Later, Standing::Nothing),
            "forbidden" | "not-found" | "plan-limit" => done,
            // Nothing else is asked for.
            "upstream" if matches!((act, endpoint), (Act::FindNames, Project)) => fails,
            // One list that cannot be read keeps no other from being read.
            "upstream" => (Outcome::Later, Standing::Nothing),
            // What was found before it went wrong is kept.
            _ if matches!(endpoint, Clients | Task | Project | TasksById) => fails,
            _ => (Outcome::Later, Standing::Nothing),
        },
        _ => fails,
    }
}

/// How the connection stands when all went well.
fn when_done(act: Act) -> Standing {
    match act {
        Act::Test | Act::Disconnect | Act::FillNames | Act::FindNames | Act::FindManyNames => {
            Standing::Nothing
        }
        Act::Connect
        | Act::Check
        | Act::Repair
        | Act::ImportTeam
        | Act::Reconcile
        | Act::ReplaceToken => Standing::Active,
    }
}

/// How the connection stands when the act failed: as before.
fn otherwise(act: Act) -> Standing {
    match act {
        Act::Connect => Standing::Nothing,
        Act::Disconnect => Standing::Active,
        act => when_done(act),
    }
}

/// What a person loses when a cell of this act fails.
pub(super) fn what_suffers(act: Act) -> &'static str {
    match act {
        Act::Test => "whoever tests a token is misled",
        Act::Connect => "whoever connects a workspace is misled, or cannot connect it later",
        Act::Check => "a connection is shown in another state than it is in",
        Act::Repair => "a broken webhook is not repaired, and deliveries are missed",
        Act::ImportTeam => "people stay unmapped, or nobody learns why",
        Act::Reconcile => "a gap in deliveries stays open, or nobody learns why",
        Act::ReplaceToken => "a leaked token stays in use, or a good one is lost",
        Act::Disconnect => "a workspace cannot be disconnected, or its webhook stays at Toggl",
        Act::FillNames | Act::FindNames | Act::FindManyNames => {
            "titles stay without project or client"
        }
    }
}
