//! What teams might log, made of numbers: the same number always gives the same.

use integration_host_contract::Subject;

/// Clients of a team.
const CLIENTS: u32 = 20;
/// Its projects, each of one client.
const PROJECTS: u32 = 100;
/// Its tasks, each of one project.
const TASKS: u32 = 400;
const TAGS: [&str; 8] = [
    "deep work",
    "meeting",
    "support",
    "travel",
    "review",
    "planning",
    "on site",
    "invoice",
];
const WORDS: [&str; 10] = [
    "Draft",
    "Review",
    "Fix",
    "Call about",
    "Plan",
    "Test",
    "Write up",
    "Prepare",
    "Discuss",
    "Ship",
];

/// Spreads numbers, so that what follows from them is not in order. Each `salt` spreads differently.
pub(crate) fn mixed(number: u32, salt: u32) -> u32 {
    let mut mixed = number.wrapping_add(salt.wrapping_mul(0x9E37_79B9));
    mixed = (mixed ^ (mixed >> 16)).wrapping_mul(0x7FEB_352D);
    mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x846C_A68B);
    mixed ^ (mixed >> 16)
}

/// A person's name.
pub(crate) fn person(number: u32) -> String {
    format!("Person {:05}", mixed(number, 1) % 100_000)
}

/// How long an activity takes, in seconds.
pub(crate) fn length_seconds(number: u32) -> i64 {
    i64::from(300 + mixed(number, 2) % 10_000)
}

/// What an activity is spent on: one of [`subjects`], mostly.
pub(crate) fn subject_id(number: u32) -> Option<String> {
    match mixed(number, 3) % 10 {
        0 => None,
        1..=4 => Some(format!("project/{}", mixed(number, 4) % PROJECTS)),
        _ => Some(format!("task/{}", mixed(number, 4) % TASKS)),
    }
}

/// The tags of an activity: none, one or two.
pub(crate) fn tags(number: u32) -> Vec<String> {
    (0..mixed(number, 5) % 3)
        .map(|tag| one_of(&TAGS, mixed(number, 6 + tag)))
        .collect()
}

/// The description of an activity.
pub(crate) fn description(number: u32) -> String {
    format!(
        "{} number {}",
        one_of(&WORDS, mixed(number, 10)),
        mixed(number, 11) % 1_000
    )
}

/// Whether an activity is billable: every other is.
pub(crate) fn is_billable(number: u32) -> bool {
    mixed(number, 12).is_multiple_of(2)
}

/// The clients, projects and tasks of a team.
pub(crate) fn subjects() -> Vec<Subject> {
    let subject = |kind: &str, number: u32, parent: Option<String>| Subject {
        id: format!("{kind}/{number}"),
        revision: "1".to_owned(),
        name: Some(format!("{kind} {number:03}")),
        parent,
    };
    let clients = (0..CLIENTS).map(|number| subject("client", number, None));
    let projects = (0..PROJECTS).map(|number| {
        subject(
            "project",
            number,
            Some(format!("client/{}", number % CLIENTS)),
        )
    });
    let tasks = (0..TASKS).map(|number| {
        subject(
            "task",
            number,
            Some(format!("project/{}", number % PROJECTS)),
        )
    });
    clients.chain(projects).chain(tasks).collect()
}

fn one_of(choices: &[&str], number: u32) -> String {
    let index = number as usize % choices.len().max(1);
    choices.get(index).copied().unwrap_or_default().to_owned()
}
