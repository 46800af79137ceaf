//! Choosing entries: a form that works without scripts, and what was chosen.

use maud::{Markup, html};

use super::days::Range;
use super::query::{MAX_TEXT, Permalink, PersonFilter, View};
use super::rows::{brief, name_of, person};
use super::week::is_chosen;
use crate::state::AppState;
use integration_host::HostError;
use integration_host_contract::SubjectKind;
use integration_host_contract::sentence::{capitalised, one_of};
use integration_host_ledger::{
    ActivityFilter, Connection, Counted, Facets, LedgerActivity, Listed, Person, SubjectName,
    SubjectPath,
};

/// The most characters of an option: a select is as wide as its widest.
const MOST_OPTION: usize = 60;
/// The most options of a select, beside what is chosen.
const MOST_OPTIONS: usize = 200;

/// One choice of a select.
struct Choice {
    value: String,
    label: String,
    is_chosen: bool,
}

/// The choices of a select.
#[derive(Default)]
struct Choices {
    all: Vec<Choice>,
    /// Whether there are more than can be offered.
    more: bool,
}

/// What a form and its chips are made of.
pub(super) struct Filters {
    users: Choices,
    members: Choices,
    subjects: Choices,
    /// What a subject may be, such as “Client, project or task”.
    subject_label: String,
    tags: Choices,
    person_name: Option<String>,
    subject_name: Option<String>,
}

impl Filters {
    /// What can be chosen in the time of the page, and the names of what is chosen.
    pub(super) async fn read(
        state: &AppState,
        link: &Permalink,
        facets: &Facets,
    ) -> Result<Self, HostError> {
        let subject =
            |path: &SubjectPath| Some((path.connection_id.clone(), path.subject()?.id.clone()));
        let chosen_subject = facets
            .subjects
            .items
            .iter()
            .find(|counted| link.subject.is_some() && subject(&counted.value) == link.subject);
        let chosen_person = facets
            .people
            .items
            .iter()
            .find(|counted| is_chosen(link, &counted.value));
        let mut filters = Self {
            users: people(link, &facets.people, true),
            members: people(link, &facets.people, false),
            subjects: subjects(link, &facets.subjects),
            subject_label: subject_label(&state.service.manifest().subject_kinds),
            tags: tags(link, &facets.tags),
            person_name: chosen_person.map(|counted| name_of(&counted.value)),
            subject_name: chosen_subject.map(|counted| path_name(&counted.value)),
        };
        filters.find_names(state, link).await?;
        Ok(filters)
    }

    /// Names what is chosen and has no entries in the time of the page.
    async fn find_names(&mut self, state: &AppState, link: &Permalink) -> Result<(), HostError> {
        if let (Some(whose), None) = (&link.whose, &self.person_name) {
            let only = Permalink {
                whose: link.whose.clone(),
                ..Permalink::default()
            };
            let found = newest(state, &only.filter(true)).await?;
            let name = found.and_then(|activity| Some(name_of(&person(&activity)?)));
            let name = name.unwrap_or_else(|| match whose {
                PersonFilter::User(id) => brief(id.as_str()),
                PersonFilter::Member(_, id) => format!("Member {}", brief(id.as_str())),
            });
            let (value, choices) = match whose {
                PersonFilter::User(id) => (id.to_string(), &mut self.users),
                PersonFilter::Member(connection, id) => {
                    (format!("{connection}:{id}"), &mut self.members)
                }
            };
            choices.all.insert(
                0,
                Choice {
                    value,
                    label: name.clone(),
                    is_chosen: true,
                },
            );
            self.person_name = Some(name);
        }
        if let (Some((connection, id)), None) = (&link.subject, &self.subject_name) {
            let only = Permalink {
                subject: link.subject.clone(),
                unmapped: true,
                ..Permalink::default()
            };
            let found = newest(state, &only.filter(true)).await?;
            let path = found.map(|activity| {
                let end = activity.subjects.iter().position(|part| part.id == *id);
                let path = activity
                    .subjects
                    .into_iter()
                    .take(end.map_or(0, |end| end + 1))
                    .collect();
                SubjectPath {
                    connection_id: connection.clone(),
                    path,
                }
            });
            let name = path
                .filter(|path| !path.path.is_empty())
                .map(|path| path_name(&path));
            let name = name.unwrap_or_else(|| brief(id.as_str()));
            let value = format!("{connection}:{id}");
            self.subjects.all.insert(
                0,
                Choice {
                    value,
                    label: name.clone(),
                    is_chosen: true,
                },
            );
            self.subject_name = Some(name);
        }
        if let (Some(tag), false) = (
            &link.tag,
            self.tags.all.iter().any(|choice| choice.is_chosen),
        ) {
            self.tags.all.insert(
                0,
                Choice {
                    value: tag.clone(),
                    label: brief(tag),
                    is_chosen: true,
                },
            );
        }
        Ok(())
    }

