//! Activities and filters at random, and which have which: a model that looks at everything.

use anyhow::Result;
use integration_host_contract::id::{ConnectionId, RemoteUserId, SubjectId, UserId};
use integration_host_contract::{TimeLog, UserMatch};
use integration_host_ledger::ActivityFilter;
use integration_host_ledger::ImportLimits;
use proptest::prelude::*;

use super::fixture::{Book, apply, connect, deletion, log, member, subject, time, user};

/// Subjects by id, with name and parent. The last one's name is not known.
const SUBJECTS: [(&str, &str, Option<&str>); 6] = [
    ("client/1", "Bluebird Bikes", None),
    ("project/1", "Web shop", Some("client/1")),
    ("project/2", "Löwe", Some("client/1")),
    ("task/1", "Design", Some("project/1")),
    ("project/3", "Internal", None),
    ("task/9", "", Some("project/3")),
];
const DESCRIPTIONS: [&str; 6] = ["", "Sketches", "design review", "LÖWE", "  ", "100% _done_"];
pub(super) const TAGS: [&str; 3] = ["deep", "a \"deep\" one", "x\"deep"];
pub(super) const MAPPED: [&str; 2] = ["u0", "u1"];

/// What is looked for in descriptions and names. No character has a meaning.
pub(super) const TEXTS: [&str; 7] = ["löwe", "DESIGN", "bike", "?", "0%", "_", "n_"];

/// An activity that there is.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) connection: usize,
    pub(super) remote_user: String,
    pub(super) subject: Option<&'static str>,
    pub(super) description: &'static str,
    pub(super) start: i64,
    pub(super) length: Option<i64>,
    pub(super) billable: bool,
    pub(super) tags: Vec<&'static str>,
    pub(super) deleted: bool,
}

impl Entry {
    fn is_mapped(&self) -> bool {
        MAPPED.contains(&self.remote_user.as_str())
    }

    pub(super) fn stop(&self) -> Option<i64> {
        self.length.map(|length| self.start + length)
    }

    /// Its subject and those above, outermost first.
    pub(super) fn path(&self) -> Vec<&'static str> {
        let mut path = Vec::new();
        let mut next = self.subject;
        while let Some(id) = next {
            path.push(id);
            next = SUBJECTS
                .iter()
                .find(|subject| subject.0 == id)
                .and_then(|subject| subject.2);
        }
        path.reverse();
        path
    }

    fn has_text(&self, text: &str) -> bool {
        let names = self
            .path()
            .into_iter()
            .map(|id| name(id).unwrap_or_default());
        let mut texts = names.chain([self.description]);
        texts.any(|found| found.to_lowercase().contains(&text.to_lowercase()))
    }
}

/// The name of a subject, if it is known.
pub(super) fn name(id: &str) -> Option<&'static str> {
    let subject = SUBJECTS.iter().find(|subject| subject.0 == id);
    subject
        .map(|subject| subject.1)
        .filter(|name| !name.is_empty())
}

/// A filter, in the model's terms.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) connection: Option<usize>,
    pub(super) user: Option<String>,
    pub(super) remote_user: Option<String>,
    pub(super) from: Option<i64>,
    pub(super) to: Option<i64>,
    pub(super) subject: Option<&'static str>,
    pub(super) tag: Option<&'static str>,
    pub(super) billable: Option<bool>,
    pub(super) text: Option<&'static str>,
    pub(super) unmapped: bool,
    pub(super) only_unmapped: bool,
    pub(super) deleted: bool,
}

impl Question {
    /// For everything with a text.
    pub(super) fn for_text(text: &'static str) -> Self {
        Self {
            connection: None,
            user: None,
            remote_user: None,
            from: None,
            to: None,
            subject: None,
            tag: None,
            billable: None,
            text: Some(text),
            unmapped: true,
            only_unmapped: false,
            deleted: true,
        }
    }

    /// Whether what a facet counts has it.
    pub(super) fn is_in_range(&self, entry: &Entry) -> bool {
        self.connection
            .is_none_or(|wanted| entry.connection == wanted)
            && (self.unmapped || self.only_unmapped || entry.is_mapped())
            && (!self.only_unmapped || !entry.is_mapped())
            && (self.deleted || !entry.deleted)
            && self
                .from
                .is_none_or(|from| entry.start.max(entry.stop().unwrap_or(i64::MAX)) > from)
            && self.to.is_none_or(|to| entry.start < to)
    }

    pub(super) fn has(&self, entry: &Entry) -> bool {
        let is = |wanted: &Option<String>| {
            wanted
                .as_ref()
                .is_none_or(|wanted| entry.remote_user == *wanted)
        };
        self.is_in_range(entry)
            && is(&self.user)
            && (self.user.is_none() || entry.is_mapped())
            && is(&self.remote_user)
            && self
                .subject
                .is_none_or(|wanted| entry.path().contains(&wanted))
            && self.tag.is_none_or(|wanted| entry.tags.contains(&wanted))
            && self.billable.is_none_or(|wanted| entry.billable == wanted)
            && self.text.is_none_or(|wanted| entry.has_text(wanted))
    }

