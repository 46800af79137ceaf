//! Which of a workspace's subscriptions are this connection's, and which another copy of the host holds.
//!
//! A host that was copied, by a restored backup or file by file, works for the same workspaces with the same hooks, under
//! another URL. Of the two the one stops that finds its change undone: see [`Hold::is_contested`].

use crate::model::{Callback, Error};
use crate::state::{Announced, Replaced, ReplacedHolder, Webhook};
use crate::time::Timestamp;
use crate::toggl::SubscriptionRow;

/// For how long it counts that a copy's hold was ended. A copy may be started only now and then, as for a trial.
const REMEMBERED_SECONDS: i64 = 30 * 24 * 3600;

/// For how long after a hold was ended Toggl may still list it, or do what its holder had asked for.
const UNDER_WAY_SECONDS: i64 = 600;

/// How often a hold under this host's own URL must come back until it is a copy's. When a backup was restored in place,
/// Toggl may do late what the host had asked for before, which undoes the first repair; and deliveries go on all the while.
const COMES_BACK_HERE: u32 = 2;

/// How many ended holds are remembered.
const MAX_REMEMBERED: usize = 4;

/// How a subscription's description begins.
pub(super) const NAME: &str = "WorkSights time sync";

/// What tells this connection's subscriptions from others.
pub(crate) struct Ours<'a> {
    pub callback: &'a Callback,
    pub webhook: &'a Webhook,
    pub announced: Option<Announced>,
}

impl Ours<'_> {
    /// Whether a subscription is this connection's: it is the one stored, it has pinged, it calls a URL of this
    /// host, or somebody has redirected it since. A workspace is connected once, so what an earlier hook was made for is
    /// ours too.
    pub fn has(&self, row: &SubscriptionRow) -> bool {
        let url = row.url_callback.as_deref();
        self.known_ids().any(|id| id == row.subscription_id)
            || url.is_some_and(|url| {
                is_beside(url, &self.callback.url)
                    || (self.webhook.callback_url.as_deref())
                        .is_some_and(|called| is_beside(url, called))
            })
            || self.was_redirected(row)
    }

    /// The ids of those that are this connection's, as far as they are known: the one stored, and the one that has pinged.
    pub fn known_ids(&self) -> impl Iterator<Item = u64> {
        let stored = self.webhook.subscription_id;
        let announced = self.announced.map(|announced| announced.subscription_id);
        let announced = announced.filter(|id| stored != Some(*id));
        stored.into_iter().chain(announced)
    }

    /// Whether this host made a subscription for the present callback that calls somebody else now. A copy of the host
    /// may have the same holder, and makes its own for another callback.
    fn was_redirected(&self, row: &SubscriptionRow) -> bool {
        let named = (row.description.as_deref())
            .is_some_and(|description| description.starts_with(&self.name("")));
        named && is_of_ledger(holder(row), &self.callback.holder)
    }

    /// How the description of a subscription begins that was made for the present callback.
    fn name(&self, suffix: &str) -> String {
        use sha2::{Digest, Sha256};

        let mut digest = hex::encode(Sha256::digest(self.callback.url.as_bytes()));
        digest.truncate(8);
        format!("{NAME} {digest}{suffix}")
    }

    /// Of those the one to keep: the stored one, or else one that calls this hook and works.
    pub fn kept<'r>(&self, rows: &'r [SubscriptionRow]) -> Option<&'r SubscriptionRow> {
        let preference = |row: &&SubscriptionRow| {
            let is_stored = self.webhook.subscription_id == Some(row.subscription_id);
            let calls_us = row.calls(&self.callback.url);
            (is_stored, calls_us, row.validated_at.is_some(), row.enabled)
        };
        rows.iter()
            .filter(|row| self.has(row))
            .max_by_key(preference)
    }

    /// Those that are ours beside that one, and may be removed.
    pub fn spare<'r>(
        &self,
        rows: &'r [SubscriptionRow],
        kept: &SubscriptionRow,
    ) -> impl Iterator<Item = &'r SubscriptionRow> {
        rows.iter().filter(move |row| {
            row.subscription_id != kept.subscription_id
                && self.has(row)
                && !self.is_another_lifes(row)
        })
    }

    /// Whether the ledger this host's was copied from, or a copy of it, says that it holds a subscription.
    pub fn is_another_lifes(&self, row: &SubscriptionRow) -> bool {
        !row.calls(&self.callback.url)
            && !self.was_redirected(row)
            && is_another_life(holder(row), &self.callback.holder)
    }

    /// Whether the stored subscription was not made, or kept, before the ledger was restored: then the ledger it was
    /// restored from may still have it.
    pub fn is_of_this_life(&self) -> bool {
        let theirs = self.webhook.description.as_deref().and_then(holder_in);
        !is_another_life(theirs, &self.callback.holder)
    }

    /// The description a subscription is given: unique in the workspace, as Toggl demands, and the same at every
    /// attempt. It names the holder.
    pub fn description(&self, suffix: &str) -> String {
        let name = self.name(suffix);
        let holder = &self.callback.holder;
        if holder.is_empty() {
            return name;
        }
        format!("{name} [{holder}]")
    }

    /// What differs from what this host set, in a sentence.
    pub fn difference(&self, row: &SubscriptionRow) -> Option<&'static str> {
        let webhook = self.webhook;
        if !row.calls(&self.callback.url) {
            return Some(
                "The webhook at Toggl calls another URL than this host's, so nothing is reported here.",
            );
        }
        if webhook.subscription_id != Some(row.subscription_id) {
            return Some("The webhook at Toggl is not the one this connection made.");
        }
        let filters = |filters: &[crate::toggl::EventFilter]| {
            let mut filters = filters.to_vec();
            filters.sort();
            filters
        };
        let has_filters = match &webhook.events {
            Some(events) => filters(events) == filters(&row.event_filters),
            None => true,
        };
        // An answer that came while somebody changed them may have told of fewer than were asked for.
        let has_filters = has_filters && super::subscriber::has_essential_filters(row);
        if !has_filters {
            return Some(
                "Somebody changed at Toggl what the webhook reports, so that time entries may be missing.",
            );
        }
        if (row.secret.as_ref()).is_some_and(|secret| *secret != webhook.secret) {
            return Some("The webhook at Toggl signs with another secret than this host's.");
        }
        let is_renamed = webhook.description.is_some() && webhook.description != row.description;
        let has_new_holder = webhook.description.is_some()
            && !self.callback.holder.is_empty()
            && holder(row) != Some(&self.callback.holder);
        if is_renamed || has_new_holder {
            return Some("The webhook at Toggl has another description than this host gave it.");
        }
        None
    }
}