    /// The form.
    pub(super) fn form(
        &self,
        link: &Permalink,
        range: &Range,
        connections: &[Connection],
        lists_deleted: bool,
    ) -> Markup {
        let date = link.date.or(range
            .days
            .first()
            .copied()
            .filter(|_| link.view == View::Day));
        let connection = |connection: &Connection| Choice {
            value: connection.id.to_string(),
            label: brief(&connection.name),
            is_chosen: link.connection.as_ref() == Some(&connection.id),
        };
        let connections = Choices {
            all: connections.iter().map(connection).collect(),
            more: false,
        };
        let billable = ["yes", "no"].map(|value| Choice {
            value: value.to_owned(),
            label: if value == "yes" {
                "Billable"
            } else {
                "Not billable"
            }
            .to_owned(),
            is_chosen: link.billable == Some(value == "yes"),
        });
        let billable = Choices {
            all: billable.into(),
            more: false,
        };
        html! {
            details class="card filters" {
                summary { "Filter and go to a day" }
                form method="get" action="timeline" data-filters {
                    @if link.view != View::default() { input type="hidden" name="view" value=(link.view.code()); }
                    div class="filter-fields" {
                        div class="field" {
                            label for="filter-date" { "Day" }
                            input id="filter-date" type="date" name="date" min="1970-01-02" max="2999-12-31"
                                value=[date.map(|date| date.to_string())];
                        }
                        @if connections.all.len() > 1 || link.connection.is_some() {
                            (select("connection", "Connection", "All connections", &connections, ""))
                        }
                        (select("person", "Person", "Everybody", &self.users, OTHER_PEOPLE))
                        @if !self.members.all.is_empty() {
                            (select("member", "Member without a user", "All members", &self.members, OTHER_PEOPLE))
                        }
                        (select("subject", &self.subject_label, "Everything", &self.subjects, OTHER_SUBJECTS))
                        (select("tag", "Tag", "All tags", &self.tags, OTHER_TAGS))
                        (select("billable", "Billable", "Either", &billable, ""))
                        div class="field" {
                            label for="filter-text" { "Text" }
                            input id="filter-text" type="search" name="text" maxlength=(MAX_TEXT)
                                value=[link.text.as_deref()] placeholder="In names and descriptions";
                        }
                    }
                    div class="filter-end" {
                        (checkbox("unmapped", "People without a user too", link.unmapped))
                        @if !lists_deleted { (checkbox("deleted", "Deleted entries too", link.deleted)) }
                        button { "Show" }
                    }
                }
            }
        }
    }

