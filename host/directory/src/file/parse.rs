//! From the file's text to users.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use thiserror::Error;

use super::super::users;
use integration_host_contract::User;
use integration_host_contract::id::UserId;
use integration_host_contract::sentence::{on_one_line, shorten};

const COLUMNS: [&str; 3] = ["id", "email", "name"];

/// What may stand between the fields of a line: a comma, and what spreadsheets write where that is the decimal
/// separator.
const SEPARATORS: [u8; 3] = *b",;\t";

/// Why a directory file cannot be used: a sentence that names the file, the place and what helps.
#[derive(Debug, Error)]
#[error("the user directory {path}{place} {}", on_one_line(problem))]
pub struct FileError {
    path: String,
    place: String,
    problem: String,
}

/// What a file holds.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) users: Vec<User>,
    pub(super) doubtful: Doubtful,
}

/// Addresses that cannot be e-mail addresses, so that nobody is matched by them. They are not told: logs keep none.
#[derive(Debug, Default)]
pub(super) struct Doubtful {
    pub(super) number: usize,
    /// Where the first is, such as `line 7`.
    pub(super) first: String,
}

/// Reads a file: JSON if it is called so, or looks like it.
pub(super) fn read(path: &Path) -> Result<Content, FileError> {
    let fail = |place: Place, problem: String| FileError {
        path: path.display().to_string(),
        place: match place {
            Place::File => String::new(),
            place => format!(", {place},"),
        },
        problem,
    };
    let bytes = std::fs::read(path)
        .map_err(|error| fail(Place::File, format!("cannot be read: {error}")))?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        fail(
            Place::Line(line as u64),
            "is not UTF-8: save the file with that encoding".to_owned(),
        )
    })?;
    let named = |extension| {
        path.extension()
            .is_some_and(|found| found.eq_ignore_ascii_case(extension))
    };
    let is_json = named("json") || (!named("csv") && text.trim_start().starts_with('['));
    let users = if is_json {
        read_json(text)
    } else {
        read_csv(text)
    };
    users
        .and_then(|users| {
            let doubtful = Doubtful::among(&users);
            let users = without_duplicates(users)?;
            Ok(Content { users, doubtful })
        })
        .map_err(|(place, problem)| fail(place, problem))
}

impl Doubtful {
    fn among(users: &[(Place, User)]) -> Self {
        let mut places = users.iter().filter_map(|(place, user)| {
            let email = user.email.as_deref()?;
            (!users::may_be_email(email)).then_some(place)
        });
        let Some(first) = places.next() else {
            return Self::default();
        };
        Self {
            first: first.to_string(),
            number: 1 + places.count(),
        }
    }
}

#[derive(Clone, Copy)]
enum Place {
    File,
    Line(u64),
    /// Counted from 1.
    Entry(u64),
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File => formatter.write_str("the file"),
            Self::Line(line) => write!(formatter, "line {line}"),
            Self::Entry(entry) => write!(formatter, "entry {entry}"),
        }
    }
}

type Problem = (Place, String);

fn read_csv(text: &str) -> Result<Vec<(Place, User)>, Problem> {
    let (separator, table, lines_before) = separator_of(text);
    if let Some(line) = unclosed_quote(table, separator) {
        let problem = "opens a quotation mark that nothing closes: put another at the end of the field, or leave it out";
        return Err((Place::Line(lines_before + line), problem.to_owned()));
    }
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .delimiter(separator)
        .from_reader(table.as_bytes());
    let at = |line: u64| Place::Line(lines_before + line);
    let not_csv = |error: csv::Error| {
        let place = error
            .position()
            .map_or(Place::File, |position| at(position.line()));
        (place, format!("is not CSV: {error}"))
    };
    let header = reader.headers().map_err(not_csv)?.clone();
    let column = |name: &str| {
        let mut found = (header.iter().enumerate())
            .filter(|(_, found)| found.eq_ignore_ascii_case(name))
            .map(|(index, _)| index);
        match (found.next(), found.next()) {
            (Some(index), None) => Ok(index),
            (Some(_), Some(_)) => Err((
                at(1),
                format!("has the column `{name}` twice: give the other one another name"),
            )),
            (None, _) => {
                let all = COLUMNS.join(",");
                Err((
                    at(1),
                    format!(
                        "has no column `{name}`: the first line must name the columns {all}, with a comma, a semicolon or a tab between them"
                    ),
                ))
            }
        }
    };
    let [id, email, name] = COLUMNS.map(column);
    let (id, email, name) = (id?, email?, name?);
    // Columns without a name at the end are none: spreadsheets write such.
    let expected = header.len()
        - header
            .iter()
            .rev()
            .take_while(|name| name.is_empty())
            .count();
    let mut users = Vec::new();
    for record in reader.records() {
        let record = record.map_err(not_csv)?;
        if record.iter().all(str::is_empty) {
            continue;
        }
        let place = record
            .position()
            .map_or(Place::File, |position| at(line_of(table, position)));
        let found = record.len();
        if record.iter().skip(expected).any(|field| !field.is_empty()) {
            return Err((
                place,
                format!(
                    "has {found} fields where the first line has {expected}: put a field that contains “{}” in quotation marks",
                    separator.escape_ascii()
                ),
            ));
        }
        let field = |column: usize| {
            let field = record.get(column).ok_or_else(|| {
                (
                    place,
                    format!(
                        "has {found} fields where the first line has {expected}: add what is missing"
                    ),
                )
            })?;
            let further_lines = field.split_once('\n').map_or("", |(_, further)| further);
            if further_lines.contains(char::from(separator)) {
                let problem = "has a field that holds the line after it: close the quotation mark that it begins with";
                return Err((place, problem.to_owned()));
            }
            Ok(field)
        };
        users.push((
            place,
            user(place, field(id)?, Some(field(email)?), field(name)?)?,
        ));
    }
    Ok(users)
}