/// How another copy of this host holds a subscription.
pub(crate) struct Hold<'a> {
    callback_url: &'a str,
    holder: Option<&'a str>,
    is_here: bool,
}

impl<'a> Hold<'a> {
    /// The hold of a copy; `None`: this host holds it, or a person has redirected it.
    pub fn of(row: &'a SubscriptionRow, ours: &Ours<'_>) -> Option<Self> {
        let url = row.url_callback.as_deref()?;
        let own = ours.callback.url.as_str();
        let is_here = url == own;
        let is_copys = if is_here {
            // The same URL with another life: a backup was restored in place, or beside a host that still runs.
            is_another_life(holder(row), &ours.callback.holder)
        } else {
            // A copy has the same hook under another URL.
            !is_beside(url, own) && has_hook_of(url, own)
        };
        is_copys.then(|| Self {
            callback_url: url,
            holder: holder(row),
            is_here,
        })
    }

    /// Whether this host has ended the very same hold lately: then somebody answers there who wants it as well.
    pub fn is_contested(&self, replaced: &Replaced, now: Timestamp) -> bool {
        let needed = if self.is_here { COMES_BACK_HERE } else { 0 };
        (self.came_back(replaced, now)).is_some_and(|(times, _)| times >= needed)
    }

    /// How often it has come back by now since this host ended it, and when it was seen.
    fn came_back(&self, replaced: &Replaced, now: Timestamp) -> Option<(u32, i64)> {
        let ended = replaced.holders.iter().find(|ended| self.is(ended))?;
        match now.seconds().saturating_sub(ended.at_seconds) {
            // A clock that was ahead is right by now.
            ..0 => Some((ended.came_back, now.seconds())),
            0..UNDER_WAY_SECONDS => Some((ended.came_back, ended.at_seconds)),
            UNDER_WAY_SECONDS..=REMEMBERED_SECONDS => {
                Some((ended.came_back.saturating_add(1), now.seconds()))
            }
            _ => None,
        }
    }

