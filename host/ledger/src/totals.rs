//! The sums of a summary, and who and what they are about.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use super::stored;
use super::{
    Counted, Facets, LedgerError, Listed, MAX_LISTED, Person, PersonTime, SubjectName, SubjectPath,
    SubjectTime, Summary,
};
use integration_host_contract::id::ConnectionId;

type Result<T> = std::result::Result<T, LedgerError>;

/// Sums in milliseconds, by the numbers of people, subjects and tags.
pub struct Totals {
    boundaries: Vec<i64>,
    people: Vec<PersonTotal>,
    person_numbers: Numbering,
    subjects: Vec<SubjectTotal>,
    subject_numbers: Numbering,
    tags: HashMap<String, u64>,
    /// How often each list of tags was seen, as it is stored: there are few.
    tag_lists: HashMap<String, (Vec<String>, u64)>,
    time: Vec<i64>,
    entries: u64,
    running: u64,
    without_subject: i64,
}

struct PersonTotal {
    connection: i64,
    remote_user: String,
    /// When the newest activity began, and whose it is: a mapping may have left earlier ones with somebody else. Then the
    /// order does not matter in which activities are passed.
    newest: (i64, Option<i64>),
    /// Whatever else the filter says.
    seen: u64,
    time: Vec<i64>,
    entries: u64,
}

#[derive(Default)]
struct SubjectTotal {
    connection: i64,
    id: String,
    seen: u64,
    time: i64,
    entries: u64,
}

impl Totals {
    pub(super) fn new(boundaries: &[i64]) -> Self {
        Self {
            boundaries: boundaries.to_vec(),
            people: Vec::new(),
            person_numbers: Numbering::default(),
            subjects: Vec::new(),
            subject_numbers: Numbering::default(),
            tags: HashMap::new(),
            tag_lists: HashMap::new(),
            time: vec![0; boundaries.len().saturating_sub(1)],
            entries: 0,
            running: 0,
            without_subject: 0,
        }
    }

    /// Has seen an activity of a person, and returns the person's number.
    pub(super) fn person(
        &mut self,
        connection: i64,
        remote_user: &str,
        start: i64,
        user: Option<i64>,
    ) -> usize {
        let next = self.people.len();
        let number = self.person_numbers.number(connection, remote_user, next);
        if number == next {
            self.people.push(PersonTotal {
                connection,
                remote_user: remote_user.to_owned(),
                newest: (start, user),
                seen: 0,
                time: vec![0; self.time.len()],
                entries: 0,
            });
        }
        if let Some(person) = self.people.get_mut(number) {
            person.seen += 1;
            person.newest = person.newest.max((start, user));
        }
        number
    }

    /// Has seen an activity that is about a subject, and returns the subject's number.
    pub(super) fn subject(&mut self, connection: i64, id: &str) -> usize {
        let next = self.subjects.len();
        let number = self.subject_numbers.number(connection, id, next);
        if number == next {
            self.subjects.push(SubjectTotal {
                connection,
                id: id.to_owned(),
                ..SubjectTotal::default()
            });
        }
        if let Some(subject) = self.subjects.get_mut(number) {
            subject.seen += 1;
        }
        number
    }

    /// Has seen an activity with these tags.
    pub(super) fn count_tags(&mut self, stored: Option<&str>) -> Result<()> {
        let Some(stored) = stored else {
            return Ok(());
        };
        if let Some((_, seen)) = self.tag_lists.get_mut(stored) {
            *seen += 1;
            return Ok(());
        }
        let mut tags = stored::texts(Some(stored)).map_err(stored::damaged)?;
        tags.sort_unstable();
        tags.dedup();
        self.tag_lists.insert(stored.to_owned(), (tags, 1));
        Ok(())
    }

    /// Everybody who was seen, by connection and remote user.
    pub fn people(&self) -> impl Iterator<Item = (i64, &str)> {
        (self.people.iter()).map(|person| (person.connection, person.remote_user.as_str()))
    }

    /// The numbers of users who were seen.
    pub fn users(&self) -> impl Iterator<Item = i64> {
        self.people.iter().filter_map(|person| person.newest.1)
    }

    /// Adds an activity, split at the boundaries.
    pub(super) fn add(
        &mut self,
        person: usize,
        subject: Option<usize>,
        start: i64,
        end: i64,
        runs: bool,
    ) {
        self.entries += 1;
        self.running += u64::from(runs);
        let mut person = self.people.get_mut(person);
        let mut whole = 0;
        for (interval, bounds) in self.boundaries.windows(2).enumerate() {
            let &[from, to] = bounds else { continue };
            let time = (end.min(to) - start.max(from)).max(0);
            whole += time;
            let of_person = person
                .as_mut()
                .and_then(|person| person.time.get_mut(interval));
            for sum in self.time.get_mut(interval).into_iter().chain(of_person) {
                *sum += time;
            }
        }
        if let Some(person) = person {
            person.entries += 1;
        }
        match subject.and_then(|subject| self.subjects.get_mut(subject)) {
            Some(subject) => {
                subject.entries += 1;
                subject.time += whole;
            }
            None => self.without_subject += whole,
        }
    }
}