/// What separates fields, the table, and how many lines stand before it: empty ones, and one such as `sep=;` in which
/// spreadsheets name the separator.
fn separator_of(text: &str) -> (u8, &str, u64) {
    let (table, empty) = without_empty_lines(text);
    let (first, rest) = table.split_once('\n').unwrap_or((table, ""));
    if let Some(named) = first.trim_end_matches('\r').strip_prefix("sep=")
        && let [separator] = named.as_bytes()
        && SEPARATORS.contains(separator)
    {
        let (table, more) = without_empty_lines(rest);
        return (*separator, table, empty + 1 + more);
    }
    let names_columns = |separator: &u8| {
        let names = first.split(char::from(*separator));
        let names: Vec<_> = names.map(|name| name.trim().trim_matches('"')).collect();
        let is_there = |column: &str| names.iter().any(|name| name.eq_ignore_ascii_case(column));
        COLUMNS.iter().all(|column| is_there(column))
    };
    let separator = SEPARATORS.into_iter().find(names_columns);
    (separator.unwrap_or(b','), table, empty)
}

/// The text without the empty lines it begins with, and how many they are. Rows of a spreadsheet without anything in them
/// are such, too.
fn without_empty_lines(text: &str) -> (&str, u64) {
    let is_nothing = |character: char| {
        character.is_whitespace()
            || character == '"'
            || SEPARATORS.map(char::from).contains(&character)
    };
    let (mut rest, mut lines) = (text, 0);
    while let Some((line, after)) = rest.split_once('\n')
        && line.chars().all(is_nothing)
    {
        (rest, lines) = (after, lines + 1);
    }
    (rest, lines)
}

/// The line of a table in which a quotation mark opens a field that nothing closes: all that follows would be in that field.
fn unclosed_quote(table: &str, separator: u8) -> Option<u64> {
    let (mut line, mut opened_in, mut begins_field) = (1, None, true);
    let mut bytes = table.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match (opened_in, byte) {
            // Twice, it stands for itself.
            (Some(_), b'"') if bytes.next_if_eq(&b'"').is_some() => {}
            (Some(_), b'"') => opened_in = None,
            (None, b'"') if begins_field => opened_in = Some(line),
            _ => {}
        }
        begins_field = opened_in.is_none() && [separator, b'\n', b'\r'].contains(&byte);
        line += u64::from(byte == b'\n');
    }
    opened_in
}

/// The line a record is on. The reader tells where it began to look for it: before blank lines.
fn line_of(text: &str, position: &csv::Position) -> u64 {
    let rest = usize::try_from(position.byte())
        .ok()
        .and_then(|byte| text.get(byte..))
        .unwrap_or_default();
    let blank = rest
        .chars()
        .take_while(|character| matches!(character, '\n' | '\r'));
    position.line() + blank.filter(|character| *character == '\n').count() as u64
}

#[derive(Deserialize)]
struct JsonUser {
    #[serde(deserialize_with = "text")]
    id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    email: Option<String>,
    #[serde(default, deserialize_with = "text")]
    name: Option<String>,
}

/// A text, or a number that stands for its digits, or nothing.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    match users::text(&value) {
        None if !value.is_null() => Err(serde::de::Error::custom("it must be a text or a number")),
        text => Ok(text),
    }
}

fn read_json(text: &str) -> Result<Vec<(Place, User)>, Problem> {
    let entries: Vec<JsonUser> = serde_json::from_str(text).map_err(|error| {
        let problem = format!(
            "must be a JSON array of objects with id, email and name, each a text or a number: {error}"
        );
        (Place::Line(error.line() as u64), problem)
    })?;
    let number = (1..).map(Place::Entry);
    number
        .zip(&entries)
        .map(|(place, entry)| {
            let id = entry.id.as_deref().unwrap_or_default();
            let name = entry.name.as_deref().unwrap_or_default();
            Ok((place, user(place, id, entry.email.as_deref(), name)?))
        })
        .collect()
}

fn user(place: Place, id: &str, email: Option<&str>, name: &str) -> Result<User, Problem> {
    users::user(id.trim(), email, name)
        .ok_or_else(|| (place, "has an empty id: give every user one".to_owned()))
}

fn without_duplicates(users: Vec<(Place, User)>) -> Result<Vec<User>, Problem> {
    let mut first: HashMap<&UserId, Place> = HashMap::with_capacity(users.len());
    for (place, user) in &users {
        if let Some(first) = first.insert(&user.id, *place) {
            return Err((
                *place,
                format!(
                    "repeats the id `{}` of {first}: give every user an id of its own",
                    shorten(user.id.as_str())
                ),
            ));
        }
    }
    Ok(users.into_iter().map(|(_, user)| user).collect())
}