    pub(super) fn filter(&self, connections: &[ConnectionId]) -> ActivityFilter {
        ActivityFilter {
            connection: self
                .connection
                .and_then(|index| connections.get(index).cloned()),
            user: self.user.clone().map(UserId::new),
            remote_user: self.remote_user.clone().map(RemoteUserId::new),
            from: self.from.map(time),
            to: self.to.map(time),
            subject: self.subject.map(SubjectId::new),
            tag: self.tag.map(str::to_owned),
            billable: self.billable,
            text: self.text.map(str::to_owned),
            include_unmapped: self.unmapped,
            only_unmapped: self.only_unmapped,
            include_deleted: self.deleted,
        }
    }
}

pub(super) fn entries(count: usize) -> impl Strategy<Value = Vec<Entry>> {
    let subjects: Vec<_> = SUBJECTS.iter().map(|subject| Some(subject.0)).collect();
    let lengths = [
        Some(0),
        Some(1),
        Some(59),
        Some(60),
        Some(61),
        Some(1440),
        Some(1500),
        Some(60_000),
        None,
    ];
    let entry = (
        (0..2_usize, 0..4_u8),
        prop::sample::select([subjects, vec![None]].concat()),
        prop::sample::select(&DESCRIPTIONS[..]),
        -3000..3000_i64,
        prop::sample::select(lengths.to_vec()),
        prop::sample::subsequence(TAGS.to_vec(), 0..=3),
        (any::<bool>(), prop::bool::weighted(0.2)),
    );
    let entry = entry.prop_map(
        |((connection, user), subject, description, start, length, tags, (billable, deleted))| {
            Entry {
                connection,
                remote_user: format!("u{user}"),
                subject,
                description,
                start,
                length,
                billable,
                tags,
                deleted,
            }
        },
    );
    prop::collection::vec(entry, count)
}

pub(super) fn question() -> impl Strategy<Value = Question> {
    let some = |range: std::ops::Range<i64>| prop::option::weighted(0.5, range);
    let users = ["u0", "u1", "u2", "nobody"];
    let user = || prop::option::weighted(0.2, prop::sample::select(users.to_vec()));
    let subjects: Vec<_> = SUBJECTS.iter().map(|subject| subject.0).collect();
    let question = (
        prop::option::of(0..2_usize),
        (user(), user()),
        (some(-3500..3500), some(-3500..3500)),
        prop::option::weighted(0.3, prop::sample::select(subjects)),
        prop::option::weighted(0.3, prop::sample::select(&TAGS[..])),
        prop::option::weighted(0.3, any::<bool>()),
        prop::option::weighted(0.3, prop::sample::select(&TEXTS[..])),
        (any::<(bool, bool)>(), prop::bool::weighted(0.2)),
    );
    question.prop_map(
        |(
            connection,
            (user, remote),
            (from, to),
            subject,
            tag,
            billable,
            text,
            ((unmapped, deleted), only_unmapped),
        )| {
            // What needs a connection has one.
            let of_connection = connection.is_some();
            Question {
                connection,
                user: user.map(str::to_owned),
                remote_user: remote.filter(|_| of_connection).map(str::to_owned),
                from,
                to,
                subject: subject.filter(|_| of_connection),
                tag,
                billable,
                text,
                unmapped,
                only_unmapped,
                deleted,
            }
        },
    )
}

/// Puts entries into a ledger. An entry's id is its number here.
pub(super) async fn fill(ledger: &Book, entries: &[Entry]) -> Result<Vec<ConnectionId>> {
    let connections = vec![connect(ledger, "1").await?, connect(ledger, "2").await?];
    for (index, id) in connections.iter().enumerate() {
        let subjects = SUBJECTS.map(|(id, _, parent)| subject(id, "1", name(id), parent));
        let mut activities = Vec::new();
        for (number, entry) in entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.connection == index)
        {
            let content = TimeLog {
                description: entry.description.to_owned(),
                billable: entry.billable,
                tags: entry.tags.iter().map(|tag| (*tag).to_owned()).collect(),
                ..log(&entry.remote_user, entry.subject, entry.start, entry.stop())
            };
            activities.push(super::fixture::entry(&number.to_string(), "1", content));
            if entry.deleted {
                activities.push(deletion(&number.to_string(), "2"));
            }
        }
        apply(ledger, id, activities, subjects.to_vec()).await?;
        let team = MAPPED.map(|mapped| member(mapped, UserMatch::Matched(user(mapped))));
        ledger
            .import_members(id, &team, &ImportLimits::default())
            .await?;
    }
    Ok(connections)
}
