//! From the file's text to users.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use thiserror::Error;

use super::super::users;
use crate::contract::User;
use crate::id::UserId;
use crate::sentence::{on_one_line, shorten};

const COLUMNS: [&str; 3] = ["id", "email", "name"];

/// Why a directory file cannot be used: a sentence that names the file, the place and what helps.
#[derive(Debug, Error)]
#[error("the user directory {path}{place} {}", on_one_line(problem))]
pub struct FileError {
    path: String,
    place: String,
    problem: String,
}

/// Reads a file: JSON if it is called so, or looks like it.
pub(super) fn read(path: &Path) -> Result<Vec<User>, FileError> {
    let fail = |place: Place, problem: String| FileError {
        path: path.display().to_string(),
        place: match place {
            Place::File => String::new(),
            Place::Line(line) => format!(", line {line},"),
            Place::Entry(entry) => format!(", entry {entry},"),
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
        .and_then(without_duplicates)
        .map_err(|(place, problem)| fail(place, problem))
}

#[derive(Clone, Copy)]
enum Place {
    File,
    Line(u64),
    /// Counted from 1.
    Entry(u64),
}

type Problem = (Place, String);

fn read_csv(text: &str) -> Result<Vec<(Place, User)>, Problem> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let header = reader.headers().map_err(csv_problem)?.clone();
    let column = |name: &str| {
        header
            .iter()
            .position(|found| found.eq_ignore_ascii_case(name))
            .ok_or_else(|| {
                let all = COLUMNS.join(",");
                (
                    Place::Line(1),
                    format!("has no column `{name}`: the first line must name the columns {all}"),
                )
            })
    };
    let [id, email, name] = COLUMNS.map(column);
    let (id, email, name) = (id?, email?, name?);
    let mut users = Vec::new();
    for record in reader.records() {
        let record = record.map_err(csv_problem)?;
        let place = Place::Line(
            record
                .position()
                .map_or(0, |position| line_of(text, position)),
        );
        let field = |column: usize| {
            record.get(column).ok_or_else(|| {
                let (found, expected) = (record.len(), header.len());
                (place, format!("has {found} fields where the first line has {expected}: add what is missing"))
            })
        };
        users.push((
            place,
            user(place, field(id)?, Some(field(email)?), field(name)?)?,
        ));
    }
    Ok(users)
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

fn csv_problem(error: csv::Error) -> Problem {
    let place = error
        .position()
        .map_or(Place::File, |position| Place::Line(position.line()));
    (place, format!("is not CSV: {error}"))
}

#[derive(Deserialize)]
struct JsonUser {
    id: String,
    #[serde(default)]
    email: Option<String>,
    name: String,
}

fn read_json(text: &str) -> Result<Vec<(Place, User)>, Problem> {
    let entries: Vec<JsonUser> = serde_json::from_str(text).map_err(|error| {
        let problem =
            format!("must be a JSON array of objects with the texts id, email and name: {error}");
        (Place::Line(error.line() as u64), problem)
    })?;
    let number = (1..).map(Place::Entry);
    number
        .zip(&entries)
        .map(|(place, entry)| {
            Ok((
                place,
                user(place, &entry.id, entry.email.as_deref(), &entry.name)?,
            ))
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
            let first = match first {
                Place::File => String::new(),
                Place::Line(line) => format!(" of line {line}"),
                Place::Entry(entry) => format!(" of entry {entry}"),
            };
            return Err((
                *place,
                format!(
                    "repeats the id `{}`{first}: give every user an id of its own",
                    shorten(user.id.as_str())
                ),
            ));
        }
    }
    Ok(users.into_iter().map(|(_, user)| user).collect())
}