    /// What is chosen, each with a link that lets go of it.
    pub(super) fn chips(&self, link: &Permalink, connections: &[Connection]) -> Markup {
        let mut chips: Vec<(String, Permalink)> = Vec::new();
        let without = |change: fn(&mut Permalink)| {
            let mut other = link.at(link.date);
            change(&mut other);
            other
        };
        if let Some(id) = &link.connection {
            let name = connections.iter().find(|connection| connection.id == *id);
            let name =
                name.map_or_else(|| brief(id.as_str()), |connection| brief(&connection.name));
            chips.push((
                format!("Connection: {name}"),
                without(|link| link.connection = None),
            ));
        }
        if let Some(name) = &self.person_name {
            chips.push((format!("Person: {name}"), without(|link| link.whose = None)));
        }
        if let Some(name) = &self.subject_name {
            chips.push((name.clone(), without(|link| link.subject = None)));
        }
        if let Some(tag) = &link.tag {
            chips.push((
                format!("Tag: {}", brief(tag)),
                without(|link| link.tag = None),
            ));
        }
        if let Some(billable) = link.billable {
            let name = if billable { "Billable" } else { "Not billable" };
            chips.push((name.to_owned(), without(|link| link.billable = None)));
        }
        if let Some(text) = &link.text {
            chips.push((
                format!("Text: {}", brief(text)),
                without(|link| link.text = None),
            ));
        }
        if link.unmapped {
            chips.push((
                "With people without a user".to_owned(),
                without(|link| link.unmapped = false),
            ));
        }
        if link.deleted {
            chips.push((
                "With deleted entries".to_owned(),
                without(|link| link.deleted = false),
            ));
        }
        html! {
            @if !chips.is_empty() {
                ul class="chips" aria-label="Filters" {
                    @for (text, without) in &chips {
                        li {
                            a class="chip" href=(without.page()) {
                                span class="unseen" { "Remove the filter " }
                                (text) span aria-hidden="true" { "×" }
                            }
                        }
                    }
                    @if chips.len() > 1 {
                        li { a class="chip chip-all" href=(link.clone().without_filters().page()) { "Clear all" } }
                    }
                }
            }
        }
    }
}

/// What the kinds of subject are called, as one of them.
fn subject_label(kinds: &[SubjectKind]) -> String {
    let nouns: Vec<_> = kinds
        .iter()
        .map(|kind| kind.noun.singular.as_str())
        .collect();
    match nouns.is_empty() {
        true => "What time was spent on".to_owned(),
        false => capitalised(&one_of(&nouns)),
    }
}

/// The newest activity of a filter.
pub(super) async fn newest(
    state: &AppState,
    filter: &ActivityFilter,
) -> Result<Option<LedgerActivity>, HostError> {
    let page = state.service.activities(filter, None, 1).await?;
    Ok(page.items.into_iter().next())
}

/// Where people are found who are not among the choices.
const OTHER_PEOPLE: &str =
    "Everybody else is on the Users page of a connection, where names lead to their time.";
const OTHER_SUBJECTS: &str =
    "For others choose a connection, or write a part of the name under Text.";
const OTHER_TAGS: &str = "For others choose a connection, or look at a single day.";

fn people(link: &Permalink, listed: &Listed<Counted<Person>>, mapped: bool) -> Choices {
    let mut choices: Vec<(Choice, u64)> = Vec::new();
    let wanted = listed
        .items
        .iter()
        .filter(|counted| counted.value.user.is_some() == mapped);
    for Counted {
        value: person,
        entries,
    } in wanted
    {
        let value = match PersonFilter::of(person) {
            PersonFilter::User(id) => id.to_string(),
            PersonFilter::Member(connection, id) => format!("{connection}:{id}"),
        };
        // Somebody may be a member of several teams.
        match choices.iter_mut().find(|(choice, _)| choice.value == value) {
            Some((_, sum)) => *sum += entries,
            None => {
                let is_chosen = is_chosen(link, person);
                choices.push((
                    Choice {
                        value,
                        label: name_of(person),
                        is_chosen,
                    },
                    *entries,
                ));
            }
        }
    }
    counted(choices, listed.more)
}

fn subjects(link: &Permalink, listed: &Listed<Counted<SubjectPath>>) -> Choices {
    let choice = |Counted {
                      value: path,
                      entries,
                  }: &Counted<SubjectPath>| {
        let id = &path.subject()?.id;
        let connection = &path.connection_id;
        let is_chosen = (link.subject.as_ref()).is_some_and(|(wanted_connection, wanted)| {
            (wanted_connection, wanted) == (connection, id)
        });
        let choice = Choice {
            value: format!("{connection}:{id}"),
            label: path_name(path),
            is_chosen,
        };
        Some((choice, *entries))
    };
    counted(
        listed.items.iter().filter_map(choice).collect(),
        listed.more,
    )
}