    /// What to remember of it: it is ended now, or was seen again.
    pub fn noted(&self, mut replaced: Replaced, own: &Callback, now: Timestamp) -> Replaced {
        let (came_back, at_seconds) =
            (self.came_back(&replaced, now)).unwrap_or((0, now.seconds()));
        // Where this host itself answers by now, no copy does.
        let is_own = |ended: &ReplacedHolder| {
            ended.callback_url == own.url
                && ended.holder.as_deref().unwrap_or_default() == own.holder
        };
        (replaced.holders).retain(|ended| !is_own(ended) && !self.is(ended));
        replaced.holders.push(ReplacedHolder {
            callback_url: self.callback_url.to_owned(),
            holder: self.holder.map(str::to_owned),
            at_seconds,
            came_back,
        });
        let excess = replaced.holders.len().saturating_sub(MAX_REMEMBERED);
        replaced.holders.drain(..excess);
        replaced
    }

    /// What a person has to decide.
    pub fn explain(&self) -> Error {
        // The rest of the URL is the hook, which is nobody's business.
        let url = self.callback_url;
        let end = url.match_indices('/').nth(2).map(|(end, _)| end);
        let origin = end.and_then(|end| url.get(..end)).unwrap_or(url);
        Error::Conflict(format!(
            "Another copy of this host, at {origin}, works for the same workspace and has taken the webhook back, so nothing is \
             reported here. Stop one of the two. If this one is to go on, take the webhook over; if both are, make this \
             connection a separate one."
        ))
    }

    fn is(&self, ended: &ReplacedHolder) -> bool {
        ended.callback_url == self.callback_url && ended.holder.as_deref() == self.holder
    }
}

/// Whether a subscription says that it is held by a ledger with the same id: by this host, or a copy of it.
pub(super) fn is_of_a_copy(row: &SubscriptionRow, callback: &Callback) -> bool {
    let url = row.url_callback.as_deref();
    url.is_some_and(|url| has_hook_of(url, &callback.url))
        || is_of_ledger(holder(row), &callback.holder)
}

/// The holder that a subscription's description names.
fn holder(row: &SubscriptionRow) -> Option<&str> {
    row.description.as_deref().and_then(holder_in)
}

fn holder_in(description: &str) -> Option<&str> {
    let named = description.strip_prefix(NAME)?;
    let (_, holder) = named.strip_suffix(']')?.rsplit_once('[')?;
    Some(holder)
}

/// Whether both holders are the same ledger, or copies of it.
fn is_of_ledger(theirs: Option<&str>, ours: &str) -> bool {
    let (theirs, ours) = (theirs.and_then(parts), parts(ours));
    ours.is_some_and(|ours| theirs.is_some_and(|theirs| theirs.0 == ours.0))
}

/// Whether both are the same ledger, and one of them was restored since.
fn is_another_life(theirs: Option<&str>, ours: &str) -> bool {
    is_of_ledger(theirs, ours) && theirs != Some(ours)
}

/// A holder's id and life.
fn parts(holder: &str) -> Option<(&str, &str)> {
    holder.split_once('.')
}

/// Whether two callback URLs have the same last part.
fn has_hook_of(one: &str, other: &str) -> bool {
    hook(one).is_some_and(|hook_of_one| hook(other) == Some(hook_of_one))
}

/// The last part of a callback URL.
fn hook(url: &str) -> Option<&str> {
    let (_, hook) = url.rsplit_once('/')?;
    (!hook.is_empty()).then_some(hook)
}

/// Whether two URLs differ in their last part at most.
fn is_beside(one: &str, other: &str) -> bool {
    match (one.rsplit_once('/'), other.rsplit_once('/')) {
        (Some((one, hook)), Some((other, _))) => one == other && !hook.is_empty(),
        _ => false,
    }
}