/// Looks up what people call things that the tables know by number.
pub trait Names {
    /// A connection.
    fn connection(&mut self, number: i64) -> Result<ConnectionId>;

    /// A member of a connection's team, and the user with a number.
    fn person(&mut self, connection: i64, remote_user: &str, user: Option<i64>) -> Result<Person>;

    /// A subject after what is above it, outermost first.
    fn path(&mut self, connection: i64, subject: &str) -> Result<Vec<SubjectName>>;
}

/// Numbers things by connection and id, in the order they come.
#[derive(Default)]
struct Numbering(HashMap<i64, HashMap<String, usize>>);

impl Numbering {
    /// The number of a thing, which is `next` if it is new.
    fn number(&mut self, connection: i64, id: &str, next: usize) -> usize {
        let numbers = self.0.entry(connection).or_default();
        if let Some(number) = numbers.get(id) {
            return *number;
        }
        numbers.insert(id.to_owned(), next);
        next
    }
}

/// The summary, with names.
pub fn described(mut totals: Totals, names: &mut impl Names) -> Result<Summary> {
    for (tags, seen) in std::mem::take(&mut totals.tag_lists).into_values() {
        for tag in tags {
            *totals.tags.entry(tag).or_default() += seen;
        }
    }
    let (subjects, subject_facet) = subjects(names, &totals.subjects)?;
    let with_time = totals.people.iter().filter(|person| person.entries > 0);
    let people = first(with_time, |person| {
        let time: i64 = person.time.iter().sum();
        (Reverse(time), Reverse(person.entries))
    });
    let seen = first(&totals.people, |person| Reverse(person.seen));
    let tags = first(&totals.tags, |(tag, seen)| {
        (Reverse(**seen), (*tag).clone())
    });
    Ok(Summary {
        time: durations(&totals.time),
        entries: totals.entries,
        running: totals.running,
        people: people.described(|person| {
            Ok(PersonTime {
                person: names.person(person.connection, &person.remote_user, person.newest.1)?,
                time: durations(&person.time),
                entries: person.entries,
            })
        })?,
        subjects,
        without_subject: duration(totals.without_subject),
        facets: Facets {
            people: seen.described(|person| {
                Ok(Counted {
                    value: names.person(person.connection, &person.remote_user, person.newest.1)?,
                    entries: person.seen,
                })
            })?,
            subjects: subject_facet,
            tags: tags.described(|(tag, seen)| {
                Ok(Counted {
                    value: tag.clone(),
                    entries: *seen,
                })
            })?,
        },
        complete: true,
    })
}

/// Subjects with what is spent below them, and how often each was seen.
fn subjects(
    names: &mut impl Names,
    own: &[SubjectTotal],
) -> Result<(Listed<SubjectTime>, Listed<Counted<SubjectPath>>)> {
    let mut numbers = Numbering::default();
    let mut all: Vec<(SubjectTotal, i64)> = Vec::new();
    for subject in own {
        let path = names.path(subject.connection, &subject.id)?;
        for part in &path {
            let id = part.id.as_str();
            let next = all.len();
            let number = numbers.number(subject.connection, id, next);
            if number == next {
                let total = SubjectTotal {
                    connection: subject.connection,
                    id: id.to_owned(),
                    ..SubjectTotal::default()
                };
                all.push((total, 0));
            }
            if let Some((total, own_time)) = all.get_mut(number) {
                total.seen += subject.seen;
                total.entries += subject.entries;
                total.time += subject.time;
                if id == subject.id {
                    *own_time += subject.time;
                }
            }
        }
    }
    let mut path = |total: &SubjectTotal| -> Result<SubjectPath> {
        Ok(SubjectPath {
            connection_id: names.connection(total.connection)?,
            path: names.path(total.connection, &total.id)?,
        })
    };
    let with_time = all.iter().filter(|(total, _)| total.entries > 0);
    let times = first(with_time, |(total, _)| {
        (Reverse(total.time), Reverse(total.entries))
    })
    .described(|(total, own_time)| {
        Ok(SubjectTime {
            subject: path(total)?,
            time: duration(total.time),
            own_time: duration(*own_time),
            entries: total.entries,
        })
    })?;
    let seen = first(&all, |(total, _)| Reverse(total.seen)).described(|(total, _)| {
        Ok(Counted {
            value: path(total)?,
            entries: total.seen,
        })
    })?;
    Ok((times, seen))
}

/// The first by a key, of many.
fn first<T, K: Ord>(items: impl IntoIterator<Item = T>, key: impl FnMut(&T) -> K) -> Listed<T> {
    let mut items: Vec<T> = items.into_iter().collect();
    items.sort_by_cached_key(key);
    let more = items.len() > MAX_LISTED;
    items.truncate(MAX_LISTED);
    Listed { items, more }
}

impl<T> Listed<T> {
    fn described<U>(self, describe: impl FnMut(T) -> Result<U>) -> Result<Listed<U>> {
        Ok(Listed {
            items: self
                .items
                .into_iter()
                .map(describe)
                .collect::<Result<_>>()?,
            more: self.more,
        })
    }
}

fn durations(milliseconds: &[i64]) -> Vec<Duration> {
    milliseconds.iter().copied().map(duration).collect()
}

fn duration(milliseconds: i64) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default())
}