fn tags(link: &Permalink, listed: &Listed<Counted<String>>) -> Choices {
    let choice = |Counted {
                      value: tag,
                      entries,
                  }: &Counted<String>| {
        let is_chosen = link.tag.as_ref() == Some(tag);
        (
            Choice {
                value: tag.clone(),
                label: brief(tag),
                is_chosen,
            },
            *entries,
        )
    };
    counted(listed.items.iter().map(choice).collect(), listed.more)
}

/// By name, with how many entries each has: of many those with the most, and what is chosen, which the form would
/// otherwise let go of. `more`: there are others, with less.
fn counted(mut choices: Vec<(Choice, u64)>, more: bool) -> Choices {
    let more = more || choices.len() > MOST_OPTIONS;
    choices.sort_by_key(|(_, entries)| std::cmp::Reverse(*entries));
    let mut place = 0;
    choices.retain(|(choice, _)| {
        place += 1;
        place <= MOST_OPTIONS || choice.is_chosen
    });
    choices.sort_by_cached_key(|(choice, _)| choice.label.to_lowercase());
    let label = |(choice, entries): (Choice, u64)| Choice {
        label: format!("{} ({entries})", short(&choice.label)),
        ..choice
    };
    Choices {
        all: choices.into_iter().map(label).collect(),
        more,
    }
}

fn short(label: &str) -> String {
    if label.chars().count() <= MOST_OPTION {
        return label.to_owned();
    }
    // The end tells more than the beginning: the beginning is what many are below.
    let end: Vec<char> = label.chars().rev().take(MOST_OPTION - 1).collect();
    ['…'].into_iter().chain(end.into_iter().rev()).collect()
}

fn path_name(path: &SubjectPath) -> String {
    let name = |part: &SubjectName| {
        part.name
            .as_deref()
            .map_or_else(|| part.id.to_string(), brief)
    };
    path.path.iter().map(name).collect::<Vec<_>>().join(" › ")
}

/// A select. `others` says how to come to what is not among the choices, if they are not all.
fn select(name: &str, label: &str, all: &str, choices: &Choices, others: &str) -> Markup {
    let id = format!("filter-{name}");
    let help = format!("{id}-help");
    html! {
        div class="field" {
            label for=(id) { (label) }
            select id=(id) name=(name) aria-describedby=[choices.more.then_some(&help)] {
                option value="" { (all) }
                @for choice in &choices.all {
                    option value=(choice.value) selected[choice.is_chosen] { (choice.label) }
                }
            }
            @if choices.more {
                p class="field-help" id=(help) { "These are the " (MOST_OPTIONS) " with the most entries. " (others) }
            }
        }
    }
}

fn checkbox(name: &str, label: &str, is_on: bool) -> Markup {
    html! {
        label class="check" {
            input type="checkbox" name=(name) value="show" checked[is_on];
            (label)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_choices_those_with_the_most_entries_and_the_chosen_one_are_offered() {
        let choice = |number: u64, is_chosen| {
            let value = format!("p{number:03}");
            let label = value.clone();
            (
                Choice {
                    value,
                    label,
                    is_chosen,
                },
                number,
            )
        };
        let all = (0..500).map(|number| choice(number, number == 7)).collect();
        let offered = counted(all, false);
        assert!(offered.more, "nothing says that some are left out");
        assert_eq!(offered.all.len(), MOST_OPTIONS + 1);
        let chosen = offered.all.iter().find(|choice| choice.is_chosen);
        let chosen = chosen.map(|choice| choice.label.as_str());
        assert_eq!(
            chosen,
            Some("p007 (7)"),
            "Show would let go of the chosen person"
        );
        assert!(offered.all.iter().any(|choice| choice.value == "p499"));
        let few = counted(vec![choice(1, false)], false);
        assert!(!few.more && few.all.len() == 1);
    }
}
